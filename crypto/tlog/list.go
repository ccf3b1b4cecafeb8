package tlog

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrProof reports an inclusion or consistency proof that does not lead to the
// given root.
var ErrProof = errors.New("proof does not match root")

// Hash is a SHA-256 tree hash, 32 bytes. It prints as base64.
type Hash = tlog.Hash

// LeafHash returns SHA-256(0x00 || data), the RFC 6962 hash of one leaf.
func LeafHash(data []byte) Hash { return tlog.RecordHash(data) }

// Root returns the RFC 6962 root over leaves, given as data and not yet hashed.
// The root of no leaves is the SHA-256 of the empty string.
func Root(leaves [][]byte) Hash {
	var b RootBuilder
	for _, leaf := range leaves {
		b.Append(LeafHash(leaf))
	}
	return b.Root()
}

// Prove returns the inclusion proof of leaf i (from 0) in leaves: the sibling
// hashes from the bottom up, at most 1 + log2(len(leaves)) of them.
func Prove(leaves [][]byte, i int64) ([]Hash, error) {
	return ProveInclusion(int64(len(leaves)), i, storedHashes(leaves))
}

// Verify checks that leaf, given as data, is leaf i of the tree of that size
// and root. It returns ErrProof, wrapped, when it is not.
func Verify(root Hash, size, i int64, leaf []byte, proof []Hash) error {
	return VerifyInclusion(root, size, i, LeafHash(leaf), proof)
}

// ProvePrefix returns the proof that the tree over leaves extends the tree
// over its first n leaves, 1 ≤ n ≤ len(leaves).
func ProvePrefix(leaves [][]byte, n int64) ([]Hash, error) {
	return ProveConsistency(n, int64(len(leaves)), storedHashes(leaves))
}

// MemoryHashes is a HashReader over hashes kept in memory, in storage order.
// It grows by one leaf with Append.
type MemoryHashes []Hash

// Append adds one leaf hash as leaf n, where n leaves were there before.
func (m *MemoryHashes) Append(n int64, leaf Hash) error {
	hashes, err := StoredHashes(n, leaf, *m)
	if err != nil {
		return err
	}
	*m = append(*m, hashes...)
	return nil
}

// ReadHashes implements HashReader.
func (m MemoryHashes) ReadHashes(indexes []int64) ([]Hash, error) {
	hashes := make([]Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(m)) {
			return nil, fmt.Errorf("reading hash %d: only %d are stored", x, len(m))
		}
		hashes[i] = m[x]
	}
	return hashes, nil
}

func storedHashes(leaves [][]byte) MemoryHashes {
	m := make(MemoryHashes, 0, 2*len(leaves))
	for i, leaf := range leaves {
		// Every hash that leaf i completes stands before it, so this can't fail.
		if err := m.Append(int64(i), LeafHash(leaf)); err != nil {
			panic(err)
		}
	}
	return m
}
