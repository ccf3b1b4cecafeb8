package chain

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/vectors"
)

// TestAnyOrder gives entries that were made without knowledge of one another to
// two validators in two orders. Each takes an entry or names why not, and where
// neither refused, both count alike.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := settled(t, envelope.CaptureRequired)
		w.place(w.post(w.bob))
		if rapid.Bool().Draw(t, "an epoch waits") {
			w.place(w.epoch(w.alice))
		}
		entries := w.independent(t)
		one, first := w.placeAll(entries)
		two, second := w.placeAll(rapid.Permutation(entries).Draw(t, "order"))
		for _, r := range slices.Concat(first, second) {
			if r == "" {
				t.Fatal("a refusal without a name")
			}
		}
		if len(first)+len(second) == 0 && !reflect.DeepEqual(one.counted(), two.counted()) {
			t.Fatal("the order of independent entries changed what they mean")
		}
	})
}

// independent are entries by different hands, all made for the same state: at
// most one link, for each link names the one before.
func (w *world) independent(t *rapid.T) []*envelope.Entry {
	all := map[string]func() *envelope.Entry{
		"alice": func() *envelope.Entry { return w.post(w.alice) }, "bob": func() *envelope.Entry { return w.post(w.bob) },
		"carol": func() *envelope.Entry { return w.post(w.carol) }, "cover": func() *envelope.Entry { return w.cover(w.recorder) },
		"ack": func() *envelope.Entry { return w.ack(w.recorder) },
	}
	links := []func() *envelope.Entry{
		func() *envelope.Entry { return w.add(w.alice, w.dave) }, func() *envelope.Entry { return w.remove(w.alice, w.bob) },
		func() *envelope.Entry { return w.rank(w.alice, w.bob, envelope.RankOwner) }, func() *envelope.Entry { return w.epoch(w.carol) },
		func() *envelope.Entry { return w.removeByKey(w.carol) },
	}
	var out []*envelope.Entry
	for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(all))), rapid.ID[string]).Draw(t, "entries") {
		out = append(out, all[name]())
	}
	if rapid.Bool().Draw(t, "with a link") {
		out = append(out, rapid.SampledFrom(links).Draw(t, "link")())
	}
	return out
}

// placeAll places what it can in one order, and gives why it could not the rest.
func (w *world) placeAll(entries []*envelope.Entry) (*Channel, []Reason) {
	here := w.c
	defer func() { w.c = here }()
	w.c = w.validator(w.log)
	var refusals []Reason
	for _, e := range entries {
		if err := w.c.Apply(w.placed(e)); err != nil {
			refusals = append(refusals, ReasonOf(err))
		}
	}
	return w.c, refusals
}

// counted is a channel's state without positions.
func (c *Channel) counted() any {
	ranks := map[envelope.UserID]envelope.MemberRank{}
	for u, m := range c.members {
		ranks[u] = m.Rank
	}
	current, _ := c.Current()
	return []any{ranks, maps.Clone(c.counters), maps.Clone(c.covered), len(c.epochs), current.N, c.Head(), c.Messages}
}

// TestOneOfTwoLinks: of two links made at once one is placed, whichever comes
// first, and the other is refused as not following.
func TestOneOfTwoLinks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := settled(t, envelope.CaptureRequired)
		links := []*envelope.Entry{w.add(w.alice, w.dave), w.remove(w.alice, w.bob), w.rank(w.alice, w.bob, envelope.RankOwner), w.epoch(w.bob), w.removeByKey(w.carol)}
		order := rapid.Permutation(links).Draw(t, "order")
		w.place(order[0])
		for _, e := range order[1:] {
			w.refused(e, Broken)
		}
	})
}

// TestChainsInterleave: the chains of an organisation and of its people read in
// any order that keeps each one's own give the same heads.
func TestChainsInterleave(t *testing.T) {
	t.Parallel()
	if suitetest.Suite() != envelope.SuiteAge {
		t.Skip("the vectors are of organisations in suite age")
	}
	base := vectors.Load[chainWorld](t, "worlds.json")[0]
	rapid.Check(t, func(t *rapid.T) {
		r := &reader{users: map[envelope.UserID]*User{}}
		if err := r.link(base.Org[0]); err != nil {
			t.Fatal(err)
		}
		queues := append([][]vectors.Hex{base.Org[1:]}, base.Users...)
		for len(queues) > 0 {
			i := rapid.IntRange(0, len(queues)-1).Draw(t, "next")
			if err := r.link(queues[i][0]); err != nil {
				t.Fatal(err)
			}
			queues[i] = queues[i][1:]
			queues = slices.DeleteFunc(queues, func(q []vectors.Hex) bool { return len(q) == 0 })
		}
		if len(r.users) != len(base.Users) || r.org.Seq() != uint64(len(base.Org)-1) {
			t.Fatal("a chain was left out")
		}
	})
}
