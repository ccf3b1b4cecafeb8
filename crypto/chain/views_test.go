package chain

import (
	"crypto/sha256"
	"reflect"
	"slices"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// The attacks by which a server shows different things to different people.

// validator is one that was shown these entries and no others.
func (w *world) validator(log []*envelope.Placed) *Channel {
	w.t.Helper()
	c, err := NewChannel(w, log[0])
	w.must(err)
	for _, p := range log[1:] {
		w.must(c.Apply(p))
	}
	return c
}

func TestAttack04SubstitutedUserKey(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	swap := func(_ *envelope.Link, b *envelope.UserGenesisBody) { b.Recipient = []byte("a key of the attacker's") }
	other, err := NewUser(w.org, w.userGenesis("bob", swap))
	w.must(err)
	if other.ID() == w.bob.ID() {
		t.Error("another key in the genesis is the same person")
	}
	swapped := *w.userGenesis("bob", swap)
	swapped.Signatures = w.userGenesis("bob").Signatures
	w.record(t.Name(), "user.genesis", envelope.Marshal(&swapped), BadSignature)
	_, err = NewUser(w.org, &swapped)
	want(t, "a key swapped under bob's signature", err, BadSignature)
	w.refused(w.add(w.alice, w.dave, func(b *envelope.AddBody) { b.UserHead = other.Head() }), HeadUnknown)
	w.refused(w.epoch(w.bob, func(b *envelope.EpochBody) {
		recipients, _ := w.c.Recipients()
		recipients[0].Public = []byte("a key of the attacker's")
		b.MembersRoot = MembersRoot(recipients)
	}), EpochBad)
}

// TestAttack17HiddenFromRecorder: what the recorder alone did not see breaks
// every head and every count that it is shown next, and what it signs on the
// other history is worth nothing here.
func TestAttack17HiddenFromRecorder(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	recorder := w.validator(w.log)
	instead := w.placed(w.post(w.carol))
	w.place(w.post(w.bob)) // hidden
	want(t, "the next entry as it is", recorder.Apply(w.placed(w.post(w.carol))), BrokenOrder)
	for name, x := range map[string]struct {
		e    *envelope.Entry
		want Reason
	}{
		"whoever saw it":          {w.post(w.carol), SeenBad},
		"who wrote it, once more": {w.post(w.bob), CounterBad},
	} {
		want(t, name+", under heads made to fit", recorder.Judge(x.e, w.now), x.want)
	}
	w.must(recorder.Apply(instead))
	w.refused(w.cover(w.recorder, func(v *envelope.Coverage) { v.To, v.HeadTo = recorder.Position, recorder.Top }), CoverageBad)
	w.refused(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = v.To + 1; v.To++ }), CoverageBad)
}

// TestAttack22ClonedDevice: of two that write with one device's state only the
// faster is heard, and the slower learns of it.
func TestAttack22ClonedDevice(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.post(w.bob))
	clone := w.post(w.bob, func(h *envelope.Header) { h.ID[0] = 1 })
	w.place(w.post(w.bob))
	w.refused(clone, CounterBad)
	w.refused(w.post(w.bob, func(h *envelope.Header) { h.DeviceSeq, h.DevicePrev = 1, envelope.Hash{} }), CounterBad)
	own := w.post(w.bob)
	w.place(w.post(w.bob, func(h *envelope.Header) { h.ID[0] = 2 })) // by a clone that read on
	w.refused(own, CounterBad)
}

// TestAttack33HistoryBeforeJoining: no link gives a joiner an epoch that was
// placed before, and no channel says that one might.
func TestAttack33HistoryBeforeJoining(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	for _, from := range []uint64{0, 1, 3, 1 << 63} {
		w.refused(w.add(w.alice, w.dave, func(b *envelope.AddBody) { b.HistoryFrom = from }), NotAllowed)
	}
	w.refused(w.epoch(w.alice, func(b *envelope.EpochBody) { b.History = envelope.HistoryFull }), EpochBad)
	_, err := NewChannel(w, w.start(w.genesis(func(b *envelope.ChannelGenesisBody) { b.History = envelope.HistoryFull })))
	want(t, "channel of full history", err, Malformed)
}

