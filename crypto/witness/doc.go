// Package witness follows an organisation's log from outside: it reads published
// notes under the keys that the organisation lists, and holds each state against
// the last one that the follower believed. Devices, recorders and strangers
// follow by the same rules.
//
// Invariants: a follower's state only ever grows, save by the root's word for a
// restored log, which counts once; nothing is cosigned, and nobody counts as
// cosigner, but by a key that the organisation lists as a recorder or a witness.
//
// It must not know where notes and proofs come from, where a follower keeps its
// state, what a record says, or private keys.
package witness
