package seal

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chancery/crypto/envelope"
)

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	device, e := testDevice(t, "device"), testEpoch()
	rapid.Check(t, func(t *rapid.T) {
		header, body := testHeader(e, device), testBody()
		body.Text = rapid.String().Draw(t, "text")
		header.Void, header.DeviceSeq = nil, rapid.Uint64Min(1).Draw(t, "seq")
		entry, salt, err := Seal(testKey(), header, body, device)
		if err != nil {
			t.Fatal(err)
		}
		entry, err = envelope.ParseEntry(envelope.Marshal(entry))
		if err != nil {
			t.Fatal(err)
		}
		if err := entry.Verify(device.Public()); err != nil {
			t.Fatal(err)
		}
		opened, err := Open(testKey(), entry, salt[:])
		if err != nil {
			t.Fatal(err)
		}
		if opened.Body.Text != body.Text || opened.Header.DeviceSeq != header.DeviceSeq {
			t.Fatal("another message came back")
		}
		again, err := OpenSecret(opened.Secret, entry)
		if err != nil || !bytes.Equal(envelope.Marshal(again), envelope.Marshal(&body)) {
			t.Fatalf("opening by secret: %v", err)
		}
	})
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	device, other := testDevice(t, "device"), testDevice(t, "other")
	cases := []struct {
		name string
		want error
		edit func(*envelope.Header, *envelope.Body)
	}{
		{"other org", ErrContext, func(h *envelope.Header, _ *envelope.Body) { h.Org[0]++ }},
		{"other channel", ErrContext, func(h *envelope.Header, _ *envelope.Body) { h.Channel[0]++ }},
		{"other epoch", ErrContext, func(h *envelope.Header, _ *envelope.Body) { h.Epoch++ }},
		{"other link", ErrContext, func(h *envelope.Header, _ *envelope.Body) { h.EpochLink[0]++ }},
		{"other device", ErrContext, func(h *envelope.Header, _ *envelope.Body) { h.Device = other.ID() }},
		{"bad header", envelope.ErrFormat, func(h *envelope.Header, _ *envelope.Body) { h.DeviceSeq = 0 }},
		{"wide header", envelope.ErrFormat, func(h *envelope.Header, _ *envelope.Body) {
			h.Mentions = make([]envelope.UserID, 300)
			for i := range h.Mentions {
				h.Mentions[i][0], h.Mentions[i][1] = byte(i>>8), byte(i)
			}
		}},
		{"long text", ErrBody, func(_ *envelope.Header, b *envelope.Body) { b.Text = strings.Repeat("x", MaxText+1) }},
		{"no UTF-8", ErrBody, func(_ *envelope.Header, b *envelope.Body) { b.Text = "\xff" }},
		{"file name no UTF-8", ErrBody, func(_ *envelope.Header, b *envelope.Body) { b.Files[0].Name = "\xff" }},
		{"file missing", ErrBody, func(_ *envelope.Header, b *envelope.Body) { b.Files = nil }},
		{"short file key", ErrBody, func(_ *envelope.Header, b *envelope.Body) { b.Files[0].Key = make([]byte, 16) }},
		{"wide body", envelope.ErrFormat, func(_ *envelope.Header, b *envelope.Body) { b.Files[0].Name = strings.Repeat("x", 128<<10) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			header, body := testHeader(testEpoch(), device), testBody()
			c.edit(&header, &body)
			_, _, err := Seal(testKey(), header, body, device)
			wantError(t, err, c.want)
		})
	}
}

func TestLongestTextFits(t *testing.T) {
	t.Parallel()
	device := testDevice(t, "device")
	body := testBody()
	body.Text = strings.Repeat("x", MaxText)
	entry, salt, err := Seal(testKey(), testHeader(testEpoch(), device), body, device)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envelope.ParseEntry(envelope.Marshal(entry)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testKey(), entry, salt[:]); err != nil {
		t.Fatal(err)
	}
}

// headerEdits changes each field of a header in turn, keeping it well-formed.
var headerEdits = map[string]func(*envelope.Header){
	"SaltCommit":       func(h *envelope.Header) { h.SaltCommit[0] ^= 1 },
	"Org":              func(h *envelope.Header) { h.Org[0] ^= 1 },
	"Channel":          func(h *envelope.Header) { h.Channel[0] ^= 1 },
	"Epoch":            func(h *envelope.Header) { h.Epoch ^= 1 },
	"EpochLink":        func(h *envelope.Header) { h.EpochLink[0] ^= 1 },
	"User":             func(h *envelope.Header) { h.User[0] ^= 1 },
	"Device":           func(h *envelope.Header) { h.Device[0] ^= 1 },
	"DeviceSeq":        func(h *envelope.Header) { h.DeviceSeq ^= 1 },
	"DevicePrev":       func(h *envelope.Header) { h.DevicePrev[0] ^= 1 },
	"Void":             func(h *envelope.Header) { h.Void[0] ^= 1 },
	"Seen.Position":    func(h *envelope.Header) { h.Seen.Position ^= 1 },
	"Seen.Hash":        func(h *envelope.Header) { h.Seen.Hash[0] ^= 1 },
	"Time":             func(h *envelope.Header) { h.Time ^= 1 },
	"ID":               func(h *envelope.Header) { h.ID[0] ^= 1 },
	"Kind and Target":  func(h *envelope.Header) { h.Kind, h.Target.Position = envelope.Edit, 1 },
	"Attachments.ID":   func(h *envelope.Header) { h.Attachments[0].ID[0] ^= 1 },
	"Attachments.Size": func(h *envelope.Header) { h.Attachments[0].Size ^= 1 },
	"Attachments.Root": func(h *envelope.Header) { h.Attachments[0].Root[0] ^= 1 },
	"Mentions":         func(h *envelope.Header) { h.Mentions[0][0] ^= 1 },
}

