package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

func channel(t testing.TB, p *person, capture ...envelope.KeyID) *Channel {
	t.Helper()
	n := NewChannel{Team: 1, Name: "desk", Access: envelope.AccessPrivate, Capture: envelope.CaptureOff, Recorders: capture, Lifetime: time.Hour}
	if len(capture) > 0 {
		n.Capture = envelope.CaptureRequired
	}
	c, err := p.CreateChannel(context.Background(), n)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *person) see(t *testing.T, id envelope.ChannelID) *Channel {
	t.Helper()
	c, err := p.Channel(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func post(t *testing.T, c *Channel, text string) *Sent {
	t.Helper()
	s, err := c.Post(context.Background(), Draft{Kind: envelope.Post, Text: text})
	if err != nil {
		t.Fatalf("posting %q: %v", text, err)
	}
	return s
}

func texts(t *testing.T, c *Channel) string {
	t.Helper()
	all, err := c.Read(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range Fold(all) {
		out = append(out, m.Text+"/"+m.State)
	}
	return strings.Join(out, " ")
}

func TestTalkEditDelete(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	post(t, c, "before")
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	one := post(t, c, "one")
	two := post(t, c, "two")
	theirs := bob.see(t, c.ID())
	three := post(t, theirs, "three")
	change := func(c *Channel, kind envelope.MessageKind, at uint64, text string) error {
		target, err := c.Target(ctx, at, kind)
		if err != nil {
			return err
		}
		_, err = c.Post(ctx, Draft{Kind: kind, Target: target, Text: text})
		return err
	}
	if err := errors.Join(change(c, envelope.Edit, one.Position, "one, better"), change(c, envelope.Delete, two.Position, ""),
		change(c, envelope.Delete, three.Position, "")); err != nil {
		t.Fatal(err)
	}
	if err := change(theirs, envelope.Edit, one.Position, "forged"); !errors.Is(err, ErrNotAuthor) {
		t.Errorf("editing another's message: %v", err)
	}
	if got, want := texts(t, c), "before/open one, better/edited /deleted /deleted"; got != want {
		t.Errorf("alice reads %q, want %q", got, want)
	}
	if got, want := texts(t, theirs), "/unreadable one, better/edited /deleted /deleted"; got != want {
		t.Errorf("bob reads %q, want %q", got, want)
	}
}

// An epoch that another member started makes a sealed message refused; its
// number is voided and the text goes again.
func TestRefusedIsVoidedAndSealedAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob, carol := h.join(), h.join(), h.join()
	c := channel(t, alice)
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankOwner); err != nil {
		t.Fatal(err)
	}
	theirs := bob.see(t, c.ID())
	post(t, theirs, "first")
	if err := c.Add(ctx, carol.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	post(t, theirs, "second")
	if got, want := texts(t, c), "first/open second/open"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
	if theirs.outbox.Used != 3 || len(theirs.outbox.Pending) != 0 {
		t.Errorf("outbox %+v: want number 2 voided", theirs.outbox)
	}
}

// A lost answer or a crash must neither lose nor double a message: the very
// same bytes go again.
func TestLostAnswerAndCrash(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	post(t, c, "one")
	ctx, cancel := context.WithCancel(context.Background())
	h.lose = func() bool { cancel(); return true }
	if _, err := c.Post(ctx, Draft{Kind: envelope.Post, Text: "two"}); !errors.Is(err, ErrQueued) {
		t.Fatalf("posting without an answer: %v", err)
	}
	h.lose = nil
	h.restart(alice, false)
	c = alice.see(t, c.ID())
	post(t, c, "three")
	if got, want := texts(t, c), "one/open two/open three/open"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
}

func TestResumesFromSnapshot(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	for _, s := range []string{"one", "two", "three"} {
		post(t, c, s)
	}
	h.restart(alice, true)
	c = alice.see(t, c.ID())
	post(t, c, "four")
	if got, want := texts(t, c), "one/open two/open three/open four/open"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
}

// A message denied by policy has no final refusal: its number may be left out
// only after an epoch in which it can't be placed any more.
func TestDeniedIsOutlived(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	post(t, c, "one")
	h.deny = func(e *envelope.Entry) *client.Problem {
		if e.Kind != envelope.KindMessage {
			return nil
		}
		return &client.Problem{Status: http.StatusForbidden, Code: "message.wall"}
	}
	_, err := c.Post(context.Background(), Draft{Kind: envelope.Post, Text: "denied"})
	if p, ok := errors.AsType[*client.Problem](err); !ok || p.Exit() != client.ExitDenied {
		t.Fatalf("denied post: %v", err)
	}
	h.deny = nil
	post(t, c, "two")
	if e, _ := c.chain.Current(); e.N != 2 || e.Body.Cause != envelope.CauseDemand {
		t.Errorf("epoch %d (%s): want a second one, on demand", e.N, e.Body.Cause)
	}
	if got, want := texts(t, c), "one/open two/open"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
}

func TestAttack06ChannelRollback(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	kept := post(t, c, "kept")
	lost := post(t, c, "lost")
	old := envelope.Ref{Position: c.chain.Position, Hash: c.chain.Top}
	h.truncate(c.ID(), kept.Position)
	for _, clean := range []bool{true, false} {
		h.restart(alice, clean)
		if _, err := alice.Channel(ctx, c.ID()); !errors.Is(err, ErrRollback) {
			t.Fatalf("after restart (clean %t): %v", clean, err)
		}
	}
	h.restore(t, alice, c.ID(), envelope.Ref{Position: lost.Position - 1, Hash: old.Hash})
	if _, err := alice.Channel(ctx, c.ID()); !errors.Is(err, ErrRollback) {
		t.Fatalf("a restore that does not name all that was lost: %v", err)
	}
	h.truncate(c.ID(), kept.Position)
	h.restore(t, alice, c.ID(), old)
	c = alice.see(t, c.ID())
	post(t, c, "after")
	if got, want := texts(t, c), "kept/open after/open"; got != want {
		t.Errorf("reads %q, want %q", got, want)
	}
}

// A crash leaves no snapshot, but what was confirmed before the last message
// is on disk with it.
func TestAttack55RestoredServerAfterCrash(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	kept := post(t, c, "kept")
	post(t, c, "lost")
	post(t, c, "lost too")
	h.restart(alice, false)
	h.truncate(c.ID(), kept.Position)
	if _, err := alice.Channel(context.Background(), c.ID()); !errors.Is(err, ErrRollback) {
		t.Errorf("a server from yesterday's backup: %v", err)
	}
}

func (h *honest) restore(t *testing.T, p *person, id envelope.ChannelID, old envelope.Ref) {
	t.Helper()
	e, _, err := RestoreLink(context.Background(), p.API, p.Dir, id, old, "test", h.now, h.root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.API.PostEntry(context.Background(), id, wire.NewEntry{Entry: envelope.Marshal(e)}); err != nil {
		t.Fatal(err)
	}
}

func TestAttackReceiptByUnlistedKey(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	post(t, c, "one")
	h.signWith = key(t)
	if _, err := c.Post(context.Background(), Draft{Kind: envelope.Post, Text: "two"}); !errors.Is(err, ErrAnswer) {
		t.Errorf("receipt by an unlisted key: %v", err)
	}
}

func TestAttackWrapOfAnotherSeed(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	if err := c.Add(context.Background(), bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	post(t, c, "one")
	h.wrapOf = func(n uint64, w *wire.EpochWrap) {
		other, err := seal.WrapSeed(h.org.Suite(), seal.NewSeed(), seal.Epoch{Org: h.org.ID(), Channel: c.ID(), N: n}, bob.own.identities[1].Recipient())
		if err != nil {
			t.Error(err)
		}
		w.Wrap = other
	}
	all, err := bob.see(t, c.ID()).Read(context.Background(), 0)
	if err != nil || len(all) != 1 || all[0].State != "unreadable" || !strings.Contains(all[0].Why, "another than the link's") {
		t.Errorf("read %+v, %v", all, err)
	}
}

func TestAttack48OrganisationSwapped(t *testing.T) {
	t.Parallel()
	h, other := newHonest(t), newHonest(t)
	alice := h.join()
	h.http.Config.Handler = other.http.Config.Handler
	if err := alice.Dir.RefreshOrg(context.Background()); !errors.Is(err, ErrOrg) {
		t.Errorf("another organisation: %v", err)
	}
}

func TestAttack05ChainRollback(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	h.orgLinks = h.orgLinks[:2]
	if err := alice.Dir.RefreshOrg(context.Background()); !errors.Is(err, ErrRollback) {
		t.Errorf("an older organisation chain: %v", err)
	}
}

func TestRequiredCaptureWaitsForAcknowledgement(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice, h.recorder.key.ID())
	_, err := c.Post(context.Background(), Draft{Kind: envelope.Post, Text: "one"})
	if !errors.Is(err, ErrNoAcknowledgement) || !strings.Contains(err.Error(), "rec-1") {
		t.Fatalf("without acknowledgement: %v", err)
	}
	h.acknowledge(c.ID())
	post(t, c, "one")
}

// cover places the recorder's coverage of all so far, with a root of its choice.
func (h *honest) cover(c *Channel, root envelope.Hash) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.channels[c.id]
	e := h.said(envelope.KindCoverage, &envelope.Coverage{
		Version: envelope.Version, Org: h.org.ID(), Channel: c.id, From: room.chain.Covered(h.recorder.key.ID()) + 1,
		To: room.chain.Position, HeadTo: room.chain.Top, Root: root, Recorder: h.recorder.key.ID(), Time: h.now.UnixMicro(),
	})
	if _, p := h.append(room, e, nil, envelope.KeyID{}, 0); p != nil {
		h.t.Errorf("coverage: %v", p)
	}
}

func TestUncoveredStopsSendingAndShowing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice, h.recorder.key.ID())
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Post(ctx, Draft{Kind: envelope.Post, Text: "makes the epoch"})
	h.acknowledge(c.ID())
	post(t, c, "one")
	leaves := append([]leaf(nil), c.cover.leaves...)
	h.mu.Lock()
	h.now = h.now.Add(2 * CoverWithin)
	h.mu.Unlock()
	if _, err := c.Post(ctx, Draft{Kind: envelope.Post, Text: "two"}); !errors.Is(err, ErrUncovered) || !strings.Contains(err.Error(), "rec-1") {
		t.Fatalf("with a silent recorder: %v", err)
	}
	h.cover(c, rootOf(leaves))
	post(t, c, "two")
	if all, err := c.Read(ctx, 0); err != nil || !all[0].Captured || all[1].Captured {
		t.Errorf("captured: %+v, %v", all, err)
	}
}

// A device may wait for less than the channel promises, never for longer.
func TestCoverLimitOnlyShortens(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	for given, want := range map[time.Duration]time.Duration{0: CoverWithin, time.Second: time.Second, time.Hour: CoverWithin} {
		c := alice.Config
		c.Cover = given
		s, err := Open(context.Background(), c)
		if err != nil || s.Cover != want {
			t.Errorf("a limit of %v became %v, want %v (%v)", given, s.Cover, want, err)
		}
	}
}

func (c *Channel) catch(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.catchUp(ctx)
}

func rootOf(leaves []leaf) envelope.Hash {
	var b tlog.RootBuilder
	for _, l := range leaves {
		b.Append(tlog.LeafHash(envelope.CoverLeaf(l.Position, l.Entry, seal.Secret(l.Secret).Cov())))
	}
	return envelope.Hash(b.Root())
}
