package chain

import (
	"reflect"
	"testing"

	"chancery/crypto/envelope"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	post := func(edit func(*world, *envelope.Header)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			w.place(w.post(w.bob))
			return w.post(w.bob, func(h *envelope.Header) { edit(w, h) })
		}
	}
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"as it is":      {post(func(*world, *envelope.Header) {}), ""},
		"device_prev":   {post(func(_ *world, h *envelope.Header) { h.DevicePrev[0] ^= 1 }), CounterBad},
		"gap":           {post(func(_ *world, h *envelope.Header) { h.DeviceSeq++ }), CounterBad},
		"void":          {post(func(_ *world, h *envelope.Header) { h.DeviceSeq, h.Void = 4, []uint64{2, 3} }), ""},
		"too much void": {post(func(_ *world, h *envelope.Header) { h.DeviceSeq, h.Void = 3, []uint64{1, 2} }), CounterBad},
		"other void":    {post(func(_ *world, h *envelope.Header) { h.DeviceSeq, h.Void = 4, []uint64{1, 3} }), CounterBad},
		"seen 0":        {post(func(_ *world, h *envelope.Header) { h.Seen = envelope.Ref{} }), SeenBad},
		"seen ahead":    {post(func(_ *world, h *envelope.Header) { h.Seen.Position++ }), SeenBad},
		"seen another":  {post(func(_ *world, h *envelope.Header) { h.Seen.Hash[0] ^= 1 }), SeenBad},
		"forged":        {func(w *world) *envelope.Entry { return forged(w.post(w.bob)) }, BadSignature},
		"unsigned":      {func(w *world) *envelope.Entry { return signed(w.post(w.bob)) }, Malformed},
		"header": {func(w *world) *envelope.Entry {
			e := w.post(w.bob)
			e.Header = append([]byte{0x98, 19}, e.Header[1:]...)
			return signed(e, w.bob.device)
		}, Malformed},
		"another kind": {func(w *world) *envelope.Entry { e := w.post(w.bob); e.Kind = 9; return e }, Malformed},
		"never sealed": {func(w *world) *envelope.Entry {
			e := w.post(w.bob)
			e.Payload = nil
			return signed(e, w.bob.device)
		}, Malformed},
		"expired": {func(w *world) *envelope.Entry {
			w.now = w.c.current.Body.NotAfter
			return w.post(w.bob)
		}, EpochExpired},
		"last moment": {func(w *world) *envelope.Entry {
			w.now = w.c.current.Body.NotAfter - 1
			return w.post(w.bob)
		}, ""},
		"received earlier":  {func(w *world) *envelope.Entry { w.now = w.c.Received - 1; return w.post(w.bob) }, BrokenOrder},
		"received together": {func(w *world) *envelope.Entry { w.now = w.c.Received; return w.post(w.bob) }, ""},
	})
}

func TestAttack14NoAcknowledgement(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureRequired)
	w.open(func(*envelope.ChannelGenesisBody) {})
	w.refused(w.post(w.alice), EpochNone)
	w.place(w.epoch(w.alice))
	w.refused(w.post(w.alice), EpochNone)
	w.place(w.ack(w.recorder))
	w.place(w.post(w.alice))
}

// TestSeenWindow keeps memory bounded, and judges alike at its edge.
func TestSeenWindow(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	first, head := w.c.Position, w.c.Top
	old := func(h *envelope.Header) { h.Seen = envelope.Ref{Position: first, Hash: head} }
	for w.c.Position < first+SeenWindow-1 {
		w.c.advance(w.placed(&w.log[0].Entry))
	}
	if err := w.c.Judge(w.post(w.bob, old), w.now); err != nil {
		t.Errorf("seen %d back: %v", SeenWindow-1, err)
	}
	cover := func(v *envelope.Coverage) { v.To, v.HeadTo = first, envelope.Hash{} }
	want(t, "another head in the window", w.c.Judge(w.cover(w.recorder, cover), w.now), CoverageBad)
	w.c.advance(w.placed(&w.log[0].Entry))
	w.refused(w.post(w.bob, old), SeenBad)
	want(t, "another head beyond the window", w.c.Judge(w.cover(w.recorder, cover), w.now), "")
	for range 3 * SeenWindow {
		w.c.advance(w.placed(&w.log[0].Entry))
	}
	if n := len(w.c.tops); n < SeenWindow || n > 2*SeenWindow {
		t.Errorf("%d heads are kept", n)
	}
	if top, ok := w.c.HeadAt(w.c.Position); !ok || top != w.c.Top {
		t.Error("the newest head is not the one kept")
	}
}

func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	ack := func(edit func(*world, *envelope.Acknowledgement)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			w.place(w.epoch(w.alice))
			return w.ack(w.recorder, func(a *envelope.Acknowledgement) { edit(w, a) })
		}
	}
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"as it is":    {ack(func(*world, *envelope.Acknowledgement) {}), ""},
		"org":         {ack(func(_ *world, a *envelope.Acknowledgement) { a.Org[0] ^= 1 }), WrongChain},
		"channel":     {ack(func(_ *world, a *envelope.Acknowledgement) { a.Channel[0] ^= 1 }), WrongChain},
		"epoch":       {ack(func(_ *world, a *envelope.Acknowledgement) { a.N++ }), EpochBad},
		"epoch 0":     {ack(func(_ *world, a *envelope.Acknowledgement) { a.N = 0 }), EpochBad},
		"link":        {ack(func(_ *world, a *envelope.Acknowledgement) { a.EpochLink[0] ^= 1 }), EpochBad},
		"seed commit": {ack(func(_ *world, a *envelope.Acknowledgement) { a.SeedCommit[0] ^= 1 }), EpochBad},
		"version":     {ack(func(_ *world, a *envelope.Acknowledgement) { a.Version = 2 }), Malformed},
	})
}

