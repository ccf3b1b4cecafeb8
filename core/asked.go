package core

import (
	"context"
	"sync/atomic"
)

// Asked tells what policy said on behalf of one request. Nothing is changed
// without a Grant, which the compiler sees to; that nothing is told without a
// decision is seen to by whoever answers, with this.
type Asked struct{ allowed, denied atomic.Bool }

// Allowed tells whether the gate was asked and said yes.
func (a *Asked) Allowed() bool { return a != nil && a.allowed.Load() }

// Denied tells whether the gate said no to anything, and so kept a record.
func (a *Asked) Denied() bool { return a != nil && a.denied.Load() }

type (
	askedKey  struct{}
	silentKey struct{}
)

// Watch gives a context in which the gate notes what it says.
func Watch(ctx context.Context) (context.Context, *Asked) {
	a := new(Asked)
	return context.WithValue(ctx, askedKey{}, a), a
}

// Unwatched is a context in which what the gate allows is not noted: that a
// body may be read permits no answer.
func Unwatched(ctx context.Context) context.Context {
	return context.WithValue(ctx, silentKey{}, true)
}

func noteAnswer(ctx context.Context, allowed bool) {
	a, ok := ctx.Value(askedKey{}).(*Asked)
	switch {
	case !ok:
	case !allowed:
		a.denied.Store(true)
	case ctx.Value(silentKey{}) == nil:
		a.allowed.Store(true)
	}
}
