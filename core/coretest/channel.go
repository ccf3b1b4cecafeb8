package coretest

import (
	"time"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/identity"
)

// Channel is a channel as its members follow it.
type Channel struct {
	s     *Server
	view  *view
	ID    envelope.ChannelID
	State *chain.Channel
	Key   seal.EpochKey // of the newest epoch
	keys  map[uint64]seal.EpochKey
}

// view reads the chains that a channel refers to.
type view struct {
	org   *chain.Org
	users map[envelope.UserID]*chain.User
}

func (v *view) Org() *chain.Org { return v.org }

func (v *view) User(id envelope.UserID) (*chain.User, bool) { u, ok := v.users[id]; return u, ok }

// Open creates a channel with an epoch for its owner and the other members.
func (p *Person) Open(team int64, name string, capture envelope.Capture, recorders []envelope.KeyID, others ...*Person) *Channel {
	c := p.Create(team, name, capture, recorders, others...)
	c.Rotate(p, envelope.CauseStart)
	return c
}

// Create is Open without an epoch.
func (p *Person) Create(team int64, name string, capture envelope.Capture, recorders []envelope.KeyID, others ...*Person) *Channel {
	s := p.s
	s.T.Helper()
	v := &view{org: s.Org(), users: map[envelope.UserID]*chain.User{p.User: p.Chain}}
	for _, o := range others {
		v.users[o.User] = o.Chain
	}
	raw := p.genesis(v.org, capture, recorders)
	e, err := envelope.ParseEntry(raw)
	s.Must(err)
	receipt, err := s.CreateChannel(s.T.Context(), p.P, wire.NewChannel{Team: team, Name: name, Genesis: raw})
	s.Must(err)
	c := &Channel{s: s, view: v, keys: map[uint64]seal.EpochKey{}, ID: envelope.ChannelID(envelope.ChainOf(e.Header))}
	first := c.placed(e, receipt)
	c.State, err = chain.NewChannel(v, first)
	s.Must(err)
	for _, o := range others {
		c.Add(p, o)
	}
	return c
}

// ChannelGenesis starts a private channel without recorders, each time another.
func (p *Person) ChannelGenesis(capture envelope.Capture) []byte {
	return p.genesis(p.s.Org(), capture, nil)
}

func (p *Person) genesis(org *chain.Org, capture envelope.Capture, recorders []envelope.KeyID) []byte {
	body := envelope.ChannelGenesisBody{
		Access: envelope.AccessPrivate, Capture: capture, Recorders: recorders, History: envelope.HistorySinceJoin, Lifetime: 7 * 24 * 3600,
		OrgSeq: org.Seq(), OrgHead: org.Head(), UserSeq: p.Chain.Seq(), UserHead: p.Chain.Head(), Nonce: nonce(),
	}
	return envelope.Marshal(p.link(&envelope.Link{Version: envelope.Version, Org: org.ID(), Type: envelope.ChannelGenesis, Body: envelope.Marshal(&body)}))
}

// placed is the entry as the receipt says it stands.
func (c *Channel) placed(e *envelope.Entry, receipt []byte) *envelope.Placed {
	c.s.T.Helper()
	r, err := envelope.OpenStatement[envelope.Receipt](receipt, envelope.LabelReceipt, c.s.Receipt.Public())
	c.s.Must(err)
	return &envelope.Placed{Position: r.Position, Received: r.Received, Head: r.Head, Entry: *e, Payload: envelope.SumBytes(e.Payload), Salt: []byte{}}
}

// Place puts an entry in and follows it.
func (c *Channel) Place(p *Person, in wire.NewEntry) {
	c.s.T.Helper()
	c.s.Must(c.PlaceAs(c.s.Service, p.P, in))
}

// PlaceAs puts an entry in by a server and a principal, and follows it.
func (c *Channel) PlaceAs(s *core.Service, p identity.Principal, in wire.NewEntry) error {
	receipt, err := s.Place(c.s.T.Context(), p, c.ID, in)
	if err != nil {
		return err
	}
	e, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return err
	}
	return c.State.Apply(c.placed(e, receipt))
}

// Link makes the next link of the channel's chain.
func (c *Channel) Link(p *Person, t envelope.LinkType, body any) *envelope.Entry {
	return p.link(&envelope.Link{
		Version: envelope.Version, Org: c.State.Org(), Chain: envelope.Hash(c.ID), Seq: c.State.Seq() + 1, Prev: c.State.Head(),
		Type: t, Body: envelope.Marshal(body),
	})
}

