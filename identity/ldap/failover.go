package ldap

import (
	"context"
	"errors"
	"time"
)

// headStart is how long a server may be silent before the next is tried as
// well. It keeps failover past one dead server below 2 s, where waiting for
// the dial limit would not.
const headStart = 700 * time.Millisecond

type opened struct {
	link *link
	err  error
}

// race opens a connection to the first of servers that answers, in order of
// preference. It returns once every attempt it started has ended.
func race(ctx context.Context, servers []server, open func(context.Context, server) (*link, error)) (*link, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan opened)
	running := 0
	next := func() {
		if len(servers) == 0 {
			return
		}
		srv := servers[0]
		servers = servers[1:]
		running++
		go func() {
			l, err := open(ctx, srv)
			results <- opened{l, err}
		}()
	}
	patience := time.NewTicker(headStart)
	defer patience.Stop()
	var errs []error
	for next(); running > 0; {
		select {
		case <-patience.C:
			next()
		case r := <-results:
			running--
			if r.err == nil {
				cancel()
				discard(results, running)
				return r.link, nil
			}
			errs = append(errs, r.err)
			next()
		}
	}
	return nil, errors.Join(errs...)
}

func discard(results <-chan opened, n int) {
	for range n {
		if r := <-results; r.link != nil {
			r.link.close()
		}
	}
}
