package blob

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

// source is a sealed file as its sender has it, as far as a tree is concerned.
type source struct {
	id    envelope.BlobID
	file  piece.File
	draft *piece.Draft
	data  []byte
}

func newSource(t testing.TB, size int) *source {
	t.Helper()
	s := &source{id: envelope.BlobID{1, byte(size)}, data: make([]byte, size)}
	rand.NewChaCha8([32]byte{byte(size)}).Read(s.data)
	var err error
	if s.draft, err = piece.OpenDraft(filepath.Join(t.TempDir(), "source"), 0, piece.All); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.draft.Close() })
	for chunk := range slices.Chunk(s.data, piece.Chunk) {
		if _, err := s.draft.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	root, err := s.draft.Root()
	if err != nil {
		t.Fatal(err)
	}
	if s.file, err = piece.NewFile(uint64(size), root); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *source) piece(t testing.TB, from, to uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.draft.Send(&b, s.file, piece.Span{From: from, To: to}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (s *source) put(t testing.TB, d *Disk, from, to uint64) {
	t.Helper()
	have, err := d.Take(t.Context(), s.id, s.file, piece.Span{From: from, To: to}, bytes.NewReader(s.piece(t, from, to)))
	if err != nil || have != to {
		t.Fatalf("chunks %d to %d: have %d, %v", from, to, have, err)
	}
}

func reopen(t testing.TB, dir string) *Disk {
	t.Helper()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// leftovers counts what lies in the staging directory.
func leftovers(t testing.TB, d *Disk) int {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(d.dir, staging))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestTakeOpenSendRemove(t *testing.T) {
	t.Parallel()
	d, ctx := reopen(t, t.TempDir()), t.Context()
	for _, size := range []int{28, piece.Chunk - 1, piece.Chunk, piece.Chunk + 29, 3*piece.Chunk + 50} {
		s := newSource(t, size)
		for i := range s.file.Chunks() {
			s.put(t, d, i, i+1)
		}
		s.put(t, d, 0, s.file.Chunks()) // the answer was missed: nothing happens
		f, err := d.Open(ctx, s.id)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil || !bytes.Equal(got, s.data) {
			t.Fatalf("size %d: read %d bytes, %v", size, len(got), err)
		}
		var part bytes.Buffer
		span := piece.Span{From: s.file.Chunks() - 1, To: s.file.Chunks()}
		if err := d.Send(ctx, s.id, s.file, span, &part); err != nil || !bytes.Equal(part.Bytes(), s.piece(t, span.From, span.To)) {
			t.Fatalf("size %d: another last piece, %v", size, err)
		}
		for range 2 {
			if err := d.Remove(ctx, s.id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Open(ctx, s.id); !errors.Is(err, ErrAbsent) {
			t.Fatalf("after removing: %v", err)
		}
	}
	if n := leftovers(t, d); n != 0 {
		t.Errorf("%d files left in staging", n)
	}
}

// A file grows over restarts, and neither a refused piece nor one out of turn
// takes anything from it.
func TestAttack32GrowsOverRestarts(t *testing.T) {
	t.Parallel()
	s, dir, ctx := newSource(t, 9*piece.Chunk+77), t.TempDir(), t.Context()
	s.put(t, reopen(t, dir), 0, 4)
	d := reopen(t, dir)
	changed := s.piece(t, 4, 6)
	changed[len(changed)-1] ^= 1
	for name, c := range map[string]struct {
		span piece.Span
		body []byte
		want error
	}{
		"changed":     {piece.Span{From: 4, To: 6}, changed, piece.ErrPiece},
		"cut":         {piece.Span{From: 4, To: 6}, changed[:len(changed)-3], piece.ErrPiece},
		"out of turn": {piece.Span{From: 5, To: 6}, s.piece(t, 5, 6), piece.ErrTurn},
		"overlapping": {piece.Span{From: 3, To: 6}, s.piece(t, 3, 6), piece.ErrTurn},
		"beyond":      {piece.Span{From: 4, To: 11}, nil, piece.ErrSize},
	} {
		have, err := d.Take(ctx, s.id, s.file, c.span, bytes.NewReader(c.body))
		if !errors.Is(err, c.want) || have != 4 {
			t.Errorf("%s: have %d, %v", name, have, err)
		}
	}
	if _, err := d.Open(ctx, s.id); !errors.Is(err, ErrAbsent) {
		t.Errorf("a file that is not whole can be opened: %v", err)
	}
	if have, err := d.Have(ctx, s.id, s.file); err != nil || have != 4 {
		t.Fatalf("have %d, %v", have, err)
	}
	s.put(t, d, 4, 10)
	f, err := d.Open(ctx, s.id)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil || !bytes.Equal(got, s.data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if have, err := d.Have(ctx, s.id, s.file); err != nil || have != 10 {
		t.Errorf("have %d, %v", have, err)
	}
}

// A crash while a whole file gets its names costs nothing of it.
func TestCrashWhilePublishing(t *testing.T) {
	t.Parallel()
	s, dir := newSource(t, 2*piece.Chunk), t.TempDir()
	d := reopen(t, dir)
	whole, err := piece.OpenDraft(d.growing(s.id), s.file.Size, piece.All)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(whole.Take(s.file, bytes.NewReader(s.piece(t, 0, 2)), 2), whole.Close(), d.mkdirs(filepath.Dir(d.path(s.id))),
		os.Link(d.growing(s.id)+piece.TreeSuffix, d.path(s.id)+piece.TreeSuffix))
	if err != nil {
		t.Fatal(err)
	}
	d = reopen(t, dir)
	if have, err := d.Have(t.Context(), s.id, s.file); err != nil || have != 2 {
		t.Fatalf("have %d, %v", have, err)
	}
	f, err := d.Open(t.Context(), s.id)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if n := leftovers(t, d); n != 0 {
		t.Errorf("%d files left in staging", n)
	}
}

func TestAttackTakeNeverOverwrites(t *testing.T) {
	t.Parallel()
	d := reopen(t, t.TempDir())
	first, second := newSource(t, 300), newSource(t, 301)
	first.put(t, d, 0, 1)
	_, err := d.Take(t.Context(), first.id, second.file, piece.Span{To: 1}, bytes.NewReader(second.piece(t, 0, 1)))
	if !errors.Is(err, ErrExists) {
		t.Fatalf("got %v, want ErrExists", err)
	}
}

func TestTakeMemoryIsBounded(t *testing.T) {
	s := newSource(t, 64*piece.Chunk)
	d, body := reopen(t, t.TempDir()), s.piece(t, 0, 64)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := d.Take(t.Context(), s.id, s.file, piece.Span{To: 64}, bytes.NewReader(body))
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("taking %d bytes allocated %d", len(body), grown)
	}
}
