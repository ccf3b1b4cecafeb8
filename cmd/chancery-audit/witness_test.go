package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// publish writes a log of some size as "chancery org mirror" does.
func publish(t *testing.T, w *archivetest.World, dir string, size int64) {
	t.Helper()
	note, err := w.Checkpoint(size)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"checkpoint": note}
	for _, tile := range tlog.Tiles(size) {
		if files[tile.Path()], err = tlog.TileData(tile, w.Hashes); err != nil {
			t.Fatal(err)
		}
	}
	var lines bytes.Buffer
	for _, e := range w.Links() {
		if err := json.NewEncoder(&lines).Encode(archive.ChainLine{Chain: envelope.Hash(w.Org().ID()), Entry: envelope.Marshal(&e)}); err != nil {
			t.Fatal(err)
		}
	}
	files["org.jsonl"] = lines.Bytes()
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWitness follows a growing log, cosigns it, and refuses another one.
func TestWitness(t *testing.T) {
	t.Parallel()
	w := archivetest.New(t)
	dir := t.TempDir()
	mirror, state := filepath.Join(dir, "mirror"), filepath.Join(dir, "state.json")
	own := archivetest.Key(t)
	ring, err := keyring.Create(filepath.Join(dir, "ring"), "secret", keyring.Cheap(), keyring.Suite(suitetest.Suite()))
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Put("signing", own.Seed()); err != nil {
		t.Fatal(err)
	}
	if err := ring.Close(); err != nil {
		t.Fatal(err)
	}
	pass := filepath.Join(dir, "pass")
	if err := os.WriteFile(pass, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(more ...string) (int, string) {
		var out, errs bytes.Buffer
		args := append([]string{"witness", mirror, "--org", w.Org().ID().String(), "--state", state}, more...)
		code := run(args, &out, &errs)
		return code, out.String() + errs.String()
	}
	expect := func(what string, want int, more ...string) {
		t.Helper()
		if code, said := look(more...); code != want {
			t.Fatalf("%s: exit %d, want %d: %s", what, code, want, said)
		}
	}
	w.List(envelope.Party{Role: envelope.RoleWitness, Name: "us", Key: own.Public()})
	publish(t, w, mirror, 3)
	expect("the first", archive.ExitOK)
	expect("the same", archive.ExitOK)
	w.AddPerson("ann")
	publish(t, w, mirror, w.Tree.Size)
	cosigned := filepath.Join(dir, "cosigned")
	expect("more", archive.ExitOK, "--keyring", filepath.Join(dir, "ring"), "--passphrase-file", pass, "--out", cosigned)
	raw, err := os.ReadFile(cosigned)
	if err != nil {
		t.Fatal(err)
	}
	n, err := witness.Read(w.Org(), raw)
	if err != nil || len(n.Cosigned) != 2 || n.Cosigned[own.ID()].IsZero() {
		t.Fatalf("cosigned: %+v, %v", n, err)
	}
	if code, said := look("--json"); code != 0 || !strings.Contains(said, `"size":`) {
		t.Fatalf("as JSON: %d %s", code, said)
	}
	publish(t, w, mirror, 3)
	expect("shorter", archive.ExitTampered)
	other := archivetest.New(t)
	for range 9 {
		other.AddPerson("eve")
	}
	forked := *w
	forked.Records, forked.Hashes, forked.Tree = other.Records, other.Hashes, other.Tree
	publish(t, &forked, mirror, other.Tree.Size)
	expect("another log", archive.ExitTampered)
	publish(t, other, mirror, 3)
	expect("another organisation", archive.ExitUntrusted)
	w.AddPerson("bob")
	publish(t, w, mirror, w.Tree.Size)
	expect("back on the log", archive.ExitOK)
	if err := os.RemoveAll(filepath.Join(mirror, "tile")); err != nil {
		t.Fatal(err)
	}
	w.AddPerson("cyd")
	note, err := w.Checkpoint(w.Tree.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mirror, "checkpoint"), note, 0o644); err != nil {
		t.Fatal(err)
	}
	expect("tiles missing", archive.ExitIncomplete)
}
