package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"chancery/cmd/internal/client"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Channel is one channel as this device follows it. All of its methods may be
// called concurrently; one at a time goes on, the network included, because
// both reading and writing are a walk along one total order.
type Channel struct {
	s  *Session
	id envelope.ChannelID

	mu     sync.Mutex
	chain  *chain.Channel // nil until the genesis was verified
	outbox *outbox
	keys   map[uint64]epochKey
	cover  cover
	links  envelope.Hash                // over every entry so far that is not a message
	seen   map[envelope.KeyID]bool      // devices that wrote, for the snapshot
	heads  map[uint64]envelope.Hash     // receipts for positions not yet read
	watch  map[chan<- *Message]struct{} // who follows; nil: look again at what was withheld
	tape   *tape                        // of a second walk, for reading
	listed bool                         // the live socket was told of it
	strict bool                         // only the newest epoch will do: an older one was refused
	spread news                         // the channel had all that this device knew then
	doubt  bool                         // something was refused since the channel was last read to its end: read before sending

	fresh    uint64 // position up to which this was read while the log was vouched for
	veil     bool   // something was withheld because it was not
	sought   int64  // the log's size when a receipt was last looked for in it
	forked   error  // the log has another entry than the one that was confirmed
	unlogged error  // a receipt that the log lacks: an alarm, which stops nothing
	worry    string // the last thing that was wrong with the log

	sight     sight     // of the channel's end
	words     words     // heard beside the channel
	lastHeard time.Time // when they were asked for
	told      uint64    // device number that the recorders were told of
	lastTail  time.Time // when
	alarmed   uint64    // position of the last message that an alarm was raised for
	waiting   bool      // the person was told that capture is late
	grief     string    // the last failure of looking after the channel
}

type epochKey struct {
	key seal.EpochKey
	err error // why the epoch can't be opened; it is not asked for again
}

// Channel gets a channel's state, verified up to the server's newest position.
func (s *Session) Channel(ctx context.Context, id envelope.ChannelID) (*Channel, error) {
	c, err := s.channel(id)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.catchUp(ctx); err != nil {
		return nil, err
	}
	s.listen(c)
	return c, nil
}

func (s *Session) channel(id envelope.ChannelID) (*Channel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.channels[id]; ok {
		return c, nil
	}
	o, err := readOutbox(s.Ring, id)
	if err != nil {
		return nil, err
	}
	c := &Channel{
		s: s, id: id, outbox: o, keys: map[uint64]epochKey{}, seen: map[envelope.KeyID]bool{},
		heads: map[uint64]envelope.Hash{}, watch: map[chan<- *Message]struct{}{}, lastTail: s.Now(),
	}
	s.channels[id] = c
	return c, nil
}

// ID names the channel.
func (c *Channel) ID() envelope.ChannelID { return c.id }

// page is how many entries one request brings.
const page = 500

// catchUp follows the channel to the server's newest position. It refuses a
// server that is behind what this device has seen or was promised, unless the
// organisation's root has said what was lost.
func (c *Channel) catchUp(ctx context.Context) error {
	err := c.readOn(ctx)
	switch {
	case err == nil:
		c.doubt = false
		c.vouch(ctx, false)
	case !client.NotNow(err) && ctx.Err() == nil:
		c.doubt = true
	}
	return err
}

func (c *Channel) readOn(ctx context.Context) error {
	if c.chain == nil {
		if err := c.resume(ctx); err != nil {
			c.chain = nil
			return err
		}
	}
	for {
		position, asked := c.position(), c.s.Now()
		e, err := c.s.API.Entries(ctx, c.id, client.Page{After: position, Limit: page})
		if err != nil {
			return fmt.Errorf("fetching entries of channel %s: %w", c.id, err)
		}
		err = c.checkServer(e.Position, e.Head)
		if err == nil {
			err = c.takeAll(ctx, e.Entries)
		}
		if chain.ReasonOf(err) == chain.BrokenOrder {
			err = fmt.Errorf("%w: %w", ErrRollback, err)
		}
		switch {
		case errors.Is(err, ErrRollback):
			if err := c.restore(ctx, err); err != nil {
				return err
			}
		case err != nil:
			return err
		case len(e.Entries) == 0 || c.position() >= e.Position:
			c.saw(e.Position, asked)
			return c.started()
		}
	}
}

func (c *Channel) position() uint64 {
	if c.chain == nil {
		return 0
	}
	return c.chain.Position
}

// checkServer holds the server's newest position against what it promised.
func (c *Channel) checkServer(position uint64, head envelope.Hash) error {
	switch {
	case position < c.outbox.Highest.Position:
		return fmt.Errorf("%w: channel %s ends at %d, entry %d was confirmed", ErrRollback, c.id, position, c.outbox.Highest.Position)
	case position < c.position():
		return fmt.Errorf("%w: channel %s ends at %d, this device has read to %d", ErrRollback, c.id, position, c.position())
	case position == c.position() && position > 0 && head != c.chain.Top:
		return fmt.Errorf("%w: channel %s has another head at %d", ErrRollback, c.id, position)
	}
	return nil
}

func (c *Channel) takeAll(ctx context.Context, raw [][]byte) error {
	for _, b := range raw {
		p, err := envelope.ParsePlaced(b)
		if err != nil {
			return fmt.Errorf("channel %s after entry %d: %w", c.id, c.position(), err)
		}
		if err := c.take(ctx, p); err != nil {
			return fmt.Errorf("channel %s, entry %d: %w", c.id, p.Position, err)
		}
	}
	return nil
}

