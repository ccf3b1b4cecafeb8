package chain

import (
	"slices"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

var identityPoint = append([]byte{1}, make([]byte, 31)...)

func want(t *testing.T, name string, err error, reason Reason) {
	t.Helper()
	if ReasonOf(err) != reason {
		t.Errorf("%s: %v, want %q", name, err, reason)
	}
}

func TestOrgGenesis(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	for name, x := range map[string]struct {
		edit func(*envelope.OrgGenesisBody)
		want Reason
	}{
		"as it is":       {func(b *envelope.OrgGenesisBody) {}, ""},
		"suite":          {func(b *envelope.OrgGenesisBody) { b.Suite = "none" }, SuiteBad},
		"capture":        {func(b *envelope.OrgGenesisBody) { b.Capture = "maybe" }, Malformed},
		"threshold 0":    {func(b *envelope.OrgGenesisBody) { b.Threshold = 0 }, Malformed},
		"threshold 4":    {func(b *envelope.OrgGenesisBody) { b.Threshold = 4 }, Malformed},
		"nonce":          {func(b *envelope.OrgGenesisBody) { b.Nonce = b.Nonce[1:] }, Malformed},
		"no name":        {func(b *envelope.OrgGenesisBody) { b.Name = "" }, Malformed},
		"long name":      {func(b *envelope.OrgGenesisBody) { b.Name = string(make([]byte, 201)) }, Malformed},
		"unsorted roots": {func(b *envelope.OrgGenesisBody) { b.Roots[0], b.Roots[1] = b.Roots[1], b.Roots[0] }, Malformed},
		"root twice":     {func(b *envelope.OrgGenesisBody) { b.Roots = [][]byte{b.Roots[0], b.Roots[0]} }, Malformed},
		"identity root":  {func(b *envelope.OrgGenesisBody) { b.Roots, b.Threshold = [][]byte{identityPoint}, 1 }, Malformed},
		"root too few":   {func(b *envelope.OrgGenesisBody) { b.Roots = b.Roots[:2] }, BadSignature},
	} {
		e := w.orgGenesis(x.edit)
		w.record(t.Name()+"/"+name, "org.genesis", envelope.Marshal(e), x.want)
		_, err := NewOrg(e)
		want(t, name, err, x.want)
	}
}

func TestOrgGenesisSignedByEveryRoot(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	g := w.orgGenesis(func(*envelope.OrgGenesisBody) {})
	for name, keys := range map[string][]*seal.SigningKey{
		"all but one": w.roots[:2], "one more": append([]*seal.SigningKey{key("stranger")}, w.roots...),
	} {
		e := signed(&envelope.Entry{Kind: envelope.KindLink, Header: g.Header}, keys...)
		_, err := NewOrg(e)
		want(t, name, err, BadSignature)
	}
	_, err := NewOrg(&envelope.Entry{Kind: envelope.KindMessage, Header: g.Header})
	want(t, "another kind", err, Malformed)
	for name, edit := range map[string]func(*envelope.Link){
		"type": func(l *envelope.Link) { l.Type = envelope.UserGenesis },
		"org":  func(l *envelope.Link) { l.Org = w.org.ID() },
		"seq":  func(l *envelope.Link) { l.Seq, l.Chain, l.Prev = 1, w.org.id, w.org.Head() },
		"body": func(l *envelope.Link) { l.Body = append(l.Body, 0) },
	} {
		l, err := envelope.ParseLink(g)
		w.must(err)
		edit(l)
		_, err = NewOrg(linkEntry(l, w.roots...))
		want(t, name, err, Malformed)
	}
}

func manyRoots(w *world) *envelope.Entry {
	w.roots = nil
	for i := range 17 {
		w.roots = append(w.roots, key(string(rune('a'+i))))
	}
	slices.SortFunc(w.roots, func(a, b *seal.SigningKey) int { return envelope.CompareKey(a.ID(), b.ID()) })
	return w.orgGenesis(func(*envelope.OrgGenesisBody) {})
}

// logRestore says that a log of 90 records came back as one of 70.
func (w *world) logRestore(edit func(*envelope.LogRestoreBody)) *envelope.Entry {
	b := envelope.LogRestoreBody{
		OldSize: 90, OldRoot: envelope.SumBytes([]byte("old")), NewSize: 70, NewRoot: envelope.SumBytes([]byte("new")), Reason: "the disk was lost",
	}
	edit(&b)
	return w.orgLink(envelope.OrgRestore, &b)
}

func TestOrgLinks(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	public := key("signer").Public() // the same on every run, for the vectors
	if suitetest.Suite() == envelope.SuiteFIPS {
		public = suitetest.SignerKey(t).Public()
	}
	party := func(edit func(*envelope.Party)) *envelope.Entry {
		p := envelope.Party{Role: envelope.RoleSigner, Name: "archive signer", Key: public}
		edit(&p)
		return w.orgLink(envelope.OrgList, &p)
	}
	good := party(func(*envelope.Party) {})
	for name, x := range map[string]struct {
		entry *envelope.Entry
		want  Reason
	}{
		"as it is": {good, ""},
		"role":     {party(func(p *envelope.Party) { p.Role = "clerk" }), Malformed},
		"witness":  {party(func(p *envelope.Party) { p.Role, p.Key = envelope.RoleWitness, key("witness").Public() }), ""},
		"witness's seal": {party(func(p *envelope.Party) {
			p.Role, p.Key, p.Recipient = envelope.RoleWitness, key("witness").Public(), []byte("r")
		}), Malformed},
		"no key":         {party(func(p *envelope.Party) { p.Key = nil }), Malformed},
		"recipient":      {party(func(p *envelope.Party) { p.Recipient = []byte("r") }), Malformed},
		"role, bare":     {party(func(p *envelope.Party) { p.Role, p.Key = envelope.RoleWitness, nil }), Malformed},
		"log restored":   {w.logRestore(func(*envelope.LogRestoreBody) {}), ""},
		"to nothing":     {w.logRestore(func(b *envelope.LogRestoreBody) { b.NewSize = 0 }), RestoreBad},
		"to the same":    {w.logRestore(func(b *envelope.LogRestoreBody) { b.NewSize = b.OldSize }), RestoreBad},
		"forward":        {w.logRestore(func(b *envelope.LogRestoreBody) { b.OldSize, b.NewSize = b.NewSize, b.OldSize }), RestoreBad},
		"too large":      {w.logRestore(func(b *envelope.LogRestoreBody) { b.OldSize = 1 << 63 }), RestoreBad},
		"no reason":      {w.logRestore(func(b *envelope.LogRestoreBody) { b.Reason = "" }), Malformed},
		"long reason":    {w.logRestore(func(b *envelope.LogRestoreBody) { b.Reason = string(make([]byte, 501)) }), Malformed},
		"restore's body": {w.orgLink(envelope.OrgRestore, "body"), Malformed},

		"auditor's key":   {party(func(p *envelope.Party) { p.Role, p.Recipient = envelope.RoleAuditor, []byte("r") }), Malformed},
		"user":            {party(func(p *envelope.Party) { p.User = w.alice.ID() }), Malformed},
		"no name":         {party(func(p *envelope.Party) { p.Name = "" }), Malformed},
		"long name":       {party(func(p *envelope.Party) { p.Name = string(make([]byte, 201)) }), Malformed},
		"identity key":    {party(func(p *envelope.Party) { p.Key = identityPoint }), Malformed},
		"twice":           {party(func(p *envelope.Party) { p.Role, p.Key = envelope.RoleRemoval, w.removal.Public() }), Duplicate},
		"body":            {w.orgLink(envelope.OrgList, "party"), Malformed},
		"delist body":     {w.orgLink(envelope.OrgDelist, "party"), Malformed},
		"delist nobody":   {w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleRecorder, Party: w.removal.ID()}), NotListed},
		"type":            {w.orgLink(envelope.MemberAdd, &envelope.Party{}), Malformed},
		"foreign chain":   {w.orgLink(envelope.OrgList, &envelope.Party{}, func(l *envelope.Link) { l.Chain = w.alice.id }), WrongChain},
		"foreign org":     {w.orgLink(envelope.OrgList, &envelope.Party{}, func(l *envelope.Link) { l.Org = envelope.OrgID(w.alice.id) }), WrongChain},
		"gap":             {w.orgLink(envelope.OrgList, &envelope.Party{}, func(l *envelope.Link) { l.Seq++ }), Broken},
		"fork":            {w.orgLink(envelope.OrgList, &envelope.Party{}, func(l *envelope.Link) { l.Prev[0] ^= 1 }), Broken},
		"one root":        {signed(&envelope.Entry{Kind: envelope.KindLink, Header: good.Header}, w.roots[0]), BadSignature},
		"no root":         {signed(&envelope.Entry{Kind: envelope.KindLink, Header: good.Header}, key("x"), key("y")), BadSignature},
		"roots and other": {signed(&envelope.Entry{Kind: envelope.KindLink, Header: good.Header}, w.roots[0], w.roots[1], key("x")), BadSignature},
		"not a link":      {&envelope.Entry{Kind: envelope.KindCoverage, Header: good.Header}, Malformed},
	} {
		w.record(t.Name()+"/"+name, "org.link", envelope.Marshal(x.entry), x.want)
		head, listed := w.org.Head(), len(w.org.listed)
		want(t, name, w.org.Try(x.entry), x.want)
		if x.want != "" {
			want(t, name, w.org.Apply(x.entry), x.want)
		}
		if w.org.Head() != head || len(w.org.listed) != listed {
			t.Fatalf("%s: changed the chain", name)
		}
	}
	_, err := NewOrg(manyRoots(w))
	want(t, "17 roots", err, Malformed)
}

