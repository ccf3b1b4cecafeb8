package keyring

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

func TestDurableKeepsTheNewest(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	_, err := r.GetDurable("counters")
	wantError(t, err, ErrNotFound)
	for i := range 7 {
		if err := r.PutDurable("counters", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			r = reopen(t, r, dir)
		}
		if got, err := r.GetDurable("counters"); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("after %d: %q, %v", i, got, err)
		}
	}
	if err := r.Delete("counters"); err != nil {
		t.Fatal(err)
	}
	_, err = r.GetDurable("counters")
	wantError(t, err, ErrNotFound)
	if err := r.PutDurable("counters", []byte("again")); err != nil {
		t.Fatal(err)
	}
}

func TestDurableGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, minHalf - 41, minHalf - 40, minHalf - 39, 20_000, MaxItem}), 1, 3).Draw(t, "sizes")
		for i, n := range sizes {
			value := bytes.Repeat([]byte{byte(i)}, n)
			if err := r.PutDurable("state", value); err != nil {
				t.Fatal(err)
			}
			if got, err := r.GetDurable("state"); err != nil || !bytes.Equal(got, value) {
				t.Fatalf("%d bytes came back as %d: %v", n, len(got), err)
			}
		}
	})
	if err := r.PutDurable("state", make([]byte, MaxItem+1)); err == nil {
		t.Fatal("kept more than the limit")
	}
	info, err := os.Stat(filepath.Join(dir, "state.slot"))
	if err != nil || info.Size() > 4*MaxItem {
		t.Fatalf("file has %d bytes, %v", info.Size(), err)
	}
}

// A crash in the middle of a write leaves any mixture of old and new bytes in
// the half that was being written. The value before must be there.
func TestDurableSurvivesATornWrite(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	path := filepath.Join(dir, "state.slot")
	for _, v := range []string{"one", "two", "three"} {
		if err := r.PutDurable("state", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.PutDurable("state", []byte("four")); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range 60 {
		torn := bytes.Clone(before)
		copy(torn[:cut], after[:cut]) // the fourth value goes to the first half
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		want := "three"
		if bytes.Equal(torn, after) {
			want = "four"
		}
		got, err := r.GetDurable("state")
		if err != nil || string(got) != want {
			t.Fatalf("cut at %d: %q, %v", cut, got, err)
		}
		if err := r.PutDurable("state", []byte("five")); err != nil {
			t.Fatal(err)
		}
		if got, err := r.GetDurable("state"); err != nil || string(got) != "five" {
			t.Fatalf("writing after a cut at %d: %q, %v", cut, got, err)
		}
	}
}

func TestAttackDurableChanged(t *testing.T) {
	t.Parallel()
	r, dir := newRing(t)
	for _, name := range []string{"a", "b"} {
		if err := r.PutDurable(name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	a, err := os.ReadFile(filepath.Join(dir, "a.slot"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"moved": a, "empty": {}, "short": a[:3], "zeros": make([]byte, len(a)), "ones": bytes.Repeat([]byte{255}, len(a))} {
		if err := os.WriteFile(filepath.Join(dir, "b.slot"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.GetDurable("b"); err == nil {
			t.Fatalf("%s: read", name)
		} else {
			wantError(t, err, ErrDamaged)
		}
	}
	// A damaged file is never taken for a new one: that would restart a counter.
	fresh := reopen(t, r, dir)
	wantError(t, fresh.PutDurable("b", []byte("1")), ErrDamaged)
}
