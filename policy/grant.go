package policy

import (
	"errors"
	"fmt"
)

var (
	// ErrNoGrant reports the zero Grant, which nobody was given.
	ErrNoGrant = errors.New("no grant")
	// ErrGrantMismatch reports a grant used for another action or resource.
	ErrGrantMismatch = errors.New("grant is for something else")
	// ErrGrantStale reports a grant of a bundle that has since been replaced;
	// asking again gives a fresh answer.
	ErrGrantStale = errors.New("grant is of a replaced policy")
)

// Grant is the proof that policy allowed one action on one resource. Only
// Engine.Decide makes one, so a function that takes a Grant cannot be called
// without having asked. The zero Grant covers nothing.
type Grant struct {
	action   Action
	resource ResourceType
	id       string
	decision string
	issued   *generation
	engine   *Engine
}

// Covers reports why g does not permit action on the resource, or nil when it does.
func (g Grant) Covers(action Action, resource ResourceType, id string) error {
	switch {
	case g.engine == nil:
		return fmt.Errorf("%s on %s %s: %w", action, resource, id, ErrNoGrant)
	case g.action != action || g.resource != resource || g.id != id:
		return fmt.Errorf("%s on %s %s: %w: %s on %s %s", action, resource, id, ErrGrantMismatch, g.action, g.resource, g.id)
	case !g.Valid():
		return fmt.Errorf("%s on %s %s: %w", action, resource, id, ErrGrantStale)
	}
	return nil
}

// Valid reports whether g was given at all and its bundle still decides.
func (g Grant) Valid() bool {
	return g.engine != nil && g.engine.current.Load() == g.issued
}

// DecisionID is the id of the decision behind g, or "" for the zero Grant.
func (g Grant) DecisionID() string { return g.decision }
