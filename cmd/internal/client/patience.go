package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// Patience is how long a request is tried again while the server is away or
// says "not now". The zero Patience gives up at once.
type Patience struct {
	Limit time.Duration     // since the request was first tried
	Tell  func(text string) // told once for each wait, when it begins; may be nil
}

type patienceKey struct{}

// WithPatience lets requests under ctx wait.
func WithPatience(ctx context.Context, p Patience) context.Context {
	return context.WithValue(ctx, patienceKey{}, p)
}

// WithDefaultPatience lets them wait if ctx does not say how long.
func WithDefaultPatience(ctx context.Context, p Patience) context.Context {
	if _, set := ctx.Value(patienceKey{}).(Patience); set {
		return ctx
	}
	return WithPatience(ctx, p)
}

// repeat tries until there is an answer or the patience of ctx is used up. What
// must not happen twice is tried again only if the server can't have got it;
// safe says that twice is as good as once.
func repeat[T any](ctx context.Context, safe bool, try func() (T, error)) (T, error) {
	p, _ := ctx.Value(patienceKey{}).(Patience)
	deadline := time.Now().Add(p.Limit)
	for attempt := 0; ; attempt++ {
		out, err := try()
		if err == nil || hopeless(err) || !(safe && NotNow(err) || unheard(err)) {
			return out, err
		}
		pause := pauseAfter(err, attempt)
		if time.Now().Add(pause).After(deadline) {
			return out, err
		}
		if attempt == 0 && p.Tell != nil {
			p.Tell(fmt.Sprintf("waiting up to %v: %v", p.Limit, err))
		}
		select {
		case <-ctx.Done():
			return out, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// unheard tells that the request did nothing: nobody took the connection, or the
// server put it off before it looked.
func unheard(err error) bool {
	if o, ok := errors.AsType[*net.OpError](err); ok {
		return o.Op == "dial"
	}
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Status == http.StatusTooManyRequests
}

// hopeless tells what waiting does not mend: another server than was meant.
func hopeless(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	name, ok := errors.AsType[*net.DNSError](err)
	return ok && name.IsNotFound
}

// pauseAfter doubles from 50 ms to 2 s and adds chance, or is what the server
// asks for.
func pauseAfter(err error, attempt int) time.Duration {
	d := min(50*time.Millisecond<<min(attempt, 10), 2*time.Second)
	d += rand.N(d)
	if p, ok := errors.AsType[*Problem](err); ok {
		return max(d, p.RetryAfter)
	}
	return d
}
