package tlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func leavesOf(n int) ([]Hash, MemoryHashes) {
	var stored MemoryHashes
	hashes := make([]Hash, n)
	for i := range n {
		hashes[i] = LeafHash(fmt.Appendf(nil, "leaf %d", i))
		if err := stored.Append(int64(i), hashes[i]); err != nil {
			panic(err)
		}
	}
	return hashes, stored
}

func rootOfHashes(leaves []Hash) Hash {
	var b RootBuilder
	for _, l := range leaves {
		b.Append(l)
	}
	return b.Root()
}

// Every range of every small tree proves itself, is no proof of another place
// or size, and shows the peaks of what stands before it.
func TestRangeProofs(t *testing.T) {
	t.Parallel()
	for size := int64(1); size <= 20; size++ {
		leaves, stored := leavesOf(int(size))
		root := rootOfHashes(leaves)
		for from := range size {
			for to := from + 1; to <= size; to++ {
				proof, err := ProveRange(size, from, to, stored)
				if err != nil || len(proof) != RangeProofLen(size, from, to) {
					t.Fatalf("%d to %d of %d: %d hashes, %v", from, to, size, len(proof), err)
				}
				if err := VerifyRange(root, size, from, leaves[from:to], proof); err != nil {
					t.Fatal(err)
				}
				var before RootBuilder
				for _, l := range leaves[:from] {
					before.Append(l)
				}
				peaks := before.Peaks()
				if !slices.Equal(proof[:len(peaks)], peaks) {
					t.Fatalf("%d to %d of %d: the proof does not begin with the peaks before it", from, to, size)
				}
				if from > 0 && VerifyRange(root, size, from-1, leaves[from:to], proof) == nil {
					t.Fatalf("%d to %d of %d: also one place before", from, to, size)
				}
			}
		}
	}
}

func TestAttack32RangeProofChanged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(2, 300).Draw(t, "size")
		from := rapid.Int64Range(0, size-1).Draw(t, "from")
		to := rapid.Int64Range(from+1, size).Draw(t, "to")
		leaves, stored := leavesOf(int(size))
		proof, err := ProveRange(size, from, to, stored)
		if err != nil {
			t.Fatal(err)
		}
		part := slices.Clone(leaves[from:to])
		i := rapid.IntRange(0, len(part)+len(proof)-1).Draw(t, "which")
		if i < len(part) {
			part[i][rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		} else {
			proof[i-len(part)][rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		}
		if err := VerifyRange(rootOfHashes(leaves), size, from, part, proof); !errors.Is(err, ErrProof) {
			t.Fatalf("changed hash %d is taken: %v", i, err)
		}
	})
}

func TestRangeOfStrangers(t *testing.T) {
	t.Parallel()
	leaves, stored := leavesOf(5)
	root := rootOfHashes(leaves)
	for name, c := range map[string]struct {
		size, from int64
		leaves     []Hash
		proof      []Hash
	}{
		"no leaves":     {5, 1, nil, nil},
		"before":        {5, -1, leaves[:2], nil},
		"beyond":        {5, 4, leaves[:2], leaves[:2]},
		"overflow":      {1<<63 - 1, 1<<63 - 2, leaves[:2], nil},
		"huge":          {1 << 62, 0, leaves[:1], make([]Hash, 62)},
		"short proof":   {5, 0, leaves[:1], nil},
		"longer proof":  {5, 0, leaves, leaves[:1]},
		"negative size": {-5, 0, leaves[:1], nil},
	} {
		if err := VerifyRange(root, c.size, c.from, c.leaves, c.proof); !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ProveRange(5, 3, 3, stored); err == nil {
		t.Error("an empty range was proved")
	}
	if _, err := ProveRange(6, 0, 1, stored); err == nil {
		t.Error("leaves that are not there were proved")
	}
}
