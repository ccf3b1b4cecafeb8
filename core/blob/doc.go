// Package blob keeps sealed files on disk, one file for each id.
//
// Invariant: a file that can be opened is whole and hashes to the root it was
// stored under; it is never changed, only removed. Memory is bounded by one
// chunk, whatever the size.
//
// It must not know what is inside, whose it is, or who may read it.
package blob