// Add makes someone a member.
func (c *Channel) Add(p, who *Person) {
	c.s.T.Helper()
	c.view.users[who.User] = who.Chain
	next := uint64(1)
	if newest, ok := c.State.Newest(); ok {
		next = newest.N + 1
	}
	body := envelope.AddBody{User: who.User, UserSeq: who.Chain.Seq(), UserHead: who.Chain.Head(), Rank: envelope.RankMember, HistoryFrom: next}
	c.Place(p, wire.NewEntry{Entry: envelope.Marshal(c.Link(p, envelope.MemberAdd, &body))})
}

// Rotate starts an epoch.
func (c *Channel) Rotate(p *Person, cause envelope.Cause) {
	c.s.T.Helper()
	in, key := c.rotation(p, cause)
	c.Place(p, in)
	newest, _ := c.State.Newest()
	c.Key, c.keys[newest.N] = key, key
}

// Rotation is what Rotate would place.
func (c *Channel) Rotation(p *Person, cause envelope.Cause) wire.NewEntry {
	in, _ := c.rotation(p, cause)
	return in
}

func (c *Channel) rotation(p *Person, cause envelope.Cause) (wire.NewEntry, seal.EpochKey) {
	s := c.s
	s.T.Helper()
	recipients, err := c.State.Recipients()
	s.Must(err)
	epoch := seal.Epoch{Org: c.State.Org(), Channel: c.ID, N: 1}
	body := envelope.EpochBody{Cause: cause, History: envelope.HistorySinceJoin, NotAfter: time.Now().Add(time.Hour).UnixMicro()}
	if newest, ok := c.State.Newest(); ok {
		epoch.N, body.PrevCommit = newest.N+1, newest.Body.SeedCommit
	}
	seed := seal.NewSeed()
	wraps, err := seal.WrapAll(s.Org().Suite(), seed, epoch, recipients)
	s.Must(err)
	body.N, body.MembersRoot, body.WrapsRoot, body.SeedCommit = epoch.N, wraps.MembersRoot, wraps.WrapsRoot, wraps.SeedCommit
	e := c.Link(p, envelope.EpochStart, &body)
	epoch.Link, epoch.Commit = e.Hash(), wraps.SeedCommit
	return wire.NewEntry{Entry: envelope.Marshal(e), Wraps: wraps.Files}, seed.Key(epoch)
}

// Seal makes a message in the newest epoch that the person's device could post
// next.
func (c *Channel) Seal(p *Person, text string) wire.NewEntry {
	newest, _ := c.State.Newest()
	return c.SealIn(p, newest.N, text)
}

// SealIn is Seal in the epoch of that number.
func (c *Channel) SealIn(p *Person, n uint64, text string) wire.NewEntry {
	c.s.T.Helper()
	return c.SealSeen(p, n, text, envelope.Ref{Position: c.State.Position, Hash: c.State.Top})
}

// SealSeen is SealIn by a device that says what it has seen.
func (c *Channel) SealSeen(p *Person, n uint64, text string, seen envelope.Ref) wire.NewEntry {
	c.s.T.Helper()
	return c.seal(p, n, envelope.Body{Text: text}, seen)
}

// SealFile is Seal with a file whose key nobody needs.
func (c *Channel) SealFile(p *Person, text string, a envelope.Attachment) wire.NewEntry {
	c.s.T.Helper()
	newest, _ := c.State.Newest()
	body := envelope.Body{Text: text, Files: []envelope.File{{Name: "plan.pdf", Type: "application/pdf", Key: make([]byte, 32)}}}
	return c.seal(p, newest.N, body, envelope.Ref{Position: c.State.Position, Hash: c.State.Top}, a)
}

func (c *Channel) seal(p *Person, n uint64, body envelope.Body, seen envelope.Ref, files ...envelope.Attachment) wire.NewEntry {
	c.s.T.Helper()
	epoch, _ := c.State.Epoch(n)
	last := c.State.Counter(p.Key.ID())
	h := envelope.Header{
		Version: envelope.Version, Org: c.State.Org(), Channel: c.ID, Epoch: n, EpochLink: epoch.Link,
		User: p.User, Device: p.Key.ID(), DeviceSeq: last.Seq + 1, DevicePrev: last.Hash,
		Seen: seen, Time: time.Now().UnixMicro(), Kind: envelope.Post,
		ID: envelope.MessageID(nonce()), Attachments: files,
	}
	e, salt, err := seal.Seal(c.keys[n], h, body, p.Key)
	c.s.Must(err)
	return wire.NewEntry{Entry: envelope.Marshal(e), Salt: salt[:]}
}
