package api

import (
	"context"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

type (
	findInput struct {
		Match string `query:"q" maxLength:"256" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters" doc:"start of a user or display name"`
	}
	userInput struct {
		User envelope.UserID `path:"user"`
	}
	nameInput struct {
		Username string `path:"username" maxLength:"256"`
	}
	disableInput struct {
		Username string `path:"username" maxLength:"256"`
		Body     wire.Disable
	}
	countersignInput struct{ Body wire.Countersigned }
)

func (a *API) people() {
	answers(a, route{method: "GET", path: "/v1/people", action: policy.UserList, summary: "Find people"},
		func(ctx context.Context, p identity.Principal, in *findInput) (wire.People, error) {
			return a.Core.People(ctx, p, in.Match)
		})
	answers(a, route{method: "GET", path: "/v1/people/{user}/chain", action: policy.UserRead, summary: "A person's chain of devices"},
		func(ctx context.Context, p identity.Principal, in *userInput) (wire.Chain, error) {
			return a.Core.UserChain(ctx, p, in.User)
		})
	acts(a, route{method: "PUT", path: "/v1/people/me/chain", action: policy.UserChainPublish, summary: "Publish the caller's genesis"},
		func(ctx context.Context, p identity.Principal, in *chainInput) error {
			return a.Core.StartUser(ctx, p, in.Body)
		})
	acts(a, route{method: "POST", path: "/v1/people/me/chain", action: policy.UserChainPublish, summary: "Publish the caller's next link"},
		func(ctx context.Context, p identity.Principal, in *linkInput) error {
			return a.Core.ExtendUser(ctx, p, in.Body)
		})
	a.leaving()
}

func (a *API) leaving() {
	acts(a, route{method: "POST", path: "/v1/accounts/{username}/disable", action: policy.UserDisable, summary: "End an account's use at once"},
		func(ctx context.Context, p identity.Principal, in *disableInput) error {
			return a.Core.Disable(ctx, p, identity.Normalize(in.Username), in.Body.Reason)
		})
	acts(a, route{method: "POST", path: "/v1/accounts/{username}/enable", action: policy.UserEnable, summary: "Let someone sign in again; memberships that ended stay ended"},
		func(ctx context.Context, p identity.Principal, in *nameInput) error {
			return a.Core.Enable(ctx, p, identity.Normalize(in.Username))
		})
	answers(a, route{method: "GET", path: "/v1/departures", action: policy.MemberDepartureList, summary: "Memberships of disabled people, and what they wait for"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Departures, error) {
			return a.Core.Departures(ctx, p)
		})
	answers(a, route{method: "POST", path: "/v1/departures", action: policy.MemberDepart, summary: "Bring a removal that a second removal key has signed"},
		func(ctx context.Context, p identity.Principal, in *countersignInput) (wire.Answer, error) {
			receipt, err := a.Core.Countersign(ctx, p, in.Body.Entry)
			return wire.Answer{Receipt: receipt}, err
		})
}
