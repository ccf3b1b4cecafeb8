package tlog

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"chancery/crypto/vectors"
)

type rangeVector struct {
	Name  string        `json:"name"`
	Kind  string        `json:"kind"`
	Size  int64         `json:"size"`
	Root  vectors.Hex   `json:"root"`
	From  int64         `json:"from"`
	To    int64         `json:"to"`
	Proof []vectors.Hex `json:"proof,omitempty"`
	Want  string        `json:"want"`
}

func rangeVectors(t *testing.T) (list []rangeVector) {
	t.Helper()
	for _, x := range [][3]int64{{1, 0, 1}, {2, 1, 2}, {5, 4, 5}, {7, 2, 5}, {8, 0, 8}, {200, 64, 128}, {257, 100, 103}} {
		proof, err := ProveRange(x[0], x[1], x[2], storedHashes(leaves(x[0])))
		if err != nil {
			t.Fatal(err)
		}
		root := Root(leaves(x[0]))
		good := rangeVector{Name: fmt.Sprintf("[%d, %d) of %d", x[1], x[2], x[0]), Kind: "range", Size: x[0], Root: root[:], From: x[1], To: x[2], Want: "ok"}
		for _, h := range proof {
			good.Proof = append(good.Proof, h[:])
		}
		bad := func(name string, edit func(v *rangeVector)) {
			v := good
			v.Proof, v.Root = slices.Clone(v.Proof), bytes.Clone(v.Root)
			edit(&v)
			v.Name, v.Want = v.Name+", "+name, "bad_proof"
			list = append(list, v)
		}
		list = append(list, good)
		bad("another root", func(v *rangeVector) { v.Root[0] ^= 1 })
		bad("one hash more", func(v *rangeVector) { v.Proof = append(v.Proof, v.Root) })
		bad("empty", func(v *rangeVector) { v.To = v.From })
		bad("beyond the end", func(v *rangeVector) { v.To = v.Size + 1 })
		bad("one leaf on", func(v *rangeVector) { v.From, v.To = v.From+1, v.To+1 })
		if len(proof) > 0 {
			bad("one hash less", func(v *rangeVector) { v.Proof = v.Proof[:len(v.Proof)-1] })
			bad("a hash changed", func(v *rangeVector) { v.Proof[0] = bytes.Clone(v.Proof[0]); v.Proof[0][5] ^= 1 })
			bad("the last hash changed", func(v *rangeVector) {
				n := len(v.Proof) - 1
				v.Proof[n] = bytes.Clone(v.Proof[n])
				v.Proof[n][31] ^= 1
			})
		}
	}
	return list
}

func TestRangeVectors(t *testing.T) {
	t.Parallel()
	const about = "a piece of a file (messages.md): leaf i is the two bytes of i, big-endian; leaves from to to-1 and the proof give the root"
	for _, v := range vectors.Keep(t, "ranges.json", about, rangeVectors(t)) {
		var proof, hashes []Hash
		for _, h := range v.Proof {
			proof = append(proof, Hash(h))
		}
		for _, leaf := range leaves(v.To)[v.From:] {
			hashes = append(hashes, LeafHash(leaf))
		}
		err := VerifyRange(Hash(v.Root), v.Size, v.From, hashes, proof)
		if (err == nil) != (v.Want == "ok") {
			t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
		}
	}
}
