package api

import (
	"context"
	"net/http"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Holds are cases and what they keep.
type Holds interface {
	CreateMatter(ctx context.Context, p identity.Principal, in wire.Matter) (wire.Matter, error)
	Matters(ctx context.Context, p identity.Principal) (wire.Matters, error)
	CreateHold(ctx context.Context, p identity.Principal, in wire.Order) (wire.Hold, error)
	ApproveHold(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Hold, error)
	RequestRelease(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Hold, error)
	ApproveRelease(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Hold, error)
	Holds(ctx context.Context, p identity.Principal) (wire.Holds, error)
	Hold(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Hold, error)
}

// maxOrder is the largest order with its approval, in bytes of JSON.
const maxOrder = 2 << 20

type (
	matterInput struct{ Body wire.Matter }
	orderInput  struct{ Body wire.Order }
	holdInput   struct {
		Hold envelope.Hash `path:"hold"`
	}
	holdOrderInput struct {
		Hold envelope.Hash `path:"hold"`
		Body wire.Order
	}
)

// reviews asks whether the caller may list what is ordered: who may not doesn't
// order or approve anything either.
func (a *API) reviews(ctx context.Context, p identity.Principal, _ *http.Request) error {
	_, _, _, err := a.Gate.Permit(ctx, p, policy.HoldList, policy.Resource{Type: policy.OrgResource, ID: "org"})
	return err
}

func (a *API) holds() {
	if a.Holds == nil {
		return
	}
	answers(a, route{method: "POST", path: "/v1/matters", action: policy.MatterCreate, status: 201, summary: "Open a case"},
		func(ctx context.Context, p identity.Principal, in *matterInput) (wire.Matter, error) {
			return a.Holds.CreateMatter(ctx, p, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/matters", action: policy.MatterList, summary: "All cases"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Matters, error) {
			return a.Holds.Matters(ctx, p)
		})
	answers(a, route{method: "POST", path: "/v1/holds", action: policy.HoldCreate, status: 201, limit: maxOrder, first: a.reviews, summary: "Order a legal hold"},
		func(ctx context.Context, p identity.Principal, in *orderInput) (wire.Hold, error) {
			return a.Holds.CreateHold(ctx, p, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/holds", action: policy.HoldList, summary: "All holds"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Holds, error) {
			return a.Holds.Holds(ctx, p)
		})
	answers(a, route{method: "GET", path: "/v1/holds/{hold}", action: policy.HoldRead, summary: "One hold"},
		func(ctx context.Context, p identity.Principal, in *holdInput) (wire.Hold, error) {
			return a.Holds.Hold(ctx, p, in.Hold)
		})
	for path, change := range map[string]struct {
		action  policy.Action
		summary string
		do      func(context.Context, identity.Principal, envelope.Hash, wire.Order) (wire.Hold, error)
	}{
		"approve":         {policy.HoldApprove, "Make a hold active", a.Holds.ApproveHold},
		"release":         {policy.HoldReleaseRequest, "Ask that a hold ends", a.Holds.RequestRelease},
		"release/approve": {policy.HoldReleaseApprove, "Consent to a hold's end", a.Holds.ApproveRelease},
	} {
		answers(a, route{method: "POST", path: "/v1/holds/{hold}/" + path, action: change.action, limit: maxOrder, first: a.reviews, summary: change.summary},
			func(ctx context.Context, p identity.Principal, in *holdOrderInput) (wire.Hold, error) {
				return change.do(ctx, p, in.Hold, in.Body)
			})
	}
}
