package session

import (
	"context"
	"fmt"

	"chancery/cmd/internal/client"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// snapshot is what a device remembers of a channel it has followed, so that it
// can go on there: the head it must find again, and what only messages tell.
type snapshot struct {
	Position uint64                           `json:"position"`
	Head     envelope.Hash                    `json:"head"`
	Received int64                            `json:"received_us"`
	Messages uint64                           `json:"messages"`
	Counters map[envelope.KeyID]chain.Counter `json:"counters"`
	Covered  map[envelope.KeyID]uint64        `json:"covered"`
	Leaves   []leaf                           `json:"leaves"`
	From     uint64                           `json:"from"`
}

func snapshotName(id envelope.ChannelID) string { return "channel." + id.String() }

func (c *Channel) snapshot() error {
	if c.chain == nil || c.cover.broken != nil {
		return nil // start again from the genesis, and find the fault again
	}
	snap := snapshot{
		Position: c.chain.Position, Head: c.chain.Top, Received: c.chain.Received, Messages: c.chain.Messages,
		Counters: map[envelope.KeyID]chain.Counter{}, Covered: map[envelope.KeyID]uint64{},
		Leaves: c.cover.leaves, From: c.cover.from,
	}
	for d := range c.seen {
		snap.Counters[d] = c.chain.Counter(d)
	}
	for _, r := range c.chain.Genesis.Recorders {
		snap.Covered[r] = c.chain.Covered(r)
	}
	return save(c.s.Ring, snapshotName(c.id), &snap)
}

// resume goes on where the last run ended: it verifies all links from the
// genesis, then continues at the remembered head.
func (c *Channel) resume(ctx context.Context) error {
	var snap snapshot
	if err := load(c.s.Ring, snapshotName(c.id), &snap); err != nil || snap.Position == 0 {
		return err
	}
	if err := c.readLinks(ctx, snap.Position); err != nil {
		c.chain = nil
		return fmt.Errorf("channel %s: reading links: %w", c.id, err)
	}
	c.chain.StartAt(snap.Position, snap.Head, snap.Received)
	c.chain.Know(snap.Counters, snap.Covered)
	c.chain.Messages = snap.Messages
	c.cover = cover{from: snap.From, leaves: snap.Leaves}
	for d := range snap.Counters {
		c.seen[d] = true
	}
	return nil
}

// readLinks verifies every entry up to last that is not a message.
func (c *Channel) readLinks(ctx context.Context, last uint64) error {
	for after := uint64(0); ; {
		e, err := c.s.API.Entries(ctx, c.id, client.Page{After: after, Limit: page, Links: true})
		if err != nil {
			return err
		}
		for _, b := range e.Entries {
			p, err := envelope.ParsePlaced(b)
			if err != nil {
				return err
			}
			if p.Position > last {
				return c.started()
			}
			if err := c.readLink(ctx, p); err != nil {
				return fmt.Errorf("entry %d: %w", p.Position, err)
			}
			after = p.Position
		}
		if len(e.Entries) == 0 {
			return c.started()
		}
	}
}

func (c *Channel) started() error {
	if c.chain == nil {
		return fmt.Errorf("%w: no genesis", ErrRollback)
	}
	return nil
}

func (c *Channel) readLink(ctx context.Context, p *envelope.Placed) error {
	if c.chain == nil {
		return c.judge(ctx, p)
	}
	if err := c.s.Dir.prepare(ctx, &p.Entry); err != nil {
		return err
	}
	return c.chain.ReadLink(p)
}

// restore accepts a server that came back from an older copy, if the
// organisation's root has signed what was lost and that includes all that this
// device knows of. Otherwise it returns why, the error that led here.
func (c *Channel) restore(ctx context.Context, why error) error {
	confirmed := max(c.outbox.Highest.Position, c.position())
	b, at, err := c.findRestore(ctx)
	if err != nil {
		return err
	}
	if b == nil || b.OldPosition < confirmed || b.NewPosition >= confirmed {
		return why
	}
	old := c.chain
	c.chain = nil
	if err := c.replay(ctx, at); err != nil {
		c.chain = old
		return fmt.Errorf("verifying the restored channel %s: %w", c.id, err)
	}
	c.s.Note(fmt.Sprintf("Needs attention: channel %s was restored: entries %d to %d are lost (%s)",
		c.id, b.NewPosition+1, b.OldPosition, b.Reason))
	c.outbox.Highest = envelope.Ref{Position: c.chain.Position, Hash: c.chain.Top}
	if c.outbox.Placed.Position > b.NewPosition {
		c.outbox.Placed = placed{} // lost: the chain says what is the last; numbers stay used
	}
	return c.outbox.save(c.s.Ring, c.id)
}

// findRestore looks for the newest restore link. It is not verified yet.
func (c *Channel) findRestore(ctx context.Context) (found *envelope.RestoreBody, at uint64, err error) {
	for after := uint64(0); ; {
		e, err := c.s.API.Entries(ctx, c.id, client.Page{After: after, Limit: page, Links: true})
		if err != nil {
			return nil, 0, fmt.Errorf("looking for a restore link: %w", err)
		}
		for _, raw := range e.Entries {
			p, err := envelope.ParsePlaced(raw)
			if err != nil {
				return nil, 0, err
			}
			after = p.Position
			if p.Entry.Kind != envelope.KindLink {
				continue
			}
			if l, err := envelope.ParseLink(&p.Entry); err == nil && l.Type == envelope.Restore {
				if found, err = envelope.ParseBody[envelope.RestoreBody](l); err != nil {
					return nil, 0, err
				}
				at = p.Position
			}
		}
		if len(e.Entries) == 0 {
			return found, at, nil
		}
	}
}

// replay verifies the channel from its genesis up to last, as if seen for the
// first time.
func (c *Channel) replay(ctx context.Context, last uint64) error {
	c.cover, c.heads, c.outbox.Highest = cover{}, map[uint64]envelope.Hash{}, envelope.Ref{}
	for c.position() < last {
		e, err := c.s.API.Entries(ctx, c.id, client.Page{After: c.position(), Limit: page})
		if err != nil {
			return err
		}
		if len(e.Entries) == 0 {
			return fmt.Errorf("%w: it ends at %d", ErrRollback, c.position())
		}
		if err := c.takeAll(ctx, e.Entries); err != nil {
			return err
		}
	}
	return nil
}
