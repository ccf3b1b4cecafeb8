package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultDeadline bounds one evaluation. One takes about 0.1 ms; the deadline is
// for a rule that does not end, and well above the moments for which a busy
// machine stops a process: 20 ms turned those into refusals.
const DefaultDeadline = 250 * time.Millisecond

// ErrNoPolicy reports an engine without a bundle.
var ErrNoPolicy = errors.New("no policy loaded")

// ErrOldBundle reports a bundle whose number is not above the current one.
var ErrOldBundle = errors.New("policy bundle is not newer than the current one")

// ErrNumberTaken reports a bundle whose number other rules had before.
var ErrNumberTaken = errors.New("policy bundle's number belongs to other rules")

// Config sets an Engine up.
type Config struct {
	Deadline time.Duration // of one evaluation; DefaultDeadline when zero
}

// Engine decides by the current bundle. Its methods may be called from any
// number of goroutines, also while Reload runs. The zero Engine refuses
// everything.
type Engine struct {
	deadline time.Duration
	current  atomic.Pointer[generation]
	reload   sync.Mutex // one Reload at a time; Decide never takes it
}

// Load compiles a bundle and returns an engine that decides by it.
func Load(ctx context.Context, bundle Bundle, config Config) (*Engine, error) {
	first, err := compile(ctx, bundle)
	if err != nil {
		return nil, fmt.Errorf("loading policy: %w", err)
	}
	e := &Engine{deadline: config.Deadline}
	e.current.Store(first)
	return e, nil
}

// Reload replaces the bundle by a newer one, or changes nothing and says why.
// Grants given before become stale.
func (e *Engine) Reload(ctx context.Context, bundle Bundle) error {
	e.reload.Lock()
	defer e.reload.Unlock()
	if current := e.current.Load(); current != nil && bundle.Number <= current.number {
		return fmt.Errorf("reloading policy: %w: %d after %d", ErrOldBundle, bundle.Number, current.number)
	}
	next, err := compile(ctx, bundle)
	if err != nil {
		return fmt.Errorf("reloading policy: %w", err)
	}
	e.current.Store(next)
	return nil
}

// Decide answers q. A rule's refusal is a Decision without an error and with the
// zero Grant. An error means that no rule decided: the Decision still refuses,
// with the reason PolicyError.
func (e *Engine) Decide(ctx context.Context, q Question) (Decision, Grant, error) {
	d, by, err := e.ask(ctx, &q)
	if err != nil {
		d, err = failed(), fmt.Errorf("deciding %s: %w", q.Action, err)
	}
	d.ID = newID()
	if by != nil {
		d.Generation, d.Digest = by.number, by.digest
	}
	if !d.Allow {
		return d, Grant{}, err
	}
	return d, Grant{
		action: q.Action, resource: q.Resource.Type, id: q.Resource.ID,
		decision: d.ID, issued: by, engine: e,
	}, nil
}

func (e *Engine) ask(ctx context.Context, q *Question) (Decision, *generation, error) {
	if e == nil {
		return Decision{}, nil, ErrNoPolicy
	}
	by := e.current.Load()
	if by == nil {
		return Decision{}, nil, ErrNoPolicy
	}
	if err := q.check(); err != nil {
		return Decision{}, by, err
	}
	deadline := e.deadline
	if deadline == 0 {
		deadline = DefaultDeadline
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	d, err := by.recall(ctx, q)
	return d, by, err
}

// Current tells the number and digest of the bundle that decides now, zero when
// there is none.
func (e *Engine) Current() (number uint64, digest string) {
	if e == nil || e.current.Load() == nil {
		return 0, ""
	}
	by := e.current.Load()
	return by.number, by.digest
}
