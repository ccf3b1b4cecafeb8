package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/compliance/convert"
	"chancery/crypto/envelope"
)

// audited is a world with two archives, and an auditor's files around them.
type audited struct {
	world          *archivetest.World
	dir, org       string
	first, second  string
	slip, identity string
}

func newAudited(t *testing.T) *audited {
	t.Helper()
	w := archivetest.New(t)
	ada := w.AddPerson("ada")
	desk := w.AddChannel(ada, envelope.CaptureRequired)
	desk.Post(ada, "שלום 👋🏽", []byte("the file"))
	desk.Cover()
	a := &audited{world: w, dir: t.TempDir(), org: w.Org().ID().String()}
	archives := filepath.Join(a.dir, "archives")
	first := w.Cut(filepath.Join(archives, "1"), desk)
	desk.Post(ada, "second day")
	desk.Cover()
	second := w.Cut(filepath.Join(archives, "2"), desk)
	a.first, a.second = first.Dir, second.Dir
	a.slip, a.identity = filepath.Join(a.dir, "slip"), filepath.Join(a.dir, "identity")
	put(t, a.slip, first.Slip, 0o600)
	text := identityHeaders[w.Auditor.Suite()] + "\n" + base64.StdEncoding.EncodeToString(w.Auditor.Seed()) + "\n"
	put(t, a.identity, []byte(text), 0o600)
	return a
}

func put(t *testing.T, path string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, b, mode); err != nil {
		t.Fatal(err)
	}
}

func runs(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, &out, &errs); code != want {
		t.Fatalf("%s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, &out, &errs)
	}
	return out.String() + errs.String()
}

func TestVerify(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	out := runs(t, archive.ExitOK, "verify", a.first, "--org", a.org)
	for _, want := range []string{"ok   1 hashes", "ok   8 members", "skip 9", "verified (exit 0)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	trust := filepath.Join(a.dir, "trust.json")
	put(t, trust, []byte(`{"org":"`+a.org+`"}`), 0o644)
	runs(t, archive.ExitOK, "verify", a.second, "--trust", trust)
	runs(t, archive.ExitOK, "verify", "--chain", filepath.Dir(a.first), "--org", a.org)
	runs(t, archive.ExitOK, "verify", a.first, a.second, "--org", a.org)
	runs(t, archive.ExitTampered, "verify", a.second, a.first, "--org", a.org)
	runs(t, archive.ExitUntrusted, "verify", a.first, "--org", strings.Repeat("0", 64))
	put(t, filepath.Join(a.first, "README.txt"), []byte("x"), 0o644)
	runs(t, archive.ExitTampered, "verify", a.first, "--org", a.org)
	var reports []struct {
		Exit  int
		Error string
		Rungs []archive.Rung
	}
	out = runs(t, archive.ExitTampered, "verify", "--chain", filepath.Dir(a.first), "--org", a.org, "--json")
	if err := json.Unmarshal([]byte(out), &reports); err != nil || len(reports) != 1 || reports[0].Exit != archive.ExitTampered || len(reports[0].Rungs) != 9 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"verify"}, {"verify", "x"}, {"verify", "/nowhere", "--org", strings.Repeat("0", 64)}, {"verify", "x", "--org", "y"},
		{"frobnicate"}, {"verify", "--what"}, {"open", "x", "--org", strings.Repeat("0", 64), "--out", "y"},
		{"verify", "--chain", "/nowhere", "--org", strings.Repeat("0", 64)},
	} {
		runs(t, archive.ExitUsage, args...)
	}
}

func TestOpenAndConvert(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	flags := []string{"--org", a.org, "--slip", a.slip, "--identity", a.identity}
	out := filepath.Join(a.dir, "out")
	runs(t, archive.ExitOK, append([]string{"open", a.first, "--out", out}, flags...)...)
	raw, err := os.ReadFile(filepath.Join(out, "messages.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var line convert.Line
	if err := json.Unmarshal(raw, &line); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("the file"))
	if line.Text != "שלום 👋🏽" || line.SenderName != "ada" || len(line.Files) != 1 || line.Files[0].SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("%+v", line)
	}
	if b, err := os.ReadFile(filepath.Join(out, "files", line.Files[0].Blob.String())); err != nil || string(b) != "the file" {
		t.Errorf("%q, %v", b, err)
	}
	converted := filepath.Join(a.dir, "c.jsonl")
	runs(t, archive.ExitOK, append([]string{"convert", a.first, "--format", "jsonl", "--out", converted}, flags...)...)
	if b, err := os.ReadFile(converted); err != nil || !bytes.Equal(b, raw) {
		t.Errorf("%v", err)
	}
	runs(t, archive.ExitUsage, append([]string{"open", a.first, "--out", out}, flags...)...)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	a := newAudited(t)
	keys := filepath.Join(a.dir, "other")
	runs(t, archive.ExitOK, "key", "new", "--suite", string(a.world.Auditor.Suite()), "--out", keys, "--name", "somebody else")
	open := func(want int, dir, slip, identity string) {
		t.Helper()
		out := filepath.Join(a.dir, "refused")
		runs(t, want, "open", dir, "--org", a.org, "--slip", slip, "--identity", identity, "--out", out)
		for _, path := range []string{out, out + ".partial"} {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%s is there", path)
			}
		}
	}
	open(archive.ExitSealed, a.first, a.slip, filepath.Join(keys, "identity"))
	open(archive.ExitSealed, a.second, a.slip, a.identity) // a slip of another archive
	open(archive.ExitSealed, a.first, a.slipOfVersion(t, 2), a.identity)
	open(archive.ExitSealed, a.first, a.identity, a.identity)
	loose := filepath.Join(a.dir, "loose")
	raw, err := os.ReadFile(a.identity)
	if err != nil {
		t.Fatal(err)
	}
	put(t, loose, raw, 0o644)
	open(archive.ExitUsage, a.first, a.slip, loose)
	put(t, filepath.Join(a.first, "data/keys/openings.bin"), []byte("x"), 0o644)
	open(archive.ExitTampered, a.first, a.slip, a.identity)
}

// slipOfVersion is the slip again, as one of another version.
func (a *audited) slipOfVersion(t *testing.T, version uint) string {
	t.Helper()
	raw, err := os.ReadFile(a.slip)
	if err != nil {
		t.Fatal(err)
	}
	var slip archive.Slip
	if err := envelope.Unmarshal(raw, &slip); err != nil {
		t.Fatal(err)
	}
	slip.Version = version
	path := filepath.Join(t.TempDir(), "slip")
	put(t, path, envelope.Marshal(&slip), 0o600)
	return path
}
