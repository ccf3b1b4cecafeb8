package recorder

import (
	"context"

	"chancery/crypto/envelope"
)

// learnRules takes the rules that the server lists, each in rising revisions.
func (r *Recorder) learnRules(ctx context.Context) error {
	listed, err := r.Server.Rules(ctx)
	if err != nil {
		return err
	}
	for i := range listed {
		id := envelope.OrderHash(listed[i].Bytes)
		r.report(about(id, r.learnRule(ctx, id, &listed[i])))
	}
	return nil
}

func (r *Recorder) learnRule(ctx context.Context, hash envelope.Hash, o *Order) error {
	rule, err := parsed(envelope.ParseOrder[envelope.RuleOrder](o.Bytes))
	if err != nil {
		return err
	}
	if err := r.owns(rule.Org); err != nil {
		return err
	}
	if known, ok := r.orders.rules[rule.ID]; ok {
		if known.hash == hash {
			return nil
		}
		if err := follows(known.order, rule); err != nil {
			return err
		}
	}
	if err := r.people.approved(ctx, o, ruleBallot); err != nil {
		return err
	}
	return r.orders.write(&ledgerRecord{Kind: ledgerRule, Time: r.Now().UnixMicro(), Order: *o})
}

// follows checks that a rule's new revision may take the place of the old one.
func follows(old, next *envelope.RuleOrder) error {
	switch {
	case next.Revision <= old.Revision:
		return alarm(RuleUnknown, "rule %q: revision %d after %d", old.ID, next.Revision, old.Revision)
	case old.Lock && (!next.Lock || next.MinRetain < old.MinRetain || next.Channel != old.Channel):
		return alarm(RuleShortened, "rule %q: revision %d loosens a locked rule", old.ID, next.Revision)
	}
	return nil
}

// inForce checks that a plan rests on verified rules in their newest revisions.
func (l *ledger) inForce(hashes []envelope.Hash) error {
	known := map[envelope.Hash]bool{}
	for _, rule := range l.rules {
		known[rule.hash] = true
	}
	for _, h := range hashes {
		if !known[h] {
			return alarm(RuleUnknown, "rule %s", h)
		}
	}
	return nil
}

// expires is when a message of a channel may go: not before the longest minimum
// of all rules for it, and then at the shortest maximum of the channel's own
// rules or, when it has none, of those for every channel. Without a maximum it
// is kept.
func (l *ledger) expires(channel envelope.ChannelID, received int64) (at int64, ever bool) {
	var keep, global, own uint64
	var special bool
	for _, known := range l.rules {
		rule := known.order
		switch rule.Channel {
		case channel:
			own, special = shortest(own, rule.MaxRetain), true
		case envelope.ChannelID{}:
			global = shortest(global, rule.MaxRetain)
		default:
			continue
		}
		keep = max(keep, rule.MinRetain)
	}
	end := global
	if special {
		end = own
	}
	const most = 1000 * 365 * 24 * 3600 // seconds; larger sums would overflow
	return received + int64(min(most, max(end, keep)))*1e6, end != 0
}

// shortest takes 0 as no limit.
func shortest(a, b uint64) uint64 {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}
