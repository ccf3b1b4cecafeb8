package tlog

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// HashReader reads stored hashes by storage index (see StoredIndex). It returns
// one hash for each index, in the same order, or an error.
type HashReader = tlog.HashReader

// StoredHashes returns the hashes to store when leaf number n is added: its own
// and those of the subtrees it completes. They take the storage indexes from
// StoredCount(n) on.
func StoredHashes(n int64, leaf Hash, r HashReader) ([]Hash, error) {
	return tlog.StoredHashesForRecordHash(n, leaf, r)
}

// StoredIndex is the storage index of hash n of a level (0 is leaves).
func StoredIndex(level int, n int64) int64 { return tlog.StoredHashIndex(level, n) }

// StoredCount is the number of hashes stored for a tree of n leaves.
func StoredCount(n int64) int64 { return tlog.StoredHashCount(n) }

// TreeRoot returns the root of the tree of size leaves, reading at most
// 1 + log2(size) hashes.
func TreeRoot(size int64, r HashReader) (Hash, error) { return tlog.TreeHash(size, r) }

// ProveInclusion returns the proof that leaf i is in the tree of that size.
func ProveInclusion(size, i int64, r HashReader) ([]Hash, error) {
	if i < 0 || i >= size {
		return nil, fmt.Errorf("proving leaf %d of %d: no such leaf", i, size)
	}
	proof, err := tlog.ProveRecord(size, i, r)
	if err != nil {
		return nil, fmt.Errorf("proving leaf %d of %d: %w", i, size, err)
	}
	return proof, nil
}

// VerifyInclusion checks that leaf, a leaf hash, is leaf i of the tree of that
// size and root. It returns ErrProof, wrapped, when it is not.
func VerifyInclusion(root Hash, size, i int64, leaf Hash, proof []Hash) error {
	// The library reads a negative index as a caller's bug and says so in an
	// error of its own; here the numbers may come from a stranger.
	if i < 0 || i >= size {
		return fmt.Errorf("verifying leaf %d of %d: %w", i, size, ErrProof)
	}
	if err := tlog.CheckRecord(proof, size, root, i, leaf); err != nil {
		return fmt.Errorf("verifying leaf %d of %d: %w", i, size, ErrProof)
	}
	return nil
}

// ProveConsistency returns the proof that the tree of newSize leaves extends
// that of oldSize, 1 ≤ oldSize ≤ newSize. Between equal sizes it is empty.
func ProveConsistency(oldSize, newSize int64, r HashReader) ([]Hash, error) {
	if oldSize < 1 || oldSize > newSize {
		return nil, fmt.Errorf("proving tree %d from %d: sizes out of range", newSize, oldSize)
	}
	proof, err := tlog.ProveTree(newSize, oldSize, r)
	if err != nil {
		return nil, fmt.Errorf("proving tree %d from %d: %w", newSize, oldSize, err)
	}
	return proof, nil
}

// VerifyConsistency checks that the new tree extends the old one. An old tree
// of no leaves is extended by every tree, with an empty proof. It returns
// ErrProof, wrapped, when the new tree is no extension.
func VerifyConsistency(oldSize int64, oldRoot Hash, newSize int64, newRoot Hash, proof []Hash) error {
	fail := fmt.Errorf("verifying tree %d from %d: %w", newSize, oldSize, ErrProof)
	switch {
	case oldSize < 0 || oldSize > newSize:
		return fail
	case oldSize == 0:
		if oldRoot != Root(nil) || len(proof) != 0 || newSize == 0 && newRoot != oldRoot {
			return fail
		}
		return nil
	}
	if tlog.CheckTree(proof, newSize, newRoot, oldSize, oldRoot) != nil {
		return fail
	}
	return nil
}
