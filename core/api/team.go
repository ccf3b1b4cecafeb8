package api

import (
	"context"

	"chancery/core/wire"
	"chancery/identity"
	"chancery/policy"
)

type (
	newTeamInput    struct{ Body wire.NewTeam }
	teamMemberInput struct {
		Team int64 `path:"team" minimum:"1"`
		Body wire.TeamMember
	}
)

func (a *API) teams() {
	answers(a, route{method: "POST", path: "/v1/teams", action: policy.TeamCreate, status: 201, summary: "Make a team"},
		func(ctx context.Context, p identity.Principal, in *newTeamInput) (wire.Team, error) {
			return a.Core.CreateTeam(ctx, p, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/teams", action: policy.TeamList, summary: "The caller's teams"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Teams, error) {
			return a.Core.Teams(ctx, p)
		})
	acts(a, route{method: "POST", path: "/v1/teams/{team}/members", action: policy.TeamMemberAdd, summary: "Let someone into a team"},
		func(ctx context.Context, p identity.Principal, in *teamMemberInput) error {
			return a.Core.AddTeamMember(ctx, p, in.Team, in.Body)
		})
}