// TestBothRecorders needs each of two, and takes a late word on an older epoch
// for what it is.
func TestBothRecorders(t *testing.T) {
	t.Parallel()
	w := opened(t, envelope.CaptureRequired, key("recorder"), key("second recorder"))
	w.place(w.epoch(w.alice))
	late := w.ack(w.second)
	w.place(w.ack(w.recorder))
	w.refused(w.post(w.alice), EpochNone)
	w.rotate(w.alice)
	w.place(late)
	if current, _ := w.c.Current(); current.N != 2 {
		t.Errorf("epoch %d is current, want 2", current.N)
	}
	w.place(w.post(w.alice))
	w.place(w.cover(w.second))
	w.refused(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = w.c.Position }), CoverageBad)
	w.place(w.cover(w.recorder))
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	cover := func(edit func(*world, *envelope.Coverage)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			w.place(w.post(w.bob))
			w.place(w.cover(w.recorder))
			w.place(w.post(w.bob))
			return w.cover(w.recorder, func(v *envelope.Coverage) { edit(w, v) })
		}
	}
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"as it is":           {cover(func(*world, *envelope.Coverage) {}), ""},
		"org":                {cover(func(_ *world, v *envelope.Coverage) { v.Org[0] ^= 1 }), WrongChain},
		"channel":            {cover(func(_ *world, v *envelope.Coverage) { v.Channel[0] ^= 1 }), WrongChain},
		"again":              {cover(func(_ *world, v *envelope.Coverage) { v.From-- }), CoverageBad},
		"gap":                {cover(func(_ *world, v *envelope.Coverage) { v.From++ }), CoverageBad},
		"itself":             {cover(func(_ *world, v *envelope.Coverage) { v.To++ }), CoverageBad},
		"head":               {cover(func(_ *world, v *envelope.Coverage) { v.HeadTo[0] ^= 1 }), CoverageBad},
		"version":            {cover(func(_ *world, v *envelope.Coverage) { v.Version = 2 }), Malformed},
		"by the removal key": {func(w *world) *envelope.Entry { return w.cover(w.removal) }, NotListed},
		"forged":             {func(w *world) *envelope.Entry { return forged(w.cover(w.recorder)) }, BadSignature},
	})
}

func TestReadLink(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.post(w.bob))
	last := w.log[len(w.log)-1]
	before := w.c.snapshot()
	early := w.placed(w.remove(w.alice, w.bob))
	early.Received = w.c.Received - 1
	bad := w.placed(w.remove(w.dave, w.bob))
	broken := w.placed(w.remove(w.alice, w.bob))
	broken.Payload[0] ^= 1
	same := w.placed(w.remove(w.alice, w.bob))
	same.Position--
	for name, x := range map[string]struct {
		p    *envelope.Placed
		want Reason
	}{
		"message":   {w.placed(w.post(w.bob)), BrokenOrder},
		"again":     {last, BrokenOrder},
		"same":      {same, BrokenOrder},
		"old":       {w.log[1], BrokenOrder},
		"early":     {early, BrokenOrder},
		"not valid": {bad, NotMember},
		"malformed": {broken, Malformed},
	} {
		want(t, name, w.c.ReadLink(x.p), x.want)
		if !reflect.DeepEqual(before, w.c.snapshot()) {
			t.Fatalf("%s: changed the state", name)
		}
	}
}

// TestLateStarter takes counters and coverage as it finds them, once.
func TestLateStarter(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.post(w.bob))
	w.place(w.post(w.bob))
	c := w.late()
	second := w.post(w.bob)
	p := w.placed(second)
	w.must(c.Apply(p))
	w.place(second)
	again := w.placed(w.post(w.bob, func(h *envelope.Header) { h.DeviceSeq += 2 }))
	want(t, "gap after the first", c.Apply(again), CounterBad)
	cover := w.placed(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = 6 }))
	w.must(c.Apply(cover))
	w.c = c
	w.place(w.post(w.bob))
	w.refused(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = c.Covered(w.recorder.ID()) + 2 }), CoverageBad)
	w.refused(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = 1 }), CoverageBad)
}

// TestLateCoverage lets links read alone leave coverage out, but not step back.
func TestLateCoverage(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	c, err := NewChannel(w, w.log[0])
	w.must(err)
	for _, p := range w.log[1:] {
		w.must(c.ReadLink(p))
	}
	cover := func(from, to uint64) error {
		e := w.cover(w.recorder, func(v *envelope.Coverage) { v.From, v.To = from, to })
		p := w.placed(e)
		p.Position = to + 1
		return c.ReadLink(p)
	}
	w.must(cover(10, 20))
	want(t, "coverage left out", cover(30, 40), "")
	want(t, "coverage twice", cover(35, 50), CoverageBad)
}

// late is a validator that reads what is not a message alone, up to here.
func (w *world) late() *Channel {
	w.t.Helper()
	c, err := NewChannel(w, w.log[0])
	w.must(err)
	for _, p := range w.log[1:] {
		if p.Entry.Kind != envelope.KindMessage {
			w.must(c.ReadLink(p))
		}
	}
	c.StartAt(w.c.Position, w.c.Top, w.c.Received)
	return c
}

func TestHeadAt(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	c := w.late()
	for position, known := range map[uint64]bool{0: false, c.Position - 1: false, c.Position: true, c.Position + 1: false} {
		if _, ok := c.HeadAt(position); ok != known {
			t.Errorf("head at %d: known %v, want %v", position, ok, known)
		}
	}
	w.must(c.ReadLink(w.placed(w.epoch(w.alice))))
	if _, ok := c.HeadAt(c.Position); ok {
		t.Error("knows a head among links read alone")
	}
}
