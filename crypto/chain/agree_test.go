package chain

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chancery/crypto/envelope"
)

// TestValidatorsAgree plays random entries, valid and not, to a validator that
// has followed from the start and to one that was rebuilt from links alone, and
// holds what they accept against rules told from the log, without them.
func TestValidatorsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		capture := rapid.SampledFrom([]envelope.Capture{envelope.CaptureRequired, envelope.CaptureOff}).Draw(t, "capture")
		g := &game{world: settled(t, capture)}
		g.late = g.rebuild()
		for range rapid.IntRange(1, 25).Draw(t, "entries") {
			g.step(t)
		}
		g.agree("follower against replay", g.c, g.replay())
	})
}

type game struct {
	*world
	late  *Channel
	stale []*envelope.Entry // made for an earlier state, kept for later
}

func (g *game) step(t *rapid.T) {
	if rapid.IntRange(0, 5).Draw(t, "rebuild") == 0 {
		g.late = g.rebuild()
	}
	if rapid.IntRange(0, 9).Draw(t, "pause") == 0 {
		g.now += 1800e6 // half the life of an epoch
	}
	e := g.draw(t)
	p := g.placed(e)
	before := [2]state{g.c.snapshot(), g.late.snapshot()}
	judged := [2]Reason{ReasonOf(g.c.Judge(e, g.now)), ReasonOf(g.late.Judge(e, g.now))}
	lawful := g.lawful(e)
	applied := [2]Reason{ReasonOf(g.c.Apply(p)), ReasonOf(g.late.Apply(p))}
	if judged != applied || applied[0] != applied[1] {
		t.Fatalf("judged %q, applied %q", judged, applied)
	}
	if applied[0] == "" {
		if !lawful {
			t.Fatalf("took a message that nobody may send at %d", p.Position)
		}
		g.log = append(g.log, p)
		g.now++
		return
	}
	if !reflect.DeepEqual(before, [2]state{g.c.snapshot(), g.late.snapshot()}) {
		t.Fatalf("%s changed the state", applied[0])
	}
}

// draw makes an entry by anyone, also by those who have no right to it.
func (g *game) draw(t *rapid.T) *envelope.Entry {
	people := []*person{g.alice, g.bob, g.carol, g.dave}
	by, who := rapid.SampledFrom(people).Draw(t, "by"), rapid.SampledFrom(people).Draw(t, "who")
	post := func() *envelope.Entry { return g.post(by) }
	moves := map[string]func() *envelope.Entry{
		"add": func() *envelope.Entry { return g.add(by, who) }, "remove": func() *envelope.Entry { return g.remove(by, who) },
		"epoch": func() *envelope.Entry { return g.epoch(by) }, "ack": func() *envelope.Entry { return g.ack(g.recorder) },
		"cover": func() *envelope.Entry { return g.cover(g.recorder) }, "post": post, "post more": post,
		"post in the newest": func() *envelope.Entry {
			newest, _ := g.c.Newest()
			return g.post(by, func(h *envelope.Header) { h.Epoch, h.EpochLink = newest.N, newest.Link })
		},
		"sync": func() *envelope.Entry {
			phone := key("phone of " + who.id.String())
			if _, has := who.DeviceAt(phone.ID(), who.Seq()); !has {
				g.must(who.Apply(g.device(who, phone)))
			}
			return g.by(by, envelope.Sync, syncUser(who))
		},
		"post by phone": func() *envelope.Entry { return g.post(&person{key("phone of " + by.id.String()), by.User}) },
		"removal key":   func() *envelope.Entry { return g.removeByKey(who) },
		"removal keys":  func() *envelope.Entry { return g.removeByKey(who, g.removal2) },
		"restore":       func() *envelope.Entry { return g.restore(func(*envelope.RestoreBody) {}) },
		"keep for later": func() *envelope.Entry {
			g.stale = append(g.stale, g.post(by), g.ack(g.recorder))
			return g.post(by)
		},
		"stale": func() *envelope.Entry {
			if len(g.stale) == 0 {
				return g.post(by)
			}
			return rapid.SampledFrom(g.stale).Draw(t, "stale")
		},
	}
	return moves[rapid.SampledFrom(slices.Sorted(maps.Keys(moves))).Draw(t, "move")]()
}

// rebuild is a validator as the server makes one after a start.
func (g *game) rebuild() *Channel {
	c := g.world.late()
	c.Know(g.c.counters, g.c.covered)
	return c
}

func (g *game) replay() *Channel {
	c, err := NewChannel(g.world, g.log[0])
	g.must(err)
	for _, p := range g.log[1:] {
		g.must(c.Apply(p))
	}
	return c
}

func (g *game) agree(what string, a, b *Channel) {
	if !reflect.DeepEqual(a.snapshot(), b.snapshot()) {
		g.t.Fatalf("%s: different states", what)
	}
}

// lawful tells, from the log alone, that a message's sender is a member, that
// its epoch is acknowledged where capture is required, and that it is younger
// than every removal and restore.
func (g *game) lawful(e *envelope.Entry) bool {
	if e.Kind != envelope.KindMessage {
		return true
	}
	h, err := envelope.ParseHeader(e)
	g.must(err)
	member, open, acked := false, false, g.c.Genesis.Capture == envelope.CaptureOff
	for _, p := range g.log {
		if p.Entry.Kind == envelope.KindAcknowledgement {
			a, err := envelope.ParseAcknowledgement(&p.Entry)
			g.must(err)
			acked = acked || a.EpochLink == h.EpochLink
		}
		if p.Entry.Kind != envelope.KindLink {
			continue
		}
		l, err := envelope.ParseLink(&p.Entry)
		g.must(err)
		switch l.Type {
		case envelope.ChannelGenesis:
			member = l.User == h.User
		case envelope.MemberAdd:
			b, _ := envelope.ParseBody[envelope.AddBody](l)
			member = member || b.User == h.User
		case envelope.MemberRemove:
			b, _ := envelope.ParseBody[envelope.RemoveBody](l)
			member, open = member && b.User != h.User, false
		case envelope.Restore:
			open = false
		case envelope.EpochStart:
			open = open || p.Hash() == h.EpochLink
		}
	}
	return member && open && acked
}
