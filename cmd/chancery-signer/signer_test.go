package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chancery/compliance/archive"
	"chancery/compliance/record"
	"chancery/crypto/sign/signer"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
)

// The server's parts take a client as it is.
var (
	_ record.CheckpointSigner = (*signer.Client)(nil)
	_ archive.Signer          = (*signer.Client)(nil)
)

// start runs a signer over dir and returns its client and what ends it.
func start(t *testing.T, dir string) (*signer.Client, func()) {
	t.Helper()
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	socket := filepath.Join(dir, "s")
	go func() { done <- serve(ctx, s, socket, 0o600, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	for range 200 {
		if c, err := net.Dial("unix", socket); err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	client := signer.NewClient(signer.Socket(socket))
	return client, func() {
		cancel()
		_ = client.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func newState(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := initState(dir, "test", suitetest.Suite(), ""); err != nil {
		t.Fatal(err)
	}
	return dir
}

const origin = "chancery/00000000000000000000000000000000000000000000000000000000000000aa/log"

func tree(n int) (tlog.MemoryHashes, tlog.Checkpoint) {
	var m tlog.MemoryHashes
	for i := range int64(n) {
		if err := m.Append(i, tlog.LeafHash([]byte{byte(i)})); err != nil {
			panic(err)
		}
	}
	root, err := tlog.TreeRoot(int64(n), m)
	if err != nil {
		panic(err)
	}
	return m, tlog.Checkpoint{Origin: origin, Size: int64(n), Root: root}
}

func prove(t *testing.T, old, now int) (tlog.Checkpoint, []tlog.Hash) {
	t.Helper()
	m, c := tree(now)
	proof, err := tlog.ProveConsistency(int64(old), int64(now), m)
	if err != nil {
		t.Fatal(err)
	}
	return c, proof
}

func TestCheckpointsAreSignedAsExtensions(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	c, stop := start(t, dir)
	_, five := tree(5)
	first, err := c.SignCheckpoint(t.Context(), five, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.SignCheckpoint(t.Context(), five, nil); err != nil || !bytes.Equal(first, again) {
		t.Fatalf("the same request: %v", err)
	}
	nine, proof := prove(t, 5, 9)
	if _, err := c.SignCheckpoint(t.Context(), nine, proof); err != nil {
		t.Fatal(err)
	}
	stop()
	c, stop = start(t, dir) // what was signed outlives the process
	defer stop()
	if last, err := c.LastCheckpoint(t.Context(), origin); err != nil || last != 9 {
		t.Fatalf("last %d, %v", last, err)
	}
	pub, err := c.Public(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := tlog.NewVerifier(origin, pub)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := tlog.OpenCheckpoint(first, origin, v); err != nil || got != five {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestAttackForkedLogIsNotSigned(t *testing.T) {
	t.Parallel()
	c, stop := start(t, newState(t))
	defer stop()
	nine, _ := prove(t, 1, 9)
	if _, err := c.SignCheckpoint(t.Context(), nine, nil); err != nil {
		t.Fatal(err)
	}
	_, five := tree(5)
	other := nine
	other.Root[0] ^= 1
	twelve, proof := prove(t, 9, 12)
	bad := append([]tlog.Hash{}, proof...)
	bad[0][0] ^= 1
	for name, x := range map[string]struct {
		point tlog.Checkpoint
		proof []tlog.Hash
		code  signer.Code
	}{
		"shorter":           {five, nil, signer.Forked},
		"other at the same": {other, nil, signer.Forked},
		"no proof":          {twelve, nil, signer.Unproven},
		"wrong proof":       {twelve, bad, signer.Unproven},
		"bad name":          {tlog.Checkpoint{Origin: "a b", Size: 1}, nil, signer.Malformed},
		"an archive's name": {tlog.Checkpoint{Origin: strings.Replace(origin, "/log", "/archive/daily", 1), Size: 1}, nil, signer.Malformed},
	} {
		if _, err := c.SignCheckpoint(t.Context(), x.point, x.proof); signer.CodeOf(err) != x.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.SignCheckpoint(t.Context(), twelve, proof); err != nil {
		t.Errorf("the honest log after all that: %v", err)
	}
}

func testArchive(ordinal int64, previous, manifest byte) signer.Archive {
	a := signer.Archive{Org: signer.Digest{9}, Schedule: "daily", Ordinal: ordinal, From: ordinal, To: ordinal + 1, Manifest: signer.Digest{manifest}}
	if previous != 0 {
		a.Previous = signer.Digest{previous}
	}
	return a
}

func TestAttackArchiveOrdinalTwice(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	c, stop := start(t, dir)
	first := testArchive(1, 0, 1)
	signed, err := c.SignArchive(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	c, stop = start(t, dir)
	defer stop()
	if again, err := c.SignArchive(t.Context(), first); err != nil || !bytes.Equal(again.DSSE, signed.DSSE) || !bytes.Equal(again.Note, signed.Note) {
		t.Fatalf("the same request: %v", err)
	}
	for name, x := range map[string]struct {
		archive signer.Archive
		code    signer.Code
	}{
		"twice, other manifest": {testArchive(1, 0, 2), signer.Forked},
		"ordinal left out":      {testArchive(3, 1, 3), signer.Forked},
		"other previous":        {testArchive(2, 7, 2), signer.Forked},
		"no previous":           {testArchive(2, 0, 2), signer.Malformed},
		"schedule":              {func() signer.Archive { a := testArchive(1, 0, 1); a.Schedule = "a/b"; return a }(), signer.Malformed},
	} {
		if _, err := c.SignArchive(t.Context(), x.archive); signer.CodeOf(err) != x.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.SignArchive(t.Context(), testArchive(2, 1, 2)); err != nil {
		t.Error(err)
	}
	if last, err := c.LastArchive(t.Context(), first.Origin()); err != nil || last.Size != 2 || last.Root != (signer.Digest{2}) {
		t.Errorf("last %+v, %v", last, err)
	}
}

func TestAttackCertificateRequestSignsNoArchive(t *testing.T) {
	t.Parallel()
	c, stop := start(t, newState(t))
	defer stop()
	cert := signer.Certificate{Predicate: signer.ArchivePredicate, Subject: signer.Digest{1}, Body: []byte(`{"a":1}`)}
	if _, err := c.SignCertificate(t.Context(), cert); signer.CodeOf(err) != signer.Malformed {
		t.Fatalf("archive predicate: %v", err)
	}
	cert.Predicate = signer.DisposalPredicate
	cert.Body = []byte(`{"a":1},"predicateType":"` + signer.ArchivePredicate + `","x":{}`)
	if _, err := c.SignCertificate(t.Context(), cert); signer.CodeOf(err) != signer.Malformed {
		t.Fatalf("injected members: %v", err)
	}
}

func TestNothingIsSignedThatCouldNotBeKept(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, five := tree(5)
	// A directory in the place of the temporary file makes every save fail, also for root.
	if err := os.Mkdir(s.path(kindLog, origin)+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	a := s.checkpoint(&signer.Checkpoint{Origin: origin, Size: 5, Root: signer.Digest(five.Root)})
	if a.Code != signer.Failed || len(a.Body) != 0 {
		t.Fatalf("got %+v", a)
	}
}

func TestOneProcessHasTheState(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := openState(dir); err == nil {
		t.Fatal("two processes have the state")
	}
}

func TestGarbageOnTheSocket(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	c, stop := start(t, dir)
	defer stop()
	for _, garbage := range []string{"\xff\xff\xff\xff", "\x00\x00\x00\x03abc", "\x00\x00\x00"} {
		conn, err := net.Dial("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(garbage))
		_ = conn.(*net.UnixConn).CloseWrite()
		_, _ = io.ReadAll(conn)
		_ = conn.Close()
	}
	if _, err := c.Public(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// After a restore only what this signer once signed may be adopted from a note.
func TestAdoptNote(t *testing.T) {
	t.Parallel()
	dir, foreign := newState(t), newState(t)
	note := filepath.Join(t.TempDir(), "note")
	for _, x := range []struct {
		dir   string
		size  int
		adopt string // another's state that adopts the note
		ok    bool
	}{{foreign, 3, dir, false}, {dir, 3, dir, true}} {
		c, stop := start(t, x.dir)
		_, older := tree(x.size)
		signed, err := c.SignCheckpoint(t.Context(), older, nil)
		if err != nil {
			t.Fatal(err)
		}
		newer, proof := prove(t, x.size, 9)
		if _, err := c.SignCheckpoint(t.Context(), newer, proof); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := os.WriteFile(note, signed, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"adopt", "--state", x.adopt, "--note", note}, &out, &errs); (code == 0) != x.ok {
			t.Fatalf("exit %d: %s%s", code, &out, &errs)
		}
	}
	c, stop := start(t, dir)
	defer stop()
	five, proof := prove(t, 3, 5)
	if _, err := c.SignCheckpoint(t.Context(), five, proof); err != nil {
		t.Errorf("a log that goes on after the adopted note: %v", err)
	}
}

func TestAdoptAfterANewKey(t *testing.T) {
	t.Parallel()
	dir := newState(t)
	s, err := openState(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	next := testArchive(8, 7, 8)
	if a := s.archive(&next); a.Code != signer.Forked {
		t.Fatalf("%+v", a)
	}
	if _, err := s.adopt(next.Origin(), signer.Last{Size: 7, Root: signer.Digest{7}}); err != nil {
		t.Fatal(err)
	}
	if a := s.archive(&next); a.Code != "" {
		t.Fatalf("%+v", a)
	}
}
