// Package vault keeps what makes shredding possible: one puncturable key tree
// per channel, apart from the database. Message salts lie in the database sealed
// under leaves of these trees; puncturing a leaf here makes its salt, and so its
// message, unreadable in every copy and backup of the database at once.
//
// All trees of a vault are one append-only file, a generation, sealed under one
// key-encryption key (KEK) and kept byte for byte alike in at least two copy
// directories. A small pointer file in each copy names the current generation. A
// run writes the next generation under a new KEK to every copy, reads it back,
// moves the pointers, and then destroys the old KEK and the old files. The first
// pointer moved is the commitment: whoever opens the vault after a crash goes on
// to the highest generation that any pointer names and destroys all others.
//
// Invariant: a tree that is offered for sealing is in every copy, and
// after a run has returned without error no file in the copies or key
// directories opens a leaf it punctured. A snapshot of a key directory together
// with a copy, taken earlier, defeats that; keep them on different hosts and out
// of point-in-time backups.
//
// A run rewrites every tree, about 1 KB each, since all are under the KEK it
// replaces: its cost and memory grow with the number of channels, not with that
// of messages. Fencing numbers and file locks keep a holder that lost its lease
// from writing; that it stops reading within its lease is its owner's duty.
//
// It must not know what a leaf means, who may dispose of it, or which holds pin
// it.
package vault
