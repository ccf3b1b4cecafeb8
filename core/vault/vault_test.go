package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	alpha = Channel{1}
	beta  = Channel{2}
)

const posts = 12

// at returns the configuration of a vault with two copies and two key
// directories below root.
func at(root string, fence uint64) Config {
	return Config{
		Copies: []string{filepath.Join(root, "copy-a"), filepath.Join(root, "copy-b")},
		Keys:   []string{filepath.Join(root, "keys-a"), filepath.Join(root, "keys-b")},
		Fence:  fence, New: true, Trees: 8,
	}
}

func mustOpen(t testing.TB, cfg Config) *Vault {
	t.Helper()
	v, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func saltOf(channel Channel, i uint64) (salt [32]byte) {
	copy(salt[:], "salt of the record")
	salt[30], salt[31] = channel[0], byte(i)
	return salt
}

// database is what PostgreSQL holds: sealed salts by channel and record.
type database map[Channel][][]byte

// filled makes a vault below root with two channels and posts in each.
func filled(t testing.TB, root string) database {
	t.Helper()
	v := mustOpen(t, at(root, 1))
	db := database{}
	for _, channel := range []Channel{alpha, beta} {
		if err := v.Create(channel); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(posts) {
			sealed, err := v.SealSalt(channel, i, saltOf(channel, i))
			if err != nil {
				t.Fatal(err)
			}
			db[channel] = append(db[channel], sealed)
		}
	}
	return db
}

// readable lists the records of a channel that open; any failure but a puncture
// fails the test.
func (db database) readable(t testing.TB, v *Vault, channel Channel) (live []uint64) {
	t.Helper()
	for i, sealed := range db[channel] {
		salt, err := v.OpenSalt(channel, uint64(i), sealed)
		switch {
		case err == nil && salt == saltOf(channel, uint64(i)):
			live = append(live, uint64(i))
		case !errors.Is(err, ErrPunctured):
			t.Fatalf("record %d: %v", i, err)
		}
	}
	return live
}

func all(except ...uint64) (live []uint64) {
	for i := range uint64(posts) {
		if !slices.Contains(except, i) {
			live = append(live, i)
		}
	}
	return live
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := filled(t, root)
	cfg := at(root, 1)
	cfg.New = false
	v := mustOpen(t, cfg)
	for channel := range db {
		if live := db.readable(t, v, channel); !slices.Equal(live, all()) {
			t.Errorf("readable: %v", live)
		}
	}
	if len(v.Mended()) != 0 {
		t.Errorf("a sound vault was mended: %q", v.Mended())
	}
	sealed := db[alpha][3]
	for name, try := range map[string]func() error{
		"another record":  func() error { _, err := v.OpenSalt(alpha, 4, sealed); return err },
		"another channel": func() error { _, err := v.OpenSalt(beta, 3, sealed); return err },
		"cut":             func() error { _, err := v.OpenSalt(alpha, 3, sealed[:59]); return err },
		"changed": func() error {
			b := bytes.Clone(sealed)
			b[20] ^= 1
			_, err := v.OpenSalt(alpha, 3, b)
			return err
		},
	} {
		if err := try(); !errors.Is(err, ErrSalt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.SealSalt(Channel{9}, 0, [32]byte{}); !errors.Is(err, ErrMissingTree) {
		t.Errorf("post to a channel without a tree: %v", err)
	}
	if err := v.Create(alpha); err != nil || !slices.Equal(db.readable(t, v, alpha), all()) {
		t.Errorf("creating a tree again: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cfg := at(root, 1)
	same, one, none := cfg, cfg, cfg
	same.Copies = []string{cfg.Copies[0], filepath.Join(cfg.Copies[0], ".")}
	one.Copies = cfg.Copies[:1]
	none.Keys = nil
	for name, bad := range map[string]Config{"one copy twice": same, "one copy": one, "no keys": none} {
		if _, err := Open(bad); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	cfg.New = false
	for _, dir := range slices.Concat(cfg.Copies, cfg.Keys) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(cfg); !errors.Is(err, ErrNoVault) {
		t.Errorf("opening nothing: %v", err)
	}
}

func TestPuncture(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := filled(t, root)
	v := mustOpen(t, at(root, 1))
	result, err := v.Puncture(t.Context(), map[Channel][]uint64{alpha: {7, 2, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (Result{Generation: 2, Channels: 1, Leaves: 3, Copies: 2}); result != want {
		t.Errorf("result %+v, want %+v", result, want)
	}
	for _, v := range []*Vault{v, mustOpen(t, at(root, 1))} {
		if live := db.readable(t, v, alpha); !slices.Equal(live, all(1, 2, 7)) {
			t.Errorf("alpha: %v", live)
		}
		if live := db.readable(t, v, beta); !slices.Equal(live, all()) {
			t.Errorf("beta: %v", live)
		}
	}
	if _, err := v.SealSalt(alpha, 2, [32]byte{}); !errors.Is(err, ErrPunctured) {
		t.Errorf("sealing under a punctured leaf: %v", err)
	}
	if _, err := v.Puncture(t.Context(), map[Channel][]uint64{{9}: {1}}); !errors.Is(err, ErrMissingTree) {
		t.Errorf("puncturing nowhere: %v", err)
	}
	if _, err := v.Puncture(t.Context(), map[Channel][]uint64{alpha: {1 << 40}}); err == nil {
		t.Error("punctured past the end")
	}
	if v.Generation() != 2 {
		t.Error("a refused run changed the generation")
	}
}

func TestFencing(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := filled(t, root)
	old := mustOpen(t, at(root, 4))
	next := mustOpen(t, at(root, 5))
	if err := old.Create(Channel{3}); !errors.Is(err, ErrFenced) {
		t.Errorf("create by the old holder: %v", err)
	}
	if _, err := old.Puncture(t.Context(), map[Channel][]uint64{alpha: {1}}); !errors.Is(err, ErrFenced) {
		t.Errorf("run by the old holder: %v", err)
	}
	if _, err := Open(at(root, 4)); !errors.Is(err, ErrFenced) {
		t.Errorf("opening with an old number: %v", err)
	}
	if _, err := next.Puncture(t.Context(), map[Channel][]uint64{alpha: {1}}); err != nil {
		t.Error(err)
	}
	if live := db.readable(t, next, alpha); !slices.Equal(live, all(1)) {
		t.Errorf("readable: %v", live)
	}
}

func TestLostAndDamagedCopies(t *testing.T) {
	t.Parallel()
	gen := func(root, copy string) string { return filepath.Join(root, copy, genName(1)) }
	for name, damage := range map[string]func(root string) error{
		"copy emptied": func(root string) error {
			return errors.Join(os.RemoveAll(filepath.Join(root, "copy-a")), os.Mkdir(filepath.Join(root, "copy-a"), 0o700))
		},
		"tail cut":           func(root string) error { return os.Truncate(gen(root, "copy-b"), 200) },
		"file emptied":       func(root string) error { return os.Truncate(gen(root, "copy-a"), 0) },
		"bit flipped":        func(root string) error { return flip(gen(root, "copy-a"), 70) },
		"length flipped":     func(root string) error { return flip(gen(root, "copy-a"), 12+40) },
		"last tree flipped":  func(root string) error { return flip(gen(root, "copy-a"), -1) },
		"bytes appended":     func(root string) error { return appendTo(gen(root, "copy-b"), "junk") },
		"pointer damaged":    func(root string) error { return appendTo(filepath.Join(root, "copy-b", pointerName), "junk") },
		"a KEK file is gone": func(root string) error { return os.Remove(filepath.Join(root, "keys-a", "kek-1")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			db := filled(t, root)
			if err := damage(root); err != nil {
				t.Fatal(err)
			}
			v := mustOpen(t, at(root, 1))
			if len(v.Mended()) == 0 {
				t.Error("mended without a word")
			}
			for channel := range db {
				if live := db.readable(t, v, channel); !slices.Equal(live, all()) {
					t.Errorf("readable: %v", live)
				}
			}
			for _, c := range v.Doctor().Copies {
				if c.Err != nil {
					t.Errorf("after mending, %s: %v", c.Dir, c.Err)
				}
			}
		})
	}
}

func TestLossIsNeverANewVault(t *testing.T) {
	t.Parallel()
	for name, dirs := range map[string][]string{"copies": {"copy-a", "copy-b"}, "keys": {"keys-a", "keys-b"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			filled(t, root)
			for _, dir := range dirs {
				if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Open(at(root, 1)); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrKey) {
				t.Errorf("opened: %v", err)
			}
		})
	}
}

func TestDamageInEveryCopyIsRefused(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	filled(t, root)
	for _, c := range []string{"copy-a", "copy-b"} {
		if err := flip(filepath.Join(root, c, genName(1)), 70); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(at(root, 1)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("opened: %v", err)
	}
}

func TestKeyFileMode(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	filled(t, root)
	if err := os.Chmod(filepath.Join(root, "keys-a", "kek-1"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(at(root, 1)); !errors.Is(err, ErrKey) {
		t.Errorf("opened with a KEK that the group may read: %v", err)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	filled(t, root)
	v := mustOpen(t, at(root, 1))
	if err := flip(filepath.Join(root, "copy-b", genName(1)), 70); err != nil {
		t.Fatal(err)
	}
	r := v.Doctor()
	if r.Trees != 2 || r.Copies[0].Err != nil || !errors.Is(r.Copies[1].Err, ErrCorrupt) {
		t.Errorf("report %+v", r)
	}
	if !strings.Contains(strings.Join(r.Warnings, "\n"), "undoes shredding") {
		t.Errorf("no warning about one disk for all: %q", r.Warnings)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	filled(t, root)
	v := mustOpen(t, at(root, 1))
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.SealSalt(alpha, 1, [32]byte{}); err == nil {
		t.Error("sealed after closing")
	}
	if err := v.Create(beta); !errors.Is(err, os.ErrClosed) {
		t.Errorf("created after closing: %v", err)
	}
}

// TestConcurrentUse is for the race detector: posts, reads and runs at once, with
// a cache too small for the channels.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cfg := at(root, 1)
	cfg.Trees = 2
	v := mustOpen(t, cfg)
	var group sync.WaitGroup
	for n := range byte(5) {
		channel := Channel{n}
		group.Go(func() {
			if err := v.Create(channel); err != nil {
				t.Error(err)
			}
			for i := range uint64(200) {
				sealed, err := v.SealSalt(channel, i, saltOf(channel, i))
				if err != nil {
					t.Error(err)
					return
				}
				if salt, err := v.OpenSalt(channel, i, sealed); err != nil || salt != saltOf(channel, i) {
					t.Error(err)
				}
			}
			if _, err := v.Puncture(t.Context(), map[Channel][]uint64{channel: {0, 5}}); err != nil {
				t.Error(err)
			}
			if _, err := v.SealSalt(channel, 5, [32]byte{}); !errors.Is(err, ErrPunctured) {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// flip changes one bit of a file, counted from its end if at is negative.
func flip(path string, at int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[(at+len(b))%len(b)] ^= 1
	return os.WriteFile(path, b, 0o600)
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func BenchmarkSealSalt(b *testing.B) {
	root := b.TempDir()
	filled(b, root)
	v := mustOpen(b, at(root, 1))
	var i uint64
	for b.Loop() {
		if _, err := v.SealSalt(alpha, i, [32]byte{}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkCreate(b *testing.B) {
	root := b.TempDir()
	filled(b, root)
	v := mustOpen(b, at(root, 1))
	n := 0
	for b.Loop() {
		n++
		if err := v.Create(Channel{9, byte(n), byte(n >> 8), byte(n >> 16)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPuncture1000Channels(b *testing.B) {
	root := b.TempDir()
	filled(b, root)
	v := mustOpen(b, at(root, 1))
	for n := range 1000 {
		if err := v.Create(Channel{9, byte(n), byte(n >> 8)}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := v.Puncture(b.Context(), map[Channel][]uint64{alpha: {1}}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSealNeedsEveryCopy: nothing is sealed under a tree while a copy is away or
// cut; what is sealed still opens.
func TestSealNeedsEveryCopy(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(string) error{
		"gone":  os.Remove,
		"cut":   func(path string) error { return os.Truncate(path, 20) },
		"empty": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			db := filled(t, root)
			v := mustOpen(t, at(root, 1))
			file := filepath.Join(root, "copy-b", genName(v.Generation()))
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := harm(file); err != nil {
				t.Fatal(err)
			}
			if _, err := v.SealSalt(alpha, posts, saltOf(alpha, posts)); !errors.Is(err, ErrCopyLost) {
				t.Errorf("sealing gave %v", err)
			}
			if live := db.readable(t, v, alpha); len(live) != posts {
				t.Errorf("%d of %d salts open", len(live), posts)
			}
			if err := os.WriteFile(file, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := v.SealSalt(alpha, posts, saltOf(alpha, posts)); err != nil {
				t.Errorf("once the copy is back: %v", err)
			}
		})
	}
}