// TestListing follows one party through listing, delisting and listing again.
func TestListing(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	first := w.org.Seq()
	delist := w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleRecorder, Party: w.recorder.ID()})
	w.must(w.org.Try(delist))
	if _, ok := w.org.Party(envelope.RoleRecorder, w.recorder.ID()); !ok {
		t.Error("trying to delist delisted")
	}
	w.must(w.org.Apply(delist))
	if _, ok := w.org.Party(envelope.RoleRecorder, w.recorder.ID()); ok {
		t.Error("listed after delisting")
	}
	if _, ok := w.org.PartyAt(envelope.RoleRecorder, w.recorder.ID(), first); !ok {
		t.Error("not listed before delisting")
	}
	if _, ok := w.org.PartyAt(envelope.RoleRecorder, w.recorder.ID(), 0); ok {
		t.Error("listed at the genesis")
	}
	if n := len(w.org.Parties(envelope.RoleRecorder)); n != 1 {
		t.Errorf("%d recorders are left, want 1", n)
	}
	want(t, "delisting twice", w.org.Try(w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleRecorder, Party: w.recorder.ID()})), NotListed)
	w.must(w.org.Apply(w.orgLink(envelope.OrgList, &envelope.Party{Role: envelope.RoleRecorder, Name: "again", Key: w.recorder.Public(), Recipient: []byte("r")})))
	if p, ok := w.org.Party(envelope.RoleRecorder, w.recorder.ID()); !ok || p.Name != "again" {
		t.Error("not listed again")
	}
}
