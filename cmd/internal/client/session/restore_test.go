package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chancery/crypto/envelope"
)

// top is the newest entry that a device has confirmed.
func top(c *Channel) envelope.Ref { return c.confirmed() }

// The root's word for one loss must not excuse the next.
func TestAttack55RestoreLinkTwice(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		h := newHonest(t)
		alice := h.join()
		c := channel(t, alice)
		kept := post(t, c, "kept")
		for range 9 {
			post(t, c, "lost")
		}
		old := top(c)
		h.truncate(c.ID(), kept.Position)
		h.restore(t, alice, c.ID(), old)
		c = alice.see(t, c.ID())
		after := post(t, c, "after")
		post(t, c, "lost as well")
		if restart {
			h.restart(alice, true)
		}
		h.truncate(c.ID(), after.Position)
		if _, err := alice.Channel(context.Background(), c.ID()); !errors.Is(err, ErrRollback) {
			t.Errorf("a second loss under the first link (restart %t): %v", restart, err)
		}
	}
}

// A process that lives through the restore must not seal under the key of an
// epoch that was lost, whose number is given again.
func TestRestoreForgetsEpochKeys(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	kept := post(t, c, "kept")
	if err := c.placeEpoch(ctx, envelope.CauseDemand); err != nil {
		t.Fatal(err)
	}
	post(t, c, "lost")
	bobs := bob.see(t, c.ID())
	post(t, bobs, "lost too")
	c = alice.see(t, c.ID())
	old := top(c)
	h.truncate(c.ID(), kept.Position)
	h.restore(t, alice, c.ID(), old)
	c = alice.see(t, c.ID())
	post(t, c, "after")
	bobs = bob.see(t, c.ID())
	post(t, bobs, "and I")
	want := "kept/open after/open and I/open"
	if a, b := texts(t, c), texts(t, bobs); a != want || b != want {
		t.Errorf("alice reads %q, bob %q, want %q", a, b, want)
	}
}

// Someone who had nothing to lose may have gone on before the root signed.
func TestRestoreAfterOthersWentOn(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	kept := post(t, c, "kept")
	bobs := bob.see(t, c.ID())
	post(t, c, "lost")
	old := top(c)
	h.truncate(c.ID(), kept.Position)
	for range 3 {
		post(t, bobs, "bob never saw it")
	}
	_, err := alice.Channel(ctx, c.ID())
	if r, ok := errors.AsType[*Rollback](err); !ok || r.Confirmed != old {
		t.Fatalf("%v: want a rollback behind %v", err, old)
	}
	h.restore(t, alice, c.ID(), old)
	c = alice.see(t, c.ID())
	post(t, c, "after")
	if got := texts(t, c); got != "kept/open "+strings.Repeat("bob never saw it/open ", 3)+"after/open" {
		t.Errorf("alice reads %q", got)
	}
}

// Under a restore link the part that survived must be what was there.
func TestAttack55OtherPastUnderRestoreLink(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	first := post(t, c, "first")
	post(t, c, "second")
	post(t, c, "third")
	old := top(c)
	past := h.channels[c.ID()].placed[first.Position-1:]
	h.truncate(c.ID(), first.Position)
	// The same message, but received at another time: another head from here on.
	again := h.at(h.channels[c.ID()].chain.Top, first.Position+1, &past[1].Entry, past[1].Salt)
	again.Received++
	again.Head = envelope.NextHead(h.channels[c.ID()].chain.Top, again.Position, again.Received, again.Hash())
	h.channels[c.ID()].placed = append(h.channels[c.ID()].placed, *again)
	h.truncate(c.ID(), again.Position)
	h.now = h.now.Add(time.Second)
	h.restore(t, alice, c.ID(), old)
	if _, err := alice.Channel(context.Background(), c.ID()); !errors.Is(err, ErrRollback) {
		t.Errorf("another past under a restore link: %v", err)
	}
}

// A crash after a restore link was taken leaves a device that goes on.
func TestAttack55CrashAfterRestoreLink(t *testing.T) {
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	kept := post(t, c, "kept")
	for range 9 {
		post(t, c, "lost")
	}
	c = alice.see(t, c.ID())
	old := top(c)
	h.restart(alice, true)
	h.truncate(c.ID(), kept.Position)
	h.restore(t, alice, c.ID(), old)
	c = alice.see(t, c.ID())
	h.restart(alice, false)
	if _, err := alice.Channel(context.Background(), c.ID()); err != nil {
		t.Errorf("a device that stopped right after it took a restore link: %v", err)
	}
}

// A device that was started anew still knows what survived.
func TestAttack55OtherPastAfterRestart(t *testing.T) {
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	first := post(t, c, "first")
	post(t, c, "second")
	post(t, c, "third")
	c = alice.see(t, c.ID())
	old := top(c)
	h.restart(alice, true)
	past := h.channels[c.ID()].placed[first.Position-1:]
	h.truncate(c.ID(), first.Position)
	again := h.at(h.channels[c.ID()].chain.Top, first.Position+1, &past[1].Entry, past[1].Salt)
	again.Received++
	again.Head = envelope.NextHead(h.channels[c.ID()].chain.Top, again.Position, again.Received, again.Hash())
	h.channels[c.ID()].placed = append(h.channels[c.ID()].placed, *again)
	h.truncate(c.ID(), again.Position)
	h.now = h.now.Add(time.Second)
	h.restore(t, alice, c.ID(), old)
	if _, err := alice.Channel(context.Background(), c.ID()); !errors.Is(err, ErrRollback) {
		t.Errorf("another past, seen after a restart: %v", err)
	}
}

// A link that was taken in a history that was left excuses no return to it.
func TestAttack55LeftHistoryShownAgain(t *testing.T) {
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	kept := post(t, c, "kept")
	for range 30 {
		post(t, c, "lost")
	}
	c = alice.see(t, c.ID())
	old := top(c)
	h.truncate(c.ID(), kept.Position)
	h.restore(t, alice, c.ID(), old)
	c = alice.see(t, c.ID())
	post(t, c, "A")
	c = alice.see(t, c.ID())
	old2 := top(c)
	histA := append([]envelope.Placed(nil), h.channels[c.ID()].placed...)
	h.truncate(c.ID(), kept.Position)
	h.now = h.now.Add(time.Second)
	h.restore(t, alice, c.ID(), old2)
	c = alice.see(t, c.ID())
	post(t, c, "B")
	c = alice.see(t, c.ID())
	h.channels[c.ID()].placed = histA
	h.truncate(c.ID(), histA[len(histA)-1].Position)
	if _, err := alice.Channel(context.Background(), c.ID()); !errors.Is(err, ErrRollback) {
		t.Errorf("a history that a later restore link ended, with its own link: %v", err)
	}
}
