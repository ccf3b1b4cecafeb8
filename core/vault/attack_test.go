package vault

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var errCrash = errors.New("power is gone")

// crashAt returns a step that crashes at the n-th change and at all after it, and
// a count of the changes asked for.
func crashAt(n int) (step func(op, path string) error, count *int) {
	count = new(int)
	return func(string, string) error {
		*count++
		if *count > n {
			return errCrash
		}
		return nil
	}, count
}

// cloned copies a vault's directories to a place of its own.
func cloned(t *testing.T, root string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "vault")
	if err := os.CopyFS(to, os.DirFS(root)); err != nil {
		t.Fatal(err)
	}
	// CopyFS makes files that anyone may read, and the vault refuses such keys.
	keys, _ := filepath.Glob(filepath.Join(to, "keys-*", "*"))
	for _, path := range keys {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// everyCrash runs do on a fresh clone of root with a crash at each change in
// turn, and gives what is left to check. It ends when do got through.
func everyCrash(t *testing.T, root string, do func(v *Vault) error, check func(root string, n int, done bool)) {
	t.Helper()
	for n := 0; ; n++ {
		here := cloned(t, root)
		step, _ := crashAt(n)
		v, err := open(at(here, 1), step)
		if err == nil {
			err = do(v)
			_ = v.Close()
		}
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatalf("change %d: %v", n, err)
		}
		check(here, n, err == nil)
		if err == nil {
			if n < 2 {
				t.Fatalf("only %d changes: nothing was tested", n)
			}
			t.Logf("%d crash points", n)
			return
		}
	}
}

func TestAttack37CrashAtEachStepOfARun(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := filled(t, root)
	run := func(v *Vault) error {
		_, err := v.Puncture(t.Context(), map[Channel][]uint64{alpha: {1, 2, 7}})
		return err
	}
	oldKEK, err := os.ReadFile(filepath.Join(root, "keys-a", "kek-1"))
	if err != nil {
		t.Fatal(err)
	}
	everyCrash(t, root, run, func(here string, n int, done bool) {
		if done {
			assertShredded(t, here, oldKEK)
		}
		crashedRecovery(t, here, n)
		v := mustOpen(t, at(here, 1))
		live := db.readable(t, v, alpha)
		undone, forward := slices.Equal(live, all()), slices.Equal(live, all(1, 2, 7))
		if !forward && (done || !undone) {
			t.Errorf("change %d: readable %v", n, live)
		}
		if live := db.readable(t, v, beta); !slices.Equal(live, all()) {
			t.Errorf("change %d: untouched channel: %v", n, live)
		}
		if err := run(v); err != nil {
			t.Fatalf("change %d: running again: %v", n, err)
		}
		if live := db.readable(t, v, alpha); !slices.Equal(live, all(1, 2, 7)) {
			t.Errorf("change %d: after running again: %v", n, live)
		}
		assertShredded(t, here, oldKEK)
	})
}

// crashedRecovery opens the vault with a crash somewhere in its recovery, so that
// the next recovery starts from what that one left.
func crashedRecovery(t *testing.T, root string, n int) {
	t.Helper()
	step, _ := crashAt(n % 5)
	v, err := open(at(root, 1), step)
	if err == nil {
		_ = v.Close()
	} else if !errors.Is(err, errCrash) {
		t.Fatalf("recovering from a crash at change %d: %v", n, err)
	}
}

// assertShredded looks through every file that is left for a way back.
func assertShredded(t *testing.T, root string, oldKEK []byte) {
	t.Helper()
	aead, err := newAEAD(oldKEK[len(keyMagic):])
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(data, oldKEK[len(keyMagic):]) {
			t.Errorf("%s holds the old KEK", path)
		}
		if g, err := scan(data, 1, aead); err == nil && len(g.trees) > 0 {
			t.Errorf("%s opens under the old KEK", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]int{"keys-*/kek-*": 2, "copy-*/generation-*": 2} {
		if paths, _ := filepath.Glob(filepath.Join(root, pattern)); len(paths) != want {
			t.Errorf("left behind: %q", paths)
		}
	}
}

func TestAttack37CrashWhileMakingATree(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := filled(t, root)
	gamma := Channel{3}
	everyCrash(t, root, func(v *Vault) error { return v.Create(gamma) }, func(here string, n int, done bool) {
		v := mustOpen(t, at(here, 1))
		if done && !v.Has(gamma) {
			t.Error("a tree that was made is gone")
		}
		if err := v.Create(gamma); err != nil || !v.Has(gamma) {
			t.Errorf("change %d: making it again: %v", n, err)
		}
		for channel := range db {
			if live := db.readable(t, v, channel); !slices.Equal(live, all()) {
				t.Errorf("change %d: readable %v", n, live)
			}
		}
	})
}

func TestCrashWhileMakingAVault(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	everyCrash(t, root, func(*Vault) error { return nil }, func(here string, n int, _ bool) {
		v := mustOpen(t, at(here, 1))
		if err := v.Create(alpha); err != nil {
			t.Errorf("change %d: %v", n, err)
		}
	})
}

// TestChangeFailsAndIsRetried has a disk fail once, at each change in turn, in a
// process that lives on.
func TestChangeFailsAndIsRetried(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := filled(t, root)
	for n := 1; ; n++ {
		here, count := cloned(t, root), 0
		v, err := open(at(here, 1), func(string, string) error {
			if count++; count == n {
				return errCrash
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Puncture(t.Context(), map[Channel][]uint64{alpha: {4}})
		if err == nil && count < n {
			return
		}
		if live := db.readable(t, v, beta); !slices.Equal(live, all()) {
			t.Errorf("change %d failed: readable %v", n, live)
		}
		if _, err := v.SealSalt(alpha, 99, [32]byte{}); err != nil {
			t.Errorf("change %d failed: posting: %v", n, err)
		}
		if _, err := v.Puncture(t.Context(), map[Channel][]uint64{alpha: {4}}); err != nil {
			t.Errorf("change %d failed: again: %v", n, err)
		}
		if live := db.readable(t, v, alpha); !slices.Equal(live, all(4)) {
			t.Errorf("change %d failed: readable %v", n, live)
		}
		_ = v.Close()
	}
}

func TestAttack37YesterdaysCopyBesideTodaysVault(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	db := filled(t, root)
	yesterday := cloned(t, root)
	v := mustOpen(t, at(root, 1))
	if _, err := v.Puncture(t.Context(), map[Channel][]uint64{alpha: {1}}); err != nil {
		t.Fatal(err)
	}
	restore := func(dir string) {
		to := filepath.Join(root, dir)
		if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(filepath.Join(yesterday, dir)))); err != nil {
			t.Fatal(err)
		}
	}
	restore("copy-a")
	if live := db.readable(t, mustOpen(t, at(root, 1)), alpha); !slices.Equal(live, all(1)) {
		t.Errorf("one old copy: readable %v", live)
	}
	restore("copy-a")
	restore("copy-b")
	if _, err := Open(at(root, 1)); !errors.Is(err, ErrKey) {
		t.Errorf("old copies, today's keys: %v", err)
	}
}

// TestAttackRelabelledTree swaps the channel ids of two records in every copy: one
// channel's erasures would then fall on the other's records.
func TestAttackRelabelledTree(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	filled(t, root)
	for _, c := range []string{"copy-a", "copy-b"} {
		path := filepath.Join(root, c, genName(1))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copy(data[genHeader:], beta[:])
		copy(data[genHeader+newRecord:], alpha[:])
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(at(root, 1)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("opened: %v", err)
	}
}
