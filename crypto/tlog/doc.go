// Package tlog is Chancery's Merkle tree: RFC 6962 hashing over
// golang.org/x/mod/sumdb, for short lists in memory (members, wraps,
// attachment chunks, coverage) and for the organisation's log, kept as C2SP
// tiles under signed checkpoints.
//
// Invariant: nothing read through this package is believed before it hashes
// up to a root the caller already trusts, and each object has exactly one
// accepted encoding, so that any changed byte is found.
//
// It must not know what a leaf means, where hashes are stored, or who may
// sign: callers bring leaf bytes, a HashReader or a file system, and the
// verifiers they trust.
package tlog
