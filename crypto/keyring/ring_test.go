package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

const passphrase = "correct horse"

func newRing(t testing.TB) (*Ring, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ring")
	r, err := Create(dir, passphrase, Cheap(), Suite(suitetest.Suite()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeRing(t, r) })
	return r, dir
}

func closeRing(t testing.TB, r *Ring) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func reopen(t testing.TB, r *Ring, dir string) *Ring {
	t.Helper()
	closeRing(t, r)
	r, err := Open(dir, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeRing(t, r) })
	return r
}

func put(t testing.TB, r *Ring, name, value string) {
	t.Helper()
	if err := r.Put(name, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

func TestItems(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	put(t, r, "device", "one")
	put(t, r, "device", "two")
	put(t, r, "empty", "")
	r = reopen(t, r, dir)
	if got, err := r.Get("device"); err != nil || string(got) != "two" {
		t.Fatalf("item is %q, %v", got, err)
	}
	if got, err := r.Get("empty"); err != nil || len(got) != 0 {
		t.Fatalf("item is %q, %v", got, err)
	}
	if names, err := r.List(); err != nil || !slices.Equal(names, []string{"device", "empty"}) {
		t.Fatalf("names are %q, %v", names, err)
	}
	if err := r.Delete("device"); err != nil {
		t.Fatal(err)
	}
	_, err := r.Get("device")
	wantError(t, err, ErrNotFound)
	wantError(t, r.Delete("device"), ErrNotFound)
	if err := r.Put("large", make([]byte, MaxItem+1)); err == nil {
		t.Fatal("kept more than the limit")
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	type device struct {
		_    struct{} `cbor:",toarray"`
		Name string
		Seed []byte
	}
	r, _ := newRing(t)
	if err := r.PutValue("device", &device{Name: "laptop", Seed: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	got, err := Value[device](r, "device")
	if err != nil || got.Name != "laptop" || !bytes.Equal(got.Seed, []byte{1}) {
		t.Fatalf("value is %v, %v", got, err)
	}
	put(t, r, "junk", "no CBOR")
	_, err = Value[device](r, "junk")
	wantError(t, err, ErrDamaged)
}

func TestCreateAndOpenRefuse(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	closeRing(t, r)
	_, err := Create(dir, passphrase, Cheap())
	wantError(t, err, ErrExists)
	_, err = Open(dir, "wrong")
	wantError(t, err, ErrPassphrase)
	_, err = Open(dir, "")
	wantError(t, err, ErrPassphrase)
	_, err = Create(filepath.Join(t.TempDir(), "x"), "", Cheap(), Suite(suitetest.Suite()))
	wantError(t, err, ErrPassphrase)
	_, err = Open(t.TempDir(), passphrase)
	wantError(t, err, ErrNotFound)
	_, err = Create(filepath.Join(t.TempDir(), "x"), passphrase, Suite("none"))
	wantError(t, err, seal.ErrSuite)
}

func TestChangePassphrase(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	put(t, r, "device", "seed")
	if err := r.ChangePassphrase("battery staple"); err != nil {
		t.Fatal(err)
	}
	closeRing(t, r)
	_, err := Open(dir, passphrase)
	wantError(t, err, ErrPassphrase)
	r, err = Open(dir, "battery staple")
	if err != nil {
		t.Fatal(err)
	}
	defer closeRing(t, r)
	if got, err := r.Get("device"); err != nil || string(got) != "seed" {
		t.Fatalf("item is %q, %v", got, err)
	}
	wantError(t, r.ChangePassphrase(""), ErrPassphrase)
}

func TestAttack22TwoWriters(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	_, err := Open(dir, passphrase)
	wantError(t, err, ErrLocked)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Fatalf("the holder is not named: %v", err)
	}
	reopen(t, r, dir)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	r, _ := newRing(t)
	put(t, r, "device", "seed")
	closeRing(t, r)
	_, err := r.Get("device")
	wantError(t, err, ErrClosed)
	wantError(t, r.Put("device", nil), ErrClosed)
	wantError(t, r.PutDurable("device", nil), ErrClosed)
	wantError(t, r.ChangePassphrase("x"), ErrClosed)
	_, err = r.List()
	wantError(t, err, ErrClosed)
}

func TestAttackNames(t *testing.T) {
	t.Parallel()
	r, _ := newRing(t)
	for _, name := range []string{"", ".", "..", "../x", "a/b", ".hidden", "-x", "A", "a b", "a\x00", "ü", strings.Repeat("a", 129)} {
		wantError(t, r.Put(name, nil), ErrName)
		wantError(t, r.PutDurable(name, nil), ErrName)
		wantError(t, r.Delete(name), ErrName)
		_, err := r.Get(name)
		wantError(t, err, ErrName)
	}
	put(t, r, strings.Repeat("a", 128), "x")
}

func TestAttackItemsChanged(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	put(t, r, "a", "one")
	put(t, r, "b", "two")
	a, err := os.ReadFile(filepath.Join(dir, "a.item"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("b.item", a) // genuine, under another name
	_, err = r.Get("b")
	wantError(t, err, ErrDamaged)
	for i := range a {
		changed := bytes.Clone(a)
		changed[i] ^= 1
		write("a.item", changed)
		_, err = r.Get("a")
		wantError(t, err, ErrDamaged)
	}
	write("a.item", make([]byte, MaxItem+100))
	_, err = r.Get("a")
	wantError(t, err, ErrDamaged)
}

func TestAttackModes(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	put(t, r, "a", "one")
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f.Name(), info.Mode(), err)
		}
	}
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(filepath.Join(dir, "a.item"), 0o640)
	_, err = r.Get("a")
	wantError(t, err, ErrMode)
	closeRing(t, r)
	chmod(filepath.Join(dir, configFile), 0o604)
	_, err = Open(dir, passphrase)
	wantError(t, err, ErrMode)
	chmod(filepath.Join(dir, configFile), 0o600)
	chmod(dir, 0o750)
	_, err = Open(dir, passphrase)
	wantError(t, err, ErrMode)
}

func writeConfig(t *testing.T, dir string, c configJSON) {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, configFile), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsClearOnDisk(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	secret := make([]byte, 32)
	rand.Read(secret)
	put(t, r, "a", string(secret))
	if err := r.PutDurable("a", secret); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"a.item", "a.slot", configFile} {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil || bytes.Contains(b, secret) || bytes.Contains(b, r.master[:]) {
			t.Errorf("%s holds a clear secret (%v)", f, err)
		}
	}
	if out := fmt.Sprintf("%v %+v %#v", r, r, r); strings.Contains(out, fmt.Sprint(r.master[0], " ", r.master[1])) {
		t.Error("the master key prints")
	}
}

func TestCrashLeavesNoTemporaryFile(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	put(t, r, "a", "one")
	left := filepath.Join(dir, "a.item.123"+tempSuffix)
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = reopen(t, r, dir)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a temporary file stayed: %v", err)
	}
	if got, err := r.Get("a"); err != nil || string(got) != "one" {
		t.Fatalf("item is %q, %v", got, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	r, _ := newRing(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			name := fmt.Sprint("item", i%3)
			for range 5 {
				if err := errors.Join(r.Put(name, []byte(name)), r.PutDurable(name, []byte(name))); err != nil {
					t.Error(err)
				}
				if got, err := r.Get(name); err != nil || string(got) != name {
					t.Errorf("item is %q, %v", got, err)
				}
			}
		})
	}
	group.Wait()
}

func TestPassphraseFromFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "passphrase")
	for _, c := range []struct {
		content, want string
		mode          os.FileMode
		err           error
	}{
		{"secret\n", "secret", 0o600, nil}, {"secret", "secret", 0o400, nil}, {" a b \r\n", " a b ", 0o600, nil},
		{"\n", "", 0o600, ErrPassphrase}, {"secret", "", 0o644, ErrMode}, {strings.Repeat("x", 5000), "", 0o600, ErrDamaged},
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		got, err := PassphraseFromFile(path)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v", c.content[:min(9, len(c.content))], got, err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "ring")
	r, err := Create(dir, passphrase, Suite(suitetest.Suite()))
	if err != nil {
		b.Fatal(err)
	}
	closeRing(b, r)
	for b.Loop() {
		r, err := Open(dir, passphrase)
		if err != nil {
			b.Fatal(err)
		}
		closeRing(b, r)
	}
}

func BenchmarkPut(b *testing.B) { benchmarkPut(b, (*Ring).Put) }

func BenchmarkPutDurable(b *testing.B) { benchmarkPut(b, (*Ring).PutDurable) }

func benchmarkPut(b *testing.B, put func(*Ring, string, []byte) error) {
	r, _ := newRing(b)
	for b.Loop() {
		if err := put(r, "counters", make([]byte, 1024)); err != nil {
			b.Fatal(err)
		}
	}
}
