package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// Read returns the messages after a position, oldest first, as the log has
// them; Fold makes the reader's view. It walks the whole channel again from its
// genesis, because a server could show other old entries than it did before.
func (c *Channel) Read(ctx context.Context, after uint64) ([]Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.catchUp(ctx); err != nil {
		return nil, err
	}
	log, err := c.read(ctx, after)
	for i := range log {
		log[i] = c.present(log[i])
	}
	return log, err
}

// tape is what a walk over a verified past brings back.
type tape struct {
	after, last uint64
	log         []Message
}

// record opens a message that was asked for.
func (c *Channel) record(ctx context.Context, p *envelope.Placed) {
	if p.Position > c.tape.after && p.Position <= c.tape.last {
		m, _ := c.open(ctx, p)
		c.tape.log = append(c.tape.log, m)
	}
}

// read retraces the channel: the head at the end shows that these are the very
// entries that this device has verified one by one.
func (c *Channel) read(ctx context.Context, after uint64) ([]Message, error) {
	walk := c.walker()
	walk.keys, walk.tape = c.keys, &tape{after: after, last: c.position()}
	if err := walk.replay(ctx, c.position()); err != nil {
		return nil, fmt.Errorf("reading channel %s: %w", c.id, err)
	}
	if head, ok := walk.chain.HeadAt(c.position()); !ok || head != c.chain.Top {
		return nil, fmt.Errorf("%w: channel %s had another past", ErrRollback, c.id)
	}
	return walk.tape.log, nil
}

// Watch calls emit for every message after a position, those to come included,
// until ctx ends or emit fails. What had to be withheld comes again once it may be
// shown. Session.Live must run meanwhile.
func (c *Channel) Watch(ctx context.Context, after uint64, emit func(Message) error) error {
	s := &screen{c: c, emit: emit}
	for {
		live := make(chan *Message, 1024)
		past, last, err := c.subscribe(ctx, after, live)
		if err != nil {
			return err
		}
		for i := range past {
			if err := s.show(&past[i]); err != nil {
				return err
			}
		}
		if after, err = c.forward(ctx, max(after, last), live, s); err != nil {
			return err
		}
	}
}

// screen is what one reader sees.
type screen struct {
	c    *Channel
	emit func(Message) error
	held []Message // withheld so far
}

// show emits a message as it may be seen now; nil looks again at those withheld.
func (s *screen) show(m *Message) error {
	if m == nil {
		return s.again()
	}
	seen := s.look(m)
	if seen.State == stateWithheld {
		s.held = append(s.held, *m)
	}
	return s.emit(seen)
}

func (s *screen) again() error {
	held := s.held
	s.held = nil
	for i := range held {
		seen := s.look(&held[i])
		if seen.State == stateWithheld {
			s.held = append(s.held, held[i])
		} else if err := s.emit(seen); err != nil {
			return err
		}
	}
	return nil
}

func (s *screen) look(m *Message) Message {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.present(*m)
}

func (c *Channel) subscribe(ctx context.Context, after uint64, live chan *Message) (past []Message, last uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.catchUp(ctx); err != nil {
		return nil, 0, err
	}
	if after < c.position() {
		if past, err = c.read(ctx, after); err != nil {
			return nil, 0, err
		}
	}
	c.watch[live] = struct{}{}
	return past, c.position(), nil
}

// forward passes live messages on. It returns the position reached when this
// watcher fell behind and has to read again.
func (c *Channel) forward(ctx context.Context, last uint64, live chan *Message, s *screen) (uint64, error) {
	defer c.unwatch(live)
	for {
		select {
		case <-ctx.Done():
			return last, context.Cause(ctx)
		case m, ok := <-live:
			if !ok {
				return last, nil
			}
			if err := s.show(m); err != nil {
				return last, err
			}
			if m != nil {
				last = m.Position
			}
		}
	}
}

func (c *Channel) unwatch(live chan *Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watch, live)
}

// Live follows all channels of the session over the live socket until ctx ends
// or the session does. One Live runs at a time.
func (s *Session) Live(ctx context.Context) error {
	var told string
	lost := func(err error) {
		if err.Error() != told { // once, not at every try
			told = err.Error()
			s.Note("live connection lost, trying again: " + told)
		}
	}
	watching, stop := context.WithCancel(ctx)
	var members sync.WaitGroup
	members.Go(func() { s.watchMembers(watching) })
	defer members.Wait()
	defer stop()
	return s.API.Follow(ctx, client.Follower{Resume: s.positions, Handle: s.handle, More: s.more, Lost: lost})
}

// listen adds a channel to the live socket, should it be running already.
func (s *Session) listen(c *Channel) {
	if c.listed {
		return
	}
	c.listed = true
	select {
	case s.more <- wire.Subscribe{Channel: c.id, After: c.position()}:
	default: // nobody reads: the socket will ask for all channels when it starts
	}
}

func (s *Session) positions() []wire.Subscribe {
	for len(s.more) > 0 {
		<-s.more // all channels are listed below
	}
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.channels))
	s.mu.Unlock()
	out := make([]wire.Subscribe, 0, len(all))
	for _, c := range all {
		c.mu.Lock()
		out = append(out, wire.Subscribe{Channel: c.id, After: c.position()})
		c.mu.Unlock()
	}
	return out
}

// handle takes one live event. A channel that fails its checks is told of and
// left behind; the others go on.
func (s *Session) handle(ctx context.Context, e client.Event) error {
	s.mu.Lock()
	c, ok := s.channels[e.Channel]
	s.mu.Unlock()
	if !ok || e.Kind == wire.FrameTyping {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.live(ctx, e)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.Note(fmt.Sprintf("Needs attention: channel %s: %v", c.id, err))
	}
	return nil
}

func (c *Channel) live(ctx context.Context, e client.Event) error {
	if e.Kind != wire.FrameEntry {
		if e.Position > c.position() {
			return c.catchUp(ctx)
		}
		return nil
	}
	p, err := envelope.ParsePlaced(e.Placed)
	if err != nil {
		return err
	}
	switch at := c.position(); {
	case p.Position <= at:
		return nil // read over HTTP already
	case p.Position == at+1 && c.chain != nil:
		return c.take(ctx, p)
	}
	return c.catchUp(ctx)
}
