package recorder

import (
	"context"
	"errors"
	"sync"
	"time"

	"chancery/crypto/envelope"
)

// Run follows every channel that the server lists and judges orders, until ctx
// ends. What fails is reported and tried again.
func (r *Recorder) Run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { r.every(ctx, r.JudgeOrders) })
	group.Go(func() { r.vouch(ctx) })
	listed := map[envelope.ChannelID]uint64{}
	r.every(ctx, func(ctx context.Context) error {
		list, err := r.discover(ctx)
		for _, c := range list {
			if last, started := listed[c.Channel]; !started {
				wake := r.bell(c.Channel)
				group.Go(func() { r.keep(ctx, c.Channel, wake) })
			} else if last != c.Position {
				r.Wake(c.Channel)
			}
			listed[c.Channel] = c.Position
		}
		return err
	})
}

// discover gives the channels to follow: those listed, and those kept that the
// server no longer lists, which is to be found out, not forgotten.
func (r *Recorder) discover(ctx context.Context) ([]Listed, error) {
	if err := r.people.refresh(ctx); err != nil {
		return nil, err
	}
	list, err := r.Server.Channels(ctx)
	known := map[envelope.ChannelID]bool{}
	for _, c := range list {
		known[c.Channel] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.followers {
		if !known[id] {
			list = append(list, Listed{Channel: id})
		}
	}
	return list, err
}

// Wake tells that something new stands in a channel.
func (r *Recorder) Wake(id envelope.ChannelID) {
	select {
	case r.bell(id) <- struct{}{}:
	default: // it rings already
	}
}

func (r *Recorder) bell(id envelope.ChannelID) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.wakes[id]
	if !ok {
		b = make(chan struct{}, 1)
		r.wakes[id] = b
	}
	return b
}

func (r *Recorder) every(ctx context.Context, do func(context.Context) error) {
	tick := time.NewTicker(r.Poll)
	defer tick.Stop()
	for {
		r.report(do(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// vouch cosigns the log again and again; what could not be cosigned is looked at
// with the next poll.
func (r *Recorder) vouch(ctx context.Context) {
	for ctx.Err() == nil {
		done, err := r.Cosign(ctx)
		r.report(err)
		wait := r.Poll
		if done && err == nil {
			wait = r.Every
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// idle is how many polls a channel may go unlooked at when nothing announces
// anything new in it: neither the live socket nor the server's list.
const idle = 15

// keep follows one channel.
func (r *Recorder) keep(ctx context.Context, id envelope.ChannelID, wake <-chan struct{}) {
	for {
		wait, err := r.Follow(ctx, id)
		r.report(inChannel(id, err))
		switch {
		case err != nil:
			wait = r.Poll
		case wait == 0:
			wait = idle * r.Poll
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-time.After(wait):
		}
	}
}

// Follow takes what is new in a channel, acknowledges, opens and covers. It
// returns how long until it has something to do again, 0 when nothing waits.
func (r *Recorder) Follow(ctx context.Context, id envelope.ChannelID) (time.Duration, error) {
	if r.people.Org() == nil {
		if err := r.people.refresh(ctx); err != nil {
			return 0, err
		}
	}
	f, err := r.follower(id)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.broken(); err != nil {
		return 0, errors.Join(err, r.drop(f))
	}
	asked, heard := f.hear(ctx)
	followed := f.follow(ctx)
	f.failing.Store(followed != nil)
	if ReasonOf(followed) == NotRecorder {
		return 0, followed
	}
	if asked && followed == nil {
		heard = f.compare(ctx)
	}
	wait, err := f.cover(ctx)
	if wait == 0 && (len(f.posted) > 0 || len(f.open()) > 0) {
		wait = repost
	}
	return wait, errors.Join(followed, err, heard)
}

// broken tells that a write to the copy failed: what is on disk is known only
// by reading it again.
func (f *follower) broken() error {
	return errors.Join(f.entries.err, f.openings.err, f.seeds.err)
}

// drop forgets a follower, so that the next look opens its copy anew.
func (r *Recorder) drop(f *follower) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.followers, f.id)
	return f.Close()
}

func inChannel(id envelope.ChannelID, err error) error {
	if a, ok := errors.AsType[*Alarm](err); ok {
		a.Channel = id
	}
	return err
}
