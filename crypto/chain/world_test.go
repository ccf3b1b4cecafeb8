package chain

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"reflect"
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

// tester is what testing.T and rapid.T share.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// world is an organisation, its people and one channel, all of real entries.
type world struct {
	t                                          tester
	suite                                      envelope.Suite
	base                                       string // which of the vectors' worlds it began as
	roots                                      []*seal.SigningKey
	recorder, second, third, removal, receipts *seal.SigningKey
	removal2, officer                          *seal.SigningKey
	org                                        *Org
	users                                      map[envelope.UserID]*User
	alice, bob, carol, dave                    *person // owner, member, moderator, nobody yet
	log                                        []*envelope.Placed
	c                                          *Channel
	now                                        int64
}

type person struct {
	device *seal.SigningKey
	*User
}

func (w *world) Org() *Org { return w.org }

func (w *world) User(id envelope.UserID) (*User, bool) { u, ok := w.users[id]; return u, ok }

func key(name string) *seal.SigningKey {
	seed := sha256.Sum256([]byte(name))
	k, err := seal.SigningKeyFromSeed(seed[:])
	if err != nil {
		panic(err)
	}
	return k
}

func nonce(name string) []byte { h := sha256.Sum256([]byte(name)); return h[:16] }

func signed(e *envelope.Entry, keys ...*seal.SigningKey) *envelope.Entry {
	e.Signatures = nil
	for _, k := range keys {
		seal.SignEntry(e, k)
	}
	return e
}

func linkEntry(l *envelope.Link, keys ...*seal.SigningKey) *envelope.Entry {
	l.Version = envelope.Version
	e := signed(&envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l)}, keys...)
	made.Store(e.Hash(), envelope.Marshal(e))
	return e
}

// found makes an organisation with three roots, two of which must sign.
func found(t tester, capture envelope.Capture) *world { return foundIn(t, suitetest.Suite(), capture) }

func foundIn(t tester, suite envelope.Suite, capture envelope.Capture) *world {
	w := &world{
		t: t, suite: suite, base: "founded " + string(capture), roots: []*seal.SigningKey{key("root 1"), key("root 2"), key("root 3")}, users: map[envelope.UserID]*User{}, now: 1e15,
		recorder: key("recorder"), second: key("second recorder"), third: key("third recorder"), removal: key("removal"), removal2: key("second removal"), officer: key("officer"), receipts: key("receipts"),
	}
	slices.SortFunc(w.roots, func(a, b *seal.SigningKey) int { return envelope.CompareKey(a.ID(), b.ID()) })
	org, err := NewOrg(w.orgGenesis(func(b *envelope.OrgGenesisBody) { b.Capture = capture }))
	w.must(err)
	w.org = org
	for _, p := range []envelope.Party{
		{Role: envelope.RoleRecorder, Key: w.recorder.Public(), Recipient: []byte("recorder recipient")},
		{Role: envelope.RoleRecorder, Key: w.second.Public(), Recipient: []byte("second recipient")},
		{Role: envelope.RoleRemoval, Key: w.removal.Public()},
		{Role: envelope.RoleRemoval, Key: w.removal2.Public()},
		{Role: envelope.RoleReceipt, Key: w.receipts.Public()},
		{Role: envelope.RoleOfficer, Key: w.officer.Public()},
	} {
		p.Name = string(p.Role)
		w.must(w.org.Apply(w.orgLink(envelope.OrgList, &p)))
	}
	w.alice, w.bob, w.carol, w.dave = w.person("alice"), w.person("bob"), w.person("carol"), w.person("dave")
	return w
}

// opened is alice's channel, recorded by whom it is given.
func opened(t tester, capture envelope.Capture, recorders ...*seal.SigningKey) *world {
	w := found(t, capture)
	w.open(func(b *envelope.ChannelGenesisBody) {
		b.Recorders = nil
		for _, k := range recorders {
			b.Recorders = append(b.Recorders, k.ID())
		}
		slices.SortFunc(b.Recorders, envelope.CompareKey)
	})
	return w
}

// settled is a channel of alice, bob and carol with an open epoch.
func settled(t tester, capture envelope.Capture) *world {
	w := found(t, capture)
	w.settleAlice()
	w.base = "settled " + string(capture)
	return w
}

