package api

import (
	"context"

	"chancery/core/wire"
	"chancery/identity"
	"chancery/policy"
)

type (
	chainInput struct{ Body wire.NewChain }
	linkInput  struct{ Body wire.NewLink }
)

func (a *API) org() {
	acts(a, route{method: "POST", path: "/v1/org", action: policy.OrgPublish, summary: "Publish the organisation's genesis"},
		func(ctx context.Context, p identity.Principal, in *chainInput) error {
			return a.Core.StartOrg(ctx, p, in.Body.Entry)
		})
	answers(a, route{method: "GET", path: "/v1/org", action: policy.OrgRead, summary: "The organisation's chain"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Chain, error) {
			return a.Core.OrgChain(ctx, p)
		})
	acts(a, route{method: "POST", path: "/v1/org/links", action: policy.OrgPublish, summary: "Publish the chain's next link"},
		func(ctx context.Context, p identity.Principal, in *linkInput) error {
			return a.Core.AddOrgLink(ctx, p, in.Body.Entry)
		})
}
