package agefile

import (
	"crypto/fips140"
	"errors"
)

var (
	// ErrEnforced: age must not be called in this process.
	ErrEnforced = errors.New("age can't run while FIPS 140-3 is enforced: use an organisation of suite fips")
	// ErrRecipient: not the one spelling of a usable mlkem768x25519 public key.
	ErrRecipient = errors.New("not an mlkem768x25519 recipient")
	// ErrPassphrase: the file does not open with this passphrase.
	ErrPassphrase = errors.New("wrong passphrase")
)

// Allowed tells whether age may be called. It is the first thing that every
// function asks, and what callers ask to choose a suite.
func Allowed() error {
	if fips140.Enforced() {
		return ErrEnforced
	}
	return nil
}
