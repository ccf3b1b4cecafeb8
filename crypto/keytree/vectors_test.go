package keytree

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"chancery/crypto/vectors"
)

type leafVector struct {
	Leaf uint64      `json:"leaf"`
	Key  vectors.Hex `json:"key"` // empty: punctured
}

type treeVector struct {
	Name      string       `json:"name"`
	Kind      string       `json:"kind"`
	Root      vectors.Hex  `json:"root,omitempty"`
	Punctured []uint64     `json:"punctured,omitempty"`
	Tree      vectors.Hex  `json:"tree"`
	Leaves    []leafVector `json:"leaves,omitempty"`
	Want      string       `json:"want"`
}

var leafSamples = []uint64{0, 1, 2, 3, 4, 5, 1000, Leaves/2 - 1, Leaves / 2, Leaves - 1}

// punctured writes leaf keys down as the format page says, not as Tree does.
func punctured(t *testing.T, name string, gone ...uint64) treeVector {
	t.Helper()
	tree := whole(t)
	v := treeVector{Name: name, Kind: "tree", Root: bytes.Repeat([]byte{7}, KeySize), Punctured: gone, Want: "ok"}
	for _, i := range gone {
		if err := tree.Puncture(i); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range leafSamples {
		x := leafVector{Leaf: i, Key: vectors.Hex{}}
		if !slices.Contains(gone, i) {
			key := slowLeaf(i)
			x.Key = key[:]
		}
		v.Leaves = append(v.Leaves, x)
	}
	encoded, err := tree.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	v.Tree = encoded
	return v
}

func treeVectors(t *testing.T) []treeVector {
	t.Helper()
	list := []treeVector{punctured(t, "whole"), punctured(t, "leaf 0 gone", 0), punctured(t, "last leaf gone", Leaves-1),
		punctured(t, "two neighbours gone", 2, 3), punctured(t, "two gone, far apart", 1, Leaves/2)}
	fresh, cut := list[0].Tree, list[1].Tree
	const node = 1 + 5 + KeySize
	bad := func(name string, b []byte) {
		list = append(list, treeVector{Name: name, Kind: "tree", Tree: b, Want: "malformed"})
	}
	changed := func(b []byte, at int, to ...byte) []byte { b = bytes.Clone(b); copy(b[at:], to); return b }
	swapped := slices.Concat(cut[:8], cut[8+node:8+2*node], cut[8:8+node], cut[8+2*node:])
	seed := bytes.Repeat([]byte{1}, KeySize)
	siblings := slices.Concat([]byte("CKT1\x00\x00\x00\x02\x01\x00\x00\x00\x00\x00"), seed, []byte("\x01\x00\x00\x00\x00\x01"), seed)
	bad("empty", nil)
	bad("magic", changed(fresh, 0, 'X'))
	bad("head alone", fresh[:8])
	bad("cut", fresh[:len(fresh)-1])
	bad("a byte after", append(bytes.Clone(fresh), 0))
	bad("count too high", changed(fresh, 7, 2))
	bad("count too low", changed(cut, 7, 39))
	bad("depth 41", changed(fresh, 8, 41))
	bad("prefix beyond its depth", changed(fresh, 13, 1))
	bad("nodes not rising", swapped)
	bad("a node twice", slices.Concat([]byte("CKT1\x00\x00\x00\x02"), cut[8:8+node], cut[8:8+node]))
	bad("siblings", siblings)
	bad("a node inside another", slices.Concat([]byte("CKT1\x00\x00\x00\x02"), fresh[8:], cut[8:8+node]))
	return list
}

func TestTreeVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors.Keep(t, "keytree.json", "puncturable key trees (vault.md): the frontier's encoding, and leaf keys", treeVectors(t)) {
		var tree Tree
		err := tree.UnmarshalBinary(v.Tree)
		if (err == nil) != (v.Want == "ok") {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
		for _, x := range v.Leaves {
			if key, err := tree.Leaf(x.Leaf); (err == nil) != (len(x.Key) > 0) || err == nil && !bytes.Equal(key[:], x.Key) {
				t.Errorf("%s: leaf %d is %s, %v", v.Name, x.Leaf, hex.EncodeToString(key[:]), err)
			}
		}
	}
}
