package tlog

import (
	"errors"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// RootBuilder computes the root of a stream of leaf hashes in O(log n) memory.
// The zero value is an empty tree. It is not safe for concurrent use.
type RootBuilder struct {
	size  int64
	peaks []Hash // roots of the complete subtrees, largest first
}

// ErrPeaks reports a saved builder state whose parts disagree.
var ErrPeaks = errors.New("peaks do not fit tree size")

// ResumeRoot returns a builder in the state that Size and Peaks described.
func ResumeRoot(size int64, peaks []Hash) (*RootBuilder, error) {
	if size < 0 || len(peaks) != bits.OnesCount64(uint64(size)) {
		return nil, ErrPeaks
	}
	return &RootBuilder{size: size, peaks: slices.Clone(peaks)}, nil
}

// Append adds the hash of the next leaf.
func (b *RootBuilder) Append(leaf Hash) {
	// Each trailing one bit of the old size is a complete subtree as large as
	// the one in hand, so they merge like a carry.
	for range bits.TrailingZeros64(^uint64(b.size)) {
		last := len(b.peaks) - 1
		leaf = tlog.NodeHash(b.peaks[last], leaf)
		b.peaks = b.peaks[:last]
	}
	b.peaks = append(b.peaks, leaf)
	b.size++
}

// Size is the number of leaves so far.
func (b *RootBuilder) Size() int64 { return b.size }

// Peaks returns the roots of the complete subtrees, largest first, for ResumeRoot.
func (b *RootBuilder) Peaks() []Hash { return slices.Clone(b.peaks) }

// Root returns the root over the leaves so far. Appending may go on after it.
func (b *RootBuilder) Root() Hash {
	if b.size == 0 {
		root, _ := tlog.TreeHash(0, nil)
		return root
	}
	root := b.peaks[len(b.peaks)-1]
	for i := len(b.peaks) - 2; i >= 0; i-- {
		root = tlog.NodeHash(b.peaks[i], root)
	}
	return root
}
