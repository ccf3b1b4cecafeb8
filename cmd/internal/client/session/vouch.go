package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"chancery/cmd/internal/client"
	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// promise is a receipt that is not proven to be in the log yet.
type promise struct {
	_        struct{} `cbor:",toarray"`
	Position uint64
	Entry    envelope.Hash
	Head     envelope.Hash
	Since    int64 // this device's clock at the oldest receipt that it stands for, µs since 1970
}

// owe keeps a receipt until the log shows it. A head stands for every entry
// before it, so two are enough: the one that is looked for, and the newest.
func (o *outbox) owe(r *envelope.Receipt, now time.Time) {
	p := promise{Position: r.Position, Entry: r.Entry, Head: r.Head, Since: now.UnixMicro()}
	switch len(o.Owed) {
	case 2:
		p.Since = o.Owed[1].Since
		o.Owed[1] = p
	default:
		o.Owed = append(o.Owed, p)
	}
}

// Vouched says who besides the server vouched for the log, and when.
type Vouched struct {
	Size int64     `json:"size"`         // records
	By   string    `json:"by,omitempty"` // a recorder or witness
	At   time.Time `json:"at,omitzero"`  // by its clock
}

// vouched finds the newest cosignature that counts here: of a recorder of this
// channel, or of any recorder or witness where nobody records. Demanded tells
// whether the organisation lists anybody who could give it.
func (c *Channel) vouched() (v Vouched, demanded bool) {
	last, cosigned, _, _ := c.s.book.state()
	v.Size = last.Size
	org := c.s.Dir.Org()
	count := func(p envelope.Party) {
		demanded = true
		if at, ok := cosigned[p.ID()]; ok && at.After(v.At) {
			v.At, v.By = at, p.Name
		}
	}
	if c.recorded() {
		for _, r := range c.chain.Recorders() {
			if p, ok := org.Party(envelope.RoleRecorder, r); ok {
				count(*p)
			}
		}
	} else {
		for _, role := range []envelope.Role{envelope.RoleRecorder, envelope.RoleWitness} {
			for _, p := range org.Parties(role) {
				count(p)
			}
		}
	}
	return v, demanded && len(org.Parties(envelope.RoleSigner)) > 0
}

// stale says why nothing new may be sent or shown here, nil when it may. It is
// about the log, not about capture.
func (c *Channel) stale() error {
	_, _, since, err := c.s.book.state()
	if err = errors.Join(err, c.forked); err != nil {
		return fmt.Errorf("channel %s: %w", c.id, err)
	}
	v, demanded := c.vouched()
	if !demanded || c.age(v, since) <= c.patience() {
		return nil
	}
	if v.At.IsZero() {
		return fmt.Errorf("%w: channel %s: no recorder has cosigned its checkpoint yet: is chancery-recorder running?", ErrStale, c.id)
	}
	return fmt.Errorf("%w: channel %s: %s cosigned its checkpoint last at %s, more than %s from now: is it running, and do the clocks agree?",
		ErrStale, c.id, v.By, v.At.Format(time.RFC3339), c.patience())
}

func (c *Channel) patience() time.Duration {
	if c.recorded() {
		return FreshWithin
	}
	return OpenWithin
}

// age is how far a cosignature is from now. A clock that is ahead is as bad as
// one that is behind: it would keep a frozen log fresh.
func (c *Channel) age(v Vouched, since time.Time) time.Duration {
	now := c.s.Now()
	switch {
	case !v.At.IsZero():
		return max(now.Sub(v.At), v.At.Sub(now))
	case c.recorded():
		return FreshWithin + 1
	}
	return now.Sub(since)
}

// vouch looks at the log and for this device's receipts in it, and notes how far
// this channel was read while the log was vouched for. It goes on without a
// server that can't be asked: the age of what is known tells.
func (c *Channel) vouch(ctx context.Context, waits bool) {
	err := c.s.book.look(ctx, waits)
	if err == nil {
		err = c.prove(ctx)
	}
	if c.stale() == nil && c.chain != nil {
		c.fresh = max(c.fresh, c.position())
		if c.veil {
			c.veil = false
			c.unveil()
		}
	}
	if err != nil && !client.NotNow(err) && ctx.Err() == nil && c.worry != err.Error() {
		c.worry = err.Error()
		c.attention(c.worry)
	}
}

// awaitVouched waits for a recorder's word on the log, where it is due.
func (c *Channel) awaitVouched(ctx context.Context) error {
	deadline := time.Now().Add(c.s.AckWait)
	for {
		c.vouch(ctx, c.stale() != nil)
		err := c.stale()
		if !errors.Is(err, ErrStale) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// prove looks for receipts in the log, once in each checkpoint.
func (c *Channel) prove(ctx context.Context) error {
	last, _, _, err := c.s.book.state()
	for err == nil && len(c.outbox.Owed) > 0 && last.Size > c.sought {
		owed := &c.outbox.Owed[0]
		err = c.proveIn(ctx, &last, owed)
		if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusNotFound {
			c.sought = last.Size
			return c.overdue(owed)
		}
		if err == nil {
			c.outbox.Owed, c.forked, c.unlogged = c.outbox.Owed[1:], nil, nil
		} else if errors.Is(err, ErrForked) {
			c.forked = err
		}
	}
	return err
}

// proveIn checks that the log has an entry with the very head of its receipt.
func (c *Channel) proveIn(ctx context.Context, last *witness.Last, owed *promise) error {
	got, err := c.s.API.Logged(ctx, c.id, owed.Position, last.Size)
	if err != nil {
		return err
	}
	err = tlog.VerifyInclusion(tlog.Hash(last.Root), last.Size, got.Index, tlog.LeafHash(got.Leaf), treeHashes(got.Proof))
	if err != nil {
		return fmt.Errorf("%w: looking for entry %d: %w", ErrForked, owed.Position, err)
	}
	r, err := record.Parse(got.Leaf)
	if err != nil {
		return fmt.Errorf("%w: looking for entry %d: %w", ErrForked, owed.Position, err)
	}
	if r.Channel != c.id || r.Position != owed.Position || r.Entry != owed.Entry || r.Head != owed.Head {
		return fmt.Errorf("%w: entry %d was confirmed with head %s and is logged with %s", ErrForked, owed.Position, owed.Head, r.Head)
	}
	return nil
}

// overdue is the alarm about a receipt that the log has had its time to take in.
func (c *Channel) overdue(owed *promise) error {
	at := c.s.Now()
	if v, demanded := c.vouched(); demanded {
		at = v.At
	}
	since := time.UnixMicro(owed.Since).UTC()
	if c.unlogged = nil; at.Sub(since) > FreshWithin {
		c.unlogged = fmt.Errorf("entry %d of channel %s was confirmed at %s, and the log of %s lacks it: tell who runs the recorder",
			owed.Position, c.id, since.Format(time.RFC3339), at.Format(time.RFC3339))
	}
	return c.unlogged
}

// doubts tells what needs attention about the log and stops nobody.
func (c *Channel) doubts() error {
	if c.unlogged != nil {
		return c.unlogged
	}
	_, _, since, _ := c.s.book.state()
	if v, demanded := c.vouched(); demanded && c.age(v, since) > FreshWithin {
		return fmt.Errorf("nobody has cosigned the log's checkpoint for %s: this channel goes on for %s in all",
			c.age(v, since).Round(time.Minute), c.patience())
	}
	return nil
}
