package tlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
)

// naiveRoot is RFC 6962 §2.1 read aloud, to check the library and the builder.
func naiveRoot(leaves [][]byte) Hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		l, r := naiveRoot(leaves[:k]), naiveRoot(leaves[k:])
		return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
	}
}

func numbered(n int) [][]byte {
	leaves := make([][]byte, n)
	for i := range leaves {
		leaves[i] = fmt.Appendf(nil, "leaf %d", i)
	}
	return leaves
}

func TestRootVectors(t *testing.T) {
	t.Parallel()
	// The Certificate Transparency reference inputs.
	var leaves [][]byte
	for _, s := range []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"} {
		b, _ := hex.DecodeString(s)
		leaves = append(leaves, b)
	}
	for n, want := range map[int]string{
		0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	} {
		root := Root(leaves[:n])
		if got := hex.EncodeToString(root[:]); got != want {
			t.Errorf("Root of %d leaves = %s, want %s", n, got, want)
		}
	}
}

func TestRootAndBuilder(t *testing.T) {
	t.Parallel()
	leaves := numbered(70)
	var b RootBuilder
	for n := range leaves {
		want := naiveRoot(leaves[:n])
		if got := Root(leaves[:n]); got != want {
			t.Fatalf("Root of %d leaves = %v, want %v", n, got, want)
		}
		if got := b.Root(); got != want || b.Size() != int64(n) {
			t.Fatalf("builder at %d leaves = %v (size %d), want %v", n, got, b.Size(), want)
		}
		resumed, err := ResumeRoot(b.Size(), b.Peaks())
		if err != nil || resumed.Root() != want {
			t.Fatalf("resumed at %d: %v", n, err)
		}
		b.Append(LeafHash(leaves[n]))
	}
	if _, err := ResumeRoot(3, b.Peaks()[:1]); !errors.Is(err, ErrPeaks) {
		t.Errorf("ResumeRoot with too few peaks: %v", err)
	}
}

func TestProofs(t *testing.T) {
	t.Parallel()
	const n = 21
	leaves := numbered(n)
	root := Root(leaves)
	for i := range int64(n) {
		proof, err := Prove(leaves, i)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(root, n, i, leaves[i], proof); err != nil {
			t.Errorf("leaf %d: %v", i, err)
		}
		for _, bad := range []error{
			Verify(root, n, (i+1)%n, leaves[i], proof),
			Verify(root, n, i, []byte("other"), proof),
			Verify(root, n+1, i, leaves[i], append(bytesOf(proof), root)),
			Verify(LeafHash(nil), n, i, leaves[i], proof),
			Verify(root, n, -1, leaves[i], proof),
			Verify(root, n, n, leaves[i], proof),
		} {
			if !errors.Is(bad, ErrProof) {
				t.Errorf("leaf %d: a wrong claim verified: %v", i, bad)
			}
		}
	}
	if _, err := Prove(leaves, n); err == nil {
		t.Error("proved a leaf that is not there")
	}
}

func bytesOf(h []Hash) []Hash { return append([]Hash(nil), h...) }

func TestAttack09InconsistentLog(t *testing.T) {
	t.Parallel()
	leaves := numbered(19)
	other := numbered(19)
	other[4] = []byte("rewritten")
	for oldSize := int64(1); oldSize <= 19; oldSize++ {
		proof, err := ProvePrefix(leaves, oldSize)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifyConsistency(oldSize, Root(leaves[:oldSize]), 19, Root(leaves), proof); err != nil {
			t.Errorf("from %d: %v", oldSize, err)
		}
		forged, _ := ProvePrefix(other, oldSize)
		if err := VerifyConsistency(oldSize, Root(leaves[:oldSize]), 19, Root(other), forged); oldSize > 4 && !errors.Is(err, ErrProof) {
			t.Errorf("from %d: a rewritten log verified: %v", oldSize, err)
		}
	}
	if err := VerifyConsistency(0, Root(nil), 19, Root(leaves), nil); err != nil {
		t.Errorf("from nothing: %v", err)
	}
	for _, bad := range []error{
		VerifyConsistency(0, Root(leaves), 19, Root(leaves), nil),
		VerifyConsistency(0, Root(nil), 0, Root(leaves), nil),
		VerifyConsistency(20, Root(leaves), 19, Root(leaves), nil),
		VerifyConsistency(-1, Root(nil), 19, Root(leaves), nil),
	} {
		if !errors.Is(bad, ErrProof) {
			t.Errorf("a wrong claim verified: %v", bad)
		}
	}
}

func TestLeafIsNotNode(t *testing.T) {
	t.Parallel()
	l, r := LeafHash([]byte("a")), LeafHash([]byte("b"))
	if Root([][]byte{bytes.Join([][]byte{l[:], r[:]}, nil)}) == Root([][]byte{[]byte("a"), []byte("b")}) {
		t.Error("an inner node passes for a leaf")
	}
}