func (w *world) settleAlice() {
	w.t.Helper()
	w.open(func(*envelope.ChannelGenesisBody) {})
	w.settle()
}

func (w *world) settle() {
	w.t.Helper()
	w.place(w.add(w.alice, w.bob))
	w.place(w.add(w.alice, w.carol, func(b *envelope.AddBody) { b.Rank = envelope.RankModerator }))
	w.rotate(w.alice)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) orgGenesis(edit func(*envelope.OrgGenesisBody)) *envelope.Entry {
	b := envelope.OrgGenesisBody{Name: "Example", Suite: w.suite, Threshold: 2, Capture: envelope.CaptureOff, Nonce: nonce("org")}
	for _, r := range w.roots {
		b.Roots = append(b.Roots, r.Public())
	}
	edit(&b)
	return linkEntry(&envelope.Link{Type: envelope.OrgGenesis, Body: envelope.Marshal(&b), Key: w.roots[0].ID()}, w.roots...)
}

func (w *world) orgLink(kind envelope.LinkType, body any, edits ...func(*envelope.Link)) *envelope.Entry {
	l := w.next(&w.org.spine, kind, body)
	for _, edit := range edits {
		edit(l)
	}
	return linkEntry(l, w.roots[:2]...)
}

func (w *world) next(s *spine, kind envelope.LinkType, body any) *envelope.Link {
	return &envelope.Link{Org: w.org.ID(), Chain: s.id, Seq: s.Seq() + 1, Prev: s.Head(), Type: kind, Body: envelope.Marshal(body), Time: w.now}
}

func (w *world) userGenesis(name string, edits ...func(*envelope.Link, *envelope.UserGenesisBody)) *envelope.Entry {
	k := key(name + "'s device")
	b := envelope.UserGenesisBody{Suite: w.suite, Recipient: []byte(name + "'s recipient"), Nonce: nonce(name),
		Device: envelope.DeviceBody{Name: "laptop", Key: k.Public(), Recipient: []byte("device recipient")}}
	l := &envelope.Link{Org: w.org.ID(), Type: envelope.UserGenesis, Key: k.ID()}
	for _, edit := range edits {
		edit(l, &b)
	}
	l.Body = envelope.Marshal(&b)
	return linkEntry(l, k)
}

func (w *world) person(name string) *person {
	u, err := NewUser(w.org, w.userGenesis(name))
	w.must(err)
	w.users[u.ID()] = u
	return &person{key(name + "'s device"), u}
}

// device is the link by which p takes in one more device.
func (w *world) device(p *person, k *seal.SigningKey) *envelope.Entry {
	l := w.next(&p.spine, envelope.DeviceAdd, &envelope.DeviceBody{Name: "phone", Key: k.Public(), Recipient: []byte("phone recipient")})
	l.User, l.Key = p.ID(), p.device.ID()
	return linkEntry(l, p.device, k)
}

func (w *world) genesis(edit func(*envelope.ChannelGenesisBody)) *envelope.Entry {
	b := envelope.ChannelGenesisBody{
		Access: envelope.AccessPrivate, Capture: w.org.Genesis.Capture, History: envelope.HistorySinceJoin, Lifetime: 3600,
		OrgSeq: w.org.Seq(), OrgHead: w.org.Head(), UserSeq: w.alice.Seq(), UserHead: w.alice.Head(), Nonce: nonce("channel"),
	}
	if b.Capture == envelope.CaptureRequired {
		b.Recorders = []envelope.KeyID{w.recorder.ID()}
	}
	edit(&b)
	return linkEntry(&envelope.Link{Org: w.org.ID(), Type: envelope.ChannelGenesis, Body: envelope.Marshal(&b),
		User: w.alice.ID(), Key: w.alice.device.ID()}, w.alice.device)
}

// start gives a genesis its place.
func (w *world) start(e *envelope.Entry) *envelope.Placed {
	id := envelope.ChannelID(envelope.ChainOf(e.Header))
	return &envelope.Placed{Position: 1, Received: w.now, Entry: *e, Payload: envelope.SumBytes(nil),
		Head: envelope.NextHead(StartHead(id), 1, w.now, e.Hash())}
}

func (w *world) open(edit func(*envelope.ChannelGenesisBody)) {
	w.t.Helper()
	first := w.start(w.genesis(edit))
	c, err := NewChannel(w, first)
	w.must(err)
	w.c, w.log = c, []*envelope.Placed{first}
}

