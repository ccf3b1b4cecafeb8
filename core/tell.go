package core

import (
	"context"

	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// tell places a sync of somebody's chain in each of their channels, so that what
// it takes away ends there at once. It is a courtesy: any member's client that
// knows of the link places the same, so a channel that could not be told is only
// logged.
func (s *Service) tell(ctx context.Context, account identity.UserID, u *chain.User) {
	rows, err := s.Store.Channels(ctx, account)
	if err != nil {
		s.Log.ErrorContext(ctx, "looking up whom to tell of a revocation failed", "account", account, "err", err)
		return
	}
	for _, row := range rows {
		if err := s.tellChannel(ctx, s.rooms.get(row), u); err != nil {
			s.Log.WarnContext(ctx, "telling a channel of a revocation failed; its members will", "channel", row.ID, "err", err)
		}
	}
}

func (s *Service) tellChannel(ctx context.Context, x *room, u *chain.User) error {
	p := Job("news")
	p.Service = envelope.KeyOf(s.Receipts.Public())
	for range tries {
		next, err := s.news(ctx, x, u)
		if err != nil || next.entry == nil {
			return err
		}
		r, err := s.channelFacts(ctx, p, x, 0)
		if err != nil {
			return err
		}
		_, grant, e, err := s.Gate.Permit(ctx, p, policy.ChannelSync, r)
		if err != nil {
			return err
		}
		draft := &Draft{Channel: x.row.Number, Grant: grant, Action: policy.ChannelSync, Resource: r, Event: e.of(record.ChannelSync).on("")}
		placing := &placing{s: s, p: p, room: x, entry: next.entry, link: next.link, draft: draft}
		if _, err := placing.commit(ctx); err == nil || KindOf(err) != Conflict {
			return err
		}
	}
	return conflict("channel.sync", "channel.busy", "the channel's chain moved on each time")
}

// news is the sync that a channel lacks: none when a member told it already, or
// when it does not know the server's key yet.
func (s *Service) news(ctx context.Context, x *room, u *chain.User) (step, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return step{}, err
	}
	member, ok := x.state.Member(u.ID())
	_, listed := s.dir.Org().PartyAt(envelope.RoleReceipt, envelope.KeyOf(s.Receipts.Public()), x.state.OrgSeq)
	if !ok || !listed || !u.Restricts(member.UserSeq, u.Seq()) {
		return step{}, nil
	}
	return s.signLink(x, envelope.Sync, &envelope.SyncBody{Chain: envelope.Hash(u.ID()), Seq: u.Seq(), Head: u.Head()}, s.Receipts)
}
