package main

import (
	"errors"
	"testing"

	"chancery/core"
	"chancery/crypto/envelope"
)

// coveredTo tells whether a recorder has covered a position.
func (d *desk) coveredTo(h *home, position uint64) func() bool {
	return func() bool { return d.State.Covered(h.listed.ID()) >= position }
}

func (d *desk) current() bool { _, ok := d.State.Current(); return ok }

// currentIs tells whether messages are sealed in an epoch now.
func (d *desk) currentIs(n uint64) func() bool {
	return func() bool { current, ok := d.State.Current(); return ok && current.N == n }
}

// say places a message and gives its position.
func (d *desk) say(t *testing.T, text string) uint64 {
	t.Helper()
	d.Place(d.ann, d.Seal(d.ann, text))
	return d.State.Position
}

// refusedPost is the reason why a message in the newest epoch is not taken.
func (d *desk) refusedPost(t *testing.T, s *core.Service) string {
	t.Helper()
	in := d.Seal(d.ann, "too early")
	_, err := s.Place(t.Context(), d.ann.P, d.ID, in)
	refused, _ := errors.AsType[*core.Error](err)
	return refused.Code
}

// Two recorders, each a process with a home of its own: both must acknowledge and
// both must cover, one alone opens nothing new, and whoever was away catches up.
func TestTwoRecordersOnRealServer(t *testing.T) {
	d := newDeskBy(t, 2)
	first, second := d.homes[0], d.homes[1]
	stopFirst := first.serve(t)
	d.until(t, "the first acknowledgement", func() bool {
		newest, _ := d.State.Newest()
		return newest.Acknowledged(first.listed.ID())
	})
	if d.current() {
		t.Fatal("an epoch is current that one of two has acknowledged")
	}
	if why := d.refusedPost(t, d.Service); why != "capture.not_acknowledged" {
		t.Fatalf("refused for %q", why)
	}
	stopSecond := second.serve(t)
	d.until(t, "both acknowledgements", d.current)
	said := d.say(t, "both are up")
	d.until(t, "coverage by the first", d.coveredTo(first, said))
	d.until(t, "coverage by the second", d.coveredTo(second, said))

	// One is down: what its epoch allows goes on, only the other covers, and a new
	// epoch waits for it while the old one stays current.
	stopSecond()
	said = d.say(t, "one is down")
	d.until(t, "coverage by who is up", d.coveredTo(first, said))
	d.Rotate(d.ann, envelope.CauseDemand)
	d.until(t, "acknowledgement by who is up", func() bool {
		newest, _ := d.State.Newest()
		return newest.Acknowledged(first.listed.ID())
	})
	if d.coveredTo(second, said)() {
		t.Fatal("coverage by who is down")
	}
	if current, _ := d.State.Current(); current.N != 1 {
		t.Fatalf("epoch %d is current", current.N)
	}
	again := d.Again(d.Engine) // a server that was just started judges alike
	if why := d.refusedPost(t, again); why != "capture.not_acknowledged" {
		t.Fatalf("refused for %q", why)
	}
	defer second.serve(t)()
	d.until(t, "coverage by who came back", d.coveredTo(second, said))
	d.until(t, "its acknowledgement", func() bool { current, _ := d.State.Current(); return current.N == 2 })
	said = d.say(t, "both are up again")
	d.until(t, "coverage by the first", d.coveredTo(first, said))
	d.until(t, "coverage by the second", d.coveredTo(second, said))
	stopFirst()
}