// TestAttack40Unsealed: only messages carry a payload, and one too short to be
// sealed is none. What merely looks sealed is the recorder's to except.
func TestAttack40Unsealed(t *testing.T) {
	t.Parallel()
	with := func(payload []byte, make func(*world) (*envelope.Entry, *seal.SigningKey)) change {
		return change{func(w *world) *envelope.Entry {
			e, by := make(w)
			e.Payload = payload
			return signed(e, by)
		}, Malformed}
	}
	post := func(w *world) (*envelope.Entry, *seal.SigningKey) { return w.post(w.bob), w.bob.device }
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"nothing": with(nil, post), "text": with([]byte("hello"), post), "a byte short": with(make([]byte, 187), post),
		"on a link": with(make([]byte, 188), func(w *world) (*envelope.Entry, *seal.SigningKey) {
			return w.remove(w.alice, w.bob), w.alice.device
		}),
		"on coverage": with(make([]byte, 188), func(w *world) (*envelope.Entry, *seal.SigningKey) {
			return w.cover(w.recorder), w.recorder
		}),
	})
}

// TestAttack43DeleteBeforeCoverage: a delete is one more entry. It takes nothing
// out of what the recorder must cover, and dropped bytes change no head.
func TestAttack43DeleteBeforeCoverage(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	text := w.post(w.bob)
	hash := w.place(text)
	at := w.c.Position
	w.place(w.post(w.bob, func(h *envelope.Header) {
		h.Kind, h.Target = envelope.Delete, envelope.Ref{Position: at, Hash: hash}
	}))
	w.refused(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = at + 1 }), CoverageBad)
	w.place(w.cover(w.recorder, func(v *envelope.Coverage) { v.To, v.HeadTo = at-1, w.log[at-2].Head }))
	w.refused(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = at + 1 }), CoverageBad)
	w.place(w.cover(w.recorder))
	dropped := *w.log[at-1]
	dropped.Entry.Payload, dropped.Salt = nil, nil
	same := w.validator(append(append(w.log[:at-1:at-1], &dropped), w.log[at:]...))
	if !reflect.DeepEqual(same.snapshot(), w.c.snapshot()) {
		t.Error("a dropped payload changed the channel")
	}
}

// TestAttack48OrganisationSwapped: an organisation of the same name under other
// roots is another one, and nothing of it is taken here.
func TestAttack48OrganisationSwapped(t *testing.T) {
	t.Parallel()
	w, evil := settled(t, envelope.CaptureRequired), found(t, envelope.CaptureRequired)
	evil.roots = []*seal.SigningKey{key("evil 1"), key("evil 2")}
	slices.SortFunc(evil.roots, func(a, b *seal.SigningKey) int { return envelope.CompareKey(a.ID(), b.ID()) })
	var err error
	evil.org, err = NewOrg(evil.orgGenesis(func(b *envelope.OrgGenesisBody) {}))
	w.must(err)
	if evil.org.ID() == w.org.ID() || evil.org.Genesis.Name != w.org.Genesis.Name {
		t.Fatal("not another organisation of the same name")
	}
	list := evil.orgLink(envelope.OrgList, &envelope.Party{Role: envelope.RoleReceipt, Name: "r", Key: key("evil receipts").Public()})
	w.must(evil.org.Try(list))
	want(t, "its link", w.org.Try(list), WrongChain)
	_, err = NewUser(w.org, evil.userGenesis("bob"))
	want(t, "its user", err, WrongChain)
	_, err = NewChannel(w, evil.start(evil.genesis(func(b *envelope.ChannelGenesisBody) { b.Recorders, b.Capture = nil, envelope.CaptureOff })))
	want(t, "its channel", err, WrongChain)
}

