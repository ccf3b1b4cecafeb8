package core

import (
	"context"
	"fmt"
	"strconv"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// CreateChannel starts a channel from the genesis that its creator signed.
func (s *Service) CreateChannel(ctx context.Context, p identity.Principal, in wire.NewChannel) (receipt []byte, err error) {
	const op = "channel.create"
	entry, body, err := parseGenesis(in.Genesis)
	if err != nil {
		return nil, invalid(op, "genesis", err)
	}
	id := envelope.ChannelID(envelope.ChainOf(entry.Header))
	if (in.Team == 0) != (body.Access == envelope.AccessDirect) || (in.Name == "") != (in.Team == 0) {
		return nil, invalid(op, "team", fmt.Errorf("a direct channel has neither team nor name, every other has both"))
	}
	grant, e, r, err := s.permitCreate(ctx, p, in, id, body)
	if err != nil {
		return nil, err
	}
	if kept, found, err := s.Store.Channel(ctx, id); err != nil {
		return nil, internal(op, err)
	} else if found {
		return s.firstReceipt(ctx, p, kept)
	}
	first, err := s.draftGenesis(p, entry, id, body)
	if err != nil {
		return nil, err
	}
	first.Grant, first.Resource, first.Action, first.Event = grant, r, policy.ChannelCreate, e.of(record.ChannelCreate)
	if body.Access == envelope.AccessDirect {
		first.Action = policy.DMOpen
	}
	if err := s.Vault.Create(id); err != nil {
		return nil, unavailable(op, "the vault can't keep a tree for the channel in every copy", err)
	}
	n := NewChannel{ID: id, Team: in.Team, Name: in.Name, Genesis: *body, Creator: p.User, Now: s.Now()}
	if first.Channel, err = s.Store.CreateChannel(ctx, grant, n, first); err != nil {
		return nil, internal(op, err)
	}
	return s.receipt(id, first)
}

func parseGenesis(raw []byte) (*envelope.Entry, *envelope.ChannelGenesisBody, error) {
	entry, err := envelope.ParseEntry(raw)
	if err != nil {
		return nil, nil, err
	}
	l, err := envelope.ParseLink(entry)
	if err != nil {
		return nil, nil, err
	}
	body, err := envelope.ParseBody[envelope.ChannelGenesisBody](l)
	return entry, body, err
}

func (s *Service) permitCreate(ctx context.Context, p identity.Principal, in wire.NewChannel, id envelope.ChannelID, body *envelope.ChannelGenesisBody) (policy.Grant, Event, policy.Resource, error) {
	r := policy.Resource{
		Type: policy.ChannelResource, ID: id.String(), Privacy: string(body.Access), State: "active",
		Crypto: &policy.Crypto{Capture: string(body.Capture)},
	}
	action := policy.DMOpen
	if in.Team != 0 {
		action = policy.ChannelCreate
		team, _, err := s.Store.Team(ctx, in.Team, p.User)
		if err != nil {
			return policy.Grant{}, Event{}, r, internal(string(action), err)
		}
		r.Team, r.TeamRole = strconv.FormatInt(in.Team, 10), team.Rank
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, action, r)
	return grant, e, r, Hide(err, string(action), "that team")
}

// draftGenesis judges the genesis and gives it position 1.
func (s *Service) draftGenesis(p identity.Principal, entry *envelope.Entry, id envelope.ChannelID, body *envelope.ChannelGenesisBody) (*Draft, error) {
	const op = "channel.create"
	l, err := envelope.ParseLink(entry)
	if err != nil {
		return nil, invalid(op, "genesis", err)
	}
	if l.User != envelope.UserID(p.UserChain) || l.Key != envelope.KeyID(p.Device) {
		return nil, &Error{Op: op, Kind: Denied, Code: string(chain.BadSignature), Public: "the genesis is signed by another device than this session's"}
	}
	if s.dir.Org() == nil {
		return nil, notFound(op, "the organisation")
	}
	first := place(chain.StartHead(id), 1, s.Now().UnixMicro(), entry)
	if _, err := chain.NewChannel(s.dir, &first); err != nil {
		return nil, refusedLink(op, err)
	}
	return &Draft{Placed: first, Member: &MemberChange{User: l.User, Rank: envelope.RankOwner, Join: true}}, nil
}

// place gives an entry its position and the head that follows.
func place(top envelope.Hash, position uint64, received int64, e *envelope.Entry) envelope.Placed {
	p := envelope.Placed{Position: position, Received: received, Entry: *e, Payload: envelope.SumBytes(e.Payload)}
	p.Head = envelope.NextHead(top, position, received, p.Hash())
	return p
}

func (s *Service) firstReceipt(ctx context.Context, p identity.Principal, row ChannelRow) ([]byte, error) {
	kept, found, err := s.Store.Entry(ctx, row.Number, 1)
	if err != nil || !found {
		return nil, internal("channel.create", err)
	}
	return s.receipt(row.ID, &Draft{Placed: kept.Placed})
}

// Channels lists the caller's channels, and the public ones of their teams. A
// recorder is given the channels that name it.
func (s *Service) Channels(ctx context.Context, p identity.Principal) (wire.Channels, error) {
	const op = "channel.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.ChannelList, selfOrService(p)); err != nil {
		return wire.Channels{}, err
	}
	var rows []ChannelRow
	var err error
	if p.Kind == identity.Recorder {
		rows, err = s.Store.RecorderChannels(ctx, p.Service)
	} else {
		rows, err = s.Store.Channels(ctx, p.User)
	}
	if err != nil {
		return wire.Channels{}, internal(op, err)
	}
	out := wire.Channels{Channels: make([]wire.Channel, len(rows))}
	for i, row := range rows {
		out.Channels[i] = viewChannel(row)
	}
	return out, nil
}

func viewChannel(row ChannelRow) wire.Channel {
	return wire.Channel{
		ID: row.ID, Team: row.Team, Name: row.Name, Access: row.Access, Capture: row.Capture,
		Position: row.Position, Head: row.Head, Rank: row.Rank, Archived: row.Archived,
	}
}

// Channel is one channel as it stands.
func (s *Service) Channel(ctx context.Context, p identity.Principal, id envelope.ChannelID) (wire.Channel, error) {
	const op = "channel.read"
	x, facts, err := s.permitRead(ctx, p, policy.ChannelRead, id)
	if err != nil {
		return wire.Channel{}, err
	}
	out := viewChannel(x.row)
	out.Rank, out.Held = facts.MemberRole, *facts.Holds > 0
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return wire.Channel{}, internal(op, err)
	}
	out.Position, out.Head, out.Messages = x.state.Position, x.state.Top, x.state.Messages
	return out, nil
}
