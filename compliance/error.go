package compliance

import (
	"errors"
	"fmt"

	"chancery/core"
)

// ErrMoved is what a store returns when something is no longer in the state
// that the change was decided in: someone else was first.
var ErrMoved = errors.New("state has changed meanwhile")

// ErrSamePerson is what a store returns for a second consent of one person.
var ErrSamePerson = errors.New("this person has consented already")

// Refuse makes the error that leaves an operation.
func Refuse(op string, kind core.Kind, code, text string) error {
	return &core.Error{Op: op, Kind: kind, Code: code, Public: text}
}

// Malformed refuses a field of the request.
func Malformed(op, field string, err error) error {
	return &core.Error{Op: op, Kind: core.Invalid, Code: "request.malformed", Field: field, Public: fmt.Sprintf("%s is malformed: %v", field, err), Err: err}
}

// Missing tells that a thing is not there.
func Missing(op, what string) error {
	return Refuse(op, core.NotFound, "not_found", what+" does not exist")
}

// Explain gives what a store or a chain returned the form that leaves an
// operation.
func Explain(op string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*core.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, ErrMoved):
		return &core.Error{Op: op, Kind: core.Conflict, Code: "state.moved", Public: "it is not in the state for this any more; look at it again", Err: err}
	case errors.Is(err, ErrSamePerson):
		return &core.Error{Op: op, Kind: core.Denied, Code: SamePerson, Public: "another person must consent: you have already", Err: err}
	}
	if out := core.Outage(op, err); out != nil {
		return out
	}
	return &core.Error{Op: op, Kind: core.Internal, Code: "internal", Public: "something went wrong on the server", Err: err}
}
