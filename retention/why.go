package retention

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chancery/compliance"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Why tells what keeps a message, or when it goes.
func (s *Service) Why(ctx context.Context, p identity.Principal, channel envelope.ChannelID, position uint64) (wire.Why, error) {
	const op = "retention.why"
	r := policy.Resource{Type: policy.RecordResource, ID: fmt.Sprintf("%s/%d", channel, position), MemberRole: "none"}
	if p.Kind == identity.Person {
		rank, err := s.Store.ChannelRank(ctx, channel, p.User)
		if err != nil {
			return wire.Why{}, compliance.Explain(op, err)
		}
		r.MemberRole = rank
	}
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.RetentionWhy, r); err != nil {
		return wire.Why{}, err
	}
	var out wire.Why
	found := false
	err := s.Store.Look(ctx, channel, position, func(law *Law, clock Clock, c *Channel) error {
		if c == nil {
			return nil
		}
		found = true
		_, horizon := clock.Horizon()
		out = explain(law, c, position, horizon)
		return nil
	})
	if err == nil && found && out.Code == Disposed {
		err = s.disposedBy(ctx, &out, channel, position)
	}
	if err == nil && !found {
		return wire.Why{}, compliance.Missing(op, "that message")
	}
	return out, compliance.Explain(op, err)
}

// explain judges a message with its revisions: what keeps one keeps all.
func explain(law *Law, c *Channel, position uint64, horizon int64) wire.Why {
	roots := Roots(c.Messages)
	var root uint64
	for i := range c.Messages {
		if c.Messages[i].Position == position {
			root = roots[i]
		}
	}
	var worst *Verdict
	for i := range c.Messages {
		m := &c.Messages[i]
		if roots[i] != root || m.Disposed && m.Position != position {
			continue
		}
		if v := law.Judge(c, m, horizon); worst == nil || v.beats(worst) {
			worst = &v
		}
	}
	return worst.why(horizon)
}

// beats tells which of two verdicts keeps longer.
func (v *Verdict) beats(w *Verdict) bool {
	if len(v.Holds) != len(w.Holds) {
		return len(v.Holds) > len(w.Holds)
	}
	return w.At != 0 && (v.At == 0 || v.At > w.At)
}

func (v *Verdict) why(horizon int64) wire.Why {
	w := wire.Why{Verdict: "kept", Code: v.Code, Holds: v.Holds, Rules: v.Rules}
	if v.At != 0 {
		w.At = time.UnixMicro(v.At).UTC()
	}
	switch {
	case v.Code == Disposed:
		w.Verdict, w.Text = "disposed", "it has been disposed of"
	case v.Code == HoldActive:
		w.Text = fmt.Sprintf("%d legal hold(s) keep it; no rule can end it before they are released", len(v.Holds))
	case v.Code == RetentionMin:
		w.Text = "the minimum of rule " + strings.Join(v.Rules, ", ") + " keeps it"
	case v.Code == None:
		w.Text = "no rule ends it"
	case v.Due(horizon):
		w.Verdict, w.Text = "expired", "the maximum of rule "+strings.Join(v.Rules, ", ")+" is over; the next plan disposes of it once every recorder has covered it"
	default:
		w.Verdict, w.Text = "expires", "the maximum of rule "+strings.Join(v.Rules, ", ")+" ends it"
	}
	return w
}

// disposedBy names the plan that a message went with.
func (s *Service) disposedBy(ctx context.Context, w *wire.Why, channel envelope.ChannelID, position uint64) error {
	plans, err := s.Store.Plans(ctx, "")
	for i := range plans {
		for _, r := range plans[i].Order.Ranges {
			if plans[i].State != Planned && r.Channel == channel && r.From <= position && position <= r.To {
				w.Text = "it has been disposed of by plan " + plans[i].ID.String()
				w.At = plans[i].Finished
				return nil
			}
		}
	}
	return err
}
