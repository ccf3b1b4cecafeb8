package tlog

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func signer(t *testing.T, name string) (note.Signer, Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

const origin = "chat.example/log"

func signed(t *testing.T, text string, signers ...note.Signer) []byte {
	t.Helper()
	msg, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func body(t *testing.T, origin string) string {
	t.Helper()
	text, err := Checkpoint{Origin: origin, Size: 7, Root: LeafHash([]byte("x"))}.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAttack09Checkpoint: the log's own key signs, no line is there twice, and
// other keys are told apart, so that a reader can ask for a cosignature.
func TestAttack09Checkpoint(t *testing.T) {
	t.Parallel()
	own, ownV := signer(t, origin)
	witness, witnessV := signer(t, "witness.example")
	stranger, _ := signer(t, "stranger.example")
	msg := signed(t, body(t, origin), own, witness, stranger)
	c, n, err := OpenCheckpoint(msg, origin, ownV, witnessV)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size != 7 || c.Root != LeafHash([]byte("x")) || len(n.Signers) != 2 || n.Unknown != 1 {
		t.Errorf("opened %+v, %+v", c, n)
	}
	for name, bad := range map[string]struct {
		msg    []byte
		origin string
		keys   []Verifier
		want   error
	}{
		"no keys":             {msg, origin, nil, ErrNote},
		"only a witness":      {signed(t, body(t, origin), witness), origin, []Verifier{ownV, witnessV}, ErrNote},
		"another log":         {msg, "other.example/log", []Verifier{ownV}, ErrCheckpoint},
		"another log's text":  {signed(t, body(t, "other.example/log"), own), origin, []Verifier{ownV}, ErrCheckpoint},
		"extension line":      {signed(t, body(t, origin)+"more\n", own), origin, []Verifier{ownV}, ErrCheckpoint},
		"signature repeated":  {append(bytes.Clone(msg), lastLine(signed(t, body(t, origin), own))...), origin, []Verifier{ownV}, ErrNote},
		"unknown one doubled": {append(bytes.Clone(msg), lastLine(msg)...), origin, []Verifier{ownV}, ErrNote},
	} {
		if _, _, err := OpenCheckpoint(bad.msg, bad.origin, bad.keys...); !errors.Is(err, bad.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func lastLine(msg []byte) []byte {
	lines := bytes.SplitAfter(msg, []byte("\n"))
	return lines[len(lines)-2]
}

func TestAttack09AnyNoteBitFlipped(t *testing.T) {
	t.Parallel()
	own, v := signer(t, origin)
	msg := signed(t, body(t, origin), own)
	for i := range msg {
		for bit := range 8 {
			msg[i] ^= 1 << bit
			if _, _, err := OpenCheckpoint(msg, origin, v); !errors.Is(err, ErrNote) {
				t.Errorf("byte %d bit %d: %v", i, bit, err)
			}
			msg[i] ^= 1 << bit
		}
	}
}

func TestCheckpointForms(t *testing.T) {
	t.Parallel()
	const root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	good := "o\n0\n" + root + "\n"
	var c Checkpoint
	if err := c.UnmarshalText([]byte(good)); err != nil || c.Root != Root(nil) {
		t.Fatalf("%+v, %v", c, err)
	}
	for _, text := range []string{
		"", "o\n0\n" + root, good + "\n", "\n0\n" + root + "\n", "o o\n0\n" + root + "\n", "o+\n0\n" + root + "\n",
		"o\n00\n" + root + "\n", "o\n-1\n" + root + "\n", "o\n+1\n" + root + "\n", "o\n 1\n" + root + "\n",
		"o\n9223372036854775808\n" + root + "\n", "o\n0\n" + strings.Replace(root, "FU=", "FV=", 1) + "\n",
		"o\n0\n" + root[:40] + "\n", "o\r\n0\r\n" + root + "\r\n", "o\x00\n0\n" + root + "\n", "\xff\n0\n" + root + "\n",
	} {
		if err := c.UnmarshalText([]byte(text)); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := (Checkpoint{Origin: "o", Size: -1}).MarshalText(); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("negative size: %v", err)
	}
}

func TestNewVerifier(t *testing.T) {
	t.Parallel()
	pub, priv, _ := ed25519.GenerateKey(rand.Reader)
	v, err := NewVerifier(origin, pub)
	if err != nil {
		t.Fatal(err)
	}
	if msg := []byte("text\n"); !v.Verify(msg, ed25519.Sign(priv, msg)) {
		t.Error("a good signature was refused")
	}
	for _, bad := range []struct {
		name string
		pub  []byte
	}{{"", pub}, {"a b", pub}, {"a+b", pub}, {origin, pub[:31]}, {origin, nil}} {
		if _, err := NewVerifier(bad.name, bad.pub); err == nil {
			t.Errorf("NewVerifier(%q, %d bytes) was accepted", bad.name, len(bad.pub))
		}
	}
}