// TestAttack52ContentInvalid: whether a payload opens changes nothing that
// validators share, with the key or without, with the bytes or without.
func TestAttack52ContentInvalid(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	e := w.post(w.bob)
	h, err := envelope.ParseHeader(e)
	w.must(err)
	salt := sha256.Sum256([]byte("salt"))
	h.SaltCommit = envelope.SaltCommit(salt[:])
	e.Header = envelope.Marshal(h)
	signed(e, w.bob.device)
	current, _ := w.c.Current()
	k := w.seed(current.N).Key(seal.Epoch{Org: w.org.ID(), Channel: w.c.ID(), N: current.N, Link: current.Link, Commit: current.Body.SeedCommit})
	_, err = seal.Open(k, e, salt[:])
	if code, ok := seal.Exception(err); !ok || code != envelope.BadCommit {
		t.Fatalf("opening junk: %v", err)
	}
	blind := w.validator(w.log)
	p := *w.placed(e)
	p.Entry.Payload = nil
	w.must(blind.Apply(&p))
	w.place(e)
	if !reflect.DeepEqual(blind.snapshot(), w.c.snapshot()) {
		t.Error("validators differ over a payload that nobody can open")
	}
	w.place(w.post(w.bob))
	w.place(w.cover(w.recorder, func(v *envelope.Coverage) {
		v.Exceptions = []envelope.Exception{{Position: p.Position, Code: envelope.BadCommit}}
	}))
}

// TestAttack52OtherPast: an entry that names an old head wrongly is refused by
// who remembers the head, also when they were rebuilt from a store since.
func TestAttack52OtherPast(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.post(w.bob))
	seen := w.post(w.bob, func(h *envelope.Header) { h.Seen = envelope.Ref{Position: 2, Hash: envelope.Hash{1}} })
	cover := w.cover(w.recorder, func(v *envelope.Coverage) { v.To = 2 })
	rebuilt := w.late()
	rebuilt.Know(w.c.counters, w.c.covered)
	want(t, "heads of another channel", rebuilt.Remember(append(slices.Clone(w.c.tops), envelope.Hash{})), BrokenOrder)
	other := slices.Clone(w.c.tops)
	other[len(other)-1][0] ^= 1
	want(t, "another newest head", rebuilt.Remember(other), BrokenOrder)
	want(t, "no heads", rebuilt.Remember(nil), BrokenOrder)
	w.must(rebuilt.Remember(w.c.tops[1:]))
	want(t, "another head seen", rebuilt.Judge(seen, w.now), SeenBad)
	want(t, "another head covered", rebuilt.Judge(cover, w.now), CoverageBad)
	w.refused(seen, SeenBad)
	w.refused(cover, CoverageBad)
}

// TestAttack56TwoHistories: two recorders who are shown one history each open
// neither: an epoch needs both, and each one's word fits its own history only.
func TestAttack56TwoHistories(t *testing.T) {
	t.Parallel()
	w := opened(t, envelope.CaptureRequired, key("recorder"), key("second recorder"))
	one, two := w.epoch(w.alice), w.epoch(w.alice, func(b *envelope.EpochBody) { b.NotAfter-- })
	here, there := w.c, w.validator(w.log)
	w.must(there.Apply(w.placed(two)))
	w.place(one)
	own := w.ack(w.recorder)
	w.c = there
	foreign := w.ack(w.second)
	want(t, "the first one's word over there", there.Judge(own, w.now), EpochBad)
	w.c = here
	w.place(own)
	w.refused(foreign, EpochBad)
	w.refused(w.post(w.alice), EpochNone)

	// One epoch for both, and then a message for each.
	w.place(w.ack(w.second))
	fork := w.validator(w.log)
	w.must(fork.Apply(w.placed(w.post(w.alice, func(h *envelope.Header) { h.ID[0] = 9 }))))
	w.place(w.post(w.alice))
	w.place(w.cover(w.recorder))
	w.refused(w.cover(w.second, func(v *envelope.Coverage) { v.To, v.HeadTo = fork.Position, fork.Top }), CoverageBad)
}
