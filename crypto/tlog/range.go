package tlog

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ProveRange returns the proof that leaves from to to-1 are in the tree of that
// size: the roots of the largest subtrees outside the range, left to right.
// Those before the range are the peaks of the tree of the first from leaves.
func ProveRange(size, from, to int64, r HashReader) ([]Hash, error) {
	if !isRange(size, from, to) {
		return nil, fmt.Errorf("proving leaves %d to %d of %d: no such leaves", from, to, size)
	}
	var proof []Hash
	var failed error
	outside(0, size, from, to, func(lo, hi int64) {
		h, err := subtree(lo, hi, r)
		if err != nil && failed == nil {
			failed = fmt.Errorf("proving leaves %d to %d of %d: %w", from, to, size, err)
		}
		proof = append(proof, h)
	})
	return proof, failed
}

// RangeProofLen is the number of hashes that ProveRange returns, at most
// 2·log2(size); 0 also when there are no such leaves.
func RangeProofLen(size, from, to int64) (n int) {
	if isRange(size, from, to) {
		outside(0, size, from, to, func(int64, int64) { n++ })
	}
	return n
}

// VerifyRange checks that leaves, leaf hashes, are those of from on in the tree
// of that size and root. It returns ErrProof, wrapped, when they are not.
func VerifyRange(root Hash, size, from int64, leaves, proof []Hash) error {
	to := from + int64(len(leaves))
	if !isRange(size, from, to) || RangeProofLen(size, from, to) != len(proof) {
		return fmt.Errorf("verifying %d leaves from %d of %d: %w", len(leaves), from, size, ErrProof)
	}
	b := rebuild{from: from, to: to, leaves: leaves, proof: proof}
	if b.root(0, size) != root {
		return fmt.Errorf("verifying %d leaves from %d of %d: %w", len(leaves), from, size, ErrProof)
	}
	return nil
}

// maxRange keeps numbers of strangers from overflowing.
const maxRange = 1 << 48

func isRange(size, from, to int64) bool {
	return 0 <= from && from < to && to <= size && size <= maxRange
}

// outside visits the largest subtrees of leaves lo to hi-1 that hold none of the
// range, left to right.
func outside(lo, hi, from, to int64, visit func(lo, hi int64)) {
	switch {
	case hi <= from || to <= lo:
		visit(lo, hi)
	case lo < from || to < hi:
		mid := lo + split(hi-lo)
		outside(lo, mid, from, to, visit)
		outside(mid, hi, from, to, visit)
	}
}

// split is the largest power of two below n, for n ≥ 2.
func split(n int64) int64 {
	k := int64(1)
	for k<<1 < n {
		k <<= 1
	}
	return k
}

// subtree is the root over leaves lo to hi-1 of a larger tree.
func subtree(lo, hi int64, r HashReader) (Hash, error) {
	level := 0
	for int64(1)<<level < hi-lo {
		level++
	}
	if int64(1)<<level == hi-lo {
		h, err := r.ReadHashes([]int64{StoredIndex(level, lo>>level)})
		if err != nil {
			return Hash{}, err
		}
		return h[0], nil
	}
	mid := lo + split(hi-lo)
	left, err := subtree(lo, mid, r)
	if err != nil {
		return Hash{}, err
	}
	right, err := subtree(mid, hi, r)
	return tlog.NodeHash(left, right), err
}

// rebuild computes a root from a range's leaves and what its proof says of the
// rest, which it takes in order.
type rebuild struct {
	from, to      int64
	leaves, proof []Hash
}

func (b *rebuild) root(lo, hi int64) Hash {
	switch {
	case hi <= b.from || b.to <= lo:
		h := b.proof[0]
		b.proof = b.proof[1:]
		return h
	case hi-lo == 1:
		return b.leaves[lo-b.from]
	}
	mid := lo + split(hi-lo)
	left := b.root(lo, mid)
	return tlog.NodeHash(left, b.root(mid, hi))
}
