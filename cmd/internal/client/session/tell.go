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

var (
	// ErrNotTold: this device knows that something was taken away, and the server
	// keeps it from the channel. Nothing is sent there until the channel has it.
	ErrNotTold = errors.New("the channel was not told of a newer chain")
	// ErrRevoked: the person's chain had this device and ended it.
	ErrRevoked = errors.New("this device was revoked: enrol a new one, in another home")
	// ErrRestored: the channel has messages of this device that it does not know of.
	ErrRestored = errors.New("this device's state was restored from a copy, or two copies of it are in use: enrol a new device in another home, then revoke this one")
)

// Tell places a sync of every newer chain that takes something away, then starts
// the epoch that is due for it.
func (c *Channel) Tell(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.catchUp(ctx); err != nil {
		return err
	}
	if err := c.tellNews(ctx); err != nil {
		return err
	}
	if err := c.announce(ctx); err != nil {
		return err
	}
	return c.rotate(ctx)
}

// tellNews brings to the channel what this device knows to have been taken away:
// a device, a key, a listing. It may: a sync is proof, not authority.
func (c *Channel) tellNews(ctx context.Context) error {
	for try := 0; ; try++ {
		now := news{c.s.Dir.grown(), c.chain.Seq()}
		if c.spread == now {
			return nil
		}
		chainID, t, told := c.untold()
		if told {
			c.spread = now
			return nil
		}
		if try == rounds {
			return fmt.Errorf("%w: of %s, at link %d", ErrNotTold, chainID, t.Seq())
		}
		if err := c.sync(ctx, chainID, t); err != nil {
			return fmt.Errorf("%w: of %s, at link %d: %w", ErrNotTold, chainID, t.Seq(), err)
		}
	}
}

// news is what there can be to tell: nothing new while neither the directory nor
// the channel's chain has grown.
type news struct{ directory, channel uint64 }

// untold finds a chain of which the channel lacks a link that takes something away.
func (c *Channel) untold() (id envelope.Hash, t tip, told bool) {
	if org := c.s.Dir.Org(); org.Restricts(c.chain.OrgSeq, org.Seq()) {
		return envelope.Hash(org.ID()), org, false
	}
	for _, member := range c.chain.Members() {
		m, _ := c.chain.Member(member)
		if u, ok := c.s.Dir.User(member); ok && u.Restricts(m.UserSeq, u.Seq()) {
			return envelope.Hash(member), u, false
		}
	}
	return id, nil, true
}

// ended tells whether this device knows that a message's device was taken away,
// and the channel does not yet: then only that device's messages are kept back.
func (c *Channel) ended(user envelope.UserID, device envelope.KeyID) bool {
	m, ok := c.chain.Member(user)
	if !ok {
		return false
	}
	u, ok := c.s.Dir.User(user)
	if !ok {
		return false
	}
	_, before := u.DeviceAt(device, m.UserSeq)
	_, now := u.DeviceAt(device, u.Seq())
	return before && !now
}

// recheck is how often members' chains are asked for again, should nobody tell.
const recheck = 15 * time.Minute

// watchMembers asks for the chains of all members of open channels from time to
// time, until ctx ends. What it learns stops writers, who then tell the channel.
func (s *Session) watchMembers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(recheck):
		}
		for _, member := range s.members() {
			if _, err := s.Dir.RefreshUser(ctx, member); err != nil && ctx.Err() == nil {
				s.Note(fmt.Sprintf("Needs attention: the chain of user %s can't be checked: %v", member, err))
			}
		}
	}
}

// members of all open channels, each once.
func (s *Session) members() []envelope.UserID {
	s.mu.Lock()
	open := slices.Collect(maps.Values(s.channels))
	s.mu.Unlock()
	seen := map[envelope.UserID]bool{}
	for _, c := range open {
		c.mu.Lock()
		if c.chain != nil {
			for _, m := range c.chain.Members() {
				seen[m] = true
			}
		}
		c.mu.Unlock()
	}
	return slices.Collect(maps.Keys(seen))
}

// current fails if this device wrote messages here that it does not remember.
func (c *Channel) current() error {
	if last := c.chain.Counter(c.s.device.ID()); last.Seq > c.outbox.Used {
		return fmt.Errorf("%w (message %d is there, %d is the last remembered)", ErrRestored, last.Seq, c.outbox.Used)
	}
	return nil
}
