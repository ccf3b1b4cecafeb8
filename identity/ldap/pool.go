package ldap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
)

var errClosed = errors.New("connector is closed")

// pool keeps search connections, bound as the service account.
type pool struct {
	open   func(context.Context) (*link, error)
	maxAge time.Duration
	slots  chan struct{}

	mu     sync.Mutex
	idle   []*link
	closed bool
}

func newPool(size int, maxAge time.Duration, open func(context.Context) (*link, error)) *pool {
	return &pool{open: open, maxAge: maxAge, slots: make(chan struct{}, size)}
}

// use runs read on a connection. A connection that was kept may have died
// since, so read is tried once more on a fresh one; it must not change anything.
func (p *pool) use(ctx context.Context, read func(*link) error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.slots }()

	l, err := p.take()
	if err != nil {
		return err
	}
	if l != nil {
		err := read(l)
		p.put(l, err)
		if !lost(err) || ctx.Err() != nil {
			return err
		}
	}
	if l, err = p.open(ctx); err != nil {
		return err
	}
	err = read(l)
	p.put(l, err)
	return err
}

// take returns a kept connection that looks alive, or nil.
func (p *pool) take() (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	for len(p.idle) > 0 {
		l := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if l.usable(p.maxAge) {
			return l, nil
		}
		l.close()
	}
	return nil, nil
}

// put keeps l, unless the last request left answers under way.
func (p *pool) put(l *link, last error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || lost(last) || !l.usable(p.maxAge) {
		l.close()
		return
	}
	p.idle = append(p.idle, l)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.idle {
		l.close()
	}
	p.idle = nil
}

// lost reports whether err came from the connection and not from the directory.
func lost(err error) bool {
	if err == nil {
		return false
	}
	var answer *ldap.Error
	return !errors.As(err, &answer) || answer.ResultCode >= ldap.ErrorNetwork
}
