package recorder

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
)

// world is an organisation with one channel on an honest server, which tests
// then make dishonest by its hooks. Everything in it is really signed, sealed
// and judged.
type world struct {
	t       testing.TB
	mu      sync.Mutex
	now     time.Time
	root    *seal.SigningKey
	org     *chain.Org
	links   []*envelope.Entry
	people  map[envelope.UserID]*person
	rec     *party
	auditor *seal.Identity

	channel *chain.Channel
	placed  []*envelope.Placed
	seeds   map[uint64]seal.Seed
	wraps   map[uint64][][]byte
	files   map[envelope.BlobID][]byte
	devices map[envelope.KeyID]uint64

	holds         []Hold
	rules         []Order
	plans         []Order
	exports       []Export
	confirmations [][]byte
	delivered     []*Openings
	posts         int
	told          []Notice
	log           publicLog

	// What a dishonest server does.
	spoilWrap func(n uint64, wrap []byte, hashes []envelope.Hash) ([]byte, []envelope.Hash)
	spoilPage func(*Page)
	postError error
	onPost    func(*envelope.Entry)
}

type party struct {
	key      *seal.SigningKey
	identity *seal.Identity
}

type person struct {
	id     envelope.UserID
	device *seal.SigningKey
	chain  *chain.User
	links  []*envelope.Entry
}

func newParty(t testing.TB) *party {
	key, err := seal.GenerateSigningKey(rand.Reader)
	id, err2 := seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return &party{key, id}
}

func nonce() []byte { b := make([]byte, 16); rand.Read(b); return b }

// newWorld makes an organisation with a recorder, an auditor, ann (compliance),
// leo (legal), and bob, and a channel of ann and bob in its first epoch, which
// waits for the recorder.
func newWorld(t testing.TB) *world {
	w := &world{
		t: t, now: time.UnixMicro(1_790_000_000_000_000), people: map[envelope.UserID]*person{},
		seeds: map[uint64]seal.Seed{}, wraps: map[uint64][][]byte{}, files: map[envelope.BlobID][]byte{},
		devices: map[envelope.KeyID]uint64{},
	}
	w.root = newParty(t).key
	g := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&envelope.Link{
		Version: envelope.Version, Type: envelope.OrgGenesis, Key: w.root.ID(), Body: envelope.Marshal(&envelope.OrgGenesisBody{
			Name: "Desk", Suite: suitetest.Suite(), Roots: [][]byte{w.root.Public()}, Threshold: 1,
			Capture: envelope.CaptureRequired, Nonce: nonce(),
		}),
	})}
	seal.SignEntry(g, w.root)
	w.org = must(chain.NewOrg(g))
	w.links = append(w.links, g)
	w.rec = newParty(t)
	w.list(envelope.Party{Role: envelope.RoleRecorder, Name: "rec-1", Key: w.rec.key.Public(), Recipient: w.rec.identity.Recipient()})
	w.auditor = newParty(t).identity
	w.list(envelope.Party{Role: envelope.RoleAuditor, Name: "auditor", Recipient: w.auditor.Recipient()})
	return w
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// list adds a party to the organisation's chain.
func (w *world) list(p envelope.Party) {
	w.extendOrg(envelope.OrgList, &p)
}

func (w *world) extendOrg(kind envelope.LinkType, body any) {
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&envelope.Link{
		Version: envelope.Version, Org: w.org.ID(), Chain: envelope.Hash(w.org.ID()), Seq: w.org.Seq() + 1, Prev: w.org.Head(),
		Type: kind, Body: envelope.Marshal(body), Key: w.root.ID(),
	})}
	seal.SignEntry(e, w.root)
	if err := w.org.Apply(e); err != nil {
		w.t.Fatal(err)
	}
	w.links = append(w.links, e)
}

// enrol makes a person, listed in roles.
func (w *world) enrol(roles ...envelope.Role) *person {
	w.t.Helper()
	p := newParty(w.t)
	g := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&envelope.Link{
		Version: envelope.Version, Org: w.org.ID(), Type: envelope.UserGenesis, Key: p.key.ID(),
		Body: envelope.Marshal(&envelope.UserGenesisBody{
			Suite: suitetest.Suite(), Recipient: p.identity.Recipient(), Nonce: nonce(),
			Device: envelope.DeviceBody{Name: "laptop", Key: p.key.Public(), Recipient: p.identity.Recipient()},
		}),
	})}
	seal.SignEntry(g, p.key)
	u := must(chain.NewUser(w.org, g))
	who := &person{u.ID(), p.key, u, []*envelope.Entry{g}}
	w.people[u.ID()] = who
	for _, role := range roles {
		w.list(envelope.Party{Role: role, Name: string(role), User: u.ID()})
	}
	return who
}

