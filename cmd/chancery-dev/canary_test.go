package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
)

const mark = "canary-0123456789abcdef0123"

// TestHuntFinds hides the mark in every way that the search must see through,
// also across the edge of what is searched at a time.
func TestHuntFinds(t *testing.T) {
	t.Parallel()
	hidings := map[string][]byte{
		"plain": []byte("a " + mark + " b"), "hex": []byte(hex.EncodeToString([]byte("xy" + mark))),
		"upper hex": []byte(strings.ToUpper(hex.EncodeToString([]byte(mark)))),
		"UTF-16LE":  wide(mark, 0), "UTF-16BE": wide(mark, 1),
		"gzip": append([]byte("junk"), gzipped(t, mark)...), "zstd": append([]byte("junk"), zstandard(t, mark)...),
		"gzip after a false start": append([]byte{0x1f, 0x8b, 8, 0xff, 0x1f, 0x8b, 8}, gzipped(t, mark)...),
		"gzip cut off":             gzipped(t, mark+string(incompressible()))[:4096],
	}
	for _, before := range []string{"", "x", "xy", "\xff\xff\xff", "\xfb\xef\xbe\xff"} {
		hidings["base64 after "+before] = []byte(base64.StdEncoding.EncodeToString([]byte(before + mark + "\xff~")))
		hidings["base64url after "+before] = []byte(base64.RawURLEncoding.EncodeToString([]byte(before + mark + "\xff~")))
	}
	for name, hidden := range hidings {
		for _, lead := range []int{0, window - 9, window + overlap - 9} {
			all := append(make([]byte, lead), hidden...)
			h := newHunt(textThing(mark))
			if err := h.stretch("here", bytes.NewReader(all), 0, int64(len(all))); err != nil {
				t.Fatal(err)
			}
			if h.found[mark] == "" {
				t.Errorf("%s behind %d bytes: not found", name, lead)
			}
		}
	}
}

func TestHuntFindsNothingElse(t *testing.T) {
	t.Parallel()
	b := append(incompressible(), gzipped(t, "canary-0123456789abcdef0124")...)
	h := newHunt(textThing(mark))
	if err := h.stretch("here", bytes.NewReader(b), 0, int64(len(b))); err != nil {
		t.Fatal(err)
	}
	if where := h.found[mark]; where != "" {
		t.Errorf("found %s, where it is not", where)
	}
}

// TestTree finds the mark in a file below and in a file's name, and fails for a
// directory that is not there: searching nothing is not finding nothing.
func TestTree(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"file": "is " + mark, mark: ""} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a", "b", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		h := newHunt(textThing(mark))
		if err := tree(dir)(h); err != nil || h.found[mark] != path {
			t.Errorf("found %q, %v; want %s", h.found[mark], err, path)
		}
	}
	if err := tree(filepath.Join(t.TempDir(), "absent"))(newHunt(textThing(mark))); err == nil {
		t.Error("a directory that is not there was searched")
	}
}

func TestMapping(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"c000000000-c000400000 rw-p 00000000 00:00 0 \n":                     true,
		"c000400000-c004000000 ---p 00000000 00:00 0 \n":                     false,
		"7ffd1c5d2000-7ffd1c5d6000 r--p 00000000 00:00 0   [vvar]\n":         false,
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]": false,
	} {
		if _, _, ok := mapping(line); ok != want {
			t.Errorf("%q: %v, want %v", line, ok, want)
		}
	}
}

// wide is text in UTF-16; high says which byte of a unit is the low one.
func wide(text string, high int) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		unit := []byte{byte(u), byte(u >> 8)}
		out = append(out, unit[high], unit[1-high])
	}
	return out
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(t *testing.T, text string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll([]byte(text), nil)
}

// incompressible is 64 KB that looks random and is always the same.
func incompressible() []byte {
	b := make([]byte, 64<<10)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
