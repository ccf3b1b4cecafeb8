package session

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/piece"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
)

// honest is a server made of the validator alone: it places what chain.Channel
// takes, in memory, and answers the routes that a session uses. Tests bend it
// through its hooks.
type honest struct {
	t    testing.TB
	http *httptest.Server

	mu       sync.Mutex
	now      time.Time
	root     *seal.SigningKey
	receipt  *seal.SigningKey
	recorder *recorder
	org      *chain.Org
	orgLinks [][]byte
	users    map[envelope.UserID]*account
	channels map[envelope.ChannelID]*room
	asking   asking

	signer *sign.Key                    // of the log; nil while there is none
	log    *testLog                     // what is logged and published
	other  map[envelope.UserID]*testLog // shown to some instead

	deny     func(e *envelope.Entry) *client.Problem // asked before an entry is placed
	lose     func() bool                             // true: place it, and give no answer
	signWith *seal.SigningKey                        // another key than the listed one
	wrapOf   func(n uint64, w *wire.EpochWrap)       // bends a wrap
	pieceOf  func(s piece.Span, b []byte) []byte     // bends a piece
	cut      func(s piece.Span) bool                 // true: takes a piece, and breaks the line
	files    map[envelope.BlobID]*stored
	pieces   int // sent to readers
}

type account struct {
	chain *chain.User
	links [][]byte
	wraps map[envelope.KeyID][]byte
}

type room struct {
	chain  *chain.Channel
	placed []envelope.Placed
	told   []wire.NewNotice
	wraps  map[uint64][][]byte
}

// recorder acknowledges and covers when a test tells it to.
type recorder struct {
	key *seal.SigningKey
	id  *seal.Identity
}

func key(t testing.TB) *seal.SigningKey {
	t.Helper()
	k, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newHonest(t testing.TB) *honest {
	t.Helper()
	h := &honest{
		t: t, now: time.Now(), root: key(t), receipt: key(t), users: map[envelope.UserID]*account{},
		channels: map[envelope.ChannelID]*room{}, files: map[envelope.BlobID]*stored{},
	}
	id, err := seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.recorder = &recorder{key(t), id}
	genesis, err := NewOrg(suitetest.Suite(), "Example", envelope.CaptureOff, 1, h.now, h.root)
	if err != nil {
		t.Fatal(err)
	}
	if h.org, err = chain.NewOrg(genesis); err != nil {
		t.Fatal(err)
	}
	h.orgLinks = [][]byte{envelope.Marshal(genesis)}
	h.list(envelope.Party{Role: envelope.RoleReceipt, Name: "server", Key: h.receipt.Public()})
	h.list(envelope.Party{Role: envelope.RoleRecorder, Name: "rec-1", Key: h.recorder.key.Public(), Recipient: id.Recipient()})
	h.serve()
	return h
}

func (h *honest) list(p envelope.Party) {
	h.t.Helper()
	e, err := ListParty(h.org, p, h.now, h.root)
	if err != nil {
		h.t.Fatal(err)
	}
	h.orgLinks = append(h.orgLinks, envelope.Marshal(e))
}

func (h *honest) Org() *chain.Org { return h.org }
func (h *honest) User(id envelope.UserID) (*chain.User, bool) {
	a, ok := h.users[id]
	if !ok {
		return nil, false
	}
	return a.chain, true
}

func (h *honest) serve() {
	mux := http.NewServeMux()
	on := func(pattern string, handle func(r *http.Request) (any, *client.Problem)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h.mu.Lock()
			defer h.mu.Unlock()
			v, problem := handle(r)
			if problem != nil {
				w.Header().Set("Content-Type", "application/problem+json")
				w.WriteHeader(problem.Status)
				v = problem
			}
			if err := json.NewEncoder(w).Encode(v); err != nil {
				h.t.Error(err)
			}
		})
	}
	on("POST /v1/session/nonce", func(*http.Request) (any, *client.Problem) { return wire.Nonce{Nonce: nonce()}, nil })
	on("PUT /v1/session/device", func(*http.Request) (any, *client.Problem) { return struct{}{}, nil })
	on("GET /v1/session", h.me)
	on("GET /v1/org", func(*http.Request) (any, *client.Problem) { return wire.Chain{Entries: h.orgLinks}, nil })
	on("PUT /v1/people/me/chain", h.enroll)
	on("GET /v1/channels", func(*http.Request) (any, *client.Problem) {
		out := wire.Channels{}
		for id := range h.channels {
			out.Channels = append(out.Channels, wire.Channel{ID: id})
		}
		return out, nil
	})
	on("GET /v1/people/{user}/chain", func(r *http.Request) (any, *client.Problem) {
		id, _ := envelope.ID[envelope.UserID](r.PathValue("user"))
		return wire.Chain{Entries: h.users[id].links}, nil
	})
	on("GET /v1/devices/{key}/wrap", func(r *http.Request) (any, *client.Problem) {
		id, _ := envelope.ID[envelope.KeyID](r.PathValue("key"))
		return wire.Wrap{Wrap: h.users[caller(r)].wraps[id]}, nil
	})
	h.serveAsking(on)
	on("POST /v1/channels", h.create)
	on("GET /v1/channels/{channel}/entries", h.entries)
	on("POST /v1/channels/{channel}/entries", h.place)
	on("GET /v1/channels/{channel}/epochs/{n}", h.wrap)
	on("POST /v1/channels/{channel}/notices", h.tell)
	on("GET /v1/channels/{channel}/notices", h.hear)
	on("POST /v1/channels/{channel}/files", h.announce)
	on("PUT /v1/channels/{channel}/files/{blob}", h.putPiece)
	mux.HandleFunc("GET /v1/channels/{channel}/files/{blob}", h.getPiece)
	on("GET /v1/log/witnessed", h.witnessed)
	on("GET /v1/channels/{channel}/entries/{position}/logged", h.logged)
	h.http = httptest.NewServer(mux)
	h.t.Cleanup(h.http.Close)
}

