// Package client owns the Go side of the public API: every HTTP route as a
// typed call, problem documents as typed errors, and the live socket with its
// reconnecting. Package session, below it, is what a person's device does with
// these.
//
// Invariant: nothing that a server sends is believed here. Signed and sealed
// bytes are handed on as they came, and a failure always says whether it was
// the server's answer (*Problem) or that there was none (ErrUnavailable).
//
// It must not know chains, keys at rest or what a message says.
package client