func TestAttack25HeaderFieldChanged(t *testing.T) {
	t.Parallel()
	entry, salt := testMessage(t)
	device := testDevice(t, "device")
	context := []string{"Org", "Channel", "Epoch", "EpochLink"}
	for name, edit := range headerEdits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := envelope.ParseHeader(entry)
			if err != nil {
				t.Fatal(err)
			}
			edit(h)
			changed := *entry
			changed.Header = envelope.Marshal(h)
			wantError(t, changed.Verify(device.Public()), envelope.ErrSignature)
			want := ErrCommit
			switch {
			case slices.Contains(context, name):
				want = ErrContext
			case name == "SaltCommit":
				want = ErrSalt
			}
			_, err = Open(testKey(), &changed, salt[:])
			wantError(t, err, want)
		})
	}
}

func TestAttack25PayloadByteChanged(t *testing.T) {
	t.Parallel()
	entry, salt := testMessage(t)
	device := testDevice(t, "device")
	for i := range entry.Payload {
		changed := *entry
		changed.Payload = slices.Clone(entry.Payload)
		changed.Payload[i] ^= 0x10
		want := ErrUndecryptable
		if i < comSize {
			want = ErrCommit
		}
		_, err := Open(testKey(), &changed, salt[:])
		wantError(t, err, want)
		wantError(t, changed.Verify(device.Public()), envelope.ErrSignature)
	}
}

func TestAttack18WrongSalt(t *testing.T) {
	t.Parallel()
	entry, salt := testMessage(t)
	flipped := salt
	flipped[31] ^= 1
	for _, wrong := range [][]byte{nil, flipped[:], salt[:31], append(salt[:], 0), make([]byte, 32)} {
		_, err := Open(testKey(), entry, wrong)
		wantError(t, err, ErrSalt)
		if code, ok := Exception(err); ok {
			t.Fatalf("a wrong salt became the exception %s", code)
		}
	}
}

// A sender may commit to a salt of another length, which no server can check
// unless it looks: the length is part of opening.
func TestAttack18ShortSaltCommitted(t *testing.T) {
	t.Parallel()
	entry, _ := testMessage(t)
	h, _ := envelope.ParseHeader(entry)
	h.SaltCommit = envelope.SaltCommit([]byte("short"))
	changed := *entry
	changed.Header = envelope.Marshal(h)
	_, err := Open(testKey(), &changed, []byte("short"))
	wantError(t, err, ErrSalt)
}

func TestAttack20OtherEpochKey(t *testing.T) {
	t.Parallel()
	entry, salt := testMessage(t)
	for name, edit := range map[string]func(*Epoch){
		"org": func(e *Epoch) { e.Org[0]++ }, "channel": func(e *Epoch) { e.Channel[0]++ },
		"epoch": func(e *Epoch) { e.N++ }, "link": func(e *Epoch) { e.Link[0]++ },
	} {
		e := testEpoch()
		edit(&e)
		_, err := Open(Seed(fill("seed")).Key(e), entry, salt[:])
		wantError(t, err, ErrContext)
		if _, ok := Exception(err); ok {
			t.Fatalf("a key of another %s became an exception", name)
		}
	}
	_, err := Open(Seed(fill("another seed")).Key(testEpoch()), entry, salt[:])
	wantError(t, err, ErrCommit)
}

func TestAttack26CiphertextsSwapped(t *testing.T) {
	t.Parallel()
	one, salt := testMessage(t)
	two, _ := testMessage(t)
	swapped := *one
	swapped.Payload = two.Payload
	_, err := Open(testKey(), &swapped, salt[:])
	wantError(t, err, ErrCommit)
	swapped.Payload = append(slices.Clone(one.Payload[:comSize]), two.Payload[comSize:]...)
	_, err = Open(testKey(), &swapped, salt[:])
	wantError(t, err, ErrUndecryptable)
}

// One payload that two keys accept needs two commitments in one place.
func TestAttack27OneCiphertextTwoKeys(t *testing.T) {
	t.Parallel()
	entry, salt := testMessage(t)
	x := testKey().secret(entry.Header, salt[:])
	other := x
	other[0] ^= 1
	if _, err := OpenSecret(x, entry); err != nil {
		t.Fatal(err)
	}
	_, err := OpenSecret(other, entry)
	wantError(t, err, ErrCommit)
}