// caller is whom the token names: it is the user's chain, once there is one.
func caller(r *http.Request) envelope.UserID {
	token, _, _ := strings.Cut(r.Header.Get("Authorization")[len("Bearer "):], newDevice)
	id, _ := envelope.ID[envelope.UserID](token)
	return id
}

func (h *honest) me(r *http.Request) (any, *client.Problem) {
	p := wire.Person{Username: "someone", Account: 1}
	if _, ok := h.users[caller(r)]; ok {
		p.Chain = caller(r)
	}
	return p, nil
}

func (h *honest) enroll(r *http.Request) (any, *client.Problem) {
	var in wire.NewChain
	h.read(r, &in)
	e := h.parse(in.Entry)
	u, err := chain.NewUser(h.org, e)
	if err != nil {
		return nil, refusedBy(err)
	}
	h.users[u.ID()] = &account{u, [][]byte{in.Entry}, map[envelope.KeyID][]byte{envelope.KeyOf(u.Devices()[0].Key): in.Wrap}}
	return struct{}{}, nil
}

func (h *honest) read(r *http.Request, v any) {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		h.t.Error(err)
	}
}

func (h *honest) parse(b []byte) *envelope.Entry {
	e, err := envelope.ParseEntry(b)
	if err != nil {
		h.t.Error(err)
	}
	return e
}

func refusedBy(err error) *client.Problem {
	return &client.Problem{Status: http.StatusConflict, Code: string(chain.ReasonOf(err)), Detail: err.Error()}
}

func (h *honest) create(r *http.Request) (any, *client.Problem) {
	var in wire.NewChannel
	h.read(r, &in)
	e := h.parse(in.Genesis)
	id := envelope.ChannelID(envelope.ChainOf(e.Header))
	p := h.at(chain.StartHead(id), 1, e, nil)
	c, err := chain.NewChannel(h, p)
	if err != nil {
		return nil, refusedBy(err)
	}
	h.channels[id] = &room{chain: c, placed: []envelope.Placed{*p}, wraps: map[uint64][][]byte{}}
	return h.answer(id, p, envelope.KeyID{}, 0), nil
}

func (h *honest) at(top envelope.Hash, position uint64, e *envelope.Entry, salt []byte) *envelope.Placed {
	p := &envelope.Placed{Position: position, Received: h.now.UnixMicro(), Entry: *e, Payload: envelope.SumBytes(e.Payload), Salt: salt}
	p.Head = envelope.NextHead(top, position, p.Received, p.Hash())
	return p
}

func (h *honest) answer(id envelope.ChannelID, p *envelope.Placed, device envelope.KeyID, seq uint64) wire.Answer {
	return wire.Answer{Receipt: h.sign(envelope.LabelReceipt, &envelope.Receipt{
		Version: envelope.Version, Org: h.org.ID(), Channel: id, Device: device, DeviceSeq: seq, Entry: p.Hash(),
		Position: p.Position, Head: p.Head, Received: p.Received,
	})}
}

func (h *honest) sign(label string, v any) []byte {
	k := h.receipt
	if h.signWith != nil {
		k = h.signWith
	}
	b, err := seal.SignStatement(label, v, k)
	if err != nil {
		h.t.Error(err)
	}
	return b
}

func (h *honest) entries(r *http.Request) (any, *client.Problem) {
	room := h.room(r)
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	out := wire.Entries{Entries: [][]byte{}, Position: room.chain.Position, Head: room.chain.Top}
	for i := min(after, uint64(len(room.placed))); i < uint64(len(room.placed)); i++ {
		p := &room.placed[i]
		if r.URL.Query().Get("kind") != "" && p.Entry.Kind == envelope.KindMessage {
			continue
		}
		if out.Entries = append(out.Entries, envelope.Marshal(p)); len(out.Entries) == page {
			break
		}
	}
	return out, nil
}

func (h *honest) room(r *http.Request) *room {
	id, _ := envelope.ID[envelope.ChannelID](r.PathValue("channel"))
	return h.channels[id]
}

func (h *honest) place(r *http.Request) (any, *client.Problem) {
	var in wire.NewEntry
	h.read(r, &in)
	room, e := h.room(r), h.parse(in.Entry)
	if h.deny != nil {
		if p := h.deny(e); p != nil {
			return nil, p
		}
	}
	var device envelope.KeyID
	var seq uint64
	if e.Kind == envelope.KindMessage {
		header, err := envelope.ParseHeader(e)
		if err != nil {
			return nil, refusedBy(err)
		}
		device, seq = header.Device, header.DeviceSeq
	}
	p, problem := h.append(room, e, in.Salt, device, seq)
	if problem != nil {
		return nil, problem
	}
	if newest, ok := room.chain.Newest(); ok && newest.Position == p.Position {
		room.wraps[newest.N] = in.Wraps
	}
	if h.lose != nil && h.lose() {
		return nil, &client.Problem{Status: http.StatusServiceUnavailable, Detail: "the answer was lost"}
	}
	return h.answer(room.chain.ID(), p, device, seq), nil
}

// append places an entry, or finds it, or refuses it for good.
func (h *honest) append(room *room, e *envelope.Entry, salt []byte, device envelope.KeyID, seq uint64) (*envelope.Placed, *client.Problem) {
	hash := e.Hash()
	if i := slices.IndexFunc(room.placed, func(p envelope.Placed) bool { return p.Hash() == hash }); i >= 0 {
		return &room.placed[i], nil
	}
	p := h.at(room.chain.Top, room.chain.Position+1, e, salt)
	if err := room.chain.Apply(p); err != nil {
		problem := refusedBy(err)
		if seq > 0 && chain.ReasonOf(err) != chain.CounterBad {
			problem.Refusal = h.sign(envelope.LabelRefusal, &envelope.Refusal{
				Version: envelope.Version, Org: h.org.ID(), Channel: room.chain.ID(), Device: device, DeviceSeq: seq,
				Entry: hash, Code: problem.Code, Time: h.now.UnixMicro(),
			})
		}
		return nil, problem
	}
	room.placed = append(room.placed, *p)
	return p, nil
}

func (h *honest) wrap(r *http.Request) (any, *client.Problem) {
	n, _ := strconv.ParseUint(r.PathValue("n"), 10, 64)
	room := h.room(r)
	e, _ := room.chain.Epoch(n)
	out := wire.EpochWrap{}
	for i, x := range e.Recipients() {
		out.Hashes = append(out.Hashes, envelope.SumBytes(room.wraps[n][i]))
		if x.ID == envelope.Hash(caller(r)) {
			out.Wrap = room.wraps[n][i]
		}
	}
	if h.wrapOf != nil {
		h.wrapOf(n, &out)
	}
	if out.Wrap == nil {
		return nil, &client.Problem{Status: http.StatusNotFound}
	}
	return out, nil
}

