package recorder

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/keytree"
	"chancery/crypto/seal"
)

func fillTape(t *testing.T, dir string, n int) *tape {
	t.Helper()
	tp := must(openTape(dir))
	for i := range n {
		if err := tp.Append(fmt.Appendf(nil, "record %d", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tp.Sync(); err != nil {
		t.Fatal(err)
	}
	return tp
}

func readTape(t *testing.T, tp *tape, from uint64) (out []string) {
	t.Helper()
	r := tp.From(from)
	defer r.Close()
	for {
		b, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
}

func TestTapeOverSegments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, n := range []int{0, 1, segmentRecords - 1, segmentRecords, segmentRecords + 1, 3*segmentRecords + 7} {
		dir := filepath.Join(dir, fmt.Sprint(n))
		tp := fillTape(t, dir, n)
		tp.Close()
		tp = must(openTape(dir))
		got := readTape(t, tp, 1)
		if len(got) != n || tp.Len() != uint64(n) {
			t.Fatalf("%d records of %d", len(got), n)
		}
		for i, r := range got {
			if r != fmt.Sprintf("record %d", i+1) {
				t.Fatalf("record %d is %q", i+1, r)
			}
		}
		if n > segmentRecords {
			if b := must(tp.At(segmentRecords + 1)); string(b) != fmt.Sprintf("record %d", segmentRecords+1) {
				t.Fatalf("at a segment's start: %q", b)
			}
		}
		tp.Close()
	}
}

// Whatever part of the last record a crash left, the records before it stay and
// the tape goes on.
func TestTapeTornEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tp := fillTape(t, dir, 3)
	tp.Close()
	path := filepath.Join(dir, "00000000.seg")
	whole := must(os.ReadFile(path))
	frame := len(whole) / 3
	for cut := 2 * frame; cut < len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		tp := must(openTape(dir))
		if tp.Len() != 2 {
			t.Fatalf("cut at %d: %d records", cut, tp.Len())
		}
		if err := errors.Join(tp.Append([]byte("after")), tp.Sync()); err != nil {
			t.Fatal(err)
		}
		if got := readTape(t, tp, 3); len(got) != 1 || got[0] != "after" {
			t.Fatalf("cut at %d: %q", cut, got)
		}
		tp.Close()
	}
}

func TestTapeDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fillTape(t, dir, segmentRecords+1).Close()
	path := filepath.Join(dir, "00000000.seg")
	b := must(os.ReadFile(path))
	b[100] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	tp := must(openTape(dir))
	defer tp.Close()
	r := tp.From(1)
	defer r.Close()
	var err error
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, errDamaged) {
		t.Fatalf("a changed byte in an old segment: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := openTape(dir); !errors.Is(err, errDamaged) {
		t.Fatalf("a missing segment: %v", err)
	}
}

func TestTapeRewrite(t *testing.T) {
	t.Parallel()
	tp := fillTape(t, t.TempDir(), segmentRecords+5)
	defer func() { tp.Close() }()
	drop := func(uint64, []byte) ([]byte, error) { return []byte("gone"), nil }
	if err := tp.Rewrite(segmentRecords, segmentRecords+2, drop); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tp.Append([]byte("after")), tp.Sync()); err != nil {
		t.Fatal(err)
	}
	got := readTape(t, tp, segmentRecords-1)
	want := []string{"record 1023", "gone", "gone", "gone", "record 1027", "record 1028", "record 1029", "after"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("tape is %q", got)
	}
}

func testVault(t *testing.T, dir string, fresh bool) (*vault, error) {
	t.Helper()
	v := &vault{
		trees: filepath.Join(dir, "trees"), keys: filepath.Join(dir, "keys"), channel: envelope.ChannelID{1}, random: rand.Reader,
	}
	return v, v.open(fresh)
}

func TestVaultPuncture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v, err := testVault(t, dir, true)
	if err != nil {
		t.Fatal(err)
	}
	x := seal.Secret{7}
	one, two := must(v.seal(1, x)), must(v.seal(2, x))
	oldTree := must(os.ReadFile(v.path(v.trees, 1)))
	if err := v.puncture([]uint64{1}); err != nil {
		t.Fatal(err)
	}
	if v, err = testVault(t, dir, false); err != nil {
		t.Fatal(err)
	}
	if _, err := v.unseal(1, one); !errors.Is(err, keytree.ErrPunctured) {
		t.Errorf("disposed secret: %v", err)
	}
	if got, err := v.unseal(2, two); err != nil || got != x {
		t.Errorf("kept secret: %v", err)
	}
	if _, err := v.unseal(2, one); err == nil {
		t.Error("a secret opened at another position")
	}
	// An old copy of the tree comes back from a backup: its key is gone.
	if err := os.WriteFile(v.path(v.trees, 1), oldTree, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err = testVault(t, dir, false); err != nil || v.generation != 2 {
		t.Fatalf("generation %d: %v", v.generation, err)
	}
}

// A crash at each step of writing a generation leaves one that is whole.
func TestVaultCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	v, err := testVault(t, dir, true)
	if err != nil {
		t.Fatal(err)
	}
	sealed := must(v.seal(5, seal.Secret{1}))
	if err := os.WriteFile(v.path(v.keys, 2), make([]byte, 32), 0o600); err != nil {
		t.Fatal(err) // key, no tree yet
	}
	if v, err = testVault(t, dir, false); err != nil || v.generation != 1 {
		t.Fatalf("generation %d: %v", v.generation, err)
	}
	if _, err := v.unseal(5, sealed); err != nil {
		t.Fatal(err)
	}
	oldKey := must(os.ReadFile(v.path(v.keys, 1)))
	if err := v.puncture([]uint64{5}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.path(v.keys, 1), oldKey, 0o600); err != nil {
		t.Fatal(err) // old key not destroyed yet
	}
	if v, err = testVault(t, dir, false); err != nil || v.generation != 2 {
		t.Fatalf("generation %d: %v", v.generation, err)
	}
	if _, err := os.Stat(v.path(v.keys, 1)); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("the old key outlived the restart")
	}
}

func TestVaultLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := testVault(t, dir, false); !errors.Is(err, errVault) {
		t.Fatalf("a new tree for old secrets: %v", err)
	}
}
