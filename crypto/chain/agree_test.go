package chain

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// TestValidatorsAgree plays random entries, valid and not, to a validator that
// has followed from the start and to one that was rebuilt from links alone, and
// holds what they accept against laws counted from the log, without them.
func TestValidatorsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		recorders := [][]*seal.SigningKey{nil, {key("recorder")}, {key("recorder"), key("second recorder")}}
		r := rapid.SampledFrom(recorders).Draw(t, "recorders")
		g := &game{world: opened(t, captureBy(r), r...)}
		g.settle()
		g.govern()
		g.ledger, g.late = count(g.log, g.users), g.rebuild()
		for range rapid.IntRange(1, 25).Draw(t, "entries") {
			g.step(t)
		}
		g.agree("follower against replay", g.c, g.validator(g.log))
		if !g.ledger.same(g.c) {
			t.Fatal("the validator counts otherwise than by hand")
		}
	})
}

func captureBy(recorders []*seal.SigningKey) envelope.Capture {
	if len(recorders) == 0 {
		return envelope.CaptureOff
	}
	return envelope.CaptureRequired
}

type game struct {
	*world
	ledger *ledger
	late   *Channel
	stale  []*envelope.Entry // made for an earlier state, kept for later
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
	law := g.ledger.breaks(e)
	applied := [2]Reason{ReasonOf(g.c.Apply(p)), ReasonOf(g.late.Apply(p))}
	if judged != applied || applied[0] != applied[1] {
		t.Fatalf("judged %q, applied %q", judged, applied)
	}
	if applied[0] == "" {
		if law != "" {
			t.Fatalf("took at %d: %s", p.Position, law)
		}
		g.ledger.take(p)
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
	lively := rapid.Bool().Draw(t, "lively") // what most often is valid, so that states are reached which refusals never would
	if lively {
		by = g.alice
	}
	post := func() *envelope.Entry { return g.post(by) }
	moves := map[string]func() *envelope.Entry{
		"add": func() *envelope.Entry { return g.add(by, who) }, "remove": func() *envelope.Entry { return g.remove(by, who) },
		"epoch": func() *envelope.Entry { return g.epoch(by) }, "ack": func() *envelope.Entry { return g.ack(g.recorder) },
		"cover": func() *envelope.Entry { return g.cover(g.recorder) }, "post": post, "post more": post,
		"ack by the second":   func() *envelope.Entry { return g.ack(g.second) },
		"cover by the second": func() *envelope.Entry { return g.cover(g.second) },
		"cover some":          func() *envelope.Entry { return g.cover(g.recorder, g.someRange(t)) },
		"post past a gap": func() *envelope.Entry {
			return g.post(by, func(h *envelope.Header) {
				first := h.DeviceSeq + rapid.Uint64Range(0, 1).Draw(t, "first voided")
				h.DeviceSeq += 2
				h.Void = rapid.SampledFrom([][]uint64{nil, {first}, {first, first + 1}}).Draw(t, "void")
			})
		},
		"post in the newest": func() *envelope.Entry {
			newest, _ := g.c.Newest()
			return g.post(by, func(h *envelope.Header) { h.Epoch, h.EpochLink = newest.N, newest.Link })
		},
		"sync":          func() *envelope.Entry { return g.by(by, envelope.Sync, g.news(t, who)) },
		"post by phone": func() *envelope.Entry { return g.post(&person{key("phone of " + by.id.String()), by.User}) },
		"removal key":   func() *envelope.Entry { return g.removeByKey(who) },
		"removal keys":  func() *envelope.Entry { return g.removeByKey(who, g.removal2) },
		"restore":       func() *envelope.Entry { return g.restore(func(*envelope.RestoreBody) {}) },
		"handover": func() *envelope.Entry {
			return g.handover(g.someHandover(t), g.carol, rapid.SampledFrom(people).Draw(t, "legal"))
		},
		"handover by the root": func() *envelope.Entry { return g.rootHandover(g.someHandover(t)) },
		"succession": func() *envelope.Entry {
			return g.handover(g.order(func(o *envelope.HandoverOrder) {
				if now := g.c.Recorders(); len(now) > 0 {
					o.From = now[0]
				}
				o.To = rapid.SampledFrom([]*seal.SigningKey{g.recorder, g.second, g.third}).Draw(t, "successor").ID()
			}), g.carol, g.bob)
		},
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
	names := slices.Sorted(maps.Keys(moves))
	if lively {
		names = []string{"epoch", "ack", "ack by the second", "post", "post in the newest", "add", "remove", "sync", "succession"}
	}
	return moves[rapid.SampledFrom(names).Draw(t, "move")]()
}

// news is a head of who's chain, after something more may have happened there:
// a phone comes, is revoked, the key is renewed, or all starts again.
func (g *game) news(t *rapid.T, who *person) *envelope.SyncBody {
	phone := key("phone of " + who.id.String())
	_, end := g.restart(who, who.id.String())
	happened := map[string]*envelope.Entry{"phone": g.device(who, phone), "revoke": g.revoke(who, phone.ID()), "key": g.renew(who), "reset": end}
	names := []string{"phone", "phone", "phone", "revoke", "revoke", "key", "reset", "nothing"}
	if e := happened[rapid.SampledFrom(names).Draw(t, "news")]; e != nil {
		g.attempt(who.Apply(e))
	}
	b := syncUser(who)
	if b.Seq = rapid.Uint64Range(0, b.Seq).Draw(t, "told of"); rapid.Bool().Draw(t, "newest") {
		b.Seq = who.Seq()
	}
	b.Head = who.heads[b.Seq]
	return b
}

// attempt takes a refusal with a reason, and no other error.
func (g *game) attempt(err error) {
	if err != nil && ReasonOf(err) == "" {
		g.t.Fatal(err)
	}
}

// someHandover is an order from and to anyone, also to and from nobody.
func (g *game) someHandover(t *rapid.T) *envelope.HandoverOrder {
	keys := []envelope.KeyID{{}, g.recorder.ID(), g.second.ID(), g.third.ID()}
	at := rapid.IntRange(max(1, len(g.log)-8), len(g.log)).Draw(t, "seen")
	return g.order(func(o *envelope.HandoverOrder) {
		o.From, o.To = rapid.SampledFrom(keys).Draw(t, "from"), rapid.SampledFrom(keys).Draw(t, "to")
		o.Lost = rapid.Bool().Draw(t, "lost")
		o.Seen = envelope.Ref{Position: uint64(at), Hash: g.log[at-1].Head}
	})
}

// someRange has coverage end at any position, under the head there or another,
// and begin where it must or later.
func (g *game) someRange(t *rapid.T) func(*envelope.Coverage) {
	to := rapid.IntRange(1, len(g.log)).Draw(t, "to")
	head := g.log[rapid.SampledFrom([]int{to, to, len(g.log)}).Draw(t, "head of")-1].Head
	skip := rapid.Uint64Range(0, 1).Draw(t, "left out")
	return func(v *envelope.Coverage) { v.From, v.To, v.HeadTo = v.From+skip, uint64(to), head }
}

// rebuild is a validator as the server makes one after a start.
func (g *game) rebuild() *Channel {
	c := g.world.late()
	c.Know(g.c.counters, g.c.covered)
	g.must(c.Remember(g.c.tops))
	return c
}

func (g *game) agree(what string, a, b *Channel) {
	if !reflect.DeepEqual(a.snapshot(), b.snapshot()) {
		g.t.Fatalf("%s: different states", what)
	}
}
