package session

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

// recorded is a channel whose recorder has acknowledged the first epoch.
func (h *honest) recorded(t *testing.T, p *person, members ...*person) *Channel {
	t.Helper()
	c := channel(t, p, h.recorder.key.ID())
	for _, m := range members {
		if err := c.Add(context.Background(), m.Me.Chain, envelope.RankMember); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = c.Post(context.Background(), Draft{Kind: envelope.Post, Text: "makes the epoch"})
	h.acknowledge(c.ID())
	return c
}

// auditor has the root list one.
func (h *honest) auditor(t *testing.T, scope ...envelope.ChannelID) *seal.Identity {
	t.Helper()
	id, err := seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.list(envelope.Party{Role: envelope.RoleAuditor, Name: "auditor", Recipient: id.Recipient(), Scope: scope})
	return id
}

// coverage places the recorder's coverage of all so far, as bend leaves it.
func (h *honest) coverage(c *Channel, bend func(*envelope.Coverage)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.channels[c.id]
	said := &envelope.Coverage{
		Version: envelope.Version, Org: h.org.ID(), Channel: c.id, From: room.chain.Covered(h.recorder.key.ID()) + 1,
		To: room.chain.Position, HeadTo: room.chain.Top, Recorder: h.recorder.key.ID(), Time: h.now.UnixMicro(),
	}
	bend(said)
	if _, p := h.append(room, h.said(envelope.KindCoverage, said), nil, envelope.KeyID{}, 0); p != nil {
		h.t.Errorf("coverage: %v", p)
	}
}

func noted(p *person, text string) bool {
	return slices.ContainsFunc(p.notes, func(n string) bool { return strings.Contains(n, text) })
}

// A recorder that signs without opening, or excepts what opens, is disputed by
// whoever opened it: they stop, an auditor finds who lied, two people end it.
func TestAttack44CoverageWithoutOpening(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*envelope.Coverage){
		"a root of nothing": func(c *envelope.Coverage) { c.Root = envelope.Hash{1} },
		"an exception that opens": func(c *envelope.Coverage) {
			c.Exceptions = []envelope.Exception{{Position: c.To, Code: envelope.Undecryptable}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			h := newHonest(t)
			alice, officer, lawyer := h.join(), h.join(), h.join()
			c := h.recorded(t, alice)
			auditor := h.auditor(t, c.ID())
			secret := post(t, c, "secret-0451")
			h.coverage(c, bend)
			if err := c.catch(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Post(ctx, Draft{Kind: envelope.Post, Text: "two"}); !errors.Is(err, ErrCoverage) {
				t.Fatalf("after a wrong coverage: %v", err)
			}
			told := h.notices(c.ID(), envelope.LabelDispute)
			if len(told) != 1 || strings.Contains(string(told[0].Statement)+string(told[0].Evidence), "secret-0451") {
				t.Fatalf("%d disputes, or one that shows the text", len(told))
			}
			_, n, body, err := envelope.ParseNotice(told[0].Statement)
			if err != nil {
				t.Fatal(err)
			}
			d := body.(*envelope.Dispute)
			found := h.judge(t, auditor, n.Org, d, told[0].Evidence)
			if found.Fault != envelope.FaultRecorder || d.Coverage.Position != secret.Position+1 {
				t.Errorf("the auditor finds %+v about %+v", found, d)
			}
			h.rule(t, c, officer, envelope.RoleCompliance, d.Coverage)
			if _, err := c.Post(ctx, Draft{Kind: envelope.Post, Text: "two"}); !errors.Is(err, ErrCoverage) {
				t.Fatalf("ruled on by one person: %v", err)
			}
			h.rule(t, c, officer, envelope.RoleLegal, d.Coverage)
			if _, err := c.Post(ctx, Draft{Kind: envelope.Post, Text: "two"}); !errors.Is(err, ErrCoverage) {
				t.Fatalf("ruled on by one person in both roles: %v", err)
			}
			h.rule(t, c, lawyer, envelope.RoleLegal, d.Coverage)
			post(t, c, "two")
			if !noted(alice, "the recorder was wrong") {
				t.Errorf("notes: %q", alice.notes)
			}
		})
	}
}

func (h *honest) judge(t *testing.T, auditor *seal.Identity, org envelope.OrgID, d *envelope.Dispute, sealed []byte) seal.Finding {
	t.Helper()
	e, err := seal.OpenEvidence(auditor, org, d.Coverage.Hash, sealed)
	if err != nil {
		t.Fatal(err)
	}
	found, err := e.Judge(d, h.recorder.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (h *honest) rule(t *testing.T, c *Channel, p *person, role envelope.Role, coverage envelope.Ref) {
	t.Helper()
	h.mu.Lock()
	h.list(envelope.Party{Role: role, Name: string(role), User: p.Me.Chain})
	h.mu.Unlock()
	if err := p.Rule(context.Background(), c.ID(), coverage, envelope.FaultRecorder); err != nil {
		t.Fatal(err)
	}
}

// A dispute stops the disputer only: others, who can't tell, go on and are told.
func TestDisputeStopsNobodyElse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := h.recorded(t, alice)
	post(t, c, "before bob")
	if err := c.Add(ctx, bob.Me.Chain, envelope.RankMember); err != nil {
		t.Fatal(err)
	}
	h.coverage(c, func(c *envelope.Coverage) { c.Root = envelope.Hash{1} })
	if err := c.catch(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Post(ctx, Draft{Kind: envelope.Post, Text: "stopped"}); !errors.Is(err, ErrCoverage) {
		t.Fatalf("after a wrong coverage: %v", err)
	}
	theirs := bob.see(t, c.ID())
	_, _ = theirs.Post(ctx, Draft{Kind: envelope.Post, Text: "makes the epoch"})
	h.acknowledge(c.ID())
	if _, err := theirs.State(ctx); err != nil {
		t.Fatal(err)
	}
	post(t, theirs, "from bob, who can't open what is in dispute")
	if _, err := c.State(ctx); err != nil {
		t.Fatal(err)
	}
	st, err := theirs.State(ctx)
	if err != nil || st.Attention != "" || len(st.Words) != 1 || st.Words[0].Label != envelope.LabelDispute {
		t.Errorf("bob's state: %+v, %v", st, err)
	}
	all, err := c.Read(ctx, 0)
	if err != nil || all[0].Text != "before bob" || all[1].State != stateWithheld || !strings.Contains(all[1].Why, "dispute") {
		t.Errorf("alice reads %+v, %v", all, err)
	}
}

// A message that no recorder covers in time stops sending and showing, raises
// one signed alarm, and all of it ends when coverage comes.
func TestUncoveredAlarmsAndGoesOn(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := h.recorded(t, alice, bob)
	one := post(t, c, "one")
	theirs := bob.see(t, c.ID())
	h.mu.Lock()
	h.now = h.now.Add(CoverWithin + 10*time.Second)
	h.mu.Unlock()
	h.bypass(t, c, "too late") // an honest client would not send it
	if err := theirs.catch(ctx); err != nil {
		t.Fatal(err)
	}
	shown := make(chan Message, 8)
	done := make(chan error, 1)
	go func() {
		done <- theirs.Watch(ctx, 0, func(m Message) error { shown <- m; return nil })
	}()
	if m := <-shown; m.Text != "one" || m.Captured {
		t.Errorf("the first: %+v", m)
	}
	if m := <-shown; m.State != stateWithheld || m.Text != "" {
		t.Errorf("the second, before coverage: %+v", m)
	}
	for range 2 {
		if err := theirs.tend(ctx); err != nil {
			t.Fatal(err)
		}
	}
	told := h.notices(c.ID(), envelope.LabelAlarm)
	if len(told) != 1 {
		t.Fatalf("%d alarms", len(told))
	}
	_, _, body, err := envelope.ParseNotice(told[0].Statement)
	if a := body.(*envelope.Alarm); err != nil || a.Code != envelope.AlarmUncovered || a.Number != one.Position {
		t.Errorf("alarm %+v, %v", a, err)
	}
	h.cover(theirs, rootOf(slices.Clone(theirs.cover.leaves)))
	if err := theirs.catch(ctx); err != nil {
		t.Fatal(err)
	}
	if m := <-shown; m.Text != "too late" || !m.Captured {
		t.Errorf("the second, after coverage: %+v", m)
	}
	if !noted(bob, "not captured in time") || !noted(bob, "captured again") {
		t.Errorf("notes: %q", bob.notes)
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// bypass posts without asking whether capture keeps up.
func (h *honest) bypass(t *testing.T, c *Channel, text string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx := context.Background()
	if err := c.write(ctx, Draft{Kind: envelope.Post, Text: text}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.deliver(ctx); err != nil {
		t.Fatal(err)
	}
}

// What somebody signs who is no member, or for another channel, counts for
// nothing.
func TestAttackNoticeByNobody(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, mallory := h.join(), h.join()
	c := h.recorded(t, alice)
	other := channel(t, mallory)
	for name, body := range map[string]any{envelope.LabelAlarm: &envelope.Alarm{Code: envelope.AlarmUncovered, Number: 1}, envelope.LabelRuling: &envelope.Ruling{Fault: envelope.FaultRecorder}} {
		for _, id := range []envelope.ChannelID{c.ID(), other.ID()} {
			raw, err := mallory.notice(id, name, body)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.listenTo(ctx, raw); !errors.Is(err, errWord) {
				t.Errorf("%s for %s: %v", name, id, err)
			}
			raw[len(raw)-1] ^= 1
			if err := c.listenTo(ctx, raw); err == nil {
				t.Errorf("%s with another signature is taken", name)
			}
		}
	}
}

// A device tells recorders how far it has written, once.
func TestTailIsToldOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice := h.join()
	c := h.recorded(t, alice)
	post(t, c, "one")
	two := post(t, c, "two")
	for range 2 {
		if err := alice.Goodbye(ctx); err != nil {
			t.Fatal(err)
		}
	}
	h.restart(alice, true)
	alice.see(t, c.ID())
	if err := alice.Goodbye(ctx); err != nil {
		t.Fatal(err)
	}
	told := h.notices(c.ID(), envelope.LabelTail)
	if len(told) != 1 {
		t.Fatalf("%d statements", len(told))
	}
	_, n, body, err := envelope.ParseNotice(told[0].Statement)
	if tail := body.(*envelope.Tail); err != nil || n.Key != alice.Device() || tail.Seq != c.outbox.Used || tail.Entry != two.Entry || tail.Seen.Position != two.Position {
		t.Errorf("statement %+v, %v", tail, err)
	}
}
