package recorder

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/keytree"
	"chancery/crypto/tlog"
)

// court is a recorded channel with three covered messages of ann's, a rule that
// keeps for an hour, and the people who order.
type court struct {
	*world
	*desk
	ann, bob, cora, leo *person
	messages            []*envelope.Placed
	rule                Order
}

func newCourt(t *testing.T) *court {
	w, d, ann, bob := recorded(t)
	c := &court{world: w, desk: d, ann: ann, bob: bob}
	c.cora, c.leo = w.enrol(envelope.RoleCompliance), w.enrol(envelope.RoleLegal)
	for _, text := range []string{"one", "two", "three"} {
		c.messages = append(c.messages, w.say(ann, text))
	}
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	c.rule = c.order(&envelope.RuleOrder{
		Version: envelope.Version, Org: w.org.ID(), ID: "all", Revision: 1, MinRetain: 600, MaxRetain: 3600,
	})
	c.approve(&c.rule, c.cora, actionRule)
	w.rules = []Order{c.rule}
	w.now = w.now.Add(2 * time.Hour)
	return c
}

func (c *court) order(v any) Order { return Order{Bytes: envelope.Marshal(v)} }

// plan names the messages, with no approvals.
func (c *court) plan() *envelope.DisposalPlan {
	var root tlog.RootBuilder
	for _, p := range c.messages {
		h := p.Hash()
		root.Append(tlog.LeafHash(h[:]))
	}
	return &envelope.DisposalPlan{
		Version: envelope.Version, Org: c.world.org.ID(), Rules: []envelope.Hash{envelope.OrderHash(c.rule.Bytes)},
		Horizon: c.now.Add(-time.Hour).UnixMicro(),
		Ranges: []envelope.DisposalRange{{
			Channel: c.channel.ID(), From: c.messages[0].Position, To: c.messages[len(c.messages)-1].Position,
			Messages: uint64(len(c.messages)), Root: envelope.Hash(root.Root()),
		}},
	}
}

// submit puts a plan before the recorder, approved by two people.
func (c *court) submit(plan *envelope.DisposalPlan) {
	o := c.order(plan)
	c.approve(&o, c.cora, actionPlan)
	c.approve(&o, c.leo, actionPlanApprove)
	c.plans = []Order{o}
}

func (c *court) hold(edit func(*envelope.HoldOrder)) Hold {
	h := &envelope.HoldOrder{Version: envelope.Version, Org: c.world.org.ID(), Matter: "m", Name: "h", Nonce: nonce()}
	if edit != nil {
		edit(h)
	}
	o := c.order(h)
	c.approve(&o, c.cora, actionHold)
	c.approve(&o, c.leo, actionHoldApprove)
	return Hold{Order: o, Active: true}
}

func TestDisposal(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	f, _ := c.known(c.channel.ID())
	var before openingRecord
	if err := envelope.Unmarshal(must(f.openings.At(c.messages[1].Position)), &before); err != nil {
		t.Fatal(err)
	}
	c.submit(c.plan())
	c.want(c.judge(), "")
	if len(c.confirmations) != 1 {
		t.Fatalf("%d confirmations", len(c.confirmations))
	}
	if _, err := f.vault.unseal(c.messages[1].Position, before.Secret); !errors.Is(err, keytree.ErrPunctured) {
		t.Errorf("a secret copied before the disposal: %v", err)
	}
	if found := grep(t, c.Copy, before.Secret); found != "" {
		t.Errorf("the sealed secret stands in %s", found)
	}
	word, err := envelope.OpenStatement[envelope.Confirmation](c.confirmations[0], envelope.LabelConfirmation, c.rec.key.Public())
	if err != nil || word.Disposed != 3 || word.Plan != envelope.OrderHash(c.plans[0].Bytes) || word.Recorder != c.ID() {
		t.Fatalf("confirmation %+v: %v", word, err)
	}
	if found := grep(t, c.Copy, c.messages[1].Entry.Payload); found != "" {
		t.Errorf("ciphertext stands in %s", found)
	}
	// The chain still follows, and later messages are covered.
	c.kill()
	c.rotate(c.ann, envelope.CauseExpiry)
	c.settled()
	c.say(c.bob, "after")
	c.world.now = c.world.now.Add(3 * time.Second)
	c.settled()
	if got := c.channel.Covered(c.ID()); got < c.channel.Position-1 {
		t.Errorf("covered to %d of %d", got, c.channel.Position)
	}
	c.want(c.judge(), "")
	if len(c.confirmations) != 2 || !bytes.Equal(c.confirmations[0], c.confirmations[1]) {
		t.Error("asked again, the confirmation is another")
	}
}