// take verifies the next entry and does what it says: opens a message, checks
// coverage. What can't be opened changes nothing but what is shown. One that is
// refused leaves the channel in doubt: nothing is sent until a reading succeeds.
func (c *Channel) take(ctx context.Context, p *envelope.Placed) error {
	if err := c.check(ctx, p); err != nil {
		c.doubt = true
		return err
	}
	c.linked(p)
	delete(c.heads, p.Position)
	c.outbox.confirm(envelope.Ref{Position: p.Position, Hash: p.Head})
	switch p.Entry.Kind {
	case envelope.KindLink:
		c.takeRestore(p)
		c.takeHandover(p)
	case envelope.KindMessage:
		c.takeMessage(ctx, p)
	case envelope.KindCoverage:
		if c.tape == nil {
			c.takeCoverage(p)
		}
	}
	return nil
}

// check holds an entry against what was promised, and has the validator take it.
func (c *Channel) check(ctx context.Context, p *envelope.Placed) error {
	if promised, ok := c.heads[p.Position]; ok && promised != p.Head {
		return fmt.Errorf("%w: another head than the receipt's", ErrRollback)
	}
	if own := c.outbox.Highest; p.Position == own.Position && p.Head != own.Hash {
		return fmt.Errorf("%w: another head than was confirmed", ErrRollback)
	}
	if len(c.outbox.Refused) > 0 && slices.Contains(c.outbox.Refused, p.Hash()) {
		return ErrTwoAnswers
	}
	if c.tape == nil {
		if err := c.timely(p); err != nil {
			return err
		}
	}
	return c.judge(ctx, p)
}

func (c *Channel) judge(ctx context.Context, p *envelope.Placed) error {
	if err := c.s.Dir.prepare(ctx, &p.Entry); err != nil {
		return err
	}
	switch {
	case c.chain != nil && c.tape != nil:
		return c.chain.Retrace(p)
	case c.chain != nil:
		return c.chain.Apply(p)
	}
	fresh, err := chain.NewChannel(c.s.Dir, p)
	if err != nil {
		return err
	}
	if fresh.ID() != c.id {
		return fmt.Errorf("%w: the genesis is of channel %s", envelope.ErrFormat, fresh.ID())
	}
	c.chain = fresh
	return nil
}

func (c *Channel) takeMessage(ctx context.Context, p *envelope.Placed) {
	if c.tape != nil {
		c.record(ctx, p)
		return
	}
	m, secret := c.open(ctx, p)
	c.seen[m.Device] = true
	if c.recorded() { // else nobody will ever say that it is covered
		c.cover.add(leaf{p.Position, m.Entry, secret, p.Received})
	}
	c.publish(&m)
}

// key finds an epoch's key: asked for once, verified against the epoch's roots.
func (c *Channel) key(ctx context.Context, n uint64) (seal.EpochKey, error) {
	if k, ok := c.keys[n]; ok {
		return k.key, k.err
	}
	k, err := c.fetchKey(ctx, n)
	if errors.Is(err, client.ErrUnavailable) || ctx.Err() != nil {
		return k, err // this may be mended: ask again next time
	}
	c.keys[n] = epochKey{k, err}
	return k, err
}

func (c *Channel) fetchKey(ctx context.Context, n uint64) (seal.EpochKey, error) {
	e, ok := c.chain.Epoch(n)
	if !ok {
		return seal.EpochKey{}, fmt.Errorf("epoch %d is not there", n)
	}
	w, err := c.s.API.EpochWrap(ctx, c.id, n)
	if err != nil {
		if p, ok := errors.AsType[*client.Problem](err); ok && (p.Status == http.StatusNotFound || p.Status == http.StatusForbidden) {
			return seal.EpochKey{}, fmt.Errorf("epoch %d was not given to you: it is from before you joined", n)
		}
		return seal.EpochKey{}, fmt.Errorf("fetching the wrap of epoch %d: %w", n, err)
	}
	if err := checkWrap(e, c.s.Me.Chain, w.Wrap, w.Hashes); err != nil {
		return seal.EpochKey{}, err
	}
	id, err := c.s.identityFor(ctx, generation(e, c.s.Me.Chain))
	if err != nil {
		return seal.EpochKey{}, err
	}
	seed, err := seal.UnwrapSeed(id, w.Wrap, c.epoch(e))
	if err != nil {
		return seal.EpochKey{}, err
	}
	return seed.Key(c.epoch(e)), nil
}

func (c *Channel) epoch(e *chain.Epoch) seal.Epoch {
	return seal.Epoch{Org: c.chain.Org(), Channel: c.id, N: e.N, Link: e.Link, Commit: e.Body.SeedCommit}
}

// checkWrap proves that wrap is the very one that the epoch's link made for user.
func checkWrap(e *chain.Epoch, user envelope.UserID, wrap []byte, hashes []envelope.Hash) error {
	recipients := e.Recipients()
	if len(hashes) != len(recipients) || chain.WrapsRoot(recipients, hashes) != e.Body.WrapsRoot {
		return fmt.Errorf("wraps of epoch %d: %w: they do not hash to the link's root", e.N, seal.ErrWrap)
	}
	for i, r := range recipients {
		if r.Kind == envelope.RecipientMember && r.ID == envelope.Hash(user) {
			if envelope.SumBytes(wrap) != hashes[i] {
				return fmt.Errorf("wrap of epoch %d: %w: another than the link's", e.N, seal.ErrWrap)
			}
			return nil
		}
	}
	return fmt.Errorf("epoch %d is not for you", e.N)
}

// generation is the user key that an epoch was wrapped to.
func generation(e *chain.Epoch, user envelope.UserID) uint64 {
	for _, r := range e.Recipients() {
		if r.Kind == envelope.RecipientMember && r.ID == envelope.Hash(user) {
			return r.Generation
		}
	}
	return 0
}

func (c *Channel) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.outbox.save(c.s.Ring, c.id), c.snapshot())
}
