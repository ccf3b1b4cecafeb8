package chain

import (
	"math"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// userCase is one link that a person's chain judges.
type userCase struct {
	entry *envelope.Entry
	want  Reason
}

// judged holds cases on p's chain against what they must give.
func (w *world) judged(t *testing.T, p *person, cases map[string]userCase) {
	t.Helper()
	for name, x := range cases {
		if p == w.alice { // the vectors' reader asks alice
			w.record(t.Name()+"/"+name, "user.link", envelope.Marshal(x.entry), x.want)
		}
		want(t, name, p.Try(x.entry), x.want)
		if seq := p.Seq(); x.want != "" {
			want(t, name, p.Apply(x.entry), x.want)
			if p.Seq() != seq {
				t.Fatalf("%s: changed the chain", name)
			}
		}
	}
}

// withPhone is a world in which alice has a second device.
func withPhone(t *testing.T) (*world, *seal.SigningKey) {
	w := found(t, envelope.CaptureOff)
	phone := key("phone")
	w.must(w.alice.Apply(w.device(w.alice, phone)))
	return w, phone
}

func TestDeviceRevoked(t *testing.T) {
	t.Parallel()
	w, phone := withPhone(t)
	laptop, good := w.alice.device, w.revoke(w.alice, phone.ID())
	type body = envelope.DeviceEndBody
	edit := func(f func(*body), keys ...*seal.SigningKey) *envelope.Entry { return edited(w, good, f, keys...) }
	w.judged(t, w.alice, map[string]userCase{
		"as it is":            {good, ""},
		"by the phone":        {w.userLink(w.alice, envelope.DeviceEnd, &body{Device: phone.ID()}, phone), NotAllowed},
		"the laptop by phone": {w.userLink(w.alice, envelope.DeviceEnd, &body{Device: laptop.ID(), Key: newKey(w.alice, Holders(without(w.alice.Devices(), laptop.ID()), nil))}, phone), ""},
		"unknown device":      {edit(func(b *body) { b.Device[0] ^= 1 }, laptop), DeviceUnknown},
		"by a stranger":       {w.userLink(w.alice, envelope.DeviceEnd, &body{Device: phone.ID()}, key("stranger")), DeviceUnknown},
		"signed by another":   {edit(func(*body) {}, phone), BadSignature},
		"signed by both":      {edit(func(*body) {}, laptop, phone), BadSignature},
		"number left out":     {edit(func(b *body) { b.Key.Generation++ }, laptop), KeyBad},
		"number used":         {edit(func(b *body) { b.Key.Generation-- }, laptop), KeyBad},
		"old recipient":       {edit(func(b *body) { _, b.Key.Recipient = w.alice.RecipientAt(0) }, laptop), KeyBad},
		"no recipient":        {edit(func(b *body) { b.Key.Recipient = nil }, laptop), KeyBad},
		"wrap for the phone":  {edit(func(b *body) { b.Key.Wraps = append(b.Key.Wraps, envelope.Hash{1}) }, laptop), KeyBad},
		"wrap left out":       {edit(func(b *body) { b.Key.Wraps = nil }, laptop), KeyBad},
		"seed not sealed":     {edit(func(b *body) { b.Key.Previous = make([]byte, 32) }, laptop), KeyBad},
		"key alone":           {w.userLink(w.alice, envelope.DeviceEnd, &b0, laptop), Malformed},
	})
	w.must(w.alice.Apply(good))
	if _, live := w.alice.DeviceAt(phone.ID(), 1); !live {
		t.Error("the phone was not live before its end")
	}
	if _, live := w.alice.DeviceAt(phone.ID(), 2); live || len(w.alice.Devices()) != 1 {
		t.Error("the phone is live after its end")
	}
	if g, _ := w.alice.RecipientAt(1); g != 1 {
		t.Errorf("generation %d before the link", g)
	}
	if g, r := w.alice.RecipientAt(2); g != 2 || string(r) == "alice's recipient" {
		t.Errorf("generation %d, recipient %q", g, r)
	}
	if w.alice.Restricts(0, 1) || !w.alice.Restricts(1, 2) {
		t.Error("another link than the revocation restricts")
	}
	w.judged(t, w.alice, map[string]userCase{
		"back again":     {w.device(w.alice, phone), Duplicate},
		"by the revoked": {w.userLink(w.alice, envelope.UserKey, &b0, phone), Malformed},
		"twice":          {w.revoke(w.alice, phone.ID()), DeviceUnknown},
	})
}

// b0 is a body of no link.
var b0 = struct {
	_ struct{} `cbor:",toarray"`
	A uint64
}{}

func TestKeyRenewed(t *testing.T) {
	t.Parallel()
	w, phone := withPhone(t)
	good := w.renew(w.alice)
	w.judged(t, w.alice, map[string]userCase{
		"as it is":          {good, ""},
		"by a stranger":     {w.userLink(w.alice, envelope.UserKey, keyOf(w.alice), key("stranger")), DeviceUnknown},
		"signed by another": {edited(w, good, func(*envelope.KeyBody) {}, phone), BadSignature},
		"one wrap":          {edited(w, good, func(k *envelope.KeyBody) { k.Wraps = k.Wraps[:1] }, w.alice.device), KeyBad},
		"another's user":    {byUser(w, good, w.bob.ID()), DeviceUnknown},
		"dated back":        {dated(w, good, w.alice.Time()-1), BrokenOrder},
	})
	w.must(w.alice.Apply(good))
	for _, h := range Holders(w.alice.Devices(), nil) {
		if wrap, ok := w.alice.WrapOf(h.ID); !ok || wrap != envelope.Sum("wrap", h.ID) {
			t.Errorf("wrap of %s: %s", h.ID, wrap)
		}
	}
	tablet := key("tablet")
	w.must(w.alice.Apply(w.device(w.alice, tablet)))
	if wrap, ok := w.alice.WrapOf(tablet.ID()); !ok || !wrap.IsZero() {
		t.Errorf("wrap of a device that came later: %s, %v", wrap, ok)
	}
	if _, ok := w.alice.WrapOf(key("stranger").ID()); ok {
		t.Error("a wrap to a stranger")
	}
}

func keyOf(p *person) *envelope.KeyBody {
	k := newKey(p, Holders(p.Devices(), p.Recovery()))
	return &k
}

func byUser(w *world, e *envelope.Entry, u envelope.UserID) *envelope.Entry {
	l, err := envelope.ParseLink(e)
	w.must(err)
	l.User = u
	return linkEntry(l, w.alice.device)
}

func dated(w *world, e *envelope.Entry, at int64) *envelope.Entry {
	l, err := envelope.ParseLink(e)
	w.must(err)
	l.Time = at
	return linkEntry(l, w.alice.device)
}

// TestLinksADay: the twenty-first link in a day of the chain's own times is
// refused, whoever signs it but an officer.
func TestLinksADay(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	for range maxLinksADay {
		w.must(w.alice.Apply(w.renew(w.alice)))
		w.now++
	}
	first := w.now - maxLinksADay
	next := w.renew(w.alice)
	_, end := w.restart(w.alice, "alice again")
	w.judged(t, w.alice, map[string]userCase{
		"one more": {next, NotAllowed},
		"officer":  {end, ""},
	})
	w.now = first + day - 1
	w.judged(t, w.alice, map[string]userCase{"within a day": {w.renew(w.alice), NotAllowed}})
	w.now++
	w.judged(t, w.alice, map[string]userCase{"a day later": {w.renew(w.alice), ""}})
}

func TestDevicesAtMost(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	for i := range MaxDevices - 1 {
		w.now += day / 10
		w.must(w.alice.Apply(w.device(w.alice, key(string(rune('A'+i))))))
	}
	w.now += day
	w.judged(t, w.alice, map[string]userCase{"one more": {w.device(w.alice, key("more")), NotAllowed}})
}

func TestDeviceWhen(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	phone := key("phone")
	added := w.now
	w.must(w.alice.Apply(w.device(w.alice, phone)))
	w.now += 100
	w.must(w.alice.Apply(w.revoke(w.alice, phone.ID())))
	for at, want := range map[int64]bool{added - 1: false, added: true, added + 99: true, added + 100: false, added + 101: false} {
		if _, live := w.alice.DeviceWhen(phone.ID(), at); live != want {
			t.Errorf("live %v at %d after its link", live, at-added)
		}
	}
	if _, live := w.alice.DeviceWhen(w.alice.device.ID(), -1); !live {
		t.Error("the first device is not live before its own genesis's time")
	}
}

// TestAttackLinksBeforeAllTime: a chain that is dated to the start of all numbers
// has no more links a day than another.
func TestAttackLinksBeforeAllTime(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	w.now = math.MinInt64
	u, err := NewUser(w.org, w.userGenesis("erin", func(l *envelope.Link, _ *envelope.UserGenesisBody) { l.Time = w.now }))
	w.must(err)
	erin := &person{key("erin's device"), u}
	for range maxLinksADay - 1 {
		w.must(erin.Apply(w.renew(erin)))
	}
	w.judged(t, erin, map[string]userCase{"one more": {w.renew(erin), NotAllowed}})
	w.now = math.MaxInt64
	w.judged(t, erin, map[string]userCase{"at the end of them": {w.renew(erin), ""}})
}