func (h *honest) tell(r *http.Request) (any, *client.Problem) {
	var in wire.NewNotice
	h.read(r, &in)
	room := h.room(r)
	room.told = append(room.told, in)
	return struct{}{}, nil
}

func (h *honest) hear(r *http.Request) (any, *client.Problem) {
	after, _ := strconv.Atoi(r.URL.Query().Get("after"))
	out := wire.Notices{}
	for i, n := range h.room(r).told[after:] {
		if label, _, _, err := envelope.ParseNotice(n.Statement); err == nil && label != envelope.LabelTail {
			out.Notices = append(out.Notices, wire.Notice{Number: uint64(after + i + 1), Statement: n.Statement})
		}
	}
	return out, nil
}

// notices are those of a label in a channel.
func (h *honest) notices(id envelope.ChannelID, label string) (out []wire.NewNotice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.channels[id].told {
		if l, _, _, err := envelope.ParseNotice(n.Statement); err == nil && l == label {
			out = append(out, n)
		}
	}
	return out
}

// acknowledge places the recorder's word on the newest epoch.
func (h *honest) acknowledge(id envelope.ChannelID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.channels[id]
	e, _ := room.chain.Newest()
	h.append(room, h.said(envelope.KindAcknowledgement, &envelope.Acknowledgement{
		Version: envelope.Version, Org: h.org.ID(), Channel: id, N: e.N, EpochLink: e.Link, SeedCommit: e.Body.SeedCommit,
		Recorder: h.recorder.key.ID(), Time: h.now.UnixMicro(),
	}), nil, envelope.KeyID{}, 0)
}

func (h *honest) said(k envelope.Kind, v any) *envelope.Entry {
	e := &envelope.Entry{Kind: k, Header: envelope.Marshal(v)}
	seal.SignEntry(e, h.recorder.key)
	return e
}

// truncate makes the server what it was at a position.
func (h *honest) truncate(id envelope.ChannelID, position uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.channels[id]
	room.placed = slices.Clone(room.placed[:position])
	c, err := chain.NewChannel(h, &room.placed[0])
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range room.placed[1:] {
		if err := c.Apply(&room.placed[i+1]); err != nil {
			h.t.Fatal(err)
		}
	}
	room.chain = c
}

// person is one person's device in a test.
type person struct {
	*Session
	dir   string
	notes []string
}

// join enrols a new person.
func (h *honest) join() *person {
	h.t.Helper()
	p := &person{dir: h.t.TempDir()}
	ring, err := keyring.Create(p.dir+"/ring", "test", keyring.Cheap(), keyring.Suite(suitetest.Suite()))
	if err != nil {
		h.t.Fatal(err)
	}
	h.open(p, ring, "")
	if err := p.EnrollFirst(context.Background(), "test device"); err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	for id, a := range h.users {
		if _, ok := a.wraps[p.Device()]; ok {
			p.API.SetToken(id.String())
		}
	}
	h.mu.Unlock()
	p.Me = nil
	if err := p.Bind(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { p.Ring.Close() })
	return p
}

func (h *honest) open(p *person, ring *keyring.Ring, token string) {
	h.t.Helper()
	if token == "" {
		token = "nobody"
	}
	api, err := client.New(client.Config{URL: h.http.URL, Token: token})
	if err != nil {
		h.t.Fatal(err)
	}
	p.Session, err = Open(context.Background(), Config{
		API: api, Ring: ring, Spool: p.dir + "/uploads", AckWait: 50 * time.Millisecond,
		Now:  func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now },
		Note: func(text string) { p.notes = append(p.notes, text) },
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// restart ends a person's process, cleanly or not, and starts it again.
func (h *honest) restart(p *person, clean bool) {
	h.t.Helper()
	if clean {
		if err := p.Close(); err != nil {
			h.t.Fatal(err)
		}
	}
	token := p.Me.Chain.String()
	if err := p.Ring.Close(); err != nil {
		h.t.Fatal(err)
	}
	ring, err := keyring.Open(p.dir+"/ring", "test")
	if err != nil {
		h.t.Fatal(err)
	}
	h.open(p, ring, token)
	h.t.Cleanup(func() { ring.Close() })
}
