package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// NewChannel is what a channel starts with.
type NewChannel struct {
	Team      int64 // 0 for a direct channel
	Name      string
	Access    envelope.Access
	Capture   envelope.Capture
	Recorders []envelope.KeyID
	Lifetime  time.Duration // of an epoch
}

// CreateChannel starts a channel with this person as its owner.
func (s *Session) CreateChannel(ctx context.Context, in NewChannel) (*Channel, error) {
	if err := s.Dir.RefreshOrg(ctx); err != nil {
		return nil, err
	}
	me, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return nil, err
	}
	org := s.Dir.Org()
	recorders := slices.Clone(in.Recorders)
	slices.SortFunc(recorders, envelope.CompareKey)
	e := genesis(org.ID(), envelope.ChannelGenesis, &envelope.ChannelGenesisBody{
		Access: in.Access, Capture: in.Capture, Recorders: recorders, History: envelope.HistorySinceJoin,
		Lifetime: uint64(in.Lifetime / time.Second), OrgSeq: org.Seq(), OrgHead: org.Head(),
		UserSeq: me.Seq(), UserHead: me.Head(), Nonce: nonce(),
	}, s.Me.Chain, s.Now(), s.device)
	c, err := s.channel(envelope.ChannelID(envelope.ChainOf(e.Header)))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := s.API.CreateChannel(ctx, wire.NewChannel{Team: in.Team, Name: in.Name, Genesis: envelope.Marshal(e)})
	if err != nil {
		s.forget(c.id)
		return nil, fmt.Errorf("creating channel: %w", err)
	}
	r, err := c.receipt(ctx, raw, e, s.device.ID(), 0)
	if err != nil {
		return nil, err
	}
	c.heads[r.Position] = r.Head
	if err := c.catchUp(ctx); err != nil {
		return nil, err
	}
	s.listen(c)
	return c, nil
}

func (s *Session) forget(id envelope.ChannelID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.channels, id)
}

// Add makes someone a member. In a public channel people add themselves.
func (c *Channel) Add(ctx context.Context, user envelope.UserID, rank envelope.MemberRank) error {
	return c.change(ctx, envelope.MemberAdd, func() (any, error) {
		u, err := c.s.Dir.RefreshUser(ctx, user)
		if err != nil {
			return nil, err
		}
		next := uint64(1)
		if e, ok := c.chain.Newest(); ok {
			next = e.N + 1
		}
		return &envelope.AddBody{User: user, UserSeq: u.Seq(), UserHead: u.Head(), Rank: rank, HistoryFrom: next}, nil
	})
}

// Remove ends a membership; people may always remove themselves.
func (c *Channel) Remove(ctx context.Context, user envelope.UserID, reason string) error {
	return c.change(ctx, envelope.MemberRemove, func() (any, error) {
		return &envelope.RemoveBody{User: user, Reason: reason}, nil
	})
}

// SetRank changes a member's rank.
func (c *Channel) SetRank(ctx context.Context, user envelope.UserID, rank envelope.MemberRank) error {
	return c.change(ctx, envelope.MemberRole, func() (any, error) {
		return &envelope.RoleBody{User: user, Rank: rank}, nil
	})
}

// change places a membership link, again if someone else's came between.
func (c *Channel) change(ctx context.Context, kind envelope.LinkType, body func() (any, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for try := 0; ; try++ {
		if err := c.catchUp(ctx); err != nil {
			return err
		}
		if _, member := c.chain.Member(c.s.Me.Chain); member {
			if err := c.announce(ctx); err != nil {
				return err
			}
		}
		b, err := body()
		if err != nil {
			return err
		}
		head := c.chain.Head()
		err = c.placeLink(ctx, kind, b, nil)
		p, ok := errors.AsType[*client.Problem](err)
		if !ok || p.Status != http.StatusConflict || try == rounds {
			return err
		}
		if err := c.catchUp(ctx); err != nil {
			return err
		}
		if c.chain.Head() == head {
			return p // nothing came between: it is the link itself
		}
	}
}

// Member is one line of a channel's roster.
type Member struct {
	User     envelope.UserID     `json:"user"`
	Username string              `json:"username,omitempty"`
	Rank     envelope.MemberRank `json:"rank"`
	Joined   uint64              `json:"joined"`
}

// State is a channel as this device has verified it.
type State struct {
	ID        envelope.ChannelID `json:"id"`
	Access    envelope.Access    `json:"access"`
	Capture   envelope.Capture   `json:"capture"`
	Position  uint64             `json:"position"`
	Head      envelope.Hash      `json:"head"`
	Messages  uint64             `json:"messages"`
	Epoch     uint64             `json:"epoch"`
	EpochEnds time.Time          `json:"epoch_ends,omitzero"`
	Captured  uint64             `json:"captured"`
	Recorders []Recorder         `json:"recorders,omitempty"`
	Members   []Member           `json:"members"`
	Vouched   *Vouched           `json:"vouched,omitempty"` // nil: nobody but the server vouches for the log
	Attention string             `json:"attention,omitempty"`
	Words     []Word             `json:"words,omitempty"` // alarms, disputes and rulings of others and this device
}

// Recorder is one recorder's standing in a channel.
type Recorder struct {
	Key          envelope.KeyID `json:"key"`
	Name         string         `json:"name"`
	Acknowledged bool           `json:"acknowledged"`
	Covered      uint64         `json:"covered"`
}

// State catches up and tells what was verified.
func (c *Channel) State(ctx context.Context) (*State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.catchUp(ctx); err != nil {
		return nil, err
	}
	s := &State{
		ID: c.id, Access: c.chain.Genesis.Access, Capture: c.chain.Genesis.Capture, Position: c.chain.Position,
		Head: c.chain.Top, Messages: c.chain.Messages, Captured: c.chain.Captured(), Members: []Member{},
	}
	if e, ok := c.chain.Current(); ok {
		s.Epoch, s.EpochEnds = e.N, time.UnixMicro(e.Body.NotAfter).UTC()
	}
	for _, u := range c.chain.Members() {
		m, _ := c.chain.Member(u)
		s.Members = append(s.Members, Member{User: u, Rank: m.Rank, Joined: m.Joined})
	}
	s.Recorders = c.recorders()
	if c.recorded() {
		c.answer(ctx)
		if err := c.hear(ctx); err != nil {
			return nil, err
		}
		s.Words = c.words.all
	}
	if v, demanded := c.vouched(); demanded {
		s.Vouched = &v
	}
	for _, check := range []func() error{c.trusted, c.stale, c.doubts} {
		if err := check(); err != nil {
			s.Attention = err.Error()
			break
		}
	}
	return s, nil
}

func (c *Channel) recorders() []Recorder {
	var out []Recorder
	newest, any := c.chain.Newest()
	for _, id := range c.chain.Recorders() {
		out = append(out, Recorder{
			Key: id, Name: c.s.recorderName(id), Covered: c.chain.Covered(id), Acknowledged: any && newest.Acknowledged(id),
		})
	}
	return out
}