func TestAttack39OpeningOfAnotherMessage(t *testing.T) {
	t.Parallel()
	one, salt := testMessage(t)
	two, _ := testMessage(t)
	_, err := OpenSecret(testKey().secret(one.Header, salt[:]), two)
	wantError(t, err, ErrCommit)
}

// TestAttack40PlaintextAsPayload: bytes that were never sealed are no message of
// this epoch, and a recorder may except them.
func TestAttack40PlaintextAsPayload(t *testing.T) {
	t.Parallel()
	entry, salt := testMessage(t)
	body := testBody()
	for _, plain := range [][]byte{pad(envelope.Marshal(&body)), bytes.Repeat([]byte("plain text "), 40)} {
		e := *entry
		e.Payload, e.Signatures = plain, nil
		SignEntry(&e, testDevice(t, "device"))
		_, err := Open(testKey(), &e, salt[:])
		wantError(t, err, ErrCommit)
		if code, _ := Exception(err); code != envelope.BadCommit {
			t.Errorf("exception is %q", code)
		}
	}
}

func TestDisposedPayload(t *testing.T) {
	t.Parallel()
	entry, salt := testMessage(t)
	entry.Payload = nil
	_, err := Open(testKey(), entry, salt[:])
	wantError(t, err, envelope.ErrFormat)
	if _, ok := Exception(err); ok {
		t.Fatal("a disposed payload became an exception")
	}
}

// forge seals bytes of the attacker's choice where a padded body belongs.
func forge(t testing.TB, padded []byte) (*envelope.Entry, [32]byte) {
	t.Helper()
	salt := fill("salt")
	device := testDevice(t, "device")
	h := testHeader(testEpoch(), device)
	h.SaltCommit = envelope.SaltCommit(salt[:])
	e := &envelope.Entry{Kind: envelope.KindMessage, Header: envelope.Marshal(&h)}
	e.Payload = testKey().secret(e.Header, salt[:]).payload(e.Header, padded)
	SignEntry(e, device)
	return e, salt
}

// malformedBodies are padded bodies that decrypt but must not be read.
func malformedBodies() map[string][]byte {
	body := testBody()
	good := envelope.Marshal(&body)
	longForm := append([]byte{0x98, 0x02}, good[1:]...) // array of 2 in the long form
	unmarked, trailing := pad(good), pad(good)
	unmarked[len(good)] = 0
	trailing[len(trailing)-1] = 1
	return map[string][]byte{
		"no CBOR":         pad([]byte("hello")),
		"empty":           pad(nil),
		"long form":       pad(longForm),
		"bytes after":     pad(append(slices.Clone(good), 0)),
		"cut":             pad(good[:len(good)-1]),
		"file count":      pad(envelope.Marshal(&envelope.Body{Text: "x"})),
		"long text":       pad(envelope.Marshal(&envelope.Body{Text: strings.Repeat("x", MaxText+1), Files: body.Files})),
		"only zeros":      make([]byte, 128),
		"padded wider":    append(pad(good), make([]byte, 16)...),
		"padded narrower": pad(good)[:len(good)+1],
		"no mark":         unmarked,
		"byte after mark": trailing,
		"not UTF-8":       pad(bytes.Replace(good, []byte("aus"), []byte("\xff\xfe\xfd"), 1)),
	}
}

func TestAttack52MalformedBody(t *testing.T) {
	t.Parallel()
	for name, padded := range malformedBodies() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entry, salt := forge(t, padded)
			_, err := Open(testKey(), entry, salt[:])
			wantError(t, err, ErrBody)
			if code, _ := Exception(err); code != envelope.MalformedBody {
				t.Fatalf("exception is %q", code)
			}
		})
	}
}

func TestPadding(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 128, 127: 128, 128: 144, 143: 144, 200: 208, 255: 256, 256: 272, 999: 1024, 65_536: 67_584} {
		if got := paddedSize(n); got != want {
			t.Errorf("%d bytes are padded to %d, want %d", n, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "body")
		padded := pad(body)
		if len(padded) > max(128, (len(body)+1)*112/100+1) {
			t.Fatalf("%d bytes are padded to %d", len(body), len(padded))
		}
		back, err := unpad(padded)
		if err != nil || !bytes.Equal(back, body) {
			t.Fatalf("unpadding: %v", err)
		}
		if _, err := unpad(append(padded, 0)); err == nil {
			t.Fatal("took a wider padding")
		}
	})
}

func BenchmarkSealOpen1KB(b *testing.B) {
	device, key := testDevice(b, "device"), testKey()
	header := testHeader(testEpoch(), device)
	header.Attachments = nil
	body := envelope.Body{Text: strings.Repeat("x", 1024)}
	b.ReportAllocs()
	for b.Loop() {
		entry, salt, err := Seal(key, header, body, device)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Open(key, entry, salt[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen1KB(b *testing.B) {
	device, key := testDevice(b, "device"), testKey()
	header := testHeader(testEpoch(), device)
	header.Attachments = nil
	entry, salt, err := Seal(key, header, envelope.Body{Text: strings.Repeat("x", 1024)}, device)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Open(key, entry, salt[:]); err != nil {
			b.Fatal(err)
		}
	}
}
