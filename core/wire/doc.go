// Package wire owns the JSON shapes of the public API, so that the server and
// the Go client can't drift apart. Byte fields travel as standard base64, ids as
// lower-case hex, times as RFC 3339 in UTC unless a name ends in _us.
//
// Invariant: a field that is here is filled by the server and understood by
// the client; signed and sealed bytes are opaque here.
//
// It must not know HTTP, storage or rules.
package wire
