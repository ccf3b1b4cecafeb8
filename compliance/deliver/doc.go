// Package deliver takes archives out of the server to where they stay: so far a
// directory that is written once.
//
// Invariants: a delivery has its name only when every byte of it was written,
// flushed, read back and found to be what was sent; nothing that is there is
// ever replaced.
//
// It must not know what an archive is.
package deliver
