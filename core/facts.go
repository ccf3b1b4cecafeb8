package core

import (
	"context"
	"strconv"

	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// channelFacts is what policy must see of a channel, for one principal. Epoch n
// is the one that the request is about, 0 for none.
func (s *Service) channelFacts(ctx context.Context, p identity.Principal, x *room, n uint64) (policy.Resource, error) {
	row, recorders := x.row, *x.recorders.Load()
	r := policy.Resource{
		Type: policy.ChannelResource, ID: row.ID.String(), Privacy: string(row.Access), State: "active",
		Team: strconv.FormatInt(row.Team, 10), TeamRole: "none", MemberRole: "none",
		Recorders: make([]string, len(recorders)),
	}
	if row.Archived {
		r.State = "archived"
	}
	for i, k := range recorders {
		r.Recorders[i] = k.String()
	}
	if err := s.standing(ctx, p, row, &r); err != nil {
		return r, err
	}
	held, err := s.Held(ctx, row.Number)
	if err != nil {
		return r, err
	}
	holds := int64(0)
	if held {
		holds = 1
	}
	r.Holds = &holds
	r.Crypto, err = s.cryptoFacts(ctx, x, n)
	return r, err
}

func (s *Service) standing(ctx context.Context, p identity.Principal, row ChannelRow, r *policy.Resource) error {
	if p.Kind != identity.Person {
		return nil
	}
	rank, err := s.Store.Rank(ctx, row.Number, p.User)
	if err != nil {
		return err
	}
	r.MemberRole = rank
	if row.Team != 0 {
		team, _, err := s.Store.Team(ctx, row.Team, p.User)
		if err != nil {
			return err
		}
		r.TeamRole = team.Rank
	}
	return nil
}

// cryptoFacts tells whether every recorder can open the epoch.
func (s *Service) cryptoFacts(ctx context.Context, x *room, n uint64) (*policy.Crypto, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return nil, err
	}
	c := &policy.Crypto{Capture: string(x.row.Capture)}
	if n == 0 {
		if current, ok := x.state.Current(); ok {
			n = current.N
		}
	}
	epoch, acked := int64(n), false
	if e, ok := x.state.Epoch(n); ok {
		acked = e.Open()
	}
	c.Epoch, c.RecorderAcked = &epoch, &acked
	return c, nil
}

// permitRead asks for a reading action on a channel. A channel that does not
// exist is asked about all the same, and both answers read alike.
func (s *Service) permitRead(ctx context.Context, p identity.Principal, action policy.Action, id envelope.ChannelID) (*room, policy.Resource, error) {
	op := string(action)
	row, found, err := s.Store.Channel(ctx, id)
	if err != nil {
		return nil, policy.Resource{}, internal(op, err)
	}
	r := policy.Resource{Type: policy.ChannelResource, ID: id.String(), Recorders: []string{}}
	var x *room
	if found {
		x = s.rooms.get(row)
		if r, err = s.channelFacts(ctx, p, x, 0); err != nil {
			return nil, r, internal(op, err)
		}
	}
	if _, _, _, err := s.Gate.Permit(ctx, p, action, r); err != nil {
		return nil, r, hideChannel(err, op, "that channel", r)
	}
	if !found {
		return nil, r, notFound(op, "that channel")
	}
	return x, r, nil
}

// hideChannel keeps from a stranger that the channel exists. A member, and a
// recorder that it names, are told which rule refused.
func hideChannel(err error, op, what string, r policy.Resource) error {
	switch r.MemberRole {
	case "owner", "moderator", "member":
		return err
	}
	return Hide(err, op, what)
}
