package keytree

import (
	"crypto/hkdf"
	"crypto/sha256"
)

// childLabels are the HKDF info strings of the left and the right child.
var childLabels = [2]string{"chancery/v1/keytree/left", "chancery/v1/keytree/right"}

// node is the subtree of leaves whose index starts with the depth bits prefix.
type node struct {
	depth  uint8
	prefix uint64
	seed   [KeySize]byte
}

func (n *node) first() uint64 { return n.prefix << (Depth - n.depth) }
func (n *node) end() uint64   { return (n.prefix + 1) << (Depth - n.depth) }

// child derives the left (0) or right (1) child.
func (n *node) child(bit uint64) node {
	return node{n.depth + 1, n.prefix<<1 | bit, derive(&n.seed, bit)}
}

// without appends to kept the largest subtrees of n that hold no leaf of
// [from, to), in order, and overwrites the seed of n.
func (n node) without(kept []node, from, to uint64) []node {
	defer clear(n.seed[:])
	switch {
	case to <= n.first() || n.end() <= from:
		return append(kept, n)
	case from <= n.first() && n.end() <= to:
		return kept
	}
	kept = n.child(0).without(kept, from, to)
	return n.child(1).without(kept, from, to)
}

// derive returns HKDF-Expand-SHA-256(seed, label of the child, 32).
func derive(seed *[KeySize]byte, bit uint64) [KeySize]byte {
	key, err := hkdf.Expand(sha256.New, seed[:], childLabels[bit], KeySize)
	if err != nil {
		panic(err) // the sizes are constant and allowed in every mode
	}
	return [KeySize]byte(key)
}

// path remembers the seeds on the way to the last leaf read.
type path struct {
	warm  bool
	leaf  uint64
	top   uint8 // depth of the frontier node the path starts from
	seeds [Depth + 1][KeySize]byte
}

// to returns the key of leaf i, below n, deriving only what the last path does
// not hold.
func (p *path) to(i uint64, n *node) [KeySize]byte {
	depth := p.common(i, n)
	if depth == n.depth {
		p.seeds[depth] = n.seed
	}
	// A derivation can't fail half way, so the path stays whole.
	p.warm, p.leaf, p.top = true, i, n.depth
	for ; depth < Depth; depth++ {
		p.seeds[depth+1] = derive(&p.seeds[depth], i>>(Depth-1-depth)&1)
	}
	return p.seeds[Depth]
}

// common is the depth down to which the remembered path leads to leaf i too, and
// the depth of n if it has no more than that to offer.
func (p *path) common(i uint64, n *node) uint8 {
	if !p.warm || p.top != n.depth || p.leaf>>(Depth-n.depth) != n.prefix {
		return n.depth
	}
	depth := uint8(Depth)
	for differ := p.leaf ^ i; differ != 0; differ >>= 1 {
		depth--
	}
	return depth
}

func (p *path) wipe() { *p = path{} }
