package core

import (
	"context"
	"strconv"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/identity"
	"chancery/policy"
)

// CreateTeam makes a team whose owner is the caller.
func (s *Service) CreateTeam(ctx context.Context, p identity.Principal, in wire.NewTeam) (wire.Team, error) {
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.TeamCreate, policy.Resource{Type: policy.TeamResource, ID: in.Name})
	if err != nil {
		return wire.Team{}, err
	}
	team, err := s.Store.CreateTeam(ctx, grant, e.of(record.TeamCreate), in, p.User, s.Now())
	if err != nil {
		return wire.Team{}, internal("team.create", err)
	}
	return team, nil
}

// Teams lists the caller's teams.
func (s *Service) Teams(ctx context.Context, p identity.Principal) (wire.Teams, error) {
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.TeamList, self(p)); err != nil {
		return wire.Teams{}, err
	}
	teams, err := s.Store.Teams(ctx, p.User)
	if err != nil {
		return wire.Teams{}, internal("team.list", err)
	}
	return wire.Teams{Teams: teams}, nil
}

// AddTeamMember lets someone into a team.
func (s *Service) AddTeamMember(ctx context.Context, p identity.Principal, id int64, in wire.TeamMember) error {
	const op = "team.member_add"
	team, found, err := s.Store.Team(ctx, id, p.User)
	if err != nil {
		return internal(op, err)
	}
	r := policy.Resource{Type: policy.TeamResource, ID: strconv.FormatInt(id, 10), TeamRole: team.Rank}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.TeamMemberAdd, r)
	if err != nil {
		return Hide(err, op, "that team")
	}
	if !found {
		return notFound(op, "that team")
	}
	who, found, err := s.Store.AccountByName(ctx, identity.Normalize(in.Username))
	if err != nil {
		return internal(op, err)
	}
	if !found {
		return &Error{Op: op, Kind: NotFound, Code: "user.unknown", Field: "username", Public: "nobody of that name has signed in yet"}
	}
	e = e.of(record.TeamMember)
	if err := s.Store.AddTeamMember(ctx, grant, e, id, who.ID); err != nil {
		return internal(op, err)
	}
	return nil
}
