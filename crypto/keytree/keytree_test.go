package keytree

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chancery/crypto/fuzztest"
)

func whole(t testing.TB) *Tree {
	t.Helper()
	tree, err := New(bytes.NewReader(bytes.Repeat([]byte{7}, KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// slowLeaf derives a leaf from the root by HMAC alone, as the format page says.
func slowLeaf(i uint64) [KeySize]byte {
	seed := bytes.Repeat([]byte{7}, KeySize)
	for level := Depth - 1; level >= 0; level-- {
		label := "chancery/v1/keytree/left"
		if i>>level&1 == 1 {
			label = "chancery/v1/keytree/right"
		}
		mac := hmac.New(sha256.New, seed)
		mac.Write([]byte(label + "\x01"))
		seed = mac.Sum(nil)
	}
	return [KeySize]byte(seed)
}

func TestLeafValues(t *testing.T) {
	t.Parallel()
	tree := whole(t)
	for _, i := range []uint64{0, 1, 2, 3, 1000, 999, Leaves - 1, 0, Leaves / 2, Leaves/2 - 1} {
		if got, err := tree.Leaf(i); err != nil || got != slowLeaf(i) {
			t.Errorf("leaf %d = %x, %v; want %x", i, got, err, slowLeaf(i))
		}
	}
	const want = "095410df06f022dd40f6b8712abfc4c31cda74efddc390a42770191983ca65bd"
	if got := fmt.Sprintf("%x", slowLeaf(5)); got != want {
		t.Errorf("leaf 5 = %s, want %s", got, want)
	}
	if _, err := tree.Leaf(Leaves); !errors.Is(err, ErrIndex) {
		t.Errorf("leaf past the end: %v", err)
	}
}

// index draws leaves that are often near each other and near the edges.
func index() *rapid.Generator[uint64] {
	return rapid.OneOf(
		rapid.Uint64Range(0, 300),
		rapid.Uint64Range(Leaves-40, Leaves-1),
		rapid.Uint64Range(Leaves/2-5, Leaves/2+5),
		rapid.Uint64Range(0, Leaves-1),
	)
}

type span struct{ from, to uint64 }

func drawSpan(t *rapid.T) span {
	from := index().Draw(t, "from")
	length := rapid.OneOf(rapid.Just(uint64(1)), rapid.Uint64Range(0, 50), rapid.Uint64Range(0, Leaves-from)).Draw(t, "length")
	return span{from, min(from+length, Leaves)}
}

func TestPunctureProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tree := whole(t)
		var gone []span
		for range rapid.IntRange(0, 12).Draw(rt, "punctures") {
			s := drawSpan(rt)
			gone = append(gone, s)
			if err := tree.PunctureRange(s.from, s.to); err != nil {
				rt.Fatal(err)
			}
			probe(rt, tree, gone)
			tree = reencoded(rt, tree)
			probe(rt, tree, gone)
		}
	})
}

// probe reads leaves at and around every edge, and a few anywhere.
func probe(t *rapid.T, tree *Tree, gone []span) {
	at := []uint64{0, Leaves - 1, index().Draw(t, "probe"), index().Draw(t, "probe")}
	for _, s := range gone {
		at = append(at, s.from-1, s.from, s.from+1, s.to-1, s.to, s.from+(s.to-s.from)/2)
	}
	for _, i := range at {
		if i >= Leaves {
			continue
		}
		key, err := tree.Leaf(i)
		switch {
		case covered(gone, i):
			if !errors.Is(err, ErrPunctured) || key != [KeySize]byte{} {
				t.Fatalf("punctured leaf %d: %x, %v", i, key, err)
			}
		case err != nil || key != slowLeaf(i):
			t.Fatalf("live leaf %d: %x, %v", i, key, err)
		}
	}
}

func covered(gone []span, i uint64) bool {
	for _, s := range gone {
		if s.from <= i && i < s.to {
			return true
		}
	}
	return false
}

func reencoded(t *rapid.T, tree *Tree) *Tree {
	data, err := tree.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Tree
	if err := back.UnmarshalBinary(data); err != nil {
		t.Fatalf("reading back %d nodes: %v", tree.Nodes(), err)
	}
	again, _ := back.MarshalBinary()
	if !bytes.Equal(data, again) {
		t.Fatal("a second encoding differs")
	}
	return &back
}

// TestAttack37SearchFrontier looks for a punctured leaf's key, or any seed above
// it, in everything that a thief of the frontier holds.
func TestAttack37SearchFrontier(t *testing.T) {
	t.Parallel()
	tree := whole(t)
	punctured := []uint64{0, 77, 78, 4_999, 1 << 30}
	secrets := make(map[string]uint64)
	for _, i := range punctured {
		if _, err := tree.Leaf(i); err != nil {
			t.Fatal(err)
		}
		for _, seed := range tree.path.seeds {
			secrets[string(seed[:])] = i
		}
	}
	before := tree.frontier
	for _, i := range punctured {
		if err := tree.Puncture(i); err != nil {
			t.Fatal(err)
		}
	}
	data, _ := tree.MarshalBinary()
	for secret, i := range secrets {
		if bytes.Contains(data, []byte(secret)) {
			t.Errorf("a seed above leaf %d is still in the frontier", i)
		}
	}
	if before[:1][0].seed != [KeySize]byte{} || tree.path.seeds != (path{}).seeds {
		t.Error("the root or the last path is still in memory")
	}
	for _, n := range tree.frontier {
		for _, i := range punctured {
			if n.first() <= i && i < n.end() {
				t.Errorf("a frontier node holds punctured leaf %d", i)
			}
		}
	}
}

func TestPunctureEverything(t *testing.T) {
	t.Parallel()
	tree := whole(t)
	if err := tree.PunctureRange(0, Leaves); err != nil || tree.Nodes() != 0 {
		t.Fatalf("%d nodes left, %v", tree.Nodes(), err)
	}
	data, _ := tree.MarshalBinary()
	var back Tree
	if err := back.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if _, err := back.Leaf(3); !errors.Is(err, ErrPunctured) {
		t.Error(err)
	}
	for _, s := range []span{{2, 1}, {0, Leaves + 1}, {Leaves, Leaves + 1}} {
		if err := tree.PunctureRange(s.from, s.to); !errors.Is(err, ErrIndex) {
			t.Errorf("range %v: %v", s, err)
		}
	}
	if err := tree.Puncture(^uint64(0)); !errors.Is(err, ErrIndex) {
		t.Errorf("index whose successor overflows: %v", err)
	}
}

func encode(nodes ...node) []byte {
	b, _ := (&Tree{frontier: nodes}).MarshalBinary()
	return b
}

func TestAttack28TreeEncodings(t *testing.T) {
	t.Parallel()
	good := encode(node{depth: 2, prefix: 1}, node{depth: 1, prefix: 1})
	var tree Tree
	if err := tree.UnmarshalBinary(good); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty":         nil,
		"other version": append([]byte("CKT2"), good[4:]...),
		"cut":           good[:len(good)-1],
		"extended":      append(bytes.Clone(good), 0),
		"huge count":    append([]byte("CKT1\xff\xff\xff\xff"), good[8:]...),
		"siblings":      encode(node{depth: 2, prefix: 0}, node{depth: 2, prefix: 1}),
		"unsorted":      encode(node{depth: 1, prefix: 1}, node{depth: 2, prefix: 1}),
		"twice":         encode(node{depth: 2, prefix: 1}, node{depth: 2, prefix: 1}),
		"overlap":       encode(node{depth: 1, prefix: 0}, node{depth: 2, prefix: 1}),
		"too deep":      encode(node{depth: Depth + 1}),
		"prefix":        encode(node{depth: 3, prefix: 8}),
	} {
		if err := tree.UnmarshalBinary(bad); !errors.Is(err, ErrEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tree.Nodes() != 2 {
		t.Error("a refused encoding changed the tree")
	}
}

func TestAttack41TreePrintsNothing(t *testing.T) {
	t.Parallel()
	tree := whole(t)
	s := fmt.Sprintf("%v %+v %#v %x", tree, *tree, tree, tree) + tree.LogValue().String()
	if strings.Trim(s, "redact ") != "" {
		t.Errorf("printed %q", s)
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(encode(node{depth: 2, prefix: 1}, node{depth: 1, prefix: 1}))
	fuzztest.Seed(f, "keytree.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		var tree Tree
		var err error
		fuzztest.Bounded(t, len(data), func() { err = tree.UnmarshalBinary(data) })
		if err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Error(err)
			}
			return
		}
		if again, _ := tree.MarshalBinary(); !bytes.Equal(again, data) {
			t.Error("accepted a second spelling")
		}
	})
}

func BenchmarkLeafInOrder(b *testing.B) {
	tree := whole(b)
	var i uint64
	for b.Loop() {
		if _, err := tree.Leaf(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkLeafCold(b *testing.B) {
	tree := whole(b)
	for b.Loop() {
		tree.path.wipe()
		if _, err := tree.Leaf(12345); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPuncture50 reports the frontier after 50 scattered punctures among
// the first 5,000 leaves.
func BenchmarkPuncture50(b *testing.B) {
	var size int
	for b.Loop() {
		tree := whole(b)
		random := rand.New(rand.NewPCG(1, 2))
		for range 50 {
			if err := tree.Puncture(random.Uint64N(5_000)); err != nil {
				b.Fatal(err)
			}
		}
		data, _ := tree.MarshalBinary()
		size = len(data)
	}
	b.ReportMetric(float64(size), "bytes")
}
