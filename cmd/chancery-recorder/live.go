package main

import (
	"context"
	"fmt"
	"time"

	"chancery/cmd/internal/client"
	"chancery/compliance/recorder"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// follow holds the live socket open and wakes the recorder's channels. It only
// makes the recorder quick: what it misses, polling finds.
func follow(ctx context.Context, s *session, r *recorder.Recorder, poll time.Duration, report func(error)) {
	var old *client.Transport
	for ctx.Err() == nil {
		t, err := s.current(ctx, old)
		if err == nil {
			err = followIn(ctx, t, r, poll)
		}
		if ended(err) {
			old = t
		}
		if err != nil && ctx.Err() == nil {
			report(fmt.Errorf("following live: %w", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * poll):
		}
	}
}

func followIn(ctx context.Context, t *client.Transport, r *recorder.Recorder, poll time.Duration) error {
	ctx, stop := context.WithCancel(ctx)
	more := make(chan wire.Subscribe)
	done := make(chan struct{})
	go func() { defer close(done); announce(ctx, r, poll, more) }()
	defer func() { stop(); <-done }()
	return t.Follow(ctx, client.Follower{
		Resume: func() []wire.Subscribe { return subscriptions(r) },
		Handle: func(_ context.Context, e client.Event) error {
			if !e.Channel.IsZero() {
				r.Wake(e.Channel)
			}
			return nil
		},
		More: more,
	})
}

func subscriptions(r *recorder.Recorder) []wire.Subscribe {
	var out []wire.Subscribe
	for _, s := range r.Standings() {
		out = append(out, wire.Subscribe{Channel: s.Channel, After: s.Position})
	}
	return out
}

// announce subscribes to channels that come to be known while connected.
func announce(ctx context.Context, r *recorder.Recorder, poll time.Duration, more chan<- wire.Subscribe) {
	known := map[envelope.ChannelID]bool{}
	for _, s := range subscriptions(r) {
		known[s.Channel] = true
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, s := range subscriptions(r) {
			if known[s.Channel] {
				continue
			}
			select {
			case more <- s:
				known[s.Channel] = true
			case <-ctx.Done():
				return
			}
		}
	}
}
