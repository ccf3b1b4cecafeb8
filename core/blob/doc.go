// Package blob keeps sealed files on disk, one file for each id, with its hash
// tree beside it.
//
// Invariant: a file that can be opened is whole and hashes to the root it was
// stored under; it is never changed, only removed. One that is not whole yet
// stands apart, holds verified pieces only, and outlives the process. Memory is
// bounded by one chunk, whatever the size.
//
// It must not know what is inside, whose it is, or who may read it.
package blob
