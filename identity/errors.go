package identity

import "errors"

// Outcomes of a refused sign-in, for the caller to choose by and for the audit
// record. Their text, and what wraps them, stays inside: show [PublicText].
var (
	// ErrCredentials covers an unknown name, a wrong password and an
	// ambiguous name alike.
	ErrCredentials = errors.New("credentials refused")
	// ErrDisabled means that the source says the account may not act.
	ErrDisabled = errors.New("account disabled")
	// ErrLocked means too many failures, here or at the source.
	ErrLocked = errors.New("account locked")
	// ErrUnavailable means that the source could not be asked, or gave an
	// answer that can't be relied on. It says nothing about the person and
	// must not count towards a lockout.
	ErrUnavailable = errors.New("identity source unavailable")
	// ErrNoSubject means that a complete lookup found no such subject.
	ErrNoSubject = errors.New("no such subject")
)

// PublicText returns the only words about err that may leave the server.
// Every refusal reads the same: a text of its own for a disabled or locked
// account would tell a stranger that the account exists.
func PublicText(err error) string {
	if errors.Is(err, ErrUnavailable) {
		return "the directory that knows the passwords can't be reached: yours was not judged and nothing counts as a failed try; try again later"
	}
	return "sign-in refused: check name and password, or ask your administrator"
}
