package archivetest

import (
	"bytes"
	"crypto/rand"

	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

// Channel is one channel of a world.
type Channel struct {
	*chain.Channel
	w       *World
	Entries []*envelope.Placed
	seed    seal.Seed
	key     seal.EpochKey
	leaves  []coverLeaf
	covered uint64
}

type coverLeaf struct {
	position uint64
	hash     tlog.Hash
}

// AddChannel makes a channel of one owner, with a first epoch if capture is
// off, or one that the recorder has acknowledged.
func (w *World) AddChannel(owner *Person, capture envelope.Capture) *Channel {
	w.TB.Helper()
	body := &envelope.ChannelGenesisBody{
		Access: envelope.AccessPrivate, Capture: capture, History: envelope.HistorySinceJoin, Lifetime: 7 * 24 * 3600,
		OrgSeq: w.org.Seq(), OrgHead: w.org.Head(), UserSeq: owner.Chain.Seq(), UserHead: owner.Chain.Head(), Nonce: Nonce(),
	}
	if capture == envelope.CaptureRequired {
		body.Recorders = []envelope.KeyID{w.Recorder.ID()}
	}
	e := w.link(&envelope.Link{Org: w.org.ID(), Type: envelope.ChannelGenesis, Body: envelope.Marshal(body), User: owner.Chain.ID()}, owner.Key)
	id := envelope.ChainOf(e.Header)
	p := &envelope.Placed{Position: 1, Received: w.tick(), Entry: *e, Payload: envelope.SumBytes(nil)}
	p.Head = envelope.NextHead(chain.StartHead(envelope.ChannelID(id)), 1, p.Received, p.Hash())
	state, err := chain.NewChannel(w, p)
	w.check(err)
	c := &Channel{Channel: state, w: w}
	c.keep(record.ChannelCreate, p)
	c.Rotate(owner)
	return c
}

func (w *World) tick() int64 { w.Now += 1e6; return w.Now }

func (c *Channel) keep(op record.Op, p *envelope.Placed) {
	c.Entries = append(c.Entries, p)
	r := record.Record{Op: op, Outcome: record.OK}
	r.SetEntry(c.ID(), p.Position, p.Head, &p.Entry)
	c.w.Placed[c.w.Log(r)] = p
}

// Place places an entry at the next position.
func (c *Channel) Place(op record.Op, e *envelope.Entry, salt []byte) *envelope.Placed {
	c.w.TB.Helper()
	p := &envelope.Placed{Position: c.Position + 1, Received: c.w.tick(), Entry: *e, Payload: envelope.SumBytes(e.Payload), Salt: salt}
	p.Head = envelope.NextHead(c.Top, p.Position, p.Received, p.Hash())
	c.w.check(c.Apply(p))
	c.keep(op, p)
	return p
}

func (c *Channel) link(op record.Op, t envelope.LinkType, body any, who *Person) *envelope.Placed {
	c.w.TB.Helper()
	e := c.w.link(&envelope.Link{
		Org: c.Org(), Chain: envelope.Hash(c.ID()), Seq: c.Seq() + 1, Prev: c.Channel.Head(), Type: t,
		Body: envelope.Marshal(body), User: who.Chain.ID(),
	}, who.Key)
	return c.Place(op, e, nil)
}

// Add makes someone a member and starts the epoch that this asks for.
func (c *Channel) Add(owner, who *Person) {
	c.w.TB.Helper()
	newest, _ := c.Newest()
	c.link(record.MemberAdd, envelope.MemberAdd, &envelope.AddBody{
		User: who.Chain.ID(), UserSeq: who.Chain.Seq(), UserHead: who.Chain.Head(), Rank: envelope.RankMember, HistoryFrom: newest.N + 1,
	}, owner)
	c.Rotate(owner)
}

// Rotate starts the next epoch; the recorder acknowledges it.
func (c *Channel) Rotate(who *Person) {
	c.w.TB.Helper()
	recipients, err := c.Recipients()
	c.w.check(err)
	epoch := seal.Epoch{Org: c.Org(), Channel: c.ID(), N: 1}
	var prev envelope.Hash
	if newest, ok := c.Newest(); ok {
		epoch.N, prev = newest.N+1, newest.Body.SeedCommit
	}
	c.seed = seal.NewSeed()
	wraps, err := seal.WrapAll(c.w.org.Suite(), c.seed, epoch, recipients)
	c.w.check(err)
	p := c.link(record.EpochStart, envelope.EpochStart, &envelope.EpochBody{
		N: epoch.N, Cause: envelope.CauseStart, MembersRoot: wraps.MembersRoot, SeedCommit: wraps.SeedCommit, WrapsRoot: wraps.WrapsRoot,
		PrevCommit: prev, History: envelope.HistorySinceJoin, NotAfter: c.w.Now + 6*24*3600*1e6,
	}, who)
	epoch.Link, epoch.Commit = p.Hash(), wraps.SeedCommit
	c.key = c.seed.Key(epoch)
	if c.Genesis.Capture == envelope.CaptureRequired {
		c.signed(record.EpochAcknowledge, envelope.KindAcknowledgement, &envelope.Acknowledgement{
			Version: 1, Org: c.Org(), Channel: c.ID(), N: epoch.N, EpochLink: epoch.Link, SeedCommit: epoch.Commit, Recorder: c.w.Recorder.ID(), Time: c.w.Now,
		})
	}
}

func (c *Channel) signed(op record.Op, kind envelope.Kind, v any) {
	c.w.TB.Helper()
	e := &envelope.Entry{Kind: kind, Header: envelope.Marshal(v)}
	seal.SignEntry(e, c.w.Recorder)
	c.Place(op, e, nil)
}

// Post posts a text with files, whose names are their contents' first bytes.
func (c *Channel) Post(who *Person, text string, files ...[]byte) *envelope.Placed {
	c.w.TB.Helper()
	h, body := c.header(who, envelope.Post), envelope.Body{Text: text}
	for _, f := range files {
		a, file := c.w.sealFile(f)
		h.Attachments, body.Files = append(h.Attachments, a), append(body.Files, file)
	}
	return c.send(record.MessageCreate, who, h, body)
}

// Edit replaces the text of a message.
func (c *Channel) Edit(who *Person, target *envelope.Placed, text string) *envelope.Placed {
	c.w.TB.Helper()
	h := c.header(who, envelope.Edit)
	h.Target = envelope.Ref{Position: target.Position, Hash: target.Hash()}
	return c.send(record.MessageEdit, who, h, envelope.Body{Text: text})
}

// Delete takes a message out of view.
func (c *Channel) Delete(who *Person, target *envelope.Placed) *envelope.Placed {
	c.w.TB.Helper()
	h := c.header(who, envelope.Delete)
	h.Target = envelope.Ref{Position: target.Position, Hash: target.Hash()}
	return c.send(record.MessageDelete, who, h, envelope.Body{})
}

func (c *Channel) header(who *Person, kind envelope.MessageKind) envelope.Header {
	last, epoch := c.Counter(who.Key.ID()), c.key.Epoch()
	h := envelope.Header{
		Version: 1, Org: c.Org(), Channel: c.ID(), Epoch: epoch.N, EpochLink: epoch.Link, User: who.Chain.ID(), Device: who.Key.ID(),
		DeviceSeq: last.Seq + 1, DevicePrev: last.Hash, Seen: envelope.Ref{Position: c.Position, Hash: c.Top}, Time: c.w.Now, Kind: kind,
	}
	rand.Read(h.ID[:])
	return h
}

func (c *Channel) send(op record.Op, who *Person, h envelope.Header, body envelope.Body) *envelope.Placed {
	c.w.TB.Helper()
	e, salt, err := seal.Seal(c.key, h, body, who.Key)
	c.w.check(err)
	p := c.Place(op, e, salt[:])
	opened, err := seal.Open(c.key, e, salt[:])
	c.w.check(err)
	c.w.secrets[secretKey{c.ID(), p.Position}] = opened.Secret
	c.leaves = append(c.leaves, coverLeaf{p.Position, tlog.LeafHash(envelope.CoverLeaf(p.Position, p.Hash(), opened.Secret.Cov()))})
	return p
}

// sealFile seals a file and puts it into the blob store.
func (w *World) sealFile(plain []byte) (envelope.Attachment, envelope.File) {
	w.TB.Helper()
	key := seal.NewDataKey()
	a := envelope.Attachment{}
	rand.Read(a.ID[:])
	var sealed bytes.Buffer
	var err error
	a.Size, a.Root, err = seal.SealFile(&sealed, bytes.NewReader(plain), a.ID, key)
	w.check(err)
	w.Blobs[a.ID] = sealed.Bytes()
	name := string(plain[:min(len(plain), 8)])
	return a, envelope.File{Name: name, Type: "text/plain", Size: uint64(len(plain)), Key: key[:]}
}

// Cover places the recorder's coverage of everything so far.
func (c *Channel) Cover() {
	c.w.TB.Helper()
	v := &envelope.Coverage{
		Version: 1, Org: c.Org(), Channel: c.ID(), From: c.covered + 1, To: c.Position, HeadTo: c.Top, Recorder: c.w.Recorder.ID(), Time: c.w.Now,
	}
	var root tlog.RootBuilder
	for _, l := range c.leaves {
		root.Append(l.hash)
	}
	v.Root, c.leaves, c.covered = envelope.Hash(root.Root()), nil, v.To
	c.signed(record.Cover, envelope.KindCoverage, v)
}
