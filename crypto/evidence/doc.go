// Package evidence owns the check of what outsiders say about who holds a
// person's chain: an identity provider's ID token, a smart card's certificate.
//
// Invariant: what is accepted was made for the one binding value that the caller
// names (a nonce, a statement), by a source that the caller trusts, at a time
// that the caller gives. Nothing is fetched: keys and anchors come with the
// call, so a server can't choose them.
//
// It must not know chains, sessions, the network or the wall clock.
package evidence

import "errors"

// ErrEvidence reports evidence that proves nothing here. The text says which
// check failed and never repeats the token.
var ErrEvidence = errors.New("evidence refused")
