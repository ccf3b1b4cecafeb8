package retention

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"chancery/compliance"
	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// States of a plan.
const (
	Planned   wire.State = "planned"
	Approved  wire.State = "approved"
	Running   wire.State = "running"
	Pending   wire.State = "pending" // every recorder has yet to confirm
	Certified wire.State = "certified"
	Stopped   wire.State = "stopped"
)

// NewPlan is the id under which policy is asked for a plan: the plan's own
// follows from what is found, and nothing is looked for before the answer.
const NewPlan = "new"

// Wire is the plan as the API tells it.
func (p *Plan) Wire() wire.Plan {
	out := wire.Plan{
		ID: p.ID, State: p.State, Order: p.Bytes, Messages: Messages(&p.Order), Blocked: p.Order.Blocked,
		Approvals: compliance.Statements(p.Consents), Confirmations: [][]byte{}, Certificate: p.Certificate, Why: p.Why,
	}
	for _, c := range p.Confirmations {
		out.Confirmations = append(out.Confirmations, c.Statement)
	}
	return out
}

// CreatePlan works out what is past its time. Nothing is disposed of.
func (s *Service) CreatePlan(ctx context.Context, p identity.Principal) (wire.Plan, error) {
	const op = "retention.plan"
	_, g, e, err := s.Gate.Permit(ctx, p, policy.RetentionPlan, policy.Resource{Type: policy.PlanResource, ID: NewPlan})
	if err != nil {
		return wire.Plan{}, err
	}
	plan := Plan{State: Planned, Requester: p.User}
	err = s.Store.Survey(ctx, func(law *Law, clock Clock, channels iter.Seq2[*Channel, error]) error {
		order, err := Make(law, clock, channels)
		if err != nil {
			return err
		}
		plan.Order, plan.Bytes, plan.RulesGeneration = *order, envelope.Marshal(order), law.RulesGeneration
		plan.ID = envelope.OrderHash(plan.Bytes)
		return nil
	})
	if err != nil {
		return wire.Plan{}, compliance.Explain(op, err)
	}
	e.Op, e.Object = record.PlanMake, "plan:"+plan.ID.String()
	if err := s.Store.CreatePlan(ctx, g, e, &plan, s.Now()); err != nil {
		return wire.Plan{}, compliance.Explain(op, err)
	}
	return s.reread(ctx, op, plan.ID)
}

func (s *Service) reread(ctx context.Context, op string, id envelope.Hash) (wire.Plan, error) {
	plan, _, err := s.Store.Plan(ctx, id)
	return plan.Wire(), compliance.Explain(op, err)
}

// ApprovePlan takes consent to a plan: first of a compliance person, who signs
// retention.plan, and of another, listed as legal, who signs
// retention.approve. Both are needed, because the recorder wants to see both.
func (s *Service) ApprovePlan(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Plan, error) {
	action, role := policy.RetentionApprove, envelope.RoleLegal
	if compliance.ActionOf(in.Approval) == policy.RetentionPlan {
		action, role = policy.RetentionPlan, envelope.RoleCompliance
	}
	op := string(action)
	plan, g, e, err := s.load(ctx, p, action, id)
	if err != nil {
		return wire.Plan{}, err
	}
	c, err := compliance.Verify(s.Directory, in.Approval, compliance.Wanted{By: p, Action: action, Object: id, Role: role, Now: s.Now()})
	if err != nil {
		return wire.Plan{}, err
	}
	if err := c.Apart(plan.Consents); err != nil {
		return wire.Plan{}, err
	}
	if plan.State != Planned {
		return wire.Plan{}, compliance.Refuse(op, core.Conflict, "state.moved", fmt.Sprintf("the plan is %s", plan.State))
	}
	e.Op = record.PlanApprove
	if err := s.Store.Consent(ctx, g, e, id, c, len(plan.Consents) > 0); err != nil {
		return wire.Plan{}, compliance.Explain(op, err)
	}
	return s.reread(ctx, op, id)
}

// Plan tells of one plan.
func (s *Service) Plan(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Plan, error) {
	plan, _, _, err := s.load(ctx, p, policy.RetentionPlanRead, id)
	if err != nil {
		return wire.Plan{}, err
	}
	return plan.Wire(), nil
}

// Plans lists the plans in a state, or all.
func (s *Service) Plans(ctx context.Context, p identity.Principal, state wire.State) (wire.Plans, error) {
	const op = "retention.plan_list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.RetentionPlanList, s.orgResource()); err != nil {
		return wire.Plans{}, err
	}
	list, err := s.Store.Plans(ctx, state)
	out := wire.Plans{Plans: make([]wire.Plan, len(list))}
	for i := range list {
		out.Plans[i] = list[i].Wire()
	}
	return out, compliance.Explain(op, err)
}

// ConfirmPlan takes a recorder's word that a plan has gone from its own vault
// and copies.
func (s *Service) ConfirmPlan(ctx context.Context, p identity.Principal, id envelope.Hash, statement []byte) (wire.Plan, error) {
	const op = "retention.confirm"
	plan, g, e, err := s.load(ctx, p, policy.RetentionConfirm, id)
	if err != nil {
		return wire.Plan{}, err
	}
	if err := compliance.Founded(op, s.Directory); err != nil {
		return wire.Plan{}, err
	}
	party, ok := s.Directory.Org().Party(envelope.RoleRecorder, envelope.KeyID(p.Service))
	if !ok {
		return wire.Plan{}, compliance.Refuse(op, core.Denied, compliance.NotListed, "the organisation does not list this recorder")
	}
	c, err := envelope.OpenStatement[envelope.Confirmation](statement, envelope.LabelConfirmation, party.Key)
	if err != nil || c.Version != envelope.Version || c.Org != s.Directory.Org().ID() || c.Plan != id || c.Recorder != party.ID() {
		return wire.Plan{}, &core.Error{Op: op, Kind: core.Denied, Code: compliance.BadApproval, Public: "the confirmation is not this recorder's, or of another plan", Err: err}
	}
	said := func(x Confirmation) bool { return x.Recorder == c.Recorder }
	if slices.ContainsFunc(plan.Confirmations, said) {
		return plan.Wire(), nil
	}
	if plan.State != Pending && plan.State != Running {
		return wire.Plan{}, compliance.Refuse(op, core.Conflict, "state.moved", fmt.Sprintf("the plan is %s", plan.State))
	}
	e.Op = record.PlanConfirm
	if err := s.Store.Confirm(ctx, g, e, id, Confirmation{c.Recorder, statement, c.Time}); err != nil {
		return wire.Plan{}, compliance.Explain(op, err)
	}
	s.poke()
	return s.reread(ctx, op, id)
}
