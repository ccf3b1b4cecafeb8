package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/iotest"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

func rootOf(data []byte) envelope.Hash {
	var leaves [][]byte
	for start := 0; start < len(data); start += ChunkSize {
		leaves = append(leaves, data[start:min(start+ChunkSize, len(data))])
	}
	return envelope.Hash(tlog.Root(leaves))
}

func open(t *testing.T) *Disk {
	t.Helper()
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// leftovers counts what lies in the staging directory.
func leftovers(t *testing.T, d *Disk) int {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(d.dir, staging))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestPutOpenRemove(t *testing.T) {
	t.Parallel()
	d, ctx := open(t), t.Context()
	for i, size := range []int{1, 28, ChunkSize - 1, ChunkSize, ChunkSize + 1, 3*ChunkSize + 5} {
		id := envelope.BlobID{byte(i), 1}
		data := bytes.Repeat([]byte{byte(size), 7, byte(i)}, size/3+1)[:size]
		for range 2 { // the same bytes again are fine
			if err := d.Put(ctx, id, uint64(size), rootOf(data), iotest.OneByteReader(bytes.NewReader(data))); err != nil {
				t.Fatalf("size %d: %v", size, err)
			}
		}
		f, err := d.Open(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("size %d: read %d bytes, %v", size, len(got), err)
		}
		for range 2 {
			if err := d.Remove(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Open(ctx, id); !errors.Is(err, ErrAbsent) {
			t.Fatalf("after removing: %v", err)
		}
	}
	if n := leftovers(t, d); n != 0 {
		t.Errorf("%d files left in staging", n)
	}
}

func TestAttackPutRefusesOtherBytes(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("sealed"), 30_000)
	for name, c := range map[string]struct {
		size uint64
		root envelope.Hash
		r    io.Reader
	}{
		"shorter":      {uint64(len(data)), rootOf(data), bytes.NewReader(data[1:])},
		"longer":       {uint64(len(data)), rootOf(data), io.MultiReader(bytes.NewReader(data), bytes.NewReader([]byte{1}))},
		"changed":      {uint64(len(data)), rootOf(data), io.MultiReader(bytes.NewReader([]byte{'S'}), bytes.NewReader(data[1:]))},
		"other root":   {uint64(len(data)), envelope.Hash{1}, bytes.NewReader(data)},
		"size zero":    {0, rootOf(nil), bytes.NewReader(nil)},
		"size beyond":  {1 << 63, rootOf(data), bytes.NewReader(data)},
		"reader fails": {uint64(len(data)), rootOf(data), io.MultiReader(bytes.NewReader(data[:100]), iotest.ErrReader(errors.New("cut off")))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			if err := d.Put(t.Context(), envelope.BlobID{1}, c.size, c.root, c.r); err == nil {
				t.Fatal("stored")
			}
			if _, err := d.Open(t.Context(), envelope.BlobID{1}); !errors.Is(err, ErrAbsent) {
				t.Errorf("a refused file can be opened: %v", err)
			}
			if n := leftovers(t, d); n != 0 {
				t.Errorf("%d files left in staging", n)
			}
		})
	}
}

func TestAttackPutNeverOverwrites(t *testing.T) {
	t.Parallel()
	d, id := open(t), envelope.BlobID{1}
	first, second := []byte("the first bytes"), []byte("the other bytes")
	if err := d.Put(t.Context(), id, uint64(len(first)), rootOf(first), bytes.NewReader(first)); err != nil {
		t.Fatal(err)
	}
	err := d.Put(t.Context(), id, uint64(len(second)), rootOf(second), bytes.NewReader(second))
	if !errors.Is(err, ErrExists) {
		t.Fatalf("got %v, want ErrExists", err)
	}
	f, err := d.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, _ := io.ReadAll(f); !bytes.Equal(got, first) {
		t.Errorf("the first bytes became %q", got)
	}
}

func TestCrashLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	d := open(t)
	if err := os.WriteFile(filepath.Join(d.dir, staging, "half"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := leftovers(t, again); n != 0 {
		t.Errorf("%d files left in staging", n)
	}
}

func TestPutStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := open(t)
	if err := d.Put(ctx, envelope.BlobID{1}, 1, rootOf([]byte{1}), bytes.NewReader([]byte{1})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// zeros is an endless stream that costs no memory.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestPutMemoryIsBounded(t *testing.T) {
	const size = 64 << 20
	d := open(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := d.Put(t.Context(), envelope.BlobID{1}, size, envelope.Hash{}, zeros{})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrMismatch) {
		t.Fatal(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("storing %d bytes allocated %d", size, grown)
	}
}
