package session

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

// vouchedFor is a recorded channel whose log the recorder has just cosigned.
func vouchedFor(t *testing.T) (*honest, *person, *Channel) {
	h := newHonest(t)
	h.logs()
	alice := h.join()
	c := channel(t, alice, h.recorder.key.ID())
	h.later(time.Minute)
	h.cosigned(c)
	_, _ = c.Post(context.Background(), Draft{Kind: envelope.Post, Text: "makes the epoch"})
	h.acknowledge(c.ID())
	h.later(time.Minute)
	h.cosigned(c)
	post(t, c, "one")
	return h, alice, c
}

// covered has the recorder cover all that alice has read.
func (h *honest) covered(c *Channel) {
	h.t.Helper()
	if err := c.catch(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	h.cover(c, rootOf(c.cover.leaves))
	if err := c.catch(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

func say(c *Channel, text string) error {
	_, err := c.Post(context.Background(), Draft{Kind: envelope.Post, Text: text})
	return err
}

func attention(t *testing.T, c *Channel) string {
	t.Helper()
	s, err := c.State(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s.Attention
}

// TestReceiptsReachTheLog: what was confirmed is found in the log, over several
// checkpoints, and nothing needs attention.
func TestReceiptsReachTheLog(t *testing.T) {
	t.Parallel()
	h, alice, c := vouchedFor(t)
	for i := range 5 {
		for range 3 {
			post(t, c, "more "+strconv.Itoa(i))
		}
		if n := len(c.outbox.Owed); n != 2 {
			t.Fatalf("%d receipts are owed", n)
		}
		h.later(2 * time.Minute)
		h.cosigned(c)
		h.covered(c)
		if s := attention(t, c); s != "" || len(c.outbox.Owed) != 0 {
			t.Fatalf("%q, owed %v", s, c.outbox.Owed)
		}
	}
	post(t, c, "before the end")
	h.restart(alice, true)
	c = alice.see(t, c.ID())
	h.later(2 * time.Minute)
	h.cosigned(c)
	h.covered(c)
	if s, err := c.State(context.Background()); err != nil || s.Attention != "" || s.Vouched.By != "rec-1" || len(c.outbox.Owed) != 0 {
		t.Fatalf("%+v, %v, owed %v", s, err, c.outbox.Owed)
	}
}

// TestAttack10FreshnessFrozen: a recorder's word that grows old stops sending and
// hides what came since, keeps what was read, also after a restart, and lets go on
// once there is a newer one.
func TestAttack10FreshnessFrozen(t *testing.T) {
	t.Parallel()
	h, alice, c := vouchedFor(t)
	bob := h.join()
	if err := c.Add(context.Background(), bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	_ = say(c, "makes the epoch")
	h.acknowledge(c.ID())
	h.covered(c)
	h.later(time.Minute)
	h.cosigned(c)
	theirs := bob.see(t, c.ID())
	before := texts(t, c)
	for range 3 { // the same note again and again
		h.later(6 * time.Minute)
		_ = texts(t, c)
	}
	if err := say(c, "into the frozen log"); !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "rec-1") {
		t.Fatalf("sending with a frozen log: %v", err)
	}
	h.later(-40 * time.Minute) // a clock that is behind would keep it fresh for ever
	if err := say(c, "into the frozen log"); !errors.Is(err, ErrStale) {
		t.Fatalf("sending long before the recorder's word: %v", err)
	}
	h.later(40 * time.Minute)
	h.bypass(t, theirs, "while frozen")
	for range 2 {
		if got := texts(t, c); got != before+" /withheld" {
			t.Fatalf("shown with a frozen log: %q, before %q", got, before)
		}
		h.restart(alice, true)
		c = alice.see(t, c.ID())
	}
	h.later(20 * time.Minute)
	h.cosigned(c)
	h.covered(c)
	if got := texts(t, c); got != before+" while frozen/open" {
		t.Fatalf("shown after a newer word: %q", got)
	}
	if err := say(c, "on we go"); err != nil {
		t.Fatal(err)
	}
}

// TestAttack09Uncosigned: a checkpoint without a listed recorder's good word for
// this very text is not enough.
func TestAttack09Uncosigned(t *testing.T) {
	t.Parallel()
	for name, cosigners := range map[string]func(t *testing.T, h *honest) []*seal.SigningKey{
		"by nobody":   func(*testing.T, *honest) []*seal.SigningKey { return nil },
		"a stranger":  func(t *testing.T, _ *honest) []*seal.SigningKey { return []*seal.SigningKey{key(t)} },
		"the server":  func(_ *testing.T, h *honest) []*seal.SigningKey { return []*seal.SigningKey{h.receipt} },
		"the root":    func(_ *testing.T, h *honest) []*seal.SigningKey { return []*seal.SigningKey{h.root} },
		"another one": func(t *testing.T, h *honest) []*seal.SigningKey { return []*seal.SigningKey{h.secondRecorder(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHonest(t)
			h.logs()
			alice := h.join()
			c := channel(t, alice, h.recorder.key.ID())
			h.mu.Lock()
			h.log.record(h, c.ID(), h.channels[c.ID()].placed)
			h.log.publish(h, cosigners(t, h)...)
			h.mu.Unlock()
			if err := say(c, "unheard"); !errors.Is(err, ErrStale) {
				t.Errorf("sent: %v", err)
			}
			h.later(time.Minute)
			h.cosigned(c)
			if _ = say(c, "makes the epoch"); !noEpoch(c) {
				t.Error("the recorder's own word did not do")
			}
		})
	}
}

// secondRecorder lists a recorder that does not record the channel.
func (h *honest) secondRecorder(t *testing.T) *seal.SigningKey {
	k := key(t)
	h.list(envelope.Party{Role: envelope.RoleRecorder, Name: "rec-2", Key: k.Public(), Recipient: h.recorder.id.Recipient()})
	return k
}

func noEpoch(c *Channel) bool { _, placed := c.chain.Newest(); return placed }

// TestAttack09InconsistentLog: a device that has followed a log goes on with no
// other, not even if a recorder vouches for that, and remembers over a restart.
func TestAttack09InconsistentLog(t *testing.T) {
	t.Parallel()
	for name, fork := range map[string]func(h *honest, l *testLog){
		"shorter":   func(_ *honest, l *testLog) { l.leaves = l.leaves[:2] },
		"rewritten": func(_ *honest, l *testLog) { l.leaves[0] = l.leaves[1] },
		"from its start": func(h *honest, l *testLog) {
			for i := range l.leaves {
				r, _ := record.Parse(l.leaves[i])
				r.At++
				l.leaves[i] = r.Leaf()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, alice, c := vouchedFor(t)
			before := texts(t, c)
			honest := h.log
			h.mu.Lock()
			h.log = &testLog{leaves: slices.Clone(honest.leaves)}
			fork(h, h.log)
			h.now = h.now.Add(30 * time.Second)
			h.log.publish(h, h.recorder.key)
			h.mu.Unlock()
			h.later(time.Minute)
			h.covered(c)
			for range 2 {
				if err := say(c, "to the fork"); !errors.Is(err, ErrForked) && !errors.Is(err, ErrStale) {
					t.Fatalf("sent: %v", err)
				}
				if s := attention(t, c); !strings.Contains(s, ErrForked.Error()) {
					t.Fatalf("attention: %q", s)
				}
				h.restart(alice, true)
				c = alice.see(t, c.ID())
			}
			if got := texts(t, c); got != before {
				t.Errorf("shown %q, before %q", got, before)
			}
		})
	}
}

// TestAttack07SplitView: two people are shown two histories of a channel and two
// logs. The recorder vouches for the one that it followed; whoever is shown the
// other gets no further word of it, stops, and keeps what was read.
func TestAttack07SplitView(t *testing.T) {
	t.Parallel()
	h, _, c := vouchedFor(t)
	bob := h.join()
	if err := c.Add(context.Background(), bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	_ = say(c, "makes the epoch")
	h.acknowledge(c.ID())
	h.later(time.Minute)
	h.cosigned(c)
	theirs := bob.see(t, c.ID())
	post(t, theirs, "from bob")
	h.covered(c)
	h.later(time.Minute)
	h.cosigned(c)
	texts(t, theirs)

	// From here on bob's log is another one: what the recorder follows is not in it.
	h.mu.Lock()
	h.other[bob.Me.Chain] = &testLog{leaves: slices.Clone(h.log.leaves), points: h.log.points}
	h.mu.Unlock()
	for range 3 {
		h.later(6 * time.Minute)
		h.cosigned(c)
		h.mu.Lock()
		fork := h.other[bob.Me.Chain]
		fork.leaves = append(fork.leaves, fork.leaves[0])
		fork.publish(h) // the recorder refuses it
		h.mu.Unlock()
		texts(t, c)
		texts(t, theirs)
	}
	if err := say(theirs, "to nobody"); !errors.Is(err, ErrStale) {
		t.Errorf("the victim sends: %v", err)
	}
	if err := say(c, "to the others"); err != nil {
		t.Errorf("those who are shown the recorder's log stop: %v", err)
	}
	// Shown the honest log again, the victim says what happened.
	h.mu.Lock()
	delete(h.other, bob.Me.Chain)
	h.mu.Unlock()
	h.later(2 * time.Minute)
	h.cosigned(c)
	h.covered(c)
	if err := say(theirs, "back"); !errors.Is(err, ErrForked) {
		t.Errorf("brought back to the other log: %v", err)
	}
}

// TestAttack07ReceiptNotLogged: a receipt that the log never shows alarms, and
// one that it shows with another head stops.
func TestAttack07ReceiptNotLogged(t *testing.T) {
	t.Parallel()
	h, alice, c := vouchedFor(t)
	h.covered(c)
	for range 4 {
		h.later(5 * time.Minute)
		h.mu.Lock()
		h.log.leaves = append(h.log.leaves, h.log.leaves[0])
		h.log.publish(h, h.recorder.key)
		h.mu.Unlock()
		texts(t, c)
	}
	if s := attention(t, c); !strings.Contains(s, "lacks it") || !noted(alice, "lacks it") {
		t.Fatalf("attention: %q, noted %q", s, alice.notes)
	}
	h.mu.Lock()
	placed := h.channels[c.ID()].placed
	p := slices.Clone(placed[h.count(c.ID())-4:])
	for i := range p {
		p[i].Head[3] ^= 1
	}
	h.log.record(h, c.ID(), p)
	h.log.publish(h, h.recorder.key)
	h.mu.Unlock()
	h.later(2 * time.Minute)
	if err := say(c, "on"); !errors.Is(err, ErrForked) {
		t.Fatalf("logged with another head: %v", err)
	}
}

// TestOpenChannelGoesOnUncosigned: a channel that nobody records goes on for a
// day, and needs attention after a quarter of an hour.
func TestOpenChannelGoesOnUncosigned(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	h.logs()
	alice := h.join()
	c := channel(t, alice)
	h.mu.Lock()
	h.log.record(h, c.ID(), h.channels[c.ID()].placed)
	h.log.publish(h)
	h.mu.Unlock()
	post(t, c, "new")
	if s := attention(t, c); s != "" {
		t.Fatalf("attention at once: %q", s)
	}
	h.later(20 * time.Minute)
	post(t, c, "uncosigned")
	if s := attention(t, c); !strings.Contains(s, "cosigned") {
		t.Fatalf("attention: %q", s)
	}
	h.later(24 * time.Hour)
	if err := say(c, "too long"); !errors.Is(err, ErrStale) {
		t.Fatalf("after a day: %v", err)
	}
	h.restart(alice, true)
	c = alice.see(t, c.ID())
	if err := say(c, "too long"); !errors.Is(err, ErrStale) {
		t.Fatalf("after a restart: %v", err)
	}
	stranger := key(t)
	h.list(envelope.Party{Role: envelope.RoleWitness, Name: "a witness", Key: stranger.Public()})
	h.mu.Lock()
	h.log.leaves = append(h.log.leaves, h.log.leaves[0])
	h.log.publish(h, stranger)
	h.mu.Unlock()
	if err := alice.Dir.RefreshOrg(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.later(2 * time.Minute)
	if err := say(c, "witnessed"); err != nil && chain.ReasonOf(err) == "" && errors.Is(err, ErrStale) {
		t.Fatalf("with a witness's word: %v", err)
	}
}

// TestAttack55RestoredLog: a device follows a restored log by the root's
// word, once.
func TestAttack55RestoredLog(t *testing.T) {
	t.Parallel()
	h, alice, c := vouchedFor(t)
	h.covered(c)
	h.later(2 * time.Minute)
	h.cosigned(c)
	texts(t, c)
	honest := h.log.leaves
	kept := len(honest) - 2
	back := func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.now = h.now.Add(2 * time.Minute)
		h.log = &testLog{leaves: slices.Clone(honest[:kept])}
		for i := range 5 {
			h.log.leaves = append(h.log.leaves, append(slices.Clone(honest[0]), byte(h.now.Minute()), byte(i)))
		}
		h.log.publish(h, h.recorder.key)
	}
	root := func(n int) envelope.Hash { return envelope.Hash(tlog.Root(honest[:n])) }
	back()
	if err := say(c, "unsaid"); !errors.Is(err, ErrForked) {
		t.Fatalf("a restored log without a word of the root: %v", err)
	}
	h.mu.Lock()
	e, err := RestoreLog(h.org, envelope.LogRestoreBody{
		OldSize: uint64(len(honest)), OldRoot: root(len(honest)), NewSize: uint64(kept), NewRoot: root(kept), Reason: "disk lost",
	}, h.now, h.root)
	if err != nil {
		t.Fatal(err)
	}
	h.orgLinks = append(h.orgLinks, envelope.Marshal(e))
	h.mu.Unlock()
	h.later(2 * time.Minute)
	if err := say(c, "we go on"); err != nil {
		t.Fatalf("with the root's word: %v", err)
	}
	h.restart(alice, true)
	c = alice.see(t, c.ID())
	h.covered(c)
	back()
	h.later(2 * time.Minute)
	if err := say(c, "unsaid"); !errors.Is(err, ErrForked) {
		t.Fatalf("the same word for another loss: %v", err)
	}
}

// TestAttackWordOfTheFuture: one word of a recorder whose clock is years ahead stops
// nobody for longer than the next good one takes.
func TestAttackWordOfTheFuture(t *testing.T) {
	t.Parallel()
	h, alice, c := vouchedFor(t)
	h.covered(c)
	const ahead = 10 * 365 * 24 * time.Hour
	h.later(ahead)
	h.cosigned(c)
	h.later(time.Minute - ahead)
	_ = texts(t, c) // reads the word of the future
	h.restart(alice, true)
	c = alice.see(t, c.ID())
	h.later(time.Minute)
	h.cosigned(c)
	h.covered(c)
	if err := say(c, "on we go"); err != nil {
		t.Fatal(err)
	}
}
