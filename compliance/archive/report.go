package archive

import (
	"errors"
	"fmt"

	"chancery/crypto/envelope"
)

// Exit codes of chancery-audit, from records.md §5.
const (
	ExitOK         = 0
	ExitInternal   = 1
	ExitExceptions = 2 // whole, with exceptions that it names itself
	ExitTampered   = 3
	ExitIncomplete = 4
	ExitUntrusted  = 5
	ExitSealed     = 6 // can't be opened
	ExitUsage      = 64
)

// Refusal is why an archive does not verify.
type Refusal struct {
	Exit int
	Err  error
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

func tampered(format string, args ...any) error {
	return &Refusal{ExitTampered, fmt.Errorf(format, args...)}
}

func incomplete(format string, args ...any) error {
	return &Refusal{ExitIncomplete, fmt.Errorf(format, args...)}
}

func untrusted(format string, args ...any) error {
	return &Refusal{ExitUntrusted, fmt.Errorf(format, args...)}
}

func sealed(format string, args ...any) error {
	return &Refusal{ExitSealed, fmt.Errorf(format, args...)}
}

// Verdict on one rung.
type Verdict string

const (
	Passed     Verdict = "passed"
	Refused    Verdict = "refused"
	Skipped    Verdict = "skipped"     // nothing was given to check it with
	NotReached Verdict = "not reached" // an earlier rung refused
)

// Rung is one step of the ladder of records.md §5.
type Rung struct {
	Number   int      `json:"rung"`
	Name     string   `json:"name"`
	Verdict  Verdict  `json:"verdict"`
	Evidence []string `json:"evidence,omitempty"`
	Why      string   `json:"why,omitempty"`
}

// Report is what verifying one archive found.
type Report struct {
	Archive    envelope.Hash  `json:"archive"`
	Org        envelope.OrgID `json:"org"`
	Schedule   string         `json:"schedule"`
	Ordinal    int64          `json:"ordinal"`
	From       int64          `json:"from"`
	To         int64          `json:"to"`
	Messages   int            `json:"messages"`
	Exceptions []Exception    `json:"exceptions,omitempty"`
	Rungs      []Rung         `json:"rungs"`
	Exit       int            `json:"exit"`
	Err        error          `json:"-"` // the refusal, or nil
}

// exitOf is the exit code that an error of a rung leads to.
func exitOf(err error) int {
	if err == nil {
		return ExitOK
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Exit
	}
	return ExitInternal
}
