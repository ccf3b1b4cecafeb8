package chain

import (
	"crypto/sha512"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/p384"
)

// p384Key is the key whose scalar is the SHA-384 of a name.
func p384Key(name string) *p384.Key {
	scalar := sha512.Sum384([]byte(name))
	k, err := p384.Parse(scalar[:])
	if err != nil {
		panic(err)
	}
	return k
}

// TestFIPSOrganisation judges links of an organisation in suite fips, where the
// signer's key, and no other, is P-384.
func TestFIPSOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "founded required fips")
	signer := p384Key("signer").Public()
	party := func(role envelope.Role, key []byte, recipient string) *envelope.Entry {
		return w.orgLink(envelope.OrgList, &envelope.Party{Role: role, Name: "n", Key: key, Recipient: []byte(recipient)})
	}
	for name, x := range map[string]struct {
		entry *envelope.Entry
		want  Reason
	}{
		"signer of P-384":       {party(envelope.RoleSigner, signer, ""), ""},
		"signer of Ed25519":     {party(envelope.RoleSigner, key("signer").Public(), ""), SuiteBad},
		"signer, identity key":  {party(envelope.RoleSigner, identityPoint, ""), Malformed},
		"signer, compressed":    {party(envelope.RoleSigner, append([]byte{2 + signer[96]&1}, signer[1:49]...), ""), Malformed},
		"signer, hybrid form":   {party(envelope.RoleSigner, append([]byte{6 + signer[96]&1}, signer[1:]...), ""), Malformed},
		"signer, off the curve": {party(envelope.RoleSigner, append(append([]byte{}, signer[:96]...), signer[96]^1), ""), Malformed},
		"signer, infinity":      {party(envelope.RoleSigner, []byte{0}, ""), Malformed},
		"signer, a byte more":   {party(envelope.RoleSigner, append(append([]byte{}, signer...), 0), ""), Malformed},
		"signer with recipient": {party(envelope.RoleSigner, signer, "r"), Malformed},
		"recorder of Ed25519":   {party(envelope.RoleRecorder, key("third recorder").Public(), "r"), ""},
		"recorder of P-384":     {party(envelope.RoleRecorder, signer, "r"), Malformed},
		"receipt key of P-384":  {party(envelope.RoleReceipt, signer, ""), Malformed},
		"removal key of P-384":  {party(envelope.RoleRemoval, signer, ""), Malformed},
		"auditor":               {party(envelope.RoleAuditor, nil, "r"), ""},
	} {
		w.record(t.Name()+"/"+name, "org.link", envelope.Marshal(x.entry), x.want)
		want(t, name, w.org.Try(x.entry), x.want)
	}
}

// TestFIPSSigner names a P-384 key by an id of its own kind.
func TestFIPSSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "founded required fips")
	signer := p384Key("signer").Public()
	list := func() *envelope.Entry {
		return w.orgLink(envelope.OrgList, &envelope.Party{Role: envelope.RoleSigner, Name: "n", Key: signer})
	}
	w.must(w.org.Apply(list()))
	delist := func(id envelope.KeyID) *envelope.Entry {
		return w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleSigner, Party: id})
	}
	for name, x := range map[string]struct {
		entry *envelope.Entry
		want  Reason
	}{
		"twice":                      {list(), Duplicate},
		"delisted":                   {delist(envelope.KeyOf(signer)), ""},
		"delisted as an Ed25519 key": {delist(envelope.KeyID(envelope.Sum("key", 1, signer))), NotListed},
		"delisted by another's id":   {delist(envelope.KeyOf(p384Key("another").Public())), NotListed},
		"delisted in another role":   {w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleReceipt, Party: envelope.KeyOf(signer)}), NotListed},
		"another signer beside it":   {w.orgLink(envelope.OrgList, &envelope.Party{Role: envelope.RoleSigner, Name: "n", Key: p384Key("another").Public()}), ""},
	} {
		w.record(t.Name()+"/"+name, "org.link", envelope.Marshal(x.entry), x.want)
		want(t, name, w.org.Try(x.entry), x.want)
	}
}

func TestFIPSPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "founded required fips")
	genesis := func(edit func(*envelope.UserGenesisBody)) *envelope.Entry {
		return w.userGenesis("erin", func(_ *envelope.Link, b *envelope.UserGenesisBody) { edit(b) })
	}
	for name, x := range map[string]struct {
		kind  string
		entry *envelope.Entry
		want  Reason
	}{
		"founder of the suite":     {"user.genesis", genesis(func(*envelope.UserGenesisBody) {}), ""},
		"founder of suite age":     {"user.genesis", genesis(func(b *envelope.UserGenesisBody) { b.Suite = envelope.SuiteAge }), SuiteBad},
		"founder of no suite":      {"user.genesis", genesis(func(b *envelope.UserGenesisBody) { b.Suite = "" }), SuiteBad},
		"suite in upper case":      {"user.genesis", genesis(func(b *envelope.UserGenesisBody) { b.Suite = "FIPS" }), SuiteBad},
		"first device of P-384":    {"user.genesis", genesis(func(b *envelope.UserGenesisBody) { b.Device.Key = p384Key("device").Public() }), Malformed},
		"a device more":            {"user.link", w.device(w.alice, key("phone")), ""},
		"a device more, off curve": {"user.link", w.userLink(w.alice, envelope.DeviceAdd, &envelope.DeviceBody{Name: "phone", Key: p384Key("device").Public(), Recipient: []byte("r")}, w.alice.device), Malformed},
	} {
		w.record(t.Name()+"/"+name, x.kind, envelope.Marshal(x.entry), x.want)
		var err error
		if x.kind == "user.genesis" {
			_, err = NewUser(w.org, x.entry)
		} else {
			err = w.alice.Try(x.entry)
		}
		want(t, name, err, x.want)
	}
}

// TestFIPSChannel: what a channel takes does not depend on the suite.
func TestFIPSChannel(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]change{
		"message":               {func(w *world) *envelope.Entry { return w.post(w.bob) }, ""},
		"message, forged":       {func(w *world) *envelope.Entry { return forged(w.post(w.bob)) }, BadSignature},
		"message of a stranger": {func(w *world) *envelope.Entry { return w.post(w.dave) }, NotMember},
		"epoch":                 {func(w *world) *envelope.Entry { return w.epoch(w.bob) }, ""},
		"epoch, another recipient": {func(w *world) *envelope.Entry {
			return w.epoch(w.bob, func(b *envelope.EpochBody) { b.MembersRoot[0] ^= 1 })
		}, EpochBad},
		"coverage":              {func(w *world) *envelope.Entry { return w.cover(w.recorder) }, ""},
		"coverage by another":   {func(w *world) *envelope.Entry { return w.cover(w.second) }, NotListed},
		"acknowledgement twice": {func(w *world) *envelope.Entry { return w.ack(w.recorder) }, Duplicate},
		"departure by a removal key": {func(w *world) *envelope.Entry {
			return w.byKey(envelope.UserID{}, w.removal, envelope.MemberRemove, &envelope.RemoveBody{User: w.bob.ID(), Reason: "departed"})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "settled required fips")
			if e := x.entry(w); x.want == "" {
				w.record(t.Name(), "channel", envelope.Marshal(w.placed(e)), "")
				w.place(e)
			} else {
				w.refused(e, x.want)
			}
		})
	}
}
