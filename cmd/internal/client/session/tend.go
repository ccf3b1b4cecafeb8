package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"chancery/crypto/envelope"
)

// How often a running session looks after its recorded channels.
const (
	tendEvery = 2 * time.Second // whether capture keeps up
	hearEvery = time.Minute     // what others say
	tailEvery = time.Hour       // what this device has written
)

// Tend looks after recorded channels until ctx ends: it tells the recorders each
// hour how far this device has written, raises alarms and disputes, and hears
// those of others. What fails is tried again.
func (s *Session) Tend(ctx context.Context) error {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		for _, c := range s.all() {
			if err := c.tend(ctx); err != nil && ctx.Err() == nil {
				c.complain(err)
			}
		}
	}
}

// Goodbye tells the recorders how far this device has written, before it ends.
func (s *Session) Goodbye(ctx context.Context) error {
	var all error
	for _, c := range s.all() {
		c.mu.Lock()
		all = errors.Join(all, c.sayTail(ctx))
		c.mu.Unlock()
	}
	return all
}

func (s *Session) all() []*Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.channels))
}

// complain notes a failure once, not at every try.
func (c *Channel) complain(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grief != err.Error() {
		c.grief = err.Error()
		c.attention(fmt.Sprintf("%v; trying again", err))
	}
}

func (c *Channel) tend(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vouch(ctx, c.stale() != nil)
	if !c.recorded() {
		return nil
	}
	now := c.s.Now()
	errs := []error{c.raise(ctx)}
	if now.Sub(c.lastHeard) >= hearEvery {
		c.lastHeard = now
		errs = append(errs, c.hear(ctx))
	}
	if now.Sub(c.lastTail) >= tailEvery {
		errs = append(errs, c.sayTail(ctx))
	}
	return errors.Join(errs...)
}

// raise delivers what this device must say at once: disputes, and that nobody
// has covered a message in time.
func (c *Channel) raise(ctx context.Context) error {
	err := c.dispute(ctx)
	if !c.late() {
		return err
	}
	first := c.cover.leaves[0]
	if first.Position <= c.alarmed {
		return err
	}
	if lost := c.tell(ctx, envelope.LabelAlarm, &envelope.Alarm{Code: envelope.AlarmUncovered, Number: first.Position, Hash: first.Entry}, nil); lost != nil {
		return errors.Join(err, fmt.Errorf("raising an alarm: %w", lost))
	}
	c.alarmed, c.waiting = first.Position, true
	c.attention(fmt.Sprintf("message %d is not captured in time: nothing new is sent or shown until it is", first.Position))
	return err
}

// answer raises what is due and looks for rulings, where capture is in doubt.
// Its own failures are noted: they must not hide why the channel stopped.
func (c *Channel) answer(ctx context.Context) {
	err := c.raise(ctx)
	if len(c.cover.faults) > 0 {
		err = errors.Join(err, c.hear(ctx))
	}
	if err != nil && ctx.Err() == nil {
		c.attention(err.Error())
	}
}

// sayTail tells the recorders of the last message that this device has a receipt
// for, unless it has told them.
func (c *Channel) sayTail(ctx context.Context) error {
	if !c.recorded() {
		return nil
	}
	last := c.lastPlaced()
	if last.Seq <= c.told {
		return nil
	}
	if err := c.tell(ctx, envelope.LabelTail, &envelope.Tail{Seq: last.Seq, Entry: last.Hash, Seen: c.confirmed()}, nil); err != nil {
		return fmt.Errorf("telling recorders how far this device has written: %w", err)
	}
	c.told, c.lastTail = last.Seq, c.s.Now()
	return nil
}
