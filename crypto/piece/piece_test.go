package piece

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chancery/crypto/envelope"
)

// whole is a sealed file on disk, as far as a tree is concerned: any bytes do.
func whole(t testing.TB, size int) (File, *Draft, []byte) {
	t.Helper()
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(size)}).Read(data)
	d, err := OpenDraft(filepath.Join(t.TempDir(), "whole"), 0, All)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	for chunk := range slices.Chunk(data, Chunk) {
		if _, err := d.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	root, err := d.Root()
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFile(uint64(size), root)
	if err != nil {
		t.Fatal(err)
	}
	return f, d, data
}

func send(t testing.TB, d *Draft, f File, s Span) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := d.Send(&b, f, s); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != f.Bytes(s) || b.Len() > MaxBytes {
		t.Fatalf("piece %v has %d bytes, foretold %d", s, b.Len(), f.Bytes(s))
	}
	return b.Bytes()
}

func TestEveryPieceOfAFile(t *testing.T) {
	t.Parallel()
	for _, size := range []int{Overhead, Overhead + 1, Chunk - 1, Chunk, Chunk + Overhead + 1, 5*Chunk + 99} {
		f, d, data := whole(t, size)
		for from := range f.Chunks() {
			for to := from + 1; to <= f.Chunks(); to++ {
				s := Span{from, to}
				var got bytes.Buffer
				if _, err := f.Receive(&got, bytes.NewReader(send(t, d, f, s)), s); err != nil {
					t.Fatalf("%d bytes, chunks %d to %d: %v", size, from, to, err)
				}
				if want := data[from*Chunk : min(int(to)*Chunk, size)]; !bytes.Equal(got.Bytes(), want) {
					t.Fatalf("%d bytes, chunks %d to %d: other bytes", size, from, to)
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for _, size := range []uint64{0, 1, Overhead - 1, Chunk + 1, Chunk + Overhead, SealedSize(MaxPlain) + 1, 1 << 63, 1<<64 - 1} {
		if _, err := NewFile(size, envelope.Hash{}); !errors.Is(err, ErrSize) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	for _, plain := range []uint64{0, 1, Plain - 1, Plain, Plain + 1, MaxPlain} {
		f, err := NewFile(SealedSize(plain), envelope.Hash{})
		if err != nil || f.Plain() != plain {
			t.Errorf("%d plain bytes: %d, %v", plain, f.Plain(), err)
		}
	}
	big, err := NewFile(SealedSize(MaxPlain), envelope.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []Span{{}, {3, 3}, {4, 3}, {0, Max + 1}, {big.Chunks(), big.Chunks() + 1}, {1 << 63, 1<<63 + 1}} {
		if err := big.Check(s); !errors.Is(err, ErrSize) {
			t.Errorf("span %v: %v", s, err)
		}
	}
	for from := uint64(0); from < big.Chunks(); from += 997 {
		if n := big.Bytes(big.Next(from)); n > MaxBytes {
			t.Errorf("a piece from %d has %d bytes", from, n)
		}
	}
}

// What a server can do to a piece: each is refused.
func TestAttack32PieceChanged(t *testing.T) {
	t.Parallel()
	f, d, _ := whole(t, 6*Chunk+500)
	twin, td, _ := whole(t, 6*Chunk+501)
	s := Span{2, 5}
	good := send(t, d, f, s)
	proof := int(f.Bytes(s) - f.Length(s))
	swapped := slices.Clone(good)
	copy(swapped[proof:], good[proof+Chunk:proof+2*Chunk])
	copy(swapped[proof+Chunk:], good[proof:proof+Chunk])
	for name, b := range map[string][]byte{
		"cut by a byte": good[:len(good)-1], "cut by a chunk": good[:len(good)-Chunk], "cut in the proof": good[:proof-1],
		"empty": {}, "appended": append(slices.Clone(good), 0), "swapped": swapped, "another run": send(t, d, f, Span{1, 4}),
		"of another file": send(t, td, twin, s), "another proof": slices.Concat(send(t, td, twin, s)[:proof], good[proof:]),
	} {
		if _, err := f.Receive(io.Discard, bytes.NewReader(b), s); !errors.Is(err, ErrPiece) {
			t.Errorf("%s: %v", name, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := slices.Clone(good)
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := f.Receive(io.Discard, bytes.NewReader(b), s); !errors.Is(err, ErrPiece) {
			t.Fatal(err)
		}
	})
}

// fetch fills a draft from another, up to a chunk.
func fetch(t testing.TB, to *Draft, from *Draft, f File, upTo uint64) {
	t.Helper()
	for to.Have() < upTo {
		s := Span{to.Have(), min(to.Have()+2, upTo)}
		if err := to.Take(f, bytes.NewReader(send(t, from, f, s)), s.To); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDraftGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	f, src, data := whole(t, 7*Chunk+3000)
	for name, crash := range map[string]struct {
		do   func(path string) error
		have uint64
	}{
		"cleanly":            {func(string) error { return nil }, 5},
		"data cut":           {func(p string) error { return os.Truncate(p, 4*Chunk+7) }, 4},
		"tree cut":           {func(p string) error { return os.Truncate(p+TreeSuffix, 5*hashSize) }, 3},
		"tree gone":          {func(p string) error { return os.Remove(p + TreeSuffix) }, 0},
		"data beyond tree":   {func(p string) error { return os.Truncate(p, 6*Chunk+9) }, 5},
		"zeros in the chunk": {func(p string) error { return overwrite(p, 3*Chunk+10) }, 3},
	} {
		path := filepath.Join(t.TempDir(), "part")
		d, err := OpenDraft(path, f.Size, LastPiece)
		if err != nil {
			t.Fatal(err)
		}
		fetch(t, d, src, f, 5)
		if err := errors.Join(d.Close(), crash.do(path)); err != nil {
			t.Fatal(name, err)
		}
		if d, err = OpenDraft(path, f.Size, LastPiece); err != nil {
			t.Fatal(name, err)
		}
		if d.Have() != crash.have {
			t.Errorf("%s: %d chunks, want %d", name, d.Have(), crash.have)
		}
		fetch(t, d, src, f, f.Chunks())
		got, err := io.ReadAll(d.Reader(f))
		root, err2 := d.Root()
		if err := errors.Join(err, err2, d.Close()); err != nil || !bytes.Equal(got, data) || root != f.Root {
			t.Errorf("%s: other bytes, or root %s: %v", name, root, err)
		}
	}
}

func overwrite(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, 100), at)
	return errors.Join(err, f.Close())
}

// A refused piece costs nothing of what was there, and a draft of another file
// is found at the first piece.
func TestAttack32DraftKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	f, src, _ := whole(t, 6*Chunk)
	twin, twinSrc, _ := whole(t, 6*Chunk-1)
	d, err := OpenDraft(filepath.Join(t.TempDir(), "part"), f.Size, All)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	fetch(t, d, src, f, 3)
	bad := send(t, src, f, Span{3, 5})
	bad[len(bad)-1] ^= 1
	if err := d.Take(f, bytes.NewReader(bad), 5); !errors.Is(err, ErrPiece) || d.Have() != 3 {
		t.Fatalf("a changed piece: %d chunks, %v", d.Have(), err)
	}
	if err := d.Take(twin, bytes.NewReader(send(t, twinSrc, twin, Span{3, 5})), 5); !errors.Is(err, ErrPast) || d.Have() != 3 {
		t.Fatalf("a piece of another file: %d chunks, %v", d.Have(), err)
	}
	fetch(t, d, src, f, 6)
	if root, err := d.Root(); err != nil || root != f.Root {
		t.Fatalf("root %s, %v", root, err)
	}
}
