package adversary

import (
	"time"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// past is a channel as its rows have it, judged by nobody.
type past struct {
	placed   []envelope.Placed
	links    []envelope.Hash
	epochs   map[uint64]epoch
	newest   uint64
	counters map[envelope.KeyID]chain.Counter
}

type epoch struct {
	link envelope.Hash
	body envelope.EpochBody
}

func (d *desk) past() *past {
	d.t.Helper()
	kept, _, err := d.DB.Entries(d.t.Context(), d.number(), core.Span{Limit: 500, Bytes: 64 << 20})
	d.must(err)
	out := &past{epochs: map[uint64]epoch{}, counters: map[envelope.KeyID]chain.Counter{}}
	for i := range kept {
		out.add(&kept[i].Placed)
	}
	return out
}

func (p *past) add(e *envelope.Placed) {
	p.placed = append(p.placed, *e)
	switch e.Entry.Kind {
	case envelope.KindMessage:
		if h, err := envelope.ParseHeader(&e.Entry); err == nil {
			p.counters[h.Device] = chain.Counter{Seq: h.DeviceSeq, Hash: e.Hash()}
		}
	case envelope.KindLink:
		p.links = append(p.links, e.Hash())
		l, err := envelope.ParseLink(&e.Entry)
		if err != nil || l.Type != envelope.EpochStart {
			return
		}
		if b, err := envelope.ParseBody[envelope.EpochBody](l); err == nil {
			p.epochs[b.N] = epoch{e.Hash(), *b}
			p.newest = b.N
		}
	}
}

func (p *past) last() *envelope.Placed { return &p.placed[len(p.placed)-1] }

// history is every entry with its salt.
func (d *desk) history() []envelope.Placed {
	d.t.Helper()
	kept, _, err := d.DB.Entries(d.t.Context(), d.number(), core.Span{Limit: 500, Bytes: 64 << 20})
	d.must(err)
	out := make([]envelope.Placed, len(kept))
	for i, k := range kept {
		out[i] = k.Placed
		if k.Entry.Kind == envelope.KindMessage && !k.Disposed() {
			salt, _, err := coretest.Salts{Vault: d.Vault}.OpenSalt(d.id, k.Position, k.SealedSalt)
			d.must(err)
			out[i].Salt = salt[:]
		}
	}
	return out
}

// find gives the place of the newest entry of a kind.
func find(placed []envelope.Placed, kind envelope.Kind) int {
	for i := len(placed) - 1; i >= 0; i-- {
		if placed[i].Entry.Kind == kind {
			return i
		}
	}
	return -1
}

// header is the next one that somebody's device could write.
func (d *desk) header(p *person) envelope.Header {
	d.t.Helper()
	past := d.past()
	last, counter := past.last(), past.counters[p.Device()]
	return envelope.Header{
		Version: envelope.Version, Org: d.Org().ID(), Channel: d.id, Epoch: past.newest, EpochLink: past.epochs[past.newest].link,
		User: p.Me.Chain, Device: p.Device(), DeviceSeq: counter.Seq + 1, DevicePrev: counter.Hash,
		Seen: envelope.Ref{Position: last.Position, Hash: last.Head}, Time: time.Now().UnixMicro(), Kind: envelope.Post,
		ID: envelope.MessageID(random16()),
	}
}

// message is one that somebody's device signs outside its client, with key and
// whatever change makes of its header.
func (d *desk) message(p *person, key seal.EpochKey, text string, change ...func(*envelope.Header)) wire.NewEntry {
	d.t.Helper()
	h := d.header(p)
	for _, c := range change {
		c(&h)
	}
	return d.messageBy(p.key(), h, key, text)
}

// messageBy is message with any header and device.
func (d *desk) messageBy(device *seal.SigningKey, h envelope.Header, key seal.EpochKey, text string) wire.NewEntry {
	d.t.Helper()
	h.Device = device.ID()
	e, salt, err := seal.Seal(key, h, envelope.Body{Text: text}, device)
	d.must(err)
	return newEntry(e, salt[:])
}

// key is an epoch's, as a member has it who hands it on.
func (d *desk) key(p *person, n uint64) seal.EpochKey {
	d.t.Helper()
	w, err := p.API.EpochWrap(d.t.Context(), d.id, n)
	d.must(err)
	about := d.epoch(n)
	seed, err := seal.UnwrapSeed(p.identity(), w.Wrap, about)
	d.must(err)
	return seed.Key(about)
}

func (d *desk) epoch(n uint64) seal.Epoch {
	d.t.Helper()
	e := d.past().epochs[n]
	return seal.Epoch{Org: d.Org().ID(), Channel: d.id, N: n, Link: e.link, Commit: e.body.SeedCommit}
}

// recipients are whom the next epoch must be wrapped to.
func (d *desk) recipients() []envelope.Recipient {
	d.t.Helper()
	state, err := (&lenient{d.DB}).State(d.t.Context(), d.number())
	d.must(err)
	dir := stored{d.t.Context(), d.DB}
	c, err := chain.NewChannel(dir, &state.Links[0].Placed)
	d.must(err)
	for i := range state.Links[1:] {
		d.must(c.ReadLink(&state.Links[1+i].Placed))
	}
	out, err := c.Recipients()
	d.must(err)
	return out
}

// rotation is the next epoch as somebody's device would make it, for the
// recipients that choose leaves and with what change makes of it.
func (d *desk) rotation(p *person, choose func([]envelope.Recipient) []envelope.Recipient, change func(*envelope.EpochBody, [][]byte)) wire.NewEntry {
	d.t.Helper()
	past, to := d.past(), d.recipients()
	if choose != nil {
		to = choose(to)
	}
	wraps, err := seal.WrapAll(d.suite, seal.NewSeed(), seal.Epoch{Org: d.Org().ID(), Channel: d.id, N: past.newest + 1}, to)
	d.must(err)
	body := &envelope.EpochBody{
		N: past.newest + 1, Cause: envelope.CauseDemand, MembersRoot: wraps.MembersRoot, SeedCommit: wraps.SeedCommit, WrapsRoot: wraps.WrapsRoot,
		PrevCommit: past.epochs[past.newest].body.SeedCommit, History: envelope.HistorySinceJoin, NotAfter: time.Now().Add(time.Hour).UnixMicro(),
	}
	if change != nil {
		change(body, wraps.Files)
		body.WrapsRoot = chain.WrapsRoot(to, sums(wraps.Files))
	}
	in := d.byMember(p, envelope.EpochStart, body)
	in.Wraps = wraps.Files
	return in
}

func sums(files [][]byte) []envelope.Hash {
	out := make([]envelope.Hash, len(files))
	for i, f := range files {
		out[i] = envelope.SumBytes(f)
	}
	return out
}
