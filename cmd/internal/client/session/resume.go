package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"chancery/cmd/internal/client"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
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
	Told     uint64                           `json:"told,omitempty"`
	Fresh    uint64                           `json:"fresh,omitempty"`
	Heads    []envelope.Hash                  `json:"heads,omitempty"` // the newest, the last of them Head
	Links    envelope.Hash                    `json:"links"`           // Channel.links at Position
}

func snapshotName(id envelope.ChannelID) string { return "channel." + id.String() }

func (c *Channel) snapshot() error {
	if c.chain == nil {
		return nil
	}
	if len(c.cover.faults) > 0 { // start again from the genesis, and find the fault again
		err := c.s.Ring.Delete(snapshotName(c.id))
		if errors.Is(err, keyring.ErrNotFound) {
			return nil
		}
		return err
	}
	snap := snapshot{
		Position: c.chain.Position, Head: c.chain.Top, Received: c.chain.Received, Messages: c.chain.Messages,
		Counters: map[envelope.KeyID]chain.Counter{}, Covered: map[envelope.KeyID]uint64{},
		Leaves: c.cover.leaves, From: c.cover.from, Heads: c.newestHeads(), Told: c.told, Links: c.links, Fresh: c.fresh,
	}
	for d := range c.seen {
		snap.Counters[d] = c.chain.Counter(d)
	}
	for _, d := range c.chain.Duties() {
		snap.Covered[d.Recorder] = c.chain.Covered(d.Recorder)
	}
	return save(c.s.Ring, snapshotName(c.id), &snap)
}

// newestHeads are those that this device knows without a gap, the last one last.
func (c *Channel) newestHeads() (heads []envelope.Hash) {
	for at := c.chain.Position; at > 0 && len(heads) < chain.SeenWindow; at-- {
		head, known := c.chain.HeadAt(at)
		if !known {
			break
		}
		heads = append(heads, head)
	}
	slices.Reverse(heads)
	return heads
}

// linked adds an entry that is not a message to what the device remembers of
// them all.
func (c *Channel) linked(p *envelope.Placed) {
	if p.Entry.Kind != envelope.KindMessage {
		c.links = envelope.Sum("links-read", c.links, p.Position, p.Received, p.Hash())
	}
}

// resume goes on where the last run ended: it verifies all links from the
// genesis, then continues at the remembered head. Links that were left out could
// hide a removal, so they must be those of the last run, unless the root says
// that some were lost.
func (c *Channel) resume(ctx context.Context) error {
	c.links = envelope.Hash{}
	var snap snapshot
	if err := load(c.s.Ring, snapshotName(c.id), &snap); err != nil || snap.Position == 0 {
		return err
	}
	if err := c.readLinks(ctx, snap.Position); err != nil {
		return fmt.Errorf("channel %s: reading links: %w", c.id, err)
	}
	if err := c.remember(&snap); err != nil {
		return err
	}
	if c.links != snap.Links {
		return c.restore(ctx, fmt.Errorf("%w: channel %s had other links up to %d", ErrRollback, c.id, snap.Position))
	}
	return nil
}

// remember takes over what the links don't tell.
func (c *Channel) remember(snap *snapshot) error {
	c.chain.StartAt(snap.Position, snap.Head, snap.Received)
	if len(snap.Heads) > 0 {
		if err := c.chain.Remember(snap.Heads); err != nil {
			return err
		}
	}
	c.chain.Know(snap.Counters, snap.Covered)
	c.chain.Messages = snap.Messages
	c.told, c.fresh = snap.Told, snap.Fresh
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
	if err := c.judgeLink(ctx, p); err != nil {
		return err
	}
	c.linked(p)
	return nil
}

func (c *Channel) judgeLink(ctx context.Context, p *envelope.Placed) error {
	if c.chain == nil {
		return c.judge(ctx, p)
	}
	if err := c.s.Dir.prepare(ctx, &p.Entry); err != nil {
		return err
	}
	return c.chain.ReadLink(p)
}
