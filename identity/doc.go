// Package identity says who someone is: the claims a connector returns, the
// principal a request acts as, and the session between the two.
//
// It keeps one invariant: nobody is matched by e-mail, name or DN. A person is
// found by the [ExternalID] that a connector vouches for, and a connector can
// only return [Claims]; it has no way to make a session.
//
// It must not know how a directory is spoken to, where sessions are stored,
// or what a principal may do. It does no I/O and reads no clock.
package identity