// A crash between any two steps of a disposal is made good at the next start,
// and nothing is confirmed before the leaves are gone.
func TestDisposalCrash(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	plan := c.plan()
	c.submit(plan)
	o := c.plans[0]
	if err := c.orders.write(&ledgerRecord{Kind: ledgerPlan, Order: o}); err != nil {
		t.Fatal(err)
	}
	c.kill() // judged
	f, _ := c.known(c.channel.ID())
	if err := f.vault.puncture([]uint64{c.messages[0].Position}); err != nil {
		t.Fatal(err)
	}
	c.kill() // punctured in part
	f, _ = c.known(c.channel.ID())
	if _, err := f.dispose(plan.Ranges); err != nil {
		t.Fatal(err)
	}
	c.kill() // reclaimed, not confirmed
	if len(c.confirmations) != 0 {
		t.Fatal("confirmed early")
	}
	c.want(c.judge(), "")
	if len(c.confirmations) != 1 {
		t.Fatalf("%d confirmations", len(c.confirmations))
	}
}

func TestAttackPlans(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(*court)
		want    Reason
	}{
		"not approved": {func(c *court) { c.plans = []Order{c.order(c.plan())} }, NotApproved},
		"one person twice": {func(c *court) {
			o := c.order(c.plan())
			c.approve(&o, c.cora, actionPlan)
			c.approve(&o, c.cora, actionPlanApprove)
			c.plans = []Order{o}
		}, NotApproved},
		"one person in both roles": {func(c *court) {
			c.list(envelope.Party{Role: envelope.RoleLegal, Name: "cora too", User: c.cora.id})
			o := c.order(c.plan())
			c.approve(&o, c.cora, actionPlan)
			c.approve(&o, c.cora, actionPlanApprove)
			c.plans = []Order{o}
		}, NotApproved},
		"two of compliance": {func(c *court) {
			o := c.order(c.plan())
			c.approve(&o, c.cora, actionPlan)
			c.approve(&o, c.ann, actionPlanApprove)
			c.plans = []Order{o}
		}, NotApproved},
		"an approver without a role": {func(c *court) {
			o := c.order(c.plan())
			c.approve(&o, c.cora, actionPlan)
			c.approve(&o, c.bob, actionPlanApprove)
			c.plans = []Order{o}
		}, NotApproved},
		"an approver whose role ended": {func(c *court) {
			c.submit(c.plan())
			gone := envelope.Party{User: c.leo.id}
			c.extendOrg(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleLegal, Party: gone.ID()})
		}, NotApproved},
		"an approver past its listing's time": {func(c *court) {
			late := c.enrol()
			c.list(envelope.Party{Role: envelope.RoleLegal, Name: "late", User: late.id, NotAfter: c.now.UnixMicro()})
			o := c.order(c.plan())
			c.approve(&o, c.cora, actionPlan)
			c.approve(&o, late, actionPlanApprove)
			c.plans = []Order{o}
		}, NotApproved},
		"approval of another plan": {func(c *court) {
			c.submit(c.plan())
			other := c.plan()
			other.Horizon--
			c.plans = []Order{{Bytes: envelope.Marshal(other), Approvals: c.plans[0].Approvals}}
		}, NotApproved},
		"approval for another action": {func(c *court) {
			o := c.order(c.plan())
			c.approve(&o, c.cora, actionPlan)
			c.approve(&o, c.leo, actionHoldApprove)
			c.plans = []Order{o}
		}, NotApproved},
		"forged signature": {func(c *court) {
			c.submit(c.plan())
			a := c.plans[0].Approvals[1]
			a[len(a)-1] ^= 1
		}, NotApproved},
		"under a hold": {func(c *court) {
			c.holds = []Hold{c.hold(nil)}
			c.submit(c.plan())
		}, UnderHold},
		"under a hold on its author": {func(c *court) {
			c.holds = []Hold{c.hold(func(h *envelope.HoldOrder) { h.Users = []envelope.UserID{c.ann.id} })}
			c.submit(c.plan())
		}, UnderHold},
		"under a hold on a member": {func(c *court) {
			c.holds = []Hold{c.hold(func(h *envelope.HoldOrder) { h.Users = []envelope.UserID{c.bob.id} })}
			c.submit(c.plan())
		}, UnderHold},
		"horizon ahead of the clock": {func(c *court) {
			p := c.plan()
			p.Horizon = c.now.Add(time.Minute).UnixMicro()
			c.submit(p)
		}, TooEarly},
		"message newer than the horizon": {func(c *court) {
			p := c.plan()
			p.Horizon = c.messages[0].Received - 1
			c.submit(p)
		}, TooEarly},
		"before retention ends": {func(c *court) {
			c.world.now = c.world.now.Add(-90 * time.Minute)
			c.submit(c.plan())
		}, TooEarly},
		"a stricter rule of the channel": {func(c *court) {
			own := c.order(&envelope.RuleOrder{
				Version: envelope.Version, Org: c.world.org.ID(), ID: "own", Revision: 1, Channel: c.channel.ID(), MinRetain: 10 * 3600, MaxRetain: 10 * 3600,
			})
			c.approve(&own, c.cora, actionRule)
			c.rules = append(c.rules, own)
			c.submit(c.plan())
		}, TooEarly},
		"a rule of the channel that keeps for ever": {func(c *court) {
			own := c.order(&envelope.RuleOrder{
				Version: envelope.Version, Org: c.world.org.ID(), ID: "own", Revision: 1, Channel: c.channel.ID(),
			})
			c.approve(&own, c.cora, actionRule)
			c.rules = append(c.rules, own)
			c.submit(c.plan())
		}, TooEarly},
		"a rule that nobody approved": {func(c *court) {
			p := c.plan()
			p.Rules = []envelope.Hash{{1}}
			c.submit(p)
		}, RuleUnknown},
		"a range past coverage": {func(c *court) {
			p := c.plan()
			p.Ranges[0].To = c.channel.Position + 5
			c.submit(p)
		}, NotCovered},
		"other messages than named": {func(c *court) {
			p := c.plan()
			p.Ranges[0].Root[0] ^= 1
			c.submit(p)
		}, RangeMismatch},
		"more messages than named": {func(c *court) {
			p := c.plan()
			p.Ranges[0].Messages = 2
			c.submit(p)
		}, RangeMismatch},
		"of another organisation": {func(c *court) {
			p := c.plan()
			p.Org[0] ^= 1
			c.submit(p)
		}, OrderMalformed},
		"malformed": {func(c *court) { c.plans = []Order{{Bytes: []byte{1}}} }, OrderMalformed},
		"oversized": {func(c *court) { c.plans = []Order{{Bytes: make([]byte, 2<<20)}} }, OrderMalformed},
	}
	for name, a := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourt(t)
			a.prepare(c)
			c.want(c.judge(), a.want)
			if len(c.confirmations) != 0 {
				t.Fatal("confirmed")
			}
			f, _ := c.known(c.channel.ID())
			if f.vault.generation != 1 {
				t.Fatal("punctured")
			}
		})
	}
}

