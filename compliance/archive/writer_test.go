package archive_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/crypto/envelope"
)

// A writer that dies after any number of records is followed by one that goes
// on after the last whole segment; the payload root comes out the same.
func TestWriterResumes(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	h := w.Header()
	whole := w.CutWith(archive.Config{Dir: filepath.Join(t.TempDir(), "whole"), Header: h, SegmentSize: 2000}, desk, side)
	if n := len(whole.Written.About.Segments); n < 3 {
		t.Fatalf("%d segments", n)
	}
	for n := 0; n <= int(h.To); n += 3 {
		c := archive.Config{Dir: filepath.Join(t.TempDir(), "bag"), Header: h, SegmentSize: 2000}
		dead, err := archive.Create(c)
		if err != nil {
			t.Fatal(err)
		}
		w.Feed(dead, h, n, desk, side)
		tear(t, c.Dir+".journal")
		again := w.CutWith(c, desk, side)
		a, b := again.Written.About, whole.Written.About
		if a.ID != b.ID || a.PayloadRoot != b.PayloadRoot || !slices.Equal(a.Segments, b.Segments) || a.Messages != b.Messages {
			t.Fatalf("after %d records: %+v, want %+v", n, a, b)
		}
		wantExit(t, verify(t, w, again.Dir), archive.ExitOK)
	}
}

// tear leaves half a line at the end of a journal, as a crash may.
func tear(t testing.TB, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"first":7,"las`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestClosedArchiveIsFoundAgain(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	c := archive.Config{Dir: filepath.Join(t.TempDir(), "bag"), Header: w.Header()}
	writer, err := archive.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	w.Feed(writer, c.Header, 1<<62, desk, side)
	closed, err := writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	found, err := archive.FindClosed(c.Dir)
	if err != nil || found.Manifest != closed.Manifest || found.Other != closed.Other {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := found.Sign(t.Context(), archivetest.LocalSigner{World: w}); err != nil {
		t.Fatal(err)
	}
	wantExit(t, verify(t, w, c.Dir), archive.ExitOK)
	if _, err := archive.FindClosed(c.Dir); !errors.Is(err, archive.ErrSigned) {
		t.Errorf("a signed archive can be signed again: %v", err)
	}
	if _, err := archive.Create(c); !errors.Is(err, archive.ErrSigned) {
		t.Errorf("a signed archive was written over: %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	w, _, _ := story(t)
	c := archive.Config{Dir: filepath.Join(t.TempDir(), "bag"), Header: w.Header()}
	writer, err := archive.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.AddRecord(1, w.Records[1].Leaf(), nil); err == nil {
		t.Error("a record out of order was taken")
	}
	if err := writer.AddRecord(0, []byte("x"), nil); err == nil {
		t.Error("garbage was taken")
	}
	defer writer.Abandon()
	if _, err := writer.Close(); err == nil {
		t.Error("an archive without its records was closed")
	}
	a := envelope.Attachment{ID: envelope.BlobID{1}, Size: 3}
	if err := writer.AddFile(a, strings.NewReader("abc")); !errors.Is(err, archive.ErrBlob) {
		t.Errorf("another file was taken: %v", err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "data/files", a.ID.String())); err == nil {
		t.Error("it is there")
	}
	other := c
	other.Header.Schedule = "weekly"
	if _, err := archive.Create(other); err == nil {
		t.Error("another archive was written over one that is not finished")
	}
}

// No salt may leave: with it, whoever kept an epoch's seed could open a message
// that was shredded.
func TestAttackSaltInAnArchive(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
	dir := copyBag(t, cut.Dir)
	var salted *envelope.Placed
	index := int64(0)
	for i, p := range w.Placed {
		if p.Entry.Kind == envelope.KindMessage && len(p.Salt) == 32 {
			salted, index = p, i
		}
	}
	for _, name := range files(t, dir) {
		if bytes.Contains(read(t, dir, name), salted.Salt) {
			t.Errorf("%s holds a salt", name)
		}
	}
	reseal(t, w, dir, func(lines []string) []string {
		lines[index] = archive.EncodeLine(&archive.Line{Entry: envelope.Marshal(salted), Index: index, Leaf: w.Records[index].Leaf()}) + "\n"
		return lines
	}, nil)
	wantExit(t, verify(t, w, dir), archive.ExitTampered)
}

func TestOpeningsRefuseDamage(t *testing.T) {
	t.Parallel()
	w, desk, side := story(t)
	cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk, side)
	o := opener(t, w, cut)
	good := read(t, cut.Dir, archive.OpeningsPath)
	id := cut.Written.About.ID
	count := func(b []byte) (n int, err error) {
		err = archive.ReadOpenings(bytes.NewReader(b), id, o.Commit(), o.Chunk, func(archive.Opening) error { n++; return nil })
		return n, err
	}
	if n, err := count(good); n != 5 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if _, err := count(bad); !errors.Is(err, archive.ErrOpenings) {
			t.Fatalf("changed at %d: %v", at, err)
		}
	}
	for _, bad := range [][]byte{nil, good[:len(good)-1], append(bytes.Clone(good), 0), append(bytes.Clone(good), good...)} {
		if _, err := count(bad); !errors.Is(err, archive.ErrOpenings) {
			t.Fatalf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestOpeningsOverManyChunks(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	plain := func(aad, p []byte) []byte { return append(bytes.Clone(aad), p...) }
	open := func(aad, s []byte) ([]byte, error) {
		if p, ok := bytes.CutPrefix(s, aad); ok {
			return p, nil
		}
		return nil, errors.New("other context")
	}
	id := envelope.Hash{1}
	w, err := archive.NewOpeningsWriter(&b, id, envelope.Hash{2}, plain)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(1500) {
		if err := w.Add(archive.Opening{Position: i + 1, Secret: make([]byte, 32)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Add(archive.Opening{Position: 1500, Secret: make([]byte, 32)}); !errors.Is(err, archive.ErrOpenings) {
		t.Fatalf("the same position twice: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	err = archive.ReadOpenings(&b, id, envelope.Hash{2}, open, func(o archive.Opening) error { n++; return nil })
	if err != nil || n != 1500 {
		t.Fatalf("%d, %v", n, err)
	}
}