// Org and User implement chain.Directory for the server's own validator.
func (w *world) Org() *chain.Org { return w.org }
func (w *world) User(id envelope.UserID) (*chain.User, bool) {
	p, ok := w.people[id]
	if !ok {
		return nil, false
	}
	return p.chain, true
}

// found starts the channel with its owner and first epoch.
func (w *world) found(owner *person) envelope.ChannelID {
	w.t.Helper()
	g := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&envelope.Link{
		Version: envelope.Version, Org: w.org.ID(), Type: envelope.ChannelGenesis, User: owner.id, Key: owner.device.ID(),
		Body: envelope.Marshal(&envelope.ChannelGenesisBody{
			Access: envelope.AccessPrivate, Capture: envelope.CaptureRequired, Recorders: []envelope.KeyID{w.rec.key.ID()},
			History: envelope.HistorySinceJoin, Lifetime: 3600, OrgSeq: w.org.Seq(), OrgHead: w.org.Head(),
			UserSeq: 0, UserHead: owner.chain.Head(), Nonce: nonce(),
		}),
	})}
	seal.SignEntry(g, owner.device)
	id := envelope.ChannelID(envelope.ChainOf(g.Header))
	p := w.at(1, chain.StartHead(id), g, nil)
	w.channel = must(chain.NewChannel(w, p))
	w.placed = append(w.placed, p)
	w.rotate(owner, envelope.CauseStart)
	return id
}

func (w *world) at(i uint64, top envelope.Hash, e *envelope.Entry, salt []byte) *envelope.Placed {
	p := &envelope.Placed{Position: i, Received: w.now.UnixMicro(), Entry: *e, Payload: envelope.SumBytes(e.Payload), Salt: salt}
	p.Head = envelope.NextHead(top, i, p.Received, p.Hash())
	return p
}

// place is the honest server's answer to an entry.
func (w *world) place(e *envelope.Entry, salt []byte) (*envelope.Placed, error) {
	p := w.at(w.channel.Position+1, w.channel.Top, e, salt)
	if err := w.channel.Apply(p); err != nil {
		return nil, err
	}
	w.placed = append(w.placed, p)
	return p, nil
}

func (w *world) link(by *person, kind envelope.LinkType, body any) *envelope.Placed {
	w.t.Helper()
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&envelope.Link{
		Version: envelope.Version, Org: w.org.ID(), Chain: envelope.Hash(w.channel.ID()), Seq: w.channel.Seq() + 1,
		Prev: w.channel.Head(), Type: kind, Body: envelope.Marshal(body), User: by.id, Key: by.device.ID(),
	})}
	seal.SignEntry(e, by.device)
	return must(w.place(e, nil))
}

func (w *world) add(by, who *person) {
	w.link(by, envelope.MemberAdd, &envelope.AddBody{
		User: who.id, UserHead: who.chain.Head(), Rank: envelope.RankMember, HistoryFrom: w.epochs() + 1,
	})
}

func (w *world) epochs() uint64 {
	if e, ok := w.channel.Newest(); ok {
		return e.N
	}
	return 0
}

// rotate places a new epoch.
func (w *world) rotate(by *person, cause envelope.Cause) {
	w.t.Helper()
	n := w.epochs() + 1
	seed := seal.NewSeed()
	recipients := must(w.channel.Recipients())
	wraps := must(seal.WrapAll(w.org.Suite(), seed, seal.Epoch{Org: w.org.ID(), Channel: w.channel.ID(), N: n}, recipients))
	body := &envelope.EpochBody{
		N: n, Cause: cause, MembersRoot: wraps.MembersRoot, SeedCommit: wraps.SeedCommit, WrapsRoot: wraps.WrapsRoot,
		History: envelope.HistorySinceJoin, NotAfter: w.now.Add(time.Hour).UnixMicro(),
	}
	if last, ok := w.channel.Newest(); ok {
		body.PrevCommit = last.Body.SeedCommit
	}
	w.seeds[n], w.wraps[n] = seed, wraps.Files
	w.link(by, envelope.EpochStart, body)
}

