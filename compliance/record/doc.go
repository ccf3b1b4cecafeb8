// Package record is the append-only record: what may be recorded, the bytes
// that the log commits to, and the sequencer that gives each record its place.
//
// Invariants: a leaf commits to header and payload by their hashes only, so it
// outlives the payload; a record's place is given after its transaction
// committed, so that the order of the log is the order of commits and a
// watermark on places can't lose a late one; a place is given once.
//
// It must not know SQL, keys or content. The store implements Log; the signer's
// process implements CheckpointSigner. A record never holds message text, file
// names or names of people.
package record
