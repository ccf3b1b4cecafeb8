package recorder

import (
	"context"
	"maps"
	"slices"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// judgePlans first learns every hold and rule, so that a plan is judged by what
// stands now, then ends what a crash interrupted, then takes the plans that wait.
func (r *Recorder) judgePlans(ctx context.Context) error {
	unverified, err := r.learnHolds(ctx)
	if err != nil {
		return err
	}
	if err := r.learnRules(ctx); err != nil {
		return err
	}
	plans, err := r.Server.Plans(ctx)
	if err != nil {
		return err
	}
	for id, p := range r.orders.plans {
		if p.confirmation == nil {
			r.report(about(id, r.dispose(id, p.order)))
		}
	}
	for i := range plans {
		id := envelope.OrderHash(plans[i].Bytes)
		r.report(about(id, r.runPlan(ctx, id, &plans[i], unverified)))
	}
	return nil
}

// runPlan judges a plan once, carries it out, and confirms it as often as the
// server asks.
func (r *Recorder) runPlan(ctx context.Context, id envelope.Hash, o *Order, unverified []*envelope.HoldOrder) error {
	known, ok := r.orders.plans[id]
	if !ok {
		plan, err := r.judgePlan(ctx, o, r.standingHolds(unverified))
		if err != nil {
			return err
		}
		rec := ledgerRecord{Kind: ledgerPlan, Time: r.Now().UnixMicro(), Order: *o}
		if err := r.orders.write(&rec); err != nil {
			return err
		}
		if err := r.dispose(id, plan); err != nil {
			return err
		}
		known = r.orders.plans[id]
	}
	if known.confirmation == nil {
		return nil // reported where it failed
	}
	return r.Server.Confirm(ctx, id, known.confirmation)
}

// judgePlan decides by itself whether a plan may be carried out here.
func (r *Recorder) judgePlan(ctx context.Context, o *Order, holds []*envelope.HoldOrder) (*envelope.DisposalPlan, error) {
	plan, err := parsed(envelope.ParseOrder[envelope.DisposalPlan](o.Bytes))
	if err != nil {
		return nil, err
	}
	if err := r.owns(plan.Org); err != nil {
		return nil, err
	}
	if err := r.people.approved(ctx, o, planBallot); err != nil {
		return nil, err
	}
	if err := r.orders.inForce(plan.Rules); err != nil {
		return nil, err
	}
	if now := r.Now().UnixMicro(); plan.Horizon > now {
		return nil, alarm(TooEarly, "horizon %d, own clock %d", plan.Horizon, now)
	}
	for _, part := range plan.Ranges {
		f, ok := r.known(part.Channel)
		if !ok {
			continue // nothing of it is kept here
		}
		if err := f.judgeRange(plan, &part, holds); err != nil {
			return nil, inChannel(part.Channel, err)
		}
	}
	return plan, nil
}

// judgeRange checks that a range is covered, names the very messages that are
// kept here, and that each may go.
func (f *follower) judgeRange(plan *envelope.DisposalPlan, part *envelope.DisposalRange, holds []*envelope.HoldOrder) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.channel == nil || part.From == 0 || part.To > f.opened() || !f.hasCovered(part) {
		return alarm(NotCovered, "range %d..%d", part.From, part.To)
	}
	var root tlog.RootBuilder
	err := f.walk(part.From, part.To, func(p *envelope.Placed) error {
		if p.Entry.Kind != envelope.KindMessage {
			return nil
		}
		hash := p.Hash()
		root.Append(tlog.LeafHash(hash[:]))
		return f.mayGo(plan, p, holds)
	})
	if err != nil {
		return err
	}
	if uint64(root.Size()) != part.Messages || envelope.Hash(root.Root()) != part.Root {
		return alarm(RangeMismatch, "range %d..%d: %d messages here, %d in the plan, or others", part.From, part.To, root.Size(), part.Messages)
	}
	return nil
}

// hasCovered tells whether what was this recorder's duty in a range is covered.
func (f *follower) hasCovered(part *envelope.DisposalRange) bool {
	return !slices.ContainsFunc(f.channel.Duties(), func(d chain.Duty) bool {
		end := part.To
		if d.Until != 0 {
			end = min(end, d.Until)
		}
		return f.own(d) && d.Since < end && part.From <= end && f.channel.Covered(d.Recorder) < end
	})
}

// mayGo says why a message must stay, if it must.
func (f *follower) mayGo(plan *envelope.DisposalPlan, p *envelope.Placed, holds []*envelope.HoldOrder) error {
	h, err := parseHeader(p)
	if err != nil {
		return err
	}
	for _, hold := range holds {
		if f.keeps(hold, p, h.User) {
			return alarm(UnderHold, "message %d: hold %q of matter %q", p.Position, hold.Name, hold.Matter)
		}
	}
	end, ever := f.orders.expires(f.id, p.Received)
	if p.Received > plan.Horizon || !ever || end > f.Now().UnixMicro() {
		return alarm(TooEarly, "message %d is kept by retention", p.Position)
	}
	return nil
}

// byChannel sorts a plan's ranges by channel.
func byChannel(ranges []envelope.DisposalRange) map[envelope.ChannelID][]envelope.DisposalRange {
	out := map[envelope.ChannelID][]envelope.DisposalRange{}
	for _, part := range ranges {
		out[part.Channel] = append(out[part.Channel], part)
	}
	return out
}

// channels of a plan, in one order on every run.
func channels(parts map[envelope.ChannelID][]envelope.DisposalRange) []envelope.ChannelID {
	return slices.SortedFunc(maps.Keys(parts), func(a, b envelope.ChannelID) int {
		return slices.Compare(a[:], b[:])
	})
}
