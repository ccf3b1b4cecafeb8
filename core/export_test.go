package core

import (
	"context"
	"sync"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
)

// Line is the batching writer alone, for the benchmark: what reads, permits and
// judges an entry is measured elsewhere.
type Line struct{ w *writers }

// NewLine makes a writer that stores and tells nobody.
func NewLine(store Store) *Line { return &Line{newWriters(store, deaf{})} }

// Run stores what is posted until ctx ends.
func (l *Line) Run(ctx context.Context) error { return l.w.run(ctx) }

// Desk is a channel whose entries nobody judges.
type Desk struct {
	mu   sync.Mutex
	room *room
	last envelope.Placed
}

// NewDesk is an empty channel.
func NewDesk(number int64) *Desk {
	return &Desk{room: &room{row: ChannelRow{Number: number}, state: &chain.Channel{}}}
}

// Head is where the channel's chain ends.
func (d *Desk) Head() (uint64, envelope.Hash) { return d.last.Position, d.last.Head }

// Post gives the entry the next position, queues it and waits until it is stored.
func (l *Line) Post(d *Desk, draft *Draft, e *envelope.Entry, received int64) error {
	p := &pending{draft: draft, room: d.room, done: make(chan error, 1)}
	if err := l.queue(d, p, e, received); err != nil {
		return err
	}
	return <-p.done
}

func (l *Line) queue(d *Desk, p *pending, e *envelope.Entry, received int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	draft := p.draft
	draft.Channel = d.room.row.Number
	draft.Placed = place(d.last.Head, d.last.Position+1, max(received, d.last.Received), e)
	draft.Messages = draft.Placed.Position
	draft.Event = draft.Event.at(draft.Channel, draft.Placed.Position)
	if err := l.w.put(p); err != nil {
		return err
	}
	d.last = draft.Placed
	return nil
}

type deaf struct{}

func (deaf) Publish(envelope.ChannelID, *envelope.Placed) {}
func (deaf) EndSessions([]identity.SessionID)             {}

// LookRound begins one round of questions to the directories.
func LookRound(s *Service, ctx context.Context) { s.lookRound(ctx) }

// Absent is how many people a directory did not know when last asked.
func Absent(s *Service) int {
	s.vigil.mu.Lock()
	defer s.vigil.mu.Unlock()
	return len(s.vigil.absent)
}
