package core

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"chancery/crypto/envelope"

	"golang.org/x/sync/errgroup"
)

// A writer coalesces without a timer: it takes whatever is queued, stores it in
// one transaction, answers all, and takes what queued meanwhile. A pause to
// collect more would only add latency.
const (
	writerCount = 2
	batchRows   = 500
	batchBytes  = 1 << 20
	queueLength = 4096
)

var errQueueFull = errors.New("the writer's queue is full")

// errSuperseded tells that the store refused an entry before this one, so that
// its position was never real.
var errSuperseded = errors.New("an earlier entry of the batch was not stored")

// pending is a draft or a refusal.
type pending struct {
	draft    *Draft
	refusing *refusing
	room     *room
	life     int
	done     chan error
}

type writers struct {
	store   Store
	publish Publisher
	queues  [writerCount]chan *pending
}

func newWriters(store Store, publish Publisher) *writers {
	w := &writers{store: store, publish: publish}
	for i := range w.queues {
		w.queues[i] = make(chan *pending, queueLength)
	}
	return w
}

// put queues a draft. The caller holds the room, so that a channel's drafts
// queue in the order of their positions.
func (w *writers) put(p *pending) error {
	select {
	case w.queues[p.room.row.Number%writerCount] <- p:
		return nil
	default:
		return errQueueFull
	}
}

func (w *writers) run(ctx context.Context) error {
	var g errgroup.Group
	for i := range w.queues {
		g.Go(func() error { w.loop(ctx, w.queues[i]); return nil })
	}
	return g.Wait()
}

// loop stores batches until ctx ends and the queue is empty.
func (w *writers) loop(ctx context.Context, queue chan *pending) {
	var next *pending
	for {
		if next == nil {
			select {
			case next = <-queue:
			case <-ctx.Done():
				select {
				case next = <-queue:
				default:
					return
				}
			}
		}
		var batch []*pending
		batch, next = gather(next, queue)
		w.save(context.WithoutCancel(ctx), batch)
	}
}

// gather takes what is queued behind first, up to a batch. What no longer fits
// opens the next one. A refusal is a batch of its own: what it was judged with
// is stored before it, what came later is not.
func gather(first *pending, queue chan *pending) (batch []*pending, next *pending) {
	batch = []*pending{first}
	if first.refusing != nil {
		return batch, nil
	}
	for size := first.size(); len(batch) < batchRows; {
		select {
		case p := <-queue:
			if p.refusing != nil {
				return batch, p
			}
			if size += p.size(); size > batchBytes {
				return batch, p
			}
			batch = append(batch, p)
		default:
			return batch, nil
		}
	}
	return batch, nil
}

func (p *pending) size() int { return len(p.draft.Placed.Entry.Payload) + 1024 }

// save stores a batch. When that fails it tries the halves, so that one entry
// that can't be stored does not fail its neighbours.
func (w *writers) save(ctx context.Context, batch []*pending) {
	batch = drop(batch)
	if len(batch) == 0 {
		return
	}
	if batch[0].refusing != nil {
		w.consume(ctx, batch[0])
		return
	}
	drafts := make([]*Draft, len(batch))
	for i, p := range batch {
		drafts[i] = p.draft
	}
	err := w.store.Append(ctx, drafts)
	if away(err) {
		err = w.readBack(ctx, drafts, err)
	}
	switch {
	case err == nil:
		w.answer(batch)
	case len(batch) == 1 || Outage("entry.place", err) != nil:
		for _, p := range batch {
			p.fail(err)
		}
	default:
		slog.DebugContext(ctx, "storing entries one by one", "entries", len(batch), "err", err)
		w.save(ctx, batch[:len(batch)/2])
		w.save(ctx, batch[len(batch)/2:])
	}
}

// How long a batch waits for a database that went away: longer than a restart
// of it takes, shorter than a client's patience.
const (
	readBackFor   = 5 * time.Second
	readBackPause = 100 * time.Millisecond
)

// readBack finds out what became of a batch whose connection was lost, perhaps
// between the commit and its word, and stores it if it is not there. A batch
// stands whole or not at all, so its first entry tells.
func (w *writers) readBack(ctx context.Context, drafts []*Draft, err error) error {
	first := drafts[0]
	ctx, cancel := context.WithTimeout(ctx, readBackFor)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(readBackPause) {
		kept, found, lost := w.store.Entry(ctx, first.Channel, first.Placed.Position)
		switch {
		case lost != nil:
			continue
		case found && kept.Head == first.Placed.Head:
			return nil
		case found:
			return ErrTaken
		}
		// A commit that was still under way may come in between: look again then.
		if err = w.store.Append(ctx, drafts); !away(err) && !errors.Is(err, ErrTaken) {
			return err
		}
	}
	return err
}

// drop fails the drafts whose room has forgotten what they stand on.
func drop(batch []*pending) []*pending {
	kept := batch[:0:0]
	for _, p := range batch {
		p.room.mu.Lock()
		void := p.room.state == nil || p.room.lives != p.life
		p.room.mu.Unlock()
		if void {
			p.done <- errSuperseded
			continue
		}
		kept = append(kept, p)
	}
	return kept
}

func (w *writers) answer(batch []*pending) {
	for _, p := range batch {
		w.publish.Publish(channelOf(p), &p.draft.Placed)
		p.done <- nil
	}
}

func channelOf(p *pending) envelope.ChannelID { return p.room.row.ID }

func (p *pending) fail(err error) {
	p.room.forget(p.life)
	p.done <- err
}
