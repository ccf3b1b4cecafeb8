package core

import (
	"context"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// A page has at most this many entries, and bytes of entries unless the first
// alone has more.
const (
	MaxPage      = 500
	maxPageBytes = 4 << 20
)

// Span says which entries of a channel to read, in rising order. Always at least
// one is read if there is one.
type Span struct {
	After     uint64 // the position before the first
	Limit     int    // entries
	Bytes     int    // of headers, payloads and signatures together
	LinksOnly bool   // only what is not a message
}

// Listing is what a page is wanted for.
type Listing int

// Listings. All but AllEntries leave messages out.
const (
	AllEntries Listing = iota
	LinksOnly
	ForRestore  // the links, for a root that is about to sign what a channel lost
	ForHandover // the links, for people who are about to hand it to another recorder
)

// Entries is a page of a channel in rising order, after a position. A payload
// travels with its salt or not at all: without the salt it is noise.
func (s *Service) Entries(ctx context.Context, p identity.Principal, id envelope.ChannelID, after uint64, limit int, what Listing) (wire.Entries, error) {
	const op = "message.list"
	x, r, err := s.roomFor(ctx, p, id)
	if err != nil {
		return wire.Entries{}, internal(op, err)
	}
	if _, _, _, err := s.Gate.Permit(ctx, p, listing(r, what), r); err != nil {
		return wire.Entries{}, hideChannel(err, op, "that channel", r)
	}
	if x == nil {
		return wire.Entries{}, notFound(op, "that channel")
	}
	page, err := s.read(ctx, x, p, after, min(limit, MaxPage), what != AllEntries)
	if err != nil {
		return wire.Entries{}, internal(op, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return wire.Entries{}, internal(op, err)
	}
	out := wire.Entries{Entries: make([][]byte, len(page.Entries)), Position: x.state.Position, Head: x.state.Top}
	for i := range page.Entries {
		out.Entries[i] = envelope.Marshal(&page.Entries[i])
	}
	return out, nil
}

// listing is what a page is asked as. Whoever may join a public channel must
// verify it first: they read it as its description, and read gives payloads to
// members only. Links alone are no more than a description either.
func listing(r policy.Resource, what Listing) policy.Action {
	switch {
	case what == ForRestore:
		return policy.ChannelRestore
	case what == ForHandover:
		return policy.CaptureInspect
	case what == LinksOnly || (r.Privacy == "public" && r.MemberRole == "none"):
		return policy.ChannelRead
	}
	return policy.MessageList
}

// Catch is a part of what a subscriber catches up on.
type Catch struct {
	Entries []envelope.Placed
	More    bool    // there was more to read when this was
	History History // for what is placed later
}

// Subscribe permits following a channel and gives the first page after a
// position. The caller asks again until there is no more.
func (s *Service) Subscribe(ctx context.Context, p identity.Principal, id envelope.ChannelID, after uint64) (Catch, error) {
	x, _, err := s.permitRead(ctx, p, policy.WSSubscribe, id)
	if err != nil {
		return Catch{}, err
	}
	c, err := s.read(ctx, x, p, after, MaxPage, false)
	if err != nil {
		return Catch{}, internal("ws.subscribe", err)
	}
	return c, nil
}

// Sees permits reading what a channel is. It is asked before much is taken in
// that is meant for the channel.
func (s *Service) Sees(ctx context.Context, p identity.Principal, id envelope.ChannelID) error {
	_, _, err := s.permitRead(ctx, p, policy.ChannelRead, id)
	return err
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

func (s *Service) read(ctx context.Context, x *room, p identity.Principal, after uint64, limit int, linksOnly bool) (Catch, error) {
	kept, more, err := s.Store.Entries(ctx, x.row.Number, Span{After: after, Limit: limit, Bytes: maxPageBytes, LinksOnly: linksOnly})
	if err != nil {
		return Catch{}, err
	}
	c := Catch{Entries: make([]envelope.Placed, len(kept)), More: more}
	if c.History, err = s.history(ctx, x, p); err != nil {
		return Catch{}, err
	}
	for i := range kept {
		if err := s.unseal(x.row.ID, &kept[i], c.History); err != nil {
			return Catch{}, err
		}
		c.Entries[i] = kept[i].Placed
	}
	if err := s.Present(ctx, p); err != nil {
		return Catch{}, err
	}
	return c, nil
}

// History is what somebody may read of a channel: the messages of this epoch and
// of later ones. Zero: of none. It rules whichever way an entry travels.
type History uint64

// Shows tells whether a message of the epoch may be read.
func (h History) Shows(epoch uint64) bool { return h != 0 && epoch >= uint64(h) }

// Withhold is a message without what only its readers are given.
func Withhold(p envelope.Placed) envelope.Placed {
	p.Entry.Payload, p.Salt = []byte{}, []byte{}
	return p
}

// MessageEpoch is the epoch that a placed message is sealed in, or false for
// what is no message.
func MessageEpoch(p *envelope.Placed) (uint64, bool, error) {
	if p.Entry.Kind != envelope.KindMessage {
		return 0, false, nil
	}
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: p.Entry.Kind, Header: p.Entry.Header})
	if err != nil {
		return 0, false, err
	}
	return h.Epoch, true, nil
}

// history finds out what the principal may read.
func (s *Service) history(ctx context.Context, x *room, p identity.Principal) (History, error) {
	if p.Kind == identity.Recorder {
		return 1, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return 0, err
	}
	m, _ := x.state.Member(envelope.UserID(p.UserChain))
	return History(m.HistoryFrom), nil
}

// unseal puts the salt beside a message. A salt that was destroyed, or that the
// member may not have, takes the payload with it.
func (s *Service) unseal(id envelope.ChannelID, k *Kept, history History) error {
	epoch, message, err := MessageEpoch(&k.Placed)
	if err != nil || !message || len(k.Entry.Payload) == 0 {
		return err
	}
	salt, ok, err := s.Vault.OpenSalt(id, k.Position, k.SealedSalt)
	if err != nil {
		return err
	}
	if !ok || !history.Shows(epoch) {
		k.Placed = Withhold(k.Placed)
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
	if err := s.Present(ctx, p); err != nil {
		return wire.EpochWrap{}, err
	}
	return wire.EpochWrap{Wrap: wrap, Hashes: hashes}, nil
}
