package core

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is the class of a failure. Kinds cross the wire: append only.
type Kind uint8

const (
	Internal     Kind = iota // our fault; Public is a reference to the log
	Invalid                  // the request is malformed; Field may name where
	Denied                   // policy refused; Code is the deciding rule
	NotFound                 // absent, or not to be seen by this principal
	Conflict                 // someone else was first, or it exists
	Stale                    // the channel has moved on: a final refusal goes with it
	Held                     // a legal hold or minimum retention keeps it
	Limited                  // too much or too often
	Unavailable              // not now; the same request may work later
	Unauthorized             // no session, or one that has ended
	Full                     // a disk has no room: the same request works once there is
)

// Error is the only error type that leaves this package. Public, Code and
// Field are the only parts that leave the server.
type Error struct {
	Op      string // the operation, such as core.Place
	Kind    Kind
	Code    string // stable: a policy rule or a chain reason
	Field   string // of the request, when one is at fault
	Public  string // plain words: what was refused, by which rule, what to do next
	Refusal []byte // a signed envelope.Refusal, when the answer is final
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Op, e.Public, e.Err)
	}
	return e.Op + ": " + e.Public
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf tells the class of any error.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// CheckName refuses names that are empty, longer than most bytes, or have
// characters that nobody can see or the database can't keep.
func CheckName(op, field, name string, most int) error {
	switch {
	case name == "" || len(name) > most:
		return invalid(op, field, fmt.Errorf("a name has 1 to %d bytes", most))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return invalid(op, field, errors.New("a name has no control characters"))
	}
	return nil
}

func invalid(op, field string, err error) error {
	return &Error{Op: op, Kind: Invalid, Code: "request.malformed", Field: field, Public: fmt.Sprintf("%s is malformed: %v", field, err), Err: err}
}

func notFound(op, what string) error {
	return &Error{Op: op, Kind: NotFound, Code: "not_found", Public: what + " does not exist, or is not for you"}
}

func conflict(op, code, text string) error {
	return &Error{Op: op, Kind: Conflict, Code: code, Public: text}
}

func unavailable(op, text string, err error) error {
	if full(err) {
		return Outage(op, err)
	}
	return &Error{Op: op, Kind: Unavailable, Code: "unavailable", Public: text, Err: err}
}

func internal(op string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if out := Outage(op, err); out != nil {
		return out
	}
	return &Error{Op: op, Kind: Internal, Code: "internal", Public: "something went wrong on the server", Err: err}
}