// say places a message in the current epoch.
func (w *world) say(by *person, text string, files ...envelope.Attachment) *envelope.Placed {
	w.t.Helper()
	e, salt := w.compose(by, text, files...)
	return must(w.place(e, salt))
}

func (w *world) compose(by *person, text string, files ...envelope.Attachment) (*envelope.Entry, []byte) {
	w.t.Helper()
	epoch, ok := w.channel.Current()
	if !ok {
		w.t.Fatal("no epoch is current")
	}
	last := w.channel.Counter(by.device.ID())
	h := envelope.Header{
		Version: envelope.Version, Org: w.org.ID(), Channel: w.channel.ID(), Epoch: epoch.N, EpochLink: epoch.Link,
		User: by.id, Device: by.device.ID(), DeviceSeq: last.Seq + 1, DevicePrev: last.Hash,
		Seen: envelope.Ref{Position: w.channel.Position, Hash: w.channel.Top}, Kind: envelope.Post, Attachments: files,
	}
	body := envelope.Body{Text: text}
	for range files {
		body.Files = append(body.Files, envelope.File{Name: "f", Key: make([]byte, 32)})
	}
	key := w.seeds[epoch.N].Key(seal.Epoch{
		Org: w.org.ID(), Channel: w.channel.ID(), N: epoch.N, Link: epoch.Link, Commit: epoch.Body.SeedCommit,
	})
	e, salt, err := seal.Seal(key, h, body, by.device)
	if err != nil {
		w.t.Fatal(err)
	}
	return e, salt[:]
}

// approve signs an order.
func (w *world) approve(o *Order, by *person, action string) {
	w.t.Helper()
	s, err := seal.SignStatement(envelope.LabelApproval, &envelope.Approval{
		Version: envelope.Version, Org: w.org.ID(), Action: action, Object: envelope.OrderHash(o.Bytes), User: by.id, Device: by.device.ID(),
	}, by.device)
	if err != nil {
		w.t.Fatal(err)
	}
	o.Approvals = append(o.Approvals, s)
}

// The Server interface.

func (w *world) OrgChain(context.Context) ([]*envelope.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.links), nil
}

func (w *world) UserChain(_ context.Context, id envelope.UserID) ([]*envelope.Entry, error) {
	if p, ok := w.people[id]; ok {
		return p.links, nil
	}
	return nil, errors.New("no such person")
}

func (w *world) Channels(context.Context) ([]Listed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []Listed{{w.channel.ID(), w.channel.Position}}, nil
}

func (w *world) Entries(_ context.Context, _ envelope.ChannelID, after uint64) (Page, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	page := Page{Position: w.channel.Position, Head: w.channel.Top}
	for _, p := range w.placed[min(after, uint64(len(w.placed))):] {
		clone := *p
		if page.Entries = append(page.Entries, &clone); len(page.Entries) == 500 {
			break
		}
	}
	if w.spoilPage != nil {
		w.spoilPage(&page)
	}
	return page, nil
}

func (w *world) Wrap(_ context.Context, _ envelope.ChannelID, n uint64) ([]byte, []envelope.Hash, error) {
	files := w.wraps[n]
	hashes := make([]envelope.Hash, len(files))
	for i, f := range files {
		hashes[i] = envelope.SumBytes(f)
	}
	wrap := files[len(files)-1] // recorders come last
	if w.spoilWrap != nil {
		wrap, hashes = w.spoilWrap(n, wrap, hashes)
	}
	return wrap, hashes, nil
}

func (w *world) Post(_ context.Context, _ envelope.ChannelID, e *envelope.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts++
	if w.onPost != nil {
		w.onPost(e)
	}
	if w.postError != nil {
		return w.postError
	}
	for _, p := range w.placed {
		if p.Entry.Kind == e.Kind && p.Hash() == e.Hash() {
			return nil
		}
	}
	if _, err := w.place(e, nil); err != nil {
		return errors.Join(ErrRefused, err)
	}
	return nil
}