func (w *world) placed(e *envelope.Entry) *envelope.Placed {
	p := &envelope.Placed{Position: w.c.Position + 1, Received: w.now, Entry: *e, Payload: envelope.SumBytes(e.Payload)}
	p.Head = envelope.NextHead(w.c.Top, p.Position, p.Received, p.Hash())
	return p
}

// place takes an entry that must be valid, and returns its hash.
func (w *world) place(e *envelope.Entry) envelope.Hash {
	w.t.Helper()
	p := w.placed(e)
	w.must(w.c.Judge(e, w.now))
	w.must(w.c.Apply(p))
	w.log = append(w.log, p)
	w.now++
	return p.Hash()
}

// refused demands that Judge and Apply refuse for one reason and change nothing.
func (w *world) refused(e *envelope.Entry, want Reason) {
	w.t.Helper()
	w.recordRefusal(e, want)
	before := w.c.snapshot()
	judged, applied := w.c.Judge(e, w.now), w.c.Apply(w.placed(e))
	if ReasonOf(judged) != want || ReasonOf(applied) != want {
		w.t.Errorf("judged: %v; applied: %v; want %s", judged, applied, want)
	}
	if !reflect.DeepEqual(before, w.c.snapshot()) {
		w.t.Errorf("state changed by an entry that was refused")
	}
}

// by is a channel link signed by a person's device.
func (w *world) by(p *person, kind envelope.LinkType, body any) *envelope.Entry {
	return w.byKey(p.ID(), p.device, kind, body)
}

func (w *world) byKey(u envelope.UserID, k *seal.SigningKey, kind envelope.LinkType, body any) *envelope.Entry {
	l := w.next(&w.c.spine, kind, body)
	l.User, l.Key = u, k.ID()
	return linkEntry(l, k)
}

func (w *world) add(by, who *person, edits ...func(*envelope.AddBody)) *envelope.Entry {
	b := envelope.AddBody{User: who.ID(), UserSeq: who.Seq(), UserHead: who.Head(), Rank: envelope.RankMember, HistoryFrom: uint64(len(w.c.epochs)) + 1}
	for _, edit := range edits {
		edit(&b)
	}
	return w.by(by, envelope.MemberAdd, &b)
}

func (w *world) remove(by, who *person) *envelope.Entry {
	return w.by(by, envelope.MemberRemove, &envelope.RemoveBody{User: who.ID(), Reason: "left"})
}

func (w *world) rank(by, who *person, r envelope.MemberRank) *envelope.Entry {
	return w.by(by, envelope.MemberRole, &envelope.RoleBody{User: who.ID(), Rank: r})
}

func (w *world) syncOrg(by *person) *envelope.Entry {
	return w.by(by, envelope.Sync, &envelope.SyncBody{Chain: w.org.id, Seq: w.org.Seq(), Head: w.org.Head()})
}

func syncUser(who *person) *envelope.SyncBody {
	return &envelope.SyncBody{Chain: who.id, Seq: who.Seq(), Head: who.Head()}
}

func (w *world) epoch(by *person, edits ...func(*envelope.EpochBody)) *envelope.Entry {
	recipients, err := w.c.Recipients()
	w.must(err)
	b := envelope.EpochBody{N: uint64(len(w.c.epochs)) + 1, Cause: envelope.CauseDemand, MembersRoot: MembersRoot(recipients),
		History: envelope.HistorySinceJoin, NotAfter: w.now + 3600e6}
	b.SeedCommit = seal.SeedCommit(w.c.ID(), b.N, w.seed(b.N))
	if newest, ok := w.c.Newest(); ok {
		b.PrevCommit = newest.Body.SeedCommit
	}
	for _, edit := range edits {
		edit(&b)
	}
	return w.by(by, envelope.EpochStart, &b)
}

func (w *world) seed(n uint64) seal.Seed { return sha256.Sum256([]byte{byte(n)}) }

// rotate places an epoch and every acknowledgement that it needs.
func (w *world) rotate(by *person) {
	w.t.Helper()
	w.place(w.epoch(by))
	for _, id := range w.c.Recorders() {
		w.place(w.ack(w.recorderOf(id)))
	}
}

