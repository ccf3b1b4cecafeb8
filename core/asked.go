package core

import (
	"context"
	"sync/atomic"
)

// Asked tells whether policy allowed anything on behalf of one request. Nothing
// is changed without a Grant, which the compiler sees to; that nothing is told
// without a decision is seen to by whoever answers, with this.
type Asked struct{ allowed atomic.Bool }

// Allowed tells whether the gate was asked and said yes.
func (a *Asked) Allowed() bool { return a != nil && a.allowed.Load() }

type askedKey struct{}

// Watch gives a context in which the gate notes what it allows.
func Watch(ctx context.Context) (context.Context, *Asked) {
	a := new(Asked)
	return context.WithValue(ctx, askedKey{}, a), a
}

// Unwatched is a context in which what the gate allows is not noted: that a
// body may be read permits no answer.
func Unwatched(ctx context.Context) context.Context {
	return context.WithValue(ctx, askedKey{}, (*Asked)(nil))
}

func noteAllowed(ctx context.Context) {
	if a, ok := ctx.Value(askedKey{}).(*Asked); ok && a != nil {
		a.allowed.Store(true)
	}
}
