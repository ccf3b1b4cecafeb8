package core

import (
	"context"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// MaxPage is the most entries of one page.
const MaxPage = 500

// Entries is a page of a channel in rising order, after a position. A payload
// travels with its salt or not at all: without the salt it is noise.
func (s *Service) Entries(ctx context.Context, p identity.Principal, id envelope.ChannelID, after uint64, limit int, linksOnly bool) (wire.Entries, error) {
	const op = "message.list"
	x, r, err := s.roomFor(ctx, p, id)
	if err != nil {
		return wire.Entries{}, internal(op, err)
	}
	if _, _, _, err := s.Gate.Permit(ctx, p, listing(r, linksOnly), r); err != nil {
		return wire.Entries{}, hideChannel(err, op, "that channel", r)
	}
	if x == nil {
		return wire.Entries{}, notFound(op, "that channel")
	}
	page, err := s.read(ctx, x, p, after, min(limit, MaxPage), linksOnly)
	if err != nil {
		return wire.Entries{}, internal(op, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return wire.Entries{}, internal(op, err)
	}
	out := wire.Entries{Entries: make([][]byte, len(page)), Position: x.state.Position, Head: x.state.Top}
	for i := range page {
		out.Entries[i] = envelope.Marshal(&page[i])
	}
	return out, nil
}

// listing is what a page is asked as. Whoever may join a public channel must
// verify it first: they read it as its description, and read gives payloads to
// members only. Links alone are no more than a description either.
func listing(r policy.Resource, linksOnly bool) policy.Action {
	if linksOnly || (r.Privacy == "public" && r.MemberRole == "none") {
		return policy.ChannelRead
	}
	return policy.MessageList
}

// Subscribe permits following a channel and gives the first page after a
// position. The caller goes on with Follow until it has caught up.
func (s *Service) Subscribe(ctx context.Context, p identity.Principal, id envelope.ChannelID, after uint64) ([]envelope.Placed, error) {
	x, _, err := s.permitRead(ctx, p, policy.WSSubscribe, id)
	if err != nil {
		return nil, err
	}
	page, err := s.read(ctx, x, p, after, MaxPage, false)
	if err != nil {
		return nil, internal("ws.subscribe", err)
	}
	return page, nil
}

// Connect permits a live socket.
func (s *Service) Connect(ctx context.Context, p identity.Principal) error {
	_, _, _, err := s.Gate.Permit(ctx, p, policy.WSConnect, sessionResource(p))
	return err
}

// Typing permits telling a channel that someone is typing.
func (s *Service) Typing(ctx context.Context, p identity.Principal, id envelope.ChannelID) error {
	_, _, err := s.permitRead(ctx, p, policy.WSPublishTyping, id)
	return err
}

func (s *Service) read(ctx context.Context, x *room, p identity.Principal, after uint64, limit int, linksOnly bool) ([]envelope.Placed, error) {
	kept, err := s.Store.Entries(ctx, x.row.Number, after, limit, linksOnly)
	if err != nil {
		return nil, err
	}
	from, err := s.historyFrom(ctx, x, p)
	if err != nil {
		return nil, err
	}
	page := make([]envelope.Placed, len(kept))
	for i := range kept {
		if err := s.unseal(x.row.ID, &kept[i], from); err != nil {
			return nil, err
		}
		page[i] = kept[i].Placed
	}
	return page, nil
}

// historyFrom is the first epoch whose salts the principal is given.
func (s *Service) historyFrom(ctx context.Context, x *room, p identity.Principal) (uint64, error) {
	if p.Kind == identity.Recorder {
		return 1, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return 0, err
	}
	m, _ := x.state.Member(envelope.UserID(p.UserChain))
	return m.HistoryFrom, nil
}

// unseal puts the salt beside a message. A salt that was destroyed, or that the
// member may not have, takes the payload with it.
func (s *Service) unseal(id envelope.ChannelID, k *Kept, from uint64) error {
	if k.Entry.Kind != envelope.KindMessage || len(k.Entry.Payload) == 0 {
		return nil
	}
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: k.Entry.Kind, Header: k.Entry.Header})
	if err != nil {
		return err
	}
	salt, ok, err := s.Vault.OpenSalt(id, k.Position, k.SealedSalt)
	if err != nil {
		return err
	}
	if !ok || from == 0 || h.Epoch < from {
		k.Entry.Payload, k.Salt = []byte{}, []byte{}
		return nil
	}
	k.Salt = salt[:]
	return nil
}

// EpochWrap is the caller's own wrap of an epoch seed.
func (s *Service) EpochWrap(ctx context.Context, p identity.Principal, id envelope.ChannelID, n uint64) (wire.EpochWrap, error) {
	const op = "epoch.fetch_wrap"
	x, _, err := s.permitRead(ctx, p, policy.EpochFetchWrap, id)
	if err != nil {
		return wire.EpochWrap{}, err
	}
	recipient := envelope.Hash(p.UserChain)
	if p.Kind == identity.Recorder {
		recipient = envelope.Hash(p.Service)
	}
	wrap, hashes, found, err := s.Store.EpochWrap(ctx, x.row.Number, n, recipient)
	if err != nil {
		return wire.EpochWrap{}, internal(op, err)
	}
	if !found {
		return wire.EpochWrap{}, notFound(op, "a wrap of that epoch for you")
	}
	return wire.EpochWrap{Wrap: wrap, Hashes: hashes}, nil
}