func (w *world) Piece(_ context.Context, _ envelope.ChannelID, id envelope.BlobID, f piece.File, s piece.Span) ([]byte, error) {
	b, ok := w.files[id]
	if !ok {
		return nil, errors.New("no such file")
	}
	var tree tlog.MemoryHashes
	n := int64(0)
	for chunk := range slices.Chunk(b, piece.Chunk) {
		if err := tree.Append(n, tlog.LeafHash(chunk)); err != nil {
			return nil, err
		}
		n++
	}
	var out bytes.Buffer
	err := f.Send(&out, bytes.NewReader(b), tree, s)
	return out.Bytes(), err
}

func (w *world) Notices(_ context.Context, _ envelope.ChannelID, after uint64) ([]Notice, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.told[min(after, uint64(len(w.told))):]), nil
}

func (w *world) Tell(_ context.Context, _ envelope.ChannelID, statement []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, Notice{Number: uint64(len(w.told) + 1), Statement: statement})
	return nil
}

func (w *world) Holds(context.Context) ([]Hold, error)     { return w.holds, nil }
func (w *world) Rules(context.Context) ([]Order, error)    { return w.rules, nil }
func (w *world) Plans(context.Context) ([]Order, error)    { return w.plans, nil }
func (w *world) Exports(context.Context) ([]Export, error) { return w.exports, nil }

func (w *world) Confirm(_ context.Context, _ envelope.Hash, s []byte) error {
	w.confirmations = append(w.confirmations, s)
	return nil
}

func (w *world) Deliver(_ context.Context, _ envelope.Hash, o *Openings) error {
	w.delivered = append(w.delivered, o)
	return nil
}

// desk is a recorder on a world, with all that it reported.
type desk struct {
	*Recorder
	w        *world
	config   Config
	mu       sync.Mutex
	reported []error
}

func newDesk(t testing.TB, w *world) *desk {
	dir := t.TempDir()
	d := &desk{w: w}
	d.config = Config{
		Org: w.org.ID(), Copy: filepath.Join(dir, "copy"), VaultKeys: filepath.Join(dir, "keys"),
		Key: w.rec.key, Identity: w.rec.identity, Master: seal.NewDataKey(), Server: w, Random: rand.Reader,
		Now: func() time.Time { return w.now }, Poll: 5 * time.Millisecond, Cooling: 30 * 24 * time.Hour,
		Report: func(err error) { d.mu.Lock(); defer d.mu.Unlock(); d.reported = append(d.reported, err) },
	}
	d.open()
	t.Cleanup(func() { d.Recorder.Close() })
	return d
}

func (d *desk) open() {
	d.w.t.Helper()
	r, err := Open(d.config)
	if err != nil {
		d.w.t.Fatal(err)
	}
	d.Recorder = r
}

// kill drops the recorder without any clean end and starts it again.
func (d *desk) kill() {
	d.w.t.Helper()
	d.Recorder.Close()
	d.open()
}

// follow looks at the channel once, and gives the reason of what went wrong.
func (d *desk) follow() Reason {
	d.w.t.Helper()
	d.reported = nil
	_, err := d.Follow(d.w.t.Context(), d.w.channel.ID())
	if err != nil && ReasonOf(err) == "" {
		d.w.t.Fatal(err)
	}
	if err == nil && len(d.reported) > 0 {
		err = d.reported[0]
	}
	return ReasonOf(err)
}

// judge looks at the orders once and gives the first reason reported.
func (d *desk) judge() Reason {
	d.w.t.Helper()
	d.reported = nil
	if err := d.JudgeOrders(d.w.t.Context()); err != nil {
		d.w.t.Fatal(err)
	}
	if len(d.reported) == 0 {
		return ""
	}
	if ReasonOf(d.reported[0]) == "" {
		d.w.t.Fatal(d.reported[0])
	}
	return ReasonOf(d.reported[0])
}

// settled follows until everything is acknowledged and covered.
func (d *desk) settled() {
	d.w.t.Helper()
	for range 3 {
		if reason := d.follow(); reason != "" {
			d.w.t.Fatalf("following: %s", reason)
		}
		d.w.now = d.w.now.Add(3 * time.Second)
	}
}

func (d *desk) want(got, want Reason) {
	d.w.t.Helper()
	if got != want {
		d.w.t.Fatalf("reason is %q, want %q (reported %v)", got, want, d.reported)
	}
}

func testContext(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	return ctx, stop
}

func (w *world) waitFor(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		done := ok()
		w.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("waited for %s in vain", what)
		}
	}
}
