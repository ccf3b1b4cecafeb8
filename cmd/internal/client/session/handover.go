package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chancery/cmd/internal/client"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// takeHandover tells the person that somebody else records the channel now.
func (c *Channel) takeHandover(p *envelope.Placed) {
	o, ok := handoverOf(p)
	if !ok {
		return
	}
	text := "the recorders changed"
	switch {
	case o.From.IsZero():
		text = fmt.Sprintf("recorder %s records here too", c.s.recorderName(o.To))
	case o.To.IsZero():
		text = fmt.Sprintf("recorder %s records here no more", c.s.recorderName(o.From))
	default:
		text = fmt.Sprintf("recorder %s took over from %s", c.s.recorderName(o.To), c.s.recorderName(o.From))
	}
	if o.Lost {
		text += ", whose copy is lost: what it had not covered is written off"
	}
	c.attention(fmt.Sprintf("%s (%s)", text, o.Reason))
	c.settleCapture()
}

func handoverOf(p *envelope.Placed) (*envelope.HandoverOrder, bool) {
	l, err := envelope.ParseLink(&p.Entry)
	if err != nil || l.Type != envelope.Handover {
		return nil, false
	}
	b, err := envelope.ParseBody[envelope.HandoverBody](l)
	if err != nil {
		return nil, false
	}
	o, err := envelope.ParseOrder[envelope.HandoverOrder](b.Order)
	return o, err == nil
}

// Recording is who records a channel, as its verified links say, for somebody who
// need not be a member.
type Recording struct {
	*chain.Channel
	Seen envelope.Ref // the channel's end, by the server's word: the order holds everyone to it
	api  *client.Transport
	dir  *Directory
}

// ReadRecording verifies a channel's links. Whoever reads so is shown no message.
func ReadRecording(ctx context.Context, api *client.Transport, dir *Directory, id envelope.ChannelID) (*Recording, error) {
	if err := dir.RefreshOrg(ctx); err != nil {
		return nil, err
	}
	c := &Channel{s: &Session{Config: Config{API: api}, Dir: dir}, id: id}
	for {
		e, err := api.Entries(ctx, id, client.Page{After: c.position(), Limit: page, Handover: true})
		if err != nil {
			return nil, err
		}
		for _, raw := range e.Entries {
			p, err := envelope.ParsePlaced(raw)
			if err == nil {
				err = c.readLink(ctx, p)
			}
			if err != nil {
				return nil, fmt.Errorf("reading the links of channel %s: %w", id, err)
			}
		}
		if len(e.Entries) == 0 {
			if err := c.started(); err != nil {
				return nil, err
			}
			return &Recording{c.chain, envelope.Ref{Position: e.Position, Hash: e.Head}, api, dir}, nil
		}
	}
}

// Handover is an order on its way from who asks for it to who signs it.
type Handover struct {
	Order []byte `json:"order"`
	Asked []byte `json:"asked"` // the first person's approval; empty for the root
}

// Successors is what a handover asks for. Zero is nobody.
type Successors struct {
	From, To envelope.KeyID
	Lost     bool
	Reason   string
	Within   time.Duration // in which it must be placed
}

// Order makes the order that two people, or the root, sign.
func (r *Recording) Order(s Successors, now time.Time) []byte {
	return envelope.Marshal(&envelope.HandoverOrder{
		Version: envelope.Version, Org: r.Org(), Channel: r.ID(), Seen: r.Seen, From: s.From, To: s.To, Lost: s.Lost,
		Reason: s.Reason, NotAfter: now.Add(s.Within).UnixMicro(),
	})
}

// AgreeHandover makes the link by which this person, the second, agrees.
func (s *Session) AgreeHandover(ctx context.Context, r *Recording, h *Handover) (*envelope.Entry, error) {
	return r.byTwo(ctx, h, s.Me.Chain, s.Now(), s.device)
}

func (r *Recording) byTwo(ctx context.Context, h *Handover, me envelope.UserID, now time.Time, device *seal.SigningKey) (*envelope.Entry, error) {
	b := envelope.HandoverBody{Order: h.Order, Asked: h.Asked}
	asked, err := b.AskedBy()
	if err != nil {
		return nil, err
	}
	them, err := r.dir.RefreshUser(ctx, asked.User)
	if err != nil {
		return nil, err
	}
	own, err := r.dir.RefreshUser(ctx, me)
	if err != nil {
		return nil, err
	}
	b.AskedSeq, b.AskedHead, b.UserSeq, b.UserHead = them.Seq(), them.Head(), own.Seq(), own.Head()
	return r.signed(&b, me, now, device)
}

// SignByRoot makes the link that the organisation's root signs.
func (r *Recording) SignByRoot(h *Handover, now time.Time, roots ...*seal.SigningKey) (*envelope.Entry, error) {
	if len(h.Asked) > 0 {
		return nil, errors.New("this order was made for two people: make one for the root")
	}
	return r.signed(&envelope.HandoverBody{Order: h.Order}, envelope.UserID{}, now, roots...)
}

// signed makes the next link and holds it against the validator's rules, so that
// nobody signs what no channel would take.
func (r *Recording) signed(b *envelope.HandoverBody, who envelope.UserID, now time.Time, keys ...*seal.SigningKey) (*envelope.Entry, error) {
	e := next(r.Org(), envelope.Hash(r.ID()), r.Channel, envelope.Handover, b, who, now, keys...)
	r.StartAt(r.Seen.Position, r.Seen.Hash, r.Received)
	if err := r.Judge(e, max(now.UnixMicro(), r.Received)); err != nil && chain.ReasonOf(err) != chain.NotListed {
		return nil, fmt.Errorf("signing the handover: %w", err) // a listing that the channel has not heard of, it is told first
	}
	return e, nil
}

// Named finds a recorder by its name or id among those listed and those on duty.
func (r *Recording) Named(name string) (envelope.KeyID, error) {
	for _, p := range r.dir.Org().Parties(envelope.RoleRecorder) {
		if p.Name == name || p.ID().String() == name {
			return p.ID(), nil
		}
	}
	id, err := envelope.ID[envelope.KeyID](name)
	if err == nil && slices.ContainsFunc(r.Duties(), func(d chain.Duty) bool { return d.Recorder == id }) {
		return id, nil // delisted, and still to be relieved
	}
	return envelope.KeyID{}, fmt.Errorf("the organisation lists no recorder %q: see chancery org show", name)
}