func (w *world) recorderOf(id envelope.KeyID) *seal.SigningKey {
	for _, k := range []*seal.SigningKey{w.second, w.third} {
		if id == k.ID() {
			return k
		}
	}
	return w.recorder
}

// ack is k's acknowledgement of the newest epoch.
func (w *world) ack(k *seal.SigningKey, edits ...func(*envelope.Acknowledgement)) *envelope.Entry {
	newest, ok := w.c.Newest()
	if !ok {
		w.t.Fatal("no epoch to acknowledge")
	}
	a := envelope.Acknowledgement{Version: envelope.Version, Org: w.org.ID(), Channel: w.c.ID(), N: newest.N, EpochLink: newest.Link,
		SeedCommit: newest.Body.SeedCommit, Recorder: k.ID(), Time: w.now}
	for _, edit := range edits {
		edit(&a)
	}
	return signed(&envelope.Entry{Kind: envelope.KindAcknowledgement, Header: envelope.Marshal(&a)}, k)
}

func (w *world) cover(k *seal.SigningKey, edits ...func(*envelope.Coverage)) *envelope.Entry {
	v := envelope.Coverage{Version: envelope.Version, Org: w.org.ID(), Channel: w.c.ID(), From: w.c.Covered(k.ID()) + 1,
		To: w.c.Position, HeadTo: w.c.Top, Recorder: k.ID(), Time: w.now}
	for _, edit := range edits {
		edit(&v)
	}
	return signed(&envelope.Entry{Kind: envelope.KindCoverage, Header: envelope.Marshal(&v)}, k)
}

// post is a message in the current epoch, or in the newest when none is. No
// rule looks into its payload, which is the same on every run.
func (w *world) post(p *person, edits ...func(*envelope.Header)) *envelope.Entry {
	w.t.Helper()
	in, ok := w.c.Current()
	if !ok {
		if in, ok = w.c.Newest(); !ok {
			in = &Epoch{N: 1}
		}
	}
	last := w.c.Counter(p.device.ID())
	h := envelope.Header{Version: envelope.Version, Org: w.org.ID(), Channel: w.c.ID(), Epoch: in.N, EpochLink: in.Link,
		User: p.ID(), Device: p.device.ID(), DeviceSeq: last.Seq + 1, DevicePrev: last.Hash,
		Seen: envelope.Ref{Position: w.c.Position, Hash: w.c.Top}, Time: w.now, Kind: envelope.Post}
	for _, edit := range edits {
		edit(&h)
	}
	h.SaltCommit = envelope.SaltCommit(nonce("salt"))
	return signed(&envelope.Entry{Kind: envelope.KindMessage, Header: envelope.Marshal(&h), Payload: make([]byte, 188)}, p.device)
}

// forged is e with one bit of its first signature flipped.
func forged(e *envelope.Entry) *envelope.Entry {
	e.Signatures = slices.Clone(e.Signatures)
	e.Signatures[0].Bytes = bytes.Clone(e.Signatures[0].Bytes)
	e.Signatures[0].Bytes[40] ^= 1
	return e
}

// state is a deep copy of everything that an entry could change.
type state struct {
	flat     Channel
	heads    []envelope.Hash
	members  map[envelope.UserID]Member
	former   map[envelope.UserID]uint64
	counters map[envelope.KeyID]Counter
	covered  map[envelope.KeyID]uint64
	epochs   []Epoch
	current  uint64
	due      rotation
	tops     []envelope.Hash
	left     []int64
	duties   []Duty
}

func (c *Channel) snapshot() state {
	s := state{flat: *c, heads: slices.Clone(c.heads), members: maps.Clone(c.members), former: maps.Clone(c.left), counters: maps.Clone(c.counters),
		covered: maps.Clone(c.covered), tops: slices.Clone(c.tops), left: slices.Clone(c.departures), duties: slices.Clone(c.duties)}
	for _, e := range c.epochs {
		copied := *e
		copied.acked = slices.Clone(e.acked)
		s.epochs = append(s.epochs, copied)
	}
	if c.current != nil {
		s.current = c.current.N
	}
	if c.due != nil {
		s.due = *c.due
	}
	f := &s.flat
	f.heads, f.members, f.left, f.counters, f.covered, f.epochs, f.current, f.due, f.tops, f.dir, f.departures, f.duties = nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil
	return s
}