func TestAttackPlanBeforeCoverage(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.rotate(c.ann, envelope.CauseExpiry)
	c.want(c.follow(), "")
	p := c.say(c.ann, "not covered yet")
	c.want(c.follow(), "")
	c.world.now = c.world.now.Add(2 * time.Hour)
	plan := c.plan()
	h := p.Hash()
	plan.Ranges = []envelope.DisposalRange{{
		Channel: c.channel.ID(), From: p.Position, To: p.Position, Messages: 1, Root: envelope.Hash(tlog.Root([][]byte{h[:]})),
	}}
	c.submit(plan)
	c.want(c.judge(), NotCovered)
}

// A hold that was once seen keeps, whatever the server lists later, until two
// people released it and the cooling time is over.
func TestAttackHoldVanishes(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	hold := c.hold(nil)
	c.holds = []Hold{hold}
	c.want(c.judge(), "")
	c.kill()

	c.holds = nil
	c.submit(c.plan())
	c.want(c.judge(), HoldVanished)
	c.wantNothingConfirmed()

	hold.Release = c.order(&envelope.ReleaseOrder{
		Version: envelope.Version, Org: c.world.org.ID(), Hold: envelope.OrderHash(hold.Order.Bytes), Reason: "settled",
	})
	c.approve(&hold.Release, c.cora, actionRelease)
	hold.Active = false
	c.holds = []Hold{hold}
	c.want(c.judge(), UnderHold)
	c.world.now = c.world.now.Add(31 * 24 * time.Hour)
	c.want(c.judge(), UnderHold) // one person's release is none

	c.approve(&hold.Release, c.leo, actionReleaseApprove)
	c.holds = []Hold{hold}
	c.want(c.judge(), UnderHold) // cooling
	c.wantNothingConfirmed()

	c.world.now = c.world.now.Add(31 * 24 * time.Hour)
	c.want(c.judge(), "")
	if len(c.confirmations) != 1 {
		t.Fatal("not disposed of after the hold ended")
	}
}

