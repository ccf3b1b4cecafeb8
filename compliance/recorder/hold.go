package recorder

import (
	"context"
	"slices"

	"chancery/crypto/envelope"
)

// learnHolds takes the server's list of holds. A hold that two people made stays
// known until two people released it, whatever the server lists. One that is
// listed as active and does not verify keeps too, for as long as it is listed:
// keeping too much can be mended.
func (r *Recorder) learnHolds(ctx context.Context) (unverified []*envelope.HoldOrder, err error) {
	listed, err := r.Server.Holds(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[envelope.Hash]bool{}
	for i := range listed {
		id := envelope.OrderHash(listed[i].Order.Bytes)
		seen[id] = true
		stranger, err := r.learnHold(ctx, id, &listed[i])
		if stranger != nil {
			unverified = append(unverified, stranger)
		}
		r.report(about(id, err))
	}
	for id, h := range r.orders.holds {
		if !seen[id] && h.released == 0 {
			r.report(about(id, alarm(HoldVanished, "hold %q of matter %q", h.order.Name, h.order.Matter)))
		}
	}
	return unverified, nil
}

func (r *Recorder) learnHold(ctx context.Context, id envelope.Hash, h *Hold) (stranger *envelope.HoldOrder, err error) {
	if known, ok := r.orders.holds[id]; ok {
		if known.released != 0 || len(h.Release.Bytes) == 0 {
			return nil, nil
		}
		return nil, r.learnRelease(ctx, id, &h.Release)
	}
	order, err := parsed(envelope.ParseOrder[envelope.HoldOrder](h.Order.Bytes))
	if err != nil {
		return nil, err
	}
	if err := r.owns(order.Org); err != nil {
		return nil, err
	}
	if err := r.people.approved(ctx, &h.Order, holdBallot); err != nil {
		if !h.Active {
			return nil, nil // a draft
		}
		return order, alarm(HoldUnverified, "%w", err)
	}
	return nil, r.orders.write(&ledgerRecord{Kind: ledgerHold, Time: r.Now().UnixMicro(), Order: h.Order})
}

// learnRelease takes a release once two people signed it. A draft is no news.
func (r *Recorder) learnRelease(ctx context.Context, hold envelope.Hash, o *Order) error {
	release, err := parsed(envelope.ParseOrder[envelope.ReleaseOrder](o.Bytes))
	if err != nil {
		return err
	}
	if err := r.owns(release.Org); err != nil {
		return err
	}
	if release.Hold != hold {
		return alarm(OrderMalformed, "release of hold %s", release.Hold)
	}
	if r.people.approved(ctx, o, releaseBallot) != nil {
		return nil
	}
	return r.orders.write(&ledgerRecord{Kind: ledgerRelease, Time: r.Now().UnixMicro(), Object: hold, Order: *o})
}

// standingHolds gives the holds that keep at a time: those not released, and those
// still cooling.
func (r *Recorder) standingHolds(unverified []*envelope.HoldOrder) []*envelope.HoldOrder {
	now := r.Now().UnixMicro()
	out := slices.Clone(unverified)
	for _, h := range r.orders.holds {
		if h.released == 0 || now < h.released+r.Cooling.Microseconds() {
			out = append(out, h.order)
		}
	}
	return out
}

// keeps tells whether a hold keeps a message: in its time and channels, and
// written by a custodian or in a channel while a custodian was a member.
func (f *follower) keeps(h *envelope.HoldOrder, p *envelope.Placed, author envelope.UserID) bool {
	if p.Received < h.From || (h.To != 0 && p.Received > h.To) {
		return false
	}
	if len(h.Channels) > 0 && !slices.Contains(h.Channels, f.id) {
		return false
	}
	if len(h.Users) == 0 || slices.Contains(h.Users, author) {
		return true
	}
	return slices.ContainsFunc(h.Users, func(u envelope.UserID) bool { return f.wasMember(u, p.Position) })
}
