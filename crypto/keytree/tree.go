package keytree

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sort"
)

// Depth is the number of levels below the root.
const Depth = 40

// Leaves is the number of leaves; indexes run from 0 to Leaves-1.
const Leaves = uint64(1) << Depth

// KeySize is the size of a seed and of a leaf key, in bytes.
const KeySize = 32

var (
	// ErrPunctured reports a leaf whose key was destroyed.
	ErrPunctured = errors.New("leaf is punctured")
	// ErrIndex reports an index or range outside the tree.
	ErrIndex = errors.New("leaf index out of range")
)

// Tree is a key tree in memory. It never prints its seeds. It is not safe for
// concurrent use: reading a leaf warms the path to it.
type Tree struct {
	frontier []node // in order of leaves, disjoint
	path     path
}

// New returns a whole tree with 32 bytes of random as its root.
func New(random io.Reader) (*Tree, error) {
	root := node{}
	if _, err := io.ReadFull(random, root.seed[:]); err != nil {
		return nil, fmt.Errorf("making key tree: %w", err)
	}
	return &Tree{frontier: []node{root}}, nil
}

// Leaf returns the key of leaf i, or ErrPunctured or ErrIndex, wrapped.
// Neighbouring leaves share most of their path, so reading in order is cheap.
func (t *Tree) Leaf(i uint64) ([KeySize]byte, error) {
	if i >= Leaves {
		return [KeySize]byte{}, fmt.Errorf("reading leaf %d: %w", i, ErrIndex)
	}
	k := t.search(i)
	if k == len(t.frontier) || t.frontier[k].first() > i {
		return [KeySize]byte{}, fmt.Errorf("reading leaf %d: %w", i, ErrPunctured)
	}
	return t.path.to(i, &t.frontier[k]), nil
}

// Puncture destroys leaf i. Doing it again changes nothing.
func (t *Tree) Puncture(i uint64) error { return t.PunctureRange(i, i+1) }

// PunctureRange destroys the leaves from ≤ i < to. Those destroyed before are no
// error. Seeds that leave the frontier are overwritten; copies the runtime made
// elsewhere in memory are beyond reach.
func (t *Tree) PunctureRange(from, to uint64) error {
	if from > to || to > Leaves {
		return fmt.Errorf("puncturing leaves [%d, %d): %w", from, to, ErrIndex)
	}
	if from == to {
		return nil
	}
	t.path.wipe()
	lo, hi := t.search(from), t.search(to-1)
	if hi < len(t.frontier) && t.frontier[hi].first() < to {
		hi++
	}
	var kept []node
	for k := lo; k < hi; k++ {
		kept = t.frontier[k].without(kept, from, to)
	}
	t.replace(lo, hi, kept)
	clear(kept)
	return nil
}

// replace puts nodes in the place of frontier[lo:hi]. The array is grown by hand
// because append and slices.Replace would leave the outgrown one, full of seeds,
// to the garbage collector.
func (t *Tree) replace(lo, hi int, nodes []node) {
	if need := len(t.frontier) - (hi - lo) + len(nodes); need > cap(t.frontier) {
		old := t.frontier
		t.frontier = append(make([]node, 0, need+need/4), old...)
		clear(old)
	}
	t.frontier = slices.Replace(t.frontier, lo, hi, nodes...)
}

// Nodes is the number of seeds in the frontier.
func (t *Tree) Nodes() int { return len(t.frontier) }

// Wipe overwrites every seed. The tree is then as if all leaves were punctured.
func (t *Tree) Wipe() {
	clear(t.frontier)
	t.frontier = nil
	t.path.wipe()
}

// search returns the position of the first frontier node that ends past leaf i:
// the one that holds i, if any does.
func (t *Tree) search(i uint64) int {
	return sort.Search(len(t.frontier), func(k int) bool { return t.frontier[k].end() > i })
}

// LogValue implements slog.LogValuer.
func (Tree) LogValue() slog.Value { return slog.StringValue("redacted") }

// Format implements fmt.Formatter for every verb.
func (Tree) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }
