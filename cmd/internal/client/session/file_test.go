package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/piece"
)

// stored is a file as the test's server keeps it.
type stored struct {
	file  piece.File
	draft *piece.Draft
}

func (h *honest) announce(r *http.Request) (any, *client.Problem) {
	var in wire.NewFile
	h.read(r, &in)
	if h.files[in.ID] == nil {
		f, err := piece.NewFile(in.Size, in.Root)
		if err != nil {
			return nil, refusedBy(err)
		}
		d, err := piece.OpenDraft(filepath.Join(h.t.TempDir(), in.ID.String()), in.Size, 0)
		if err != nil {
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() { d.Close() })
		h.files[in.ID] = &stored{f, d}
	}
	return wire.Held{Have: h.files[in.ID].draft.Have()}, nil
}

func spanOf(r *http.Request) (s piece.Span) {
	s.From, _ = strconv.ParseUint(r.URL.Query().Get("from"), 10, 64)
	s.To, _ = strconv.ParseUint(r.URL.Query().Get("to"), 10, 64)
	return s
}

func (h *honest) fileOf(r *http.Request) *stored {
	var id envelope.BlobID
	if err := id.UnmarshalText([]byte(r.PathValue("blob"))); err != nil {
		h.t.Error(err)
	}
	return h.files[id]
}

func (h *honest) putPiece(r *http.Request) (any, *client.Problem) {
	f, s := h.fileOf(r), spanOf(r)
	if err := f.draft.Take(f.file, r.Body, s.To); err != nil {
		return nil, refusedBy(err)
	}
	if h.cut != nil && h.cut(s) {
		panic(http.ErrAbortHandler)
	}
	return wire.Held{Have: f.draft.Have()}, nil
}

func (h *honest) getPiece(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f, s := h.fileOf(r), spanOf(r)
	var b bytes.Buffer
	if err := f.draft.Send(&b, f.file, s); err != nil {
		h.t.Error(err)
	}
	out := b.Bytes()
	h.pieces++
	if h.pieceOf != nil {
		if out = h.pieceOf(s, out); out == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(client.Problem{Status: http.StatusServiceUnavailable})
			return
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, _ = w.Write(out)
}

// attached is a message with one file, as its reader sees it.
type attached struct {
	h        *honest
	sender   *person
	channel  *Channel
	position uint64
	plain    []byte
	dir      string
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func attach(t *testing.T, size int) *attached {
	t.Helper()
	h := newHonest(t)
	a := &attached{h: h, sender: h.join(), plain: random(size), dir: t.TempDir()}
	a.channel = channel(t, a.sender)
	path := filepath.Join(a.dir, "plan.bin")
	if err := os.WriteFile(path, a.plain, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := a.channel.Upload(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := a.channel.Post(context.Background(), Draft{Kind: envelope.Post, Text: "see", Files: []Upload{*u}})
	if err != nil {
		t.Fatal(err)
	}
	a.position = sent.Position
	return a
}

func (a *attached) download(ctx context.Context) (string, error) {
	to := filepath.Join(a.dir, "got.bin")
	_, err := a.channel.Download(ctx, a.position, 0, func(string) string { return to })
	return to, err
}

func (a *attached) same(t *testing.T, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, a.plain) {
		t.Errorf("%d bytes of %d came back, %v", len(got), len(a.plain), err)
	}
}

// leftovers are files of a download that did not end.
func (a *attached) leftovers(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(a.dir, ".chancery-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFilesOfEverySize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, piece.Plain, piece.Plain + 1, (piece.Max+3)*piece.Plain - 5} {
		a := attach(t, size)
		path, err := a.download(context.Background())
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		a.same(t, path)
		if left := a.leftovers(t); len(left) != 0 {
			t.Errorf("%d bytes: left behind %v", size, left)
		}
		if left, err := os.ReadDir(a.sender.Spool); err != nil || len(left) != 0 {
			t.Errorf("%d bytes: left in the spool %v, %v", size, left, err)
		}
	}
}

func TestReadRange(t *testing.T) {
	t.Parallel()
	a := attach(t, (piece.Max+2)*piece.Plain+100)
	size := uint64(len(a.plain))
	for _, r := range []struct{ offset, length uint64 }{
		{0, 1}, {0, size}, {0, 1 << 63}, {piece.Plain - 1, 2}, {piece.Plain, piece.Plain}, {size - 1, 5}, {size, 5}, {5, 0},
		{3*piece.Plain + 7, (piece.Max - 1) * piece.Plain}, {1 << 63, 1 << 63},
	} {
		var got bytes.Buffer
		if _, err := a.channel.ReadRange(context.Background(), a.position, 0, r.offset, r.length, &got); err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		from := min(r.offset, size)
		if want := a.plain[from : from+min(r.length, size-from)]; !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%+v: %d bytes, want %d", r, got.Len(), len(want))
		}
	}
	a.h.pieces = 0
	if _, err := a.channel.ReadRange(context.Background(), a.position, 0, 10*piece.Plain, 20, &bytes.Buffer{}); err != nil || a.h.pieces != 1 {
		t.Errorf("20 bytes took %d pieces, %v", a.h.pieces, err)
	}
}

// A server that bends the pieces of a file is found before a byte is shown, and
// nothing that it sent stays.
func TestAttack32ServerBendsPieces(t *testing.T) {
	t.Parallel()
	a := attach(t, 6*piece.Plain)
	other := attach(t, 6*piece.Plain) // the same text, sealed under another key
	var mine, theirs *stored
	for _, f := range a.h.files {
		mine = f
	}
	for _, f := range other.h.files {
		theirs = f
	}
	send := func(f *stored, s piece.Span) []byte {
		var b bytes.Buffer
		if err := f.draft.Send(&b, f.file, s); err != nil {
			t.Error(err)
		}
		return b.Bytes()
	}
	for name, bend := range map[string]func(s piece.Span, b []byte) []byte{
		"cut":         func(_ piece.Span, b []byte) []byte { return b[:len(b)-1] },
		"cut a chunk": func(_ piece.Span, b []byte) []byte { return b[:len(b)-piece.Chunk] },
		"appended":    func(_ piece.Span, b []byte) []byte { return append(slices.Clone(b), 0) },
		"swapped": func(_ piece.Span, b []byte) []byte {
			n := len(b)
			return slices.Concat(b[:n-2*piece.Chunk], b[n-piece.Chunk:], b[n-2*piece.Chunk:n-piece.Chunk])
		},
		"one bit":      func(_ piece.Span, b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"re-encrypted": func(s piece.Span, _ []byte) []byte { return send(theirs, s) },
		"another's chunk": func(s piece.Span, b []byte) []byte {
			return append(b[:len(b)-piece.Chunk], send(theirs, s)[len(b)-piece.Chunk:]...)
		},
		"other place": func(s piece.Span, b []byte) []byte {
			if s.From == 0 {
				return b[:len(b)-1]
			}
			return send(mine, piece.Span{From: s.From - 1, To: s.To - 1})
		},
	} {
		a.h.pieceOf = bend
		var got bytes.Buffer
		if _, err := a.channel.ReadRange(context.Background(), a.position, 0, 2*piece.Plain+5, 2*piece.Plain, &got); !errors.Is(err, piece.ErrPiece) || got.Len() != 0 {
			t.Errorf("%s: reading a range gave %d bytes, %v", name, got.Len(), err)
		}
		if path, err := a.download(context.Background()); !errors.Is(err, piece.ErrPiece) {
			t.Errorf("%s: downloading: %v", name, err)
		} else if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a file was left at its target: %v", name, err)
		}
	}
	a.h.pieceOf = nil
	path, err := a.download(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	a.same(t, path)
}

// A download goes on from what is there, once that was verified: changed bytes
// are fetched again, and a part of something else costs nothing but itself.
func TestAttack32DownloadGoesOn(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]struct {
		do     func(part string) error
		pieces int // that the second run takes
		fails  error
	}{
		"nothing": {func(string) error { return nil }, 1, nil},
		"cut":     {func(p string) error { return os.Truncate(p, 3*piece.Chunk+5) }, 2, nil},
		"changed": {func(p string) error { return change(p, 5*piece.Chunk) }, 2, nil},
		"all but the tree": {func(p string) error {
			return errors.Join(os.Remove(p+piece.TreeSuffix), os.WriteFile(p+piece.TreeSuffix, nil, 0o600))
		}, 2, nil},
		"another file": {func(p string) error { return plant(p, 7) }, 1, piece.ErrPast},
	} {
		a := attach(t, (2*piece.Max-1)*piece.Plain)
		a.h.pieceOf = func(s piece.Span, b []byte) []byte {
			if s.From > 0 {
				return nil
			}
			return b
		}
		ctx := client.WithPatience(context.Background(), client.Patience{})
		if _, err := a.download(ctx); !client.NotNow(err) {
			t.Fatalf("%s: a broken download: %v", name, err)
		}
		var part string
		for _, left := range a.leftovers(t) {
			if filepath.Ext(left) == ".part" {
				part = left
			}
		}
		if err := meddle.do(part); err != nil {
			t.Fatal(name, err)
		}
		a.h.pieceOf, a.h.pieces = nil, 0
		path, err := a.download(ctx)
		if !errors.Is(err, meddle.fails) || a.h.pieces != meddle.pieces {
			t.Fatalf("%s: %d pieces, %v", name, a.h.pieces, err)
		}
		if err != nil {
			if path, err = a.download(ctx); err != nil {
				t.Fatal(name, err)
			}
		}
		a.same(t, path)
	}
}

func change(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte("changed"), at)
	return errors.Join(err, f.Close())
}

// plant puts a genuine part of another file in the place of one.
func plant(path string, chunks int) error {
	d, err := piece.OpenDraft(path, 0, 0)
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(random(chunks*piece.Chunk), piece.Chunk) {
		if _, err := d.Write(chunk); err != nil {
			return err
		}
	}
	return d.Close()
}

// An upload whose process is killed at any piece goes on where it was, under the
// same id, and the bytes that come out are those that went in.
func TestUploadGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	plain := random((4*piece.Max + 9) * piece.Plain)
	path := filepath.Join(t.TempDir(), "film.bin")
	if err := os.WriteFile(path, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	var taken []uint64
	h.cut = func(s piece.Span) bool {
		taken = append(taken, s.From)
		return rand.IntN(2) == 0 || len(taken) == 1
	}
	ctx := client.WithPatience(context.Background(), client.Patience{})
	var u *Upload
	for try := 0; u == nil; try++ {
		var err error
		if u, err = c.Upload(ctx, path); err != nil && !client.NotNow(err) || try > 50 {
			t.Fatal(err)
		}
		if u == nil {
			h.restart(alice, false)
			c = alice.see(t, c.ID())
		}
	}
	if want := []uint64{0, 64, 128, 192, 256}; !slices.Equal(taken, want) || len(h.files) != 1 {
		t.Errorf("took pieces from %v of %d files, want %v of one", taken, len(h.files), want)
	}
	sent, err := c.Post(ctx, Draft{Kind: envelope.Post, Files: []Upload{*u}})
	if err != nil {
		t.Fatal(err)
	}
	a := &attached{h: h, channel: c, position: sent.Position, plain: plain, dir: t.TempDir()}
	got, err := a.download(ctx)
	if err != nil {
		t.Fatal(err)
	}
	a.same(t, got)
	names, err := alice.Ring.List()
	if err != nil || slices.ContainsFunc(names, func(n string) bool { return len(n) > 7 && n[:7] == "upload." }) {
		t.Errorf("a finished upload is still remembered: %v, %v", names, err)
	}
}

// What changed since it was sealed, went into another message, or lost its
// sealed copy is sealed anew.
func TestUploadIsSealedAnew(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]func(t *testing.T, alice *person, path string){
		"changed": func(t *testing.T, _ *person, path string) {
			if err := errors.Join(os.WriteFile(path, random(90), 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
		},
		"spool gone": func(t *testing.T, alice *person, _ string) {
			if err := os.RemoveAll(alice.Spool); err != nil {
				t.Fatal(err)
			}
		},
		"spool changed": func(t *testing.T, alice *person, _ string) {
			all, err := filepath.Glob(filepath.Join(alice.Spool, "*"))
			if err != nil || len(all) == 0 {
				t.Fatal(all, err)
			}
			for _, name := range all {
				if err := change(name, 3); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHonest(t)
			alice := h.join()
			c := channel(t, alice)
			path := filepath.Join(t.TempDir(), "film.bin")
			if err := os.WriteFile(path, random((piece.Max+1)*piece.Plain), 0o600); err != nil {
				t.Fatal(err)
			}
			h.cut = func(piece.Span) bool { return true }
			ctx := client.WithPatience(context.Background(), client.Patience{})
			if _, err := c.Upload(ctx, path); !client.NotNow(err) {
				t.Fatal(err)
			}
			h.cut = nil
			meddle(t, alice, path)
			u, err := c.Upload(ctx, path)
			if err != nil || len(h.files) != 2 {
				t.Fatalf("%d files, %v", len(h.files), err)
			}
			again, err := c.Upload(ctx, path) // for another message
			if err != nil || again.Attachment.ID == u.Attachment.ID {
				t.Fatalf("a file was handed out twice: %v", err)
			}
		})
	}
}

// A message does not bind a file twice when its answer was lost.
func TestKeptUploadsAreForgotten(t *testing.T) {
	t.Parallel()
	a := attach(t, 100)
	if _, err := a.sender.Ring.Get(a.channel.itemOf(filepath.Join(a.dir, "plan.bin"))); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("a bound upload is remembered: %v", err)
	}
}
