package seal

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

type sealedFile struct {
	id    envelope.BlobID
	key   DataKey
	bytes []byte
	size  uint64
	root  envelope.Hash
}

func sealFile(t testing.TB, plain []byte) sealedFile {
	t.Helper()
	f := sealedFile{id: envelope.BlobID{1}, key: DataKey(fill("file"))}
	var dst bytes.Buffer
	var err error
	f.size, f.root, err = SealFile(&dst, bytes.NewReader(plain), f.id, f.key)
	if err != nil {
		t.Fatal(err)
	}
	f.bytes = dst.Bytes()
	return f
}

func (f sealedFile) open() ([]byte, error) {
	var dst bytes.Buffer
	err := OpenFile(&dst, bytes.NewReader(f.bytes), f.id, f.key, f.size, f.root)
	return dst.Bytes(), err
}

func TestFileRoundTrip(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2 * ChunkSize, 3*ChunkSize + 17} {
		plain := make([]byte, n)
		rand.NewChaCha8(fill("plain")).Read(plain)
		f := sealFile(t, plain)
		if f.size != uint64(len(f.bytes)) || f.size != piece.SealedSize(uint64(n)) {
			t.Fatalf("%d bytes: sealed size is %d, wrote %d, foretold %d", n, f.size, len(f.bytes), piece.SealedSize(uint64(n)))
		}
		got, err := f.open()
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestAttack32FileChanged(t *testing.T) {
	t.Parallel()
	f := sealFile(t, bytes.Repeat([]byte("0123456789abcdef"), 3*ChunkSize/16-1))
	chunks := slices.Collect(slices.Chunk(f.bytes, sealedChunk))
	other := sealFile(t, bytes.Repeat([]byte("0123456789abcdef"), 3*ChunkSize/16-1))
	join := func(c ...[]byte) []byte { return bytes.Join(c, nil) }
	cases := map[string]func(*sealedFile){
		"cut by a byte":    func(g *sealedFile) { g.bytes = f.bytes[:len(f.bytes)-1] },
		"cut by a chunk":   func(g *sealedFile) { g.bytes = join(chunks[:2]...) },
		"cut, size too":    func(g *sealedFile) { g.bytes = join(chunks[:2]...); g.size = uint64(len(g.bytes)) },
		"byte appended":    func(g *sealedFile) { g.bytes = append(slices.Clone(f.bytes), 0) },
		"chunk appended":   func(g *sealedFile) { g.bytes = join(chunks[0], chunks[1], chunks[1], chunks[2]) },
		"chunks swapped":   func(g *sealedFile) { g.bytes = join(chunks[1], chunks[0], chunks[2]) },
		"chunk dropped":    func(g *sealedFile) { g.bytes = join(chunks[0], chunks[2]); g.size = uint64(len(g.bytes)) },
		"last chunk first": func(g *sealedFile) { g.bytes = join(chunks[2], chunks[0], chunks[1]) },
		"a chunk of a twin": func(g *sealedFile) { // genuine under the same key and id: only the root tells
			g.bytes = join(chunks[0], other.bytes[sealedChunk:2*sealedChunk], chunks[2])
		},
		"other id":     func(g *sealedFile) { g.id[0]++ },
		"other key":    func(g *sealedFile) { g.key[0]++ },
		"other root":   func(g *sealedFile) { g.root[0]++ },
		"size 0":       func(g *sealedFile) { g.size = 0 },
		"size too big": func(g *sealedFile) { g.size = piece.SealedSize(MaxFile) + 1 },
		"empty tail":   func(g *sealedFile) { g.size = sealedChunk + Overhead },
		"size by one":  func(g *sealedFile) { g.size-- },
	}
	for name, change := range cases {
		g := f
		change(&g)
		if _, err := g.open(); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttack32BitFlipped(t *testing.T) {
	t.Parallel()
	f := sealFile(t, make([]byte, ChunkSize+100))
	rapid.Check(t, func(t *rapid.T) {
		g := f
		g.bytes = slices.Clone(f.bytes)
		at := rapid.IntRange(0, len(g.bytes)-1).Draw(t, "at")
		g.bytes[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := g.open(); !errors.Is(err, ErrFile) {
			t.Fatalf("byte %d: %v", at, err)
		}
	})
}

// One plain file has one layout only: a full chunk may not be followed by an
// empty one, though every part of such a file is genuine.
func TestAttack32EmptyTail(t *testing.T) {
	t.Parallel()
	f := sealFile(t, nil)
	var dst bytes.Buffer
	c := chunkSealer{id: f.id, aead: newAEAD(f.key), dst: &dst}
	for i, plain := range [][]byte{make([]byte, ChunkSize), nil} {
		if err := c.seal(plain, i == 1); err != nil {
			t.Fatal(err)
		}
	}
	f.bytes, f.size, f.root = dst.Bytes(), c.size, envelope.Hash(c.root.Root())
	_, err := f.open()
	wantError(t, err, ErrFile)
}

func TestFileErrorsPassThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk broke")
	_, _, err := SealFile(io.Discard, iotest.ErrReader(broken), envelope.BlobID{}, DataKey{})
	wantError(t, err, broken)
	f := sealFile(t, []byte("x"))
	err = OpenFile(io.Discard, iotest.ErrReader(broken), f.id, f.key, f.size, f.root)
	wantError(t, err, broken)
	if errors.Is(err, ErrFile) {
		t.Fatal("a broken disk was blamed on the file")
	}
}

// Readers may deliver little at a time.
func TestFileFromSlowReader(t *testing.T) {
	t.Parallel()
	plain := make([]byte, ChunkSize)
	var dst bytes.Buffer
	size, root, err := SealFile(&dst, iotest.HalfReader(bytes.NewReader(plain)), envelope.BlobID{}, DataKey{})
	if err != nil || size != piece.SealedSize(ChunkSize) {
		t.Fatalf("sealed size is %d: %v", size, err)
	}
	if err := OpenFile(io.Discard, iotest.HalfReader(&dst), envelope.BlobID{}, DataKey{}, size, root); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkSealFile(b *testing.B) {
	plain := make([]byte, 8<<20)
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := SealFile(io.Discard, bytes.NewReader(plain), envelope.BlobID{}, DataKey{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenFile(b *testing.B) {
	f := sealFile(b, make([]byte, 8<<20))
	b.SetBytes(8 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if err := OpenFile(io.Discard, bytes.NewReader(f.bytes), f.id, f.key, f.size, f.root); err != nil {
			b.Fatal(err)
		}
	}
}
