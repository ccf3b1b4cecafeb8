package sign

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

func newP384(t *testing.T) *Key {
	t.Helper()
	k, err := NewP384Key()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestP384KeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "signer.key")
	k := newP384(t)
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadKey(path)
	if err != nil || !bytes.Equal(loaded.Public(), k.Public()) || loaded.Algorithm() != P384 {
		t.Fatalf("loading what was saved: %v", err)
	}
	text := k.text()
	if !strings.HasPrefix(text, "chancery/v1/ecdsa-p384-private-key\n") {
		t.Fatalf("header is %q", text[:40])
	}
	zero := "chancery/v1/ecdsa-p384-private-key\n" + strings.Repeat("A", 64) + "\n"
	for _, bad := range []string{zero, text + "\n", strings.Replace(text, "ecdsa-p384", "ed25519", 1), strings.Replace(text, "p384", "p521", 1), text[:60]} {
		if _, err := parseKey(bad); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%.50q: %v", bad, err)
		}
	}
}

// P-384 keys sign documents and notes beside Ed25519 ones, and neither is taken
// for the other.
func TestP384Documents(t *testing.T) {
	t.Parallel()
	a, b := newP384(t), testKey(t, 2)
	raw, err := SignDSSE(inToto, []byte("payload"), a, b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := SignDSSE(inToto, []byte("payload"), a, b); err != nil || !bytes.Equal(again, raw) {
		t.Fatalf("the same document has another signature: %v", err)
	}
	doc, err := VerifyDSSE(raw, a.Public(), b.Public())
	if err != nil || len(doc.Signers) != 2 {
		t.Fatalf("verifying: %+v, %v", doc, err)
	}
	if doc, err := VerifyDSSE(raw, a.Public()); err != nil || doc.Unknown != 1 {
		t.Fatalf("verifying with one key: %v", err)
	}
	other := newP384(t)
	for name, forged := range map[string]string{
		"another payload": strings.Replace(string(raw), "cGF5bG9hZA==", "cGF5bG9hZB==", 1),
		"another key":     strings.Replace(string(raw), IDOf(a.Public()).String(), IDOf(other.Public()).String(), 1),
		"Ed25519's id":    strings.Replace(string(raw), IDOf(a.Public()).String(), IDOf(testKey(t, 3).Public()).String(), 1),
	} {
		if _, err := VerifyDSSE([]byte(forged), a.Public(), other.Public(), testKey(t, 3).Public()); !errors.Is(err, ErrDSSE) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestP384Notes(t *testing.T) {
	t.Parallel()
	k, other := newP384(t), newP384(t)
	const origin = "chancery/x/log"
	text := origin + "\n1\n" + strings.Repeat("A", 43) + "=\n"
	msg, err := SignNote(text, origin, k)
	if err != nil {
		t.Fatal(err)
	}
	verifier := func(k *Key, name string) tlog.Verifier {
		t.Helper()
		v, err := tlog.NewVerifier(name, k.Public())
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := verifier(k, origin)
	if v.KeyHash() != (noteSigner{origin, k}).KeyHash() {
		t.Fatal("signer and verifier disagree on the key hash")
	}
	if c, _, err := tlog.OpenCheckpoint(msg, origin, v); err != nil || c.Size != 1 {
		t.Fatalf("opening: %+v, %v", c, err)
	}
	// The library's reader takes it too.
	if n, err := note.Open(msg, note.VerifierList(v)); err != nil || len(n.Sigs) != 1 {
		t.Fatal(err)
	}
	changed := bytes.Replace(msg, []byte("\n1\n"), []byte("\n2\n"), 1)
	for name, try := range map[string]func() error{
		"another key":  func() error { _, _, err := tlog.OpenCheckpoint(msg, origin, verifier(other, origin)); return err },
		"another name": func() error { _, _, err := tlog.OpenCheckpoint(msg, origin, verifier(k, "x")); return err },
		"another text": func() error { _, _, err := tlog.OpenCheckpoint(changed, origin, v); return err },
	} {
		if err := try(); !errors.Is(err, tlog.ErrNote) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tlog.NewVerifier(origin, append([]byte{4}, make([]byte, 96)...)); err == nil {
		t.Error("made a verifier of no point")
	}
}

// The ids of keys that docs/formats spells out.
func TestP384KeyID(t *testing.T) {
	t.Parallel()
	pub := append([]byte{4}, bytes.Repeat([]byte{0xab}, 96)...)
	if got, want := IDOf(pub).String(), "f172afd31c97c13c9ccdb22a18083076757961d9e681ebef5425c266dfa1549a"; got != want {
		t.Errorf("IDOf = %s, want %s", got, want)
	}
	if envelope.KeyOf(pub) != envelope.KeyID(IDOf(pub)) {
		t.Error("listed under another id than it signs with")
	}
}

// TestAttack07SplitView: a recorder's cosignature stays with the view that it
// saw. It can't be moved to another, and no proof leads from one to the other.
func TestAttack07SplitView(t *testing.T) {
	t.Parallel()
	leaves := [][]byte{[]byte("a"), []byte("b"), []byte("c")}
	forked := [][]byte{[]byte("a"), []byte("x"), []byte("c")}
	const origin, recorder = "chancery/x/log", "recorder"
	for name, log := range map[string]*Key{"age": testKey(t, 1), "fips": newP384(t)} {
		witness := testKey(t, 2)
		var trusted []tlog.Verifier
		for who, k := range map[string]*Key{origin: log, recorder: witness} {
			v, err := tlog.NewVerifier(who, k.Public())
			if err != nil {
				t.Fatal(err)
			}
			trusted = append(trusted, v)
		}
		sign := func(leaves [][]byte, name string, k *Key) (text string, lines []byte) {
			b, err := tlog.Checkpoint{Origin: origin, Size: int64(len(leaves)), Root: tlog.Root(leaves)}.MarshalText()
			if err != nil {
				t.Fatal(err)
			}
			msg, err := SignNote(string(b), name, k)
			if err != nil {
				t.Fatal(err)
			}
			return string(b), msg[len(b):]
		}
		_, seen := sign(leaves, recorder, witness)
		text, own := sign(forked, origin, log)
		moved := append(append([]byte(text), own...), bytes.TrimPrefix(seen, []byte("\n"))...)
		if _, _, err := tlog.OpenCheckpoint(moved, origin, trusted...); !errors.Is(err, tlog.ErrNote) {
			t.Errorf("%s: a cosignature of another view: %v", name, err)
		}
		_, n, err := tlog.OpenCheckpoint(append([]byte(text), own...), origin, trusted...)
		if err != nil || slices.Contains(n.Signers, recorder) {
			t.Errorf("%s: the view that nobody cosigned: %+v, %v", name, n, err)
		}
	}
	for size := int64(2); size <= 3; size++ {
		proof, err := tlog.ProvePrefix(forked, size)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.VerifyConsistency(size, tlog.Root(leaves[:size]), 3, tlog.Root(forked), proof); !errors.Is(err, tlog.ErrProof) {
			t.Errorf("from %d: %v", size, err)
		}
	}
}
