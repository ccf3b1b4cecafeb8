package keytree

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrEncoding reports bytes that are not the encoding of a frontier.
var ErrEncoding = errors.New("malformed key tree")

// magic names the format and its version.
const magic = "CKT1"

const (
	headerSize = len(magic) + 4
	nodeSize   = 1 + 5 + KeySize
)

// MarshalBinary returns the frontier:
//
//	"CKT1" ‖ count (4 bytes) ‖ count × ( depth (1) ‖ prefix (5) ‖ seed (32) )
//
// Numbers are big-endian. A node's prefix is the first depth bits of the index
// of its leaves, as a number. Nodes stand in order of their leaves. The result
// holds every secret of the tree: it is for sealing at once. Its error is nil.
func (t *Tree) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, headerSize+len(t.frontier)*nodeSize)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(t.frontier)))
	for _, n := range t.frontier {
		// The prefix has at most 40 bits, so depth takes the top byte of six.
		b = append(b, binary.BigEndian.AppendUint64(nil, uint64(n.depth)<<Depth|n.prefix)[2:]...)
		b = append(b, n.seed[:]...)
	}
	return b, nil
}

// UnmarshalBinary reads the one encoding of a frontier: sorted, disjoint, and
// with no two siblings where their parent could stand. It returns ErrEncoding,
// wrapped, and leaves t as it was, otherwise.
func (t *Tree) UnmarshalBinary(data []byte) error {
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return fmt.Errorf("reading key tree: no header: %w", ErrEncoding)
	}
	count := uint64(binary.BigEndian.Uint32(data[len(magic):]))
	if uint64(len(data)-headerSize) != count*uint64(nodeSize) {
		return fmt.Errorf("reading key tree: %d bytes for %d nodes: %w", len(data), count, ErrEncoding)
	}
	frontier := make([]node, count)
	for k := range frontier {
		frontier[k] = readNode(data[headerSize+k*nodeSize:])
		if err := frontier[k].check(frontier[:k]); err != nil {
			clear(frontier)
			return fmt.Errorf("reading key tree: node %d: %w", k, err)
		}
	}
	t.Wipe()
	t.frontier = frontier
	return nil
}

func readNode(b []byte) node {
	head := binary.BigEndian.Uint64(append([]byte{0, 0}, b[:6]...))
	return node{depth: uint8(head >> Depth), prefix: head & (Leaves - 1), seed: [KeySize]byte(b[6:nodeSize])}
}

// check says whether n may follow the nodes before it.
func (n *node) check(before []node) error {
	if n.depth > Depth || n.prefix>>n.depth != 0 {
		return fmt.Errorf("no such node: %w", ErrEncoding)
	}
	if len(before) == 0 {
		return nil
	}
	last := &before[len(before)-1]
	if n.first() < last.end() {
		return fmt.Errorf("out of order: %w", ErrEncoding)
	}
	if n.depth == last.depth && n.prefix^1 == last.prefix {
		return fmt.Errorf("sibling of the node before: %w", ErrEncoding)
	}
	return nil
}