func (c *court) wantNothingConfirmed() {
	c.world.t.Helper()
	if len(c.confirmations) != 0 {
		c.world.t.Fatal("confirmed")
	}
}

func TestAttackHoldOfAnother(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	forged := c.hold(nil)
	forged.Order.Approvals = forged.Order.Approvals[:1]
	c.holds = []Hold{forged}
	c.submit(c.plan())
	c.want(c.judge(), HoldUnverified) // keeps while listed as active
	c.wantNothingConfirmed()
	c.holds[0].Active = false // a draft
	c.want(c.judge(), "")
}

func TestAttackLockedRuleShortened(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	revision := func(n, keep uint64, lock bool) Order {
		o := c.order(&envelope.RuleOrder{
			Version: envelope.Version, Org: c.world.org.ID(), ID: "locked", Revision: n, MinRetain: keep, MaxRetain: keep, Lock: lock,
		})
		c.approve(&o, c.cora, actionRule)
		return o
	}
	c.rules = append(c.rules, revision(1, 5*3600, true))
	c.want(c.judge(), "")
	c.kill()
	for name, o := range map[string]Order{"shorter": revision(2, 3600, true), "unlocked": revision(2, 5*3600, false)} {
		c.rules = []Order{c.rule, o}
		if got := c.judge(); got != RuleShortened {
			t.Errorf("%s: %q", name, got)
		}
	}
	c.rules = []Order{c.rule}
	c.submit(c.plan())
	c.want(c.judge(), TooEarly) // what was locked still counts
	c.rules = []Order{c.rule, revision(2, 6*3600, true)}
	c.want(c.judge(), TooEarly)
	c.world.now = c.world.now.Add(5 * time.Hour)
	c.want(c.judge(), "")
}
