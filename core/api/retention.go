package api

import (
	"context"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Retention is how long things stay, and their disposal.
type Retention interface {
	SetRule(ctx context.Context, p identity.Principal, in wire.Order) (wire.Rule, error)
	Rules(ctx context.Context, p identity.Principal) (wire.Rules, error)
	CreatePlan(ctx context.Context, p identity.Principal) (wire.Plan, error)
	Plans(ctx context.Context, p identity.Principal, state wire.State) (wire.Plans, error)
	Plan(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Plan, error)
	ApprovePlan(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Plan, error)
	RunPlan(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Plan, error)
	ConfirmPlan(ctx context.Context, p identity.Principal, id envelope.Hash, statement []byte) (wire.Plan, error)
	Why(ctx context.Context, p identity.Principal, channel envelope.ChannelID, position uint64) (wire.Why, error)
}

type (
	planInput struct {
		Plan envelope.Hash `path:"plan"`
	}
	plansInput struct {
		State wire.State `query:"state" enum:"planned,approved,running,pending,certified,stopped"`
	}
	planOrderInput struct {
		Plan envelope.Hash `path:"plan"`
		Body wire.Order
	}
	confirmInput struct {
		Plan envelope.Hash `path:"plan"`
		Body wire.Statement
	}
	whyInput struct {
		Channel  envelope.ChannelID `path:"channel"`
		Position uint64             `path:"position" minimum:"1" maximum:"9223372036854775807"`
	}
)

func (a *API) retention() {
	if a.Retention == nil {
		return
	}
	answers(a, route{method: "POST", path: "/v1/retention/rules", action: policy.RetentionRuleSet, limit: maxOrder, first: a.reviews, summary: "Set a revision of a retention rule"},
		func(ctx context.Context, p identity.Principal, in *orderInput) (wire.Rule, error) {
			return a.Retention.SetRule(ctx, p, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/retention/rules", action: policy.RetentionRuleList, summary: "The rules in force"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Rules, error) {
			return a.Retention.Rules(ctx, p)
		})
	answers(a, route{method: "GET", path: "/v1/channels/{channel}/entries/{position}/why", action: policy.RetentionWhy, summary: "What keeps an entry, or when it goes"},
		func(ctx context.Context, p identity.Principal, in *whyInput) (wire.Why, error) {
			return a.Retention.Why(ctx, p, in.Channel, in.Position)
		})
	a.plans()
}

func (a *API) plans() {
	answers(a, route{method: "POST", path: "/v1/retention/plans", action: policy.RetentionPlan, status: 201, summary: "List what is past its time"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Plan, error) {
			return a.Retention.CreatePlan(ctx, p)
		})
	answers(a, route{method: "GET", path: "/v1/retention/plans", action: policy.RetentionPlanList, summary: "Disposals"},
		func(ctx context.Context, p identity.Principal, in *plansInput) (wire.Plans, error) {
			return a.Retention.Plans(ctx, p, in.State)
		})
	answers(a, route{method: "GET", path: "/v1/retention/plans/{plan}", action: policy.RetentionPlanRead, summary: "One disposal"},
		func(ctx context.Context, p identity.Principal, in *planInput) (wire.Plan, error) {
			return a.Retention.Plan(ctx, p, in.Plan)
		})
	answers(a, route{method: "POST", path: "/v1/retention/plans/{plan}/approve", action: policy.RetentionApprove, limit: maxOrder, first: a.reviews, summary: "Consent to a disposal"},
		func(ctx context.Context, p identity.Principal, in *planOrderInput) (wire.Plan, error) {
			return a.Retention.ApprovePlan(ctx, p, in.Plan, in.Body)
		})
	answers(a, route{method: "POST", path: "/v1/retention/plans/{plan}/run", action: policy.RetentionRun, summary: "Make what a plan lists unreadable for ever"},
		func(ctx context.Context, p identity.Principal, in *planInput) (wire.Plan, error) {
			return a.Retention.RunPlan(ctx, p, in.Plan)
		})
	answers(a, route{method: "POST", path: "/v1/retention/plans/{plan}/confirm", action: policy.RetentionConfirm, summary: "A recorder's word that its copies are gone"},
		func(ctx context.Context, p identity.Principal, in *confirmInput) (wire.Plan, error) {
			return a.Retention.ConfirmPlan(ctx, p, in.Plan, in.Body.Statement)
		})
}
