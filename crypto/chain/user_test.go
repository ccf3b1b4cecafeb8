package chain

import (
	"testing"

	"chancery/crypto/envelope"
)

func TestUserGenesis(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	type edit = func(*envelope.Link, *envelope.UserGenesisBody)
	for name, x := range map[string]struct {
		edit edit
		want Reason
	}{
		"as it is": {func(l *envelope.Link, b *envelope.UserGenesisBody) {}, ""},
		"type":     {func(l *envelope.Link, b *envelope.UserGenesisBody) { l.Type = envelope.OrgGenesis }, Malformed},
		"seq": {func(l *envelope.Link, b *envelope.UserGenesisBody) {
			l.Seq, l.Chain, l.Prev = 1, w.bob.id, w.bob.Head()
		}, Malformed},
		"org":          {func(l *envelope.Link, b *envelope.UserGenesisBody) { l.Org[0] ^= 1 }, WrongChain},
		"suite":        {func(l *envelope.Link, b *envelope.UserGenesisBody) { b.Suite = "none" }, SuiteBad},
		"nonce":        {func(l *envelope.Link, b *envelope.UserGenesisBody) { b.Nonce = nil }, Malformed},
		"recipient":    {func(l *envelope.Link, b *envelope.UserGenesisBody) { b.Recipient = nil }, Malformed},
		"signer":       {func(l *envelope.Link, b *envelope.UserGenesisBody) { l.Key[0] ^= 1 }, Malformed},
		"device name":  {func(l *envelope.Link, b *envelope.UserGenesisBody) { b.Device.Name = "" }, Malformed},
		"long name":    {func(l *envelope.Link, b *envelope.UserGenesisBody) { b.Device.Name = string(make([]byte, 101)) }, Malformed},
		"no recipient": {func(l *envelope.Link, b *envelope.UserGenesisBody) { b.Device.Recipient = nil }, Malformed},
	} {
		e := w.userGenesis("erin", x.edit)
		w.record(t.Name()+"/"+name, "user.genesis", envelope.Marshal(e), x.want)
		_, err := NewUser(w.org, e)
		want(t, name, err, x.want)
	}
	_, err := NewUser(w.org, forged(w.userGenesis("erin")))
	want(t, "forged", err, BadSignature)
	e := w.userGenesis("erin")
	_, err = NewUser(w.org, signed(e, key("erin's device"), key("other")))
	want(t, "two signatures", err, BadSignature)
	_, err = NewUser(w.org, &envelope.Entry{Kind: envelope.KindMessage, Header: e.Header})
	want(t, "not a link", err, Malformed)
	_, err = NewUser(w.org, linkEntry(&envelope.Link{Type: envelope.UserGenesis, Org: w.org.ID(), Body: []byte{0x80}}, key("x")))
	want(t, "body", err, Malformed)
}

func TestUserLinks(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	phone := key("phone")
	good := w.device(w.alice, phone)
	edited := func(edit func(*envelope.Link)) *envelope.Entry {
		l, err := envelope.ParseLink(good)
		w.must(err)
		edit(l)
		return linkEntry(l, w.alice.device, phone)
	}
	resigned := func(names ...string) *envelope.Entry {
		e := &envelope.Entry{Kind: envelope.KindLink, Header: good.Header}
		for _, n := range names {
			signed := signed(&envelope.Entry{Kind: envelope.KindLink, Header: good.Header}, key(n))
			e.Attach(signed.Signatures[0])
		}
		return e
	}
	body := func(edit func(*envelope.DeviceBody)) *envelope.Entry {
		b := envelope.DeviceBody{Name: "phone", Key: phone.Public(), Recipient: []byte("r")}
		edit(&b)
		return edited(func(l *envelope.Link) { l.Body = envelope.Marshal(&b) })
	}
	for name, x := range map[string]struct {
		entry *envelope.Entry
		want  Reason
	}{
		"as it is":              {good, ""},
		"chain":                 {edited(func(l *envelope.Link) { l.Chain = w.bob.id }), WrongChain},
		"gap":                   {edited(func(l *envelope.Link) { l.Seq++ }), Broken},
		"fork":                  {edited(func(l *envelope.Link) { l.Prev[0] ^= 1 }), Broken},
		"reserved type":         {edited(func(l *envelope.Link) { l.Type = envelope.Evidence }), Malformed},
		"body":                  {edited(func(l *envelope.Link) { l.Body = []byte{0x80} }), Malformed},
		"approver unknown":      {edited(func(l *envelope.Link) { l.Key = phone.ID() }), DeviceUnknown},
		"approver of another":   {edited(func(l *envelope.Link) { l.User = w.bob.ID() }), DeviceUnknown},
		"device known":          {body(func(b *envelope.DeviceBody) { b.Key = w.alice.device.Public() }), Duplicate},
		"no name":               {body(func(b *envelope.DeviceBody) { b.Name = "" }), Malformed},
		"identity key":          {body(func(b *envelope.DeviceBody) { b.Key = identityPoint }), Malformed},
		"approver alone":        {resigned("alice's device"), BadSignature},
		"new device alone":      {resigned("phone", "other"), BadSignature},
		"new device missing":    {resigned("alice's device", "other"), BadSignature},
		"one signature further": {resigned("alice's device", "phone", "other"), BadSignature},
		"not a link":            {&envelope.Entry{Kind: envelope.KindCoverage, Header: good.Header}, Malformed},
	} {
		w.record(t.Name()+"/"+name, "user.link", envelope.Marshal(x.entry), x.want)
		want(t, name, w.alice.Try(x.entry), x.want)
		if x.want != "" {
			want(t, name, w.alice.Apply(x.entry), x.want)
		}
		if w.alice.Seq() != 0 || len(w.alice.Devices()) != 1 {
			t.Fatalf("%s: changed the chain", name)
		}
	}
	w.must(w.alice.Apply(good))
	if _, ok := w.alice.DeviceAt(phone.ID(), 0); ok {
		t.Error("the phone is live before its link")
	}
	if _, ok := w.alice.DeviceAt(phone.ID(), 1); !ok || len(w.alice.Devices()) != 2 {
		t.Error("the phone is not live after its link")
	}
}
