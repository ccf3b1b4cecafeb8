package envelope

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// item is one CBOR item inside some bytes.
type item struct {
	at, body, end int // head, what follows it, and the end of the whole item
	major         byte
	arg           uint64
}

// items lists an item and everything in it, outermost first.
func items(b []byte, at int) []item {
	x := item{at: at, major: b[at] >> 5, body: at + 1, arg: uint64(b[at] & 31)}
	if x.arg >= 24 {
		n := 1 << (x.arg - 24)
		x.arg = binary.BigEndian.Uint64(append(make([]byte, 8-n), b[at+1:at+1+n]...))
		x.body += n
	}
	x.end = x.body
	if x.major == 2 || x.major == 3 {
		x.end += int(x.arg)
	}
	all := []item{x}
	if x.major == 4 {
		for range x.arg {
			inner := items(b, all[0].end)
			all[0].end = inner[0].end
			all = append(all, inner...)
		}
	}
	return all
}

// longer is the item's head in the next wider form.
func (x item) longer() []byte {
	first := x.major << 5
	switch {
	case x.arg < 24:
		return []byte{first | 24, byte(x.arg)}
	case x.arg <= 0xff:
		return binary.BigEndian.AppendUint16([]byte{first | 25}, uint16(x.arg))
	case x.arg <= 0xffff:
		return binary.BigEndian.AppendUint32([]byte{first | 26}, uint32(x.arg))
	}
	return binary.BigEndian.AppendUint64([]byte{first | 27}, x.arg)
}

// otherwise gives every encoding of an item that no decoder may take.
func (x item) otherwise(b []byte) map[string][]byte {
	self, inside := b[x.at:x.end], b[x.body:x.end]
	out := map[string][]byte{
		"null": {0xf6}, "undefined": {0xf7}, "float": {0xf9, 0x3c, 0x00}, "simple": {0xf8, 0xff}, "map": {0xa0},
		"tag": slices.Concat([]byte{0xc1}, self), "missing": nil, "twice": slices.Concat(self, self),
	}
	if x.major != 7 {
		out["long form"] = slices.Concat(x.longer(), inside)
	}
	switch x.major {
	case 2, 3, 4:
		out["indefinite"] = slices.Concat([]byte{x.major<<5 | 31}, self, []byte{0xff})
		if x.major == 4 {
			out["indefinite"] = slices.Concat([]byte{0x9f}, inside, []byte{0xff})
		}
		out["cut"] = self[:len(self)-1]
	}
	switch {
	case x.major == 2:
		out["text for bytes"] = slices.Concat([]byte{b[x.at] | 0x20}, b[x.at+1:x.end])
	case x.major == 3:
		out["bytes for text"] = slices.Concat([]byte{b[x.at] &^ 0x20}, b[x.at+1:x.end])
		if x.arg > 0 {
			out["not UTF-8"] = slices.Concat(b[x.at:x.body], bytes.Repeat([]byte{0xff}, int(x.arg)))
		}
	}
	return out
}

// TestAttack28OtherEncodings writes each item of each format in every other way that CBOR has.
func TestAttack28OtherEncodings(t *testing.T) {
	t.Parallel()
	for _, f := range formats() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if v, err := f.parse(f.good); err != nil || !bytes.Equal(Marshal(v), f.good) {
				t.Fatalf("canonical bytes: %v", err)
			}
			for _, x := range items(f.good, 0) {
				for name, other := range x.otherwise(f.good) {
					f.refuses(t, fmt.Sprintf("%s at %d", name, x.at), slices.Concat(f.good[:x.at], other, f.good[x.end:]))
				}
			}
			f.refuses(t, "trailing byte", append(bytes.Clone(f.good), 0))
			for n := range f.good {
				f.refuses(t, fmt.Sprintf("first %d bytes", n), f.good[:n])
			}
			root := items(f.good, 0)[0]
			f.refuses(t, "one field more", slices.Concat([]byte{f.good[0] + 1}, f.good[1:], []byte{0}))
			f.refuses(t, "one field less", slices.Concat([]byte{f.good[0] - 1}, f.good[1:lastField(f.good, root)]))
		})
	}
}

func (f format) refuses(t *testing.T, what string, b []byte) {
	t.Helper()
	if v, err := f.parse(b); !errors.Is(err, ErrFormat) {
		t.Errorf("%s: took %x as %v (%v)", what, b, v, err)
	}
}

// lastField is where the last element of the outermost array starts.
func lastField(b []byte, root item) int {
	at := root.body
	for range root.arg - 1 {
		at = items(b, at)[0].end
	}
	return at
}

func TestFixedSizes(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33, 64} {
		var id UserID
		if err := Unmarshal(Marshal(make([]byte, n)), &id); !errors.Is(err, ErrFormat) {
			t.Errorf("id of %d bytes: %v", n, err)
		}
	}
	var id Hash
	if err := Unmarshal(Marshal([32]uint16{}), &id); !errors.Is(err, ErrFormat) {
		t.Errorf("id as a list of numbers: %v", err)
	}
	var n uint64
	if err := Unmarshal([]byte{0x20}, &n); !errors.Is(err, ErrFormat) {
		t.Errorf("negative for unsigned: %v", err)
	}
}

func TestAttack36OversizedLists(t *testing.T) {
	t.Parallel()
	var list []uint64
	if err := Unmarshal(Marshal(make([]uint64, maxArray)), &list); err != nil {
		t.Error(err)
	}
	if err := Unmarshal(Marshal(make([]uint64, maxArray+1)), &list); !errors.Is(err, ErrFormat) {
		t.Errorf("too long a list: %v", err)
	}
	// A head that promises much more than follows must not cost memory.
	if err := Unmarshal([]byte{0x9b, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff}, &list); !errors.Is(err, ErrFormat) {
		t.Errorf("promised list: %v", err)
	}
	for depth, want := range map[int]error{maxNesting: nil, maxNesting + 1: ErrFormat, 1000: ErrFormat} {
		var v any
		if err := Unmarshal(append(bytes.Repeat([]byte{0x81}, depth), 0), &v); !errors.Is(err, want) {
			t.Errorf("%d levels: %v", depth, err)
		}
	}
}

// TestFrames keeps different lists of parts apart, whose joined bytes are equal.
func TestFrames(t *testing.T) {
	t.Parallel()
	frames := [][]byte{
		Frame("a", []byte("bc"), []byte("d")), Frame("a", []byte("b"), []byte("cd")), Frame("a", []byte("bcd")),
		Frame("ab", []byte("c"), []byte("d")), Frame("a", "bc", "d"), Frame("a", 1), Frame("a", []byte{1}), Frame("a", true),
	}
	for i := range frames {
		for j := range i {
			if bytes.Equal(frames[i], frames[j]) {
				t.Errorf("frames %d and %d are the same", i, j)
			}
		}
	}
}

func TestIDText(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789abcdef", 4)
	var read struct {
		Hash    Hash
		Org     OrgID
		User    UserID
		Channel ChannelID
		Key     KeyID
		Blob    BlobID
	}
	for i, field := range []any{&read.Hash, &read.Org, &read.User, &read.Channel, &read.Key, &read.Blob} {
		full := text
		if i == 5 {
			full = text[:32]
		}
		id := field.(encoding.TextUnmarshaler)
		if err := id.UnmarshalText([]byte(full)); err != nil || fmt.Sprint(field) != full {
			t.Errorf("%T of %s: %v, %v", field, full, field, err)
		}
		for _, bad := range []string{"", full[1:], full + "00", "AB" + full[2:], "0x" + full[2:], "/0" + full[2:], ":0" + full[2:], "`0" + full[2:], "g0" + full[2:]} {
			if err := id.UnmarshalText([]byte(bad)); !errors.Is(err, ErrFormat) {
				t.Errorf("%T took %q: %v", field, bad, err)
			}
		}
	}
	if id, err := ID[UserID](text); err != nil || id != read.User {
		t.Errorf("%s: %v", text, err)
	}
	if _, err := ID[UserID](text[1:]); !errors.Is(err, ErrFormat) {
		t.Errorf("took %q: %v", text[1:], err)
	}
	b, err := json.Marshal(read)
	if err != nil || strings.Count(string(b), text) != 5 {
		t.Errorf("%s: %v", b, err)
	}
}

func TestIsZero(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name       string
		zero, some interface{ IsZero() bool }
	}{
		{"hash", Hash{}, h(1)}, {"organisation", OrgID{}, OrgID(h(1))}, {"user", UserID{}, UserID(h(1))},
		{"channel", ChannelID{}, ChannelID(h(1))}, {"key", KeyID{}, KeyID(h(1))},
	} {
		if !x.zero.IsZero() || x.some.IsZero() {
			t.Error(x.name)
		}
	}
}

// TestMarshalPanics keeps what has no canonical encoding out of everything signed.
func TestMarshalPanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("encoded a function")
		}
	}()
	Marshal(func() {})
}
