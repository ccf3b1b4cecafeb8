// Package piece moves sealed files in pieces: runs of whole chunks, each with
// the hashes that lead from it to the root that a message's sender signed.
//
// Invariant: of a Draft nothing stays that did not verify against the root it
// is filled for, and a piece that is refused takes nothing from what is there.
// Memory is bounded by one chunk and 64 hashes, whatever the size.
//
// It must not know keys, or what a file is for.
package piece
