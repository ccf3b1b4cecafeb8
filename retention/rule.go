package retention

import (
	"context"
	"errors"
	"regexp"

	"chancery/compliance"
	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

var ruleID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// SetRule takes a revision of a rule. It is in force at once; nothing is
// disposed of before a plan is made, signed by two people and run.
func (s *Service) SetRule(ctx context.Context, p identity.Principal, in wire.Order) (wire.Rule, error) {
	const op = "retention.rule_set"
	hash := envelope.OrderHash(in.Order)
	_, g, e, err := s.Gate.Permit(ctx, p, policy.RetentionRuleSet, policy.Resource{Type: policy.RuleResource, ID: hash.String()})
	if err != nil {
		return wire.Rule{}, err
	}
	if err := compliance.Founded(op, s.Directory); err != nil {
		return wire.Rule{}, err
	}
	o, err := envelope.ParseOrder[envelope.RuleOrder](in.Order)
	if err == nil {
		err = checkRule(o, s.Directory.Org().ID())
	}
	if err != nil {
		return wire.Rule{}, compliance.Malformed(op, "order", err)
	}
	w := compliance.Wanted{By: p, Action: policy.RetentionRuleSet, Object: hash, Role: envelope.RoleCompliance, Now: s.Now()}
	c, err := compliance.Verify(s.Directory, in.Approval, w)
	if err != nil {
		return wire.Rule{}, err
	}
	e.Op, e.Object = record.RuleSet, "rule:"+o.ID
	rule := Rule{Order: *o, Bytes: in.Order, Hash: hash, Consents: []compliance.Consent{c}}
	err = s.Store.SetRule(ctx, g, e, &rule, s.Now())
	if errors.Is(err, ErrLocked) {
		return wire.Rule{}, compliance.Refuse(op, core.Held, "retention.locked", "the rule is locked: its minimum, channel and lock can't be loosened")
	}
	return rule.Wire(), compliance.Explain(op, err)
}

func checkRule(o *envelope.RuleOrder, org envelope.OrgID) error {
	switch {
	case o.Version != envelope.Version || o.Org != org:
		return errors.New("other version or organisation")
	case !ruleID.MatchString(o.ID) || o.Revision == 0:
		return errors.New("id or revision")
	case o.MinRetain > MaxRetain || o.MaxRetain > MaxRetain:
		return errors.New("longer than a thousand years")
	case o.MaxRetain != 0 && o.MaxRetain < o.MinRetain:
		return errors.New("maximum is shorter than minimum")
	}
	return nil
}

// Wire is the rule as the API tells it.
func (r *Rule) Wire() wire.Rule {
	return wire.Rule{Order: r.Bytes, Approvals: compliance.Statements(r.Consents)}
}

// Rules lists the rules in force.
func (s *Service) Rules(ctx context.Context, p identity.Principal) (wire.Rules, error) {
	const op = "retention.rule_list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.RetentionRuleList, s.orgResource()); err != nil {
		return wire.Rules{}, err
	}
	list, err := s.Store.Rules(ctx)
	out := wire.Rules{Rules: make([]wire.Rule, len(list))}
	for i := range list {
		out.Rules[i] = list[i].Wire()
	}
	return out, compliance.Explain(op, err)
}
