package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"chancery/cmd/internal/client"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Rollback is what a device says of a server that lost, or changed, what it had
// confirmed. It is an ErrRollback.
type Rollback struct {
	Channel   envelope.ChannelID
	Confirmed envelope.Ref // the newest entry that this device knows, and its head
	Err       error
}

func (r *Rollback) Error() string { return r.Err.Error() }
func (r *Rollback) Unwrap() error { return r.Err }

// confirmed is the newest entry that a receipt or this device's own reading has
// confirmed.
func (c *Channel) confirmed() envelope.Ref {
	if c.chain != nil && c.chain.Position >= c.outbox.Highest.Position {
		return envelope.Ref{Position: c.chain.Position, Hash: c.chain.Top}
	}
	return c.outbox.Highest
}

// restore accepts a server that came back from an older copy, if the
// organisation's root has signed what was lost and that includes all that this
// device knows of. Otherwise it returns why, the error that led here.
func (c *Channel) restore(ctx context.Context, why error) error {
	lost := c.confirmed()
	why = &Rollback{c.id, lost, why}
	b, at, err := c.excuse(ctx, lost.Position)
	if err != nil {
		return err
	}
	if b == nil {
		return why
	}
	walk := c.walker()
	if err := walk.replay(ctx, at); err != nil {
		return fmt.Errorf("verifying the restored channel %s: %w", c.id, err)
	}
	if c.chain != nil {
		if head, known := c.chain.HeadAt(b.NewPosition); known && head != b.NewHead {
			return why // what survived is not what was there
		}
	}
	c.s.Note(fmt.Sprintf("Needs attention: channel %s was restored: entries %d to %d are lost (%s)",
		c.id, b.NewPosition+1, b.OldPosition, b.Reason))
	c.chain, c.links, c.cover, c.seen, c.keys = walk.chain, walk.links, walk.cover, walk.seen, walk.keys
	c.fresh, c.forked, c.sought = min(c.fresh, b.NewPosition), nil, 0
	c.sight = sight{}
	c.outbox.forgive(b)
	c.outbox.Highest = walk.outbox.Highest
	// Those of a history that was left are kept: the server may show it again.
	for _, l := range walk.outbox.Restored {
		if !slices.Contains(c.outbox.Restored, l) {
			c.outbox.Restored = append(c.outbox.Restored, l)
		}
	}
	clear(c.heads)
	// The snapshot first: on a crash in between, the same link is found again.
	if err := c.snapshot(); err != nil {
		return err
	}
	return c.outbox.save(c.s.Ring, c.id)
}

// walker reads the channel once more, as if seen for the first time, and tells
// nobody who follows it.
func (c *Channel) walker() *Channel {
	return &Channel{s: c.s, id: c.id, outbox: &outbox{}, keys: map[uint64]epochKey{}, seen: map[envelope.KeyID]bool{}}
}

// excuse looks for a restore link that covers a position. One that this device
// has taken before excuses nothing: it was for another loss. What is found is
// not verified yet.
func (c *Channel) excuse(ctx context.Context, position uint64) (found *envelope.RestoreBody, at uint64, err error) {
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
			if p.Position <= after {
				return nil, 0, fmt.Errorf("looking for a restore link: %w: entry %d after %d", ErrRollback, p.Position, after)
			}
			after = p.Position
			b := restoreOf(&p.Entry)
			if b != nil && position <= b.OldPosition && !slices.Contains(c.outbox.Restored, p.Hash()) {
				return b, p.Position, nil
			}
		}
		if len(e.Entries) == 0 {
			return nil, 0, nil
		}
	}
}

// restoreOf is what a restore link says, nil for any other entry.
func restoreOf(e *envelope.Entry) *envelope.RestoreBody {
	if e.Kind != envelope.KindLink {
		return nil
	}
	l, err := envelope.ParseLink(e)
	if err != nil || l.Type != envelope.Restore {
		return nil
	}
	b, err := envelope.ParseBody[envelope.RestoreBody](l)
	if err != nil {
		return nil
	}
	return b
}

// takeRestore takes back the promises for what was lost, where this device had
// not yet read so far and receipts were all it knew.
func (c *Channel) takeRestore(p *envelope.Placed) {
	b := restoreOf(&p.Entry)
	if b == nil || slices.Contains(c.outbox.Restored, p.Hash()) {
		return
	}
	c.outbox.forgive(b)
	c.outbox.Restored = append(c.outbox.Restored, p.Hash())
	maps.DeleteFunc(c.heads, func(at uint64, _ envelope.Hash) bool { return at > b.NewPosition && at <= b.OldPosition })
}

// replay verifies the channel from its genesis up to last, as if seen for the
// first time.
func (c *Channel) replay(ctx context.Context, last uint64) error {
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

// RestoreLink makes, with the root's key, the link that tells devices that the
// server came back from an older copy. Old is the newest entry that anybody
// still remembers as confirmed. The channel's links are verified; where the
// channel ends now is the server's word, which every device holds against what
// it remembers.
func RestoreLink(ctx context.Context, api *client.Transport, dir *Directory, id envelope.ChannelID, old envelope.Ref, reason string, now time.Time, roots ...*seal.SigningKey) (*envelope.Entry, *envelope.RestoreBody, error) {
	c := &Channel{s: &Session{Config: Config{API: api}, Dir: dir}, id: id}
	for {
		e, err := api.Entries(ctx, id, client.Page{After: c.position(), Limit: page, Restore: true})
		if err != nil {
			return nil, nil, err
		}
		for _, raw := range e.Entries {
			p, err := envelope.ParsePlaced(raw)
			if err == nil {
				err = c.readLink(ctx, p)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("reading the links of channel %s: %w", id, err)
			}
		}
		if len(e.Entries) == 0 {
			return c.restoreLink(e.Position, e.Head, old, reason, now, roots...)
		}
	}
}

func (c *Channel) restoreLink(position uint64, head envelope.Hash, old envelope.Ref, reason string, now time.Time, roots ...*seal.SigningKey) (*envelope.Entry, *envelope.RestoreBody, error) {
	if err := c.started(); err != nil {
		return nil, nil, err
	}
	if old.Position < position { // people have gone on meanwhile: what they wrote stands
		old = envelope.Ref{Position: position, Hash: head}
	}
	b := &envelope.RestoreBody{OldPosition: old.Position, OldHead: old.Hash, NewPosition: position, NewHead: head, Reason: reason}
	return next(c.chain.Org(), envelope.Hash(c.id), c.chain, envelope.Restore, b, envelope.UserID{}, now, roots...), b, nil
}
