package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/vectors"
)

// The vectors are what another implementation is held against. They come from a
// second, plain writing of the format below, with fixed nonces, so that the
// files are the same on every run and this package can't confirm itself.
// Wraps alone hold age's own randomness: they are recorded once and kept.

type keyVector struct {
	Name       string        `json:"name"`
	Org        vectors.Hex   `json:"org"`
	Channel    vectors.Hex   `json:"channel"`
	N          uint64        `json:"n"`
	EpochLink  vectors.Hex   `json:"epoch_link"`
	Seed       vectors.Hex   `json:"seed"`
	SeedCommit envelope.Hash `json:"seed_commit"`
	ChannelKey vectors.Hex   `json:"channel_key"`
	Header     vectors.Hex   `json:"header"`
	Salt       vectors.Hex   `json:"salt"`
	Secret     vectors.Hex   `json:"secret"`
	Key        vectors.Hex   `json:"key"`
	Com        vectors.Hex   `json:"com"`
	Cov        vectors.Hex   `json:"cov"`
}

type messageVector struct {
	Name      string      `json:"name"`
	Org       vectors.Hex `json:"org"` // org, channel, n, epoch_link and seed are the reader's epoch
	Channel   vectors.Hex `json:"channel"`
	N         uint64      `json:"n"`
	EpochLink vectors.Hex `json:"epoch_link"`
	Seed      vectors.Hex `json:"seed"`
	Public    vectors.Hex `json:"public"` // the device's key
	Entry     vectors.Hex `json:"entry"`
	Salt      vectors.Hex `json:"salt"`
	Signed    bool        `json:"signed"` // the signature verifies
	Want      string      `json:"want"`   // ok, or the reason for refusing
	Text      string      `json:"text,omitempty"`
}

type paddingVector struct {
	Name   string      `json:"name"`
	Body   vectors.Hex `json:"body"`
	Padded vectors.Hex `json:"padded"`
	Want   string      `json:"want"`
}

func (v *messageVector) key() EpochKey {
	return Seed(v.Seed).Key(Epoch{
		Org: envelope.OrgID(v.Org), Channel: envelope.ChannelID(v.Channel), N: v.N, Link: envelope.Hash(v.EpochLink),
	})
}

// reason is the name that vectors give to an error.
func reason(err error) string {
	if code, ok := Exception(err); ok {
		return string(code)
	}
	for _, r := range []struct {
		name     string
		sentinel error
	}{{"wrong_salt", ErrSalt}, {"wrong_context", ErrContext}, {"bad_wrap", ErrWrap}, {"bad_format", envelope.ErrFormat}} {
		if errors.Is(err, r.sentinel) {
			return r.name
		}
	}
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// extractExpand is HKDF-SHA-256 in its two steps.
func extractExpand(t *testing.T, secret, salt, info []byte) []byte {
	t.Helper()
	prk, err := hkdf.Extract(sha256.New, secret, salt)
	if err != nil {
		t.Fatal(err)
	}
	return expandOnly(t, prk, info)
}

func expandOnly(t *testing.T, prk, info []byte) []byte {
	t.Helper()
	out, err := hkdf.Expand(sha256.New, prk, string(info), 32)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// schedule writes the key schedule a second time.
func schedule(t *testing.T, name string, header, salt []byte) keyVector {
	t.Helper()
	e, seed := testEpoch(), fill("seed")
	sum := envelope.Hash(sha256.Sum256(header))
	v := keyVector{
		Name: name, Org: e.Org[:], Channel: e.Channel[:], N: e.N, EpochLink: e.Link[:], Seed: seed[:],
		Header: header, Salt: salt,
	}
	v.SeedCommit = envelope.Hash(extractExpand(t, seed[:], nil, envelope.Frame("commit", e.Channel, e.N)))
	v.ChannelKey = extractExpand(t, seed[:], nil, envelope.Frame("channel", e.Org, e.Channel, e.N, e.Link))
	v.Secret = extractExpand(t, v.ChannelKey, salt, envelope.Frame("msg", sum))
	v.Key = expandOnly(t, v.Secret, envelope.Frame("key"))
	v.Com = expandOnly(t, v.Secret, envelope.Frame("com"))
	v.Cov = expandOnly(t, v.Secret, envelope.Frame("cov"))
	return v
}

// reference seals padded under header with a nonce fixed by name.
func reference(t *testing.T, name string, h envelope.Header, padded []byte) messageVector {
	t.Helper()
	device, e, seed := testDevice(t, "device"), testEpoch(), fill("seed")
	salt, nonce := fill("salt "+name), fill("nonce "+name)
	h.SaltCommit = envelope.Sum("salt", salt[:])
	entry := envelope.Entry{Kind: envelope.KindMessage, Header: envelope.Marshal(&h)}
	keys, aad := schedule(t, name, entry.Header, salt[:]), sha256.Sum256(entry.Header)
	entry.Payload = slices.Concat(keys.Com, nonce[:12], plainGCM(t, keys.Key).Seal(nil, nonce[:12], padded, aad[:]))
	SignEntry(&entry, device)
	return messageVector{
		Name: name, Org: e.Org[:], Channel: e.Channel[:], N: e.N, EpochLink: e.Link[:], Seed: seed[:],
		Public: device.Public(), Entry: envelope.Marshal(&entry), Salt: salt[:], Signed: true,
	}
}

// plainGCM is AES-256-GCM whose caller fixes the nonce, for a vector.
func plainGCM(t *testing.T, key []byte) (gcm cipher.AEAD) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	fips140.WithoutEnforcement(func() { gcm, err = cipher.NewGCM(block) })
	if err != nil {
		t.Fatal(err)
	}
	return gcm
}

// change edits the entry inside a vector and leaves its signature as it was.
func (v messageVector) change(t *testing.T, name, want string, edit func(*envelope.Entry)) messageVector {
	t.Helper()
	var e envelope.Entry
	if err := envelope.Unmarshal(v.Entry, &e); err != nil {
		t.Fatal(err)
	}
	edit(&e)
	v.Name, v.Want, v.Text, v.Entry, v.Signed = name, want, "", envelope.Marshal(&e), false
	return v
}

func messageVectors(t *testing.T) []messageVector {
	list := goodMessages(t)
	good := list[0]
	list = append(list, changedHeaders(t, good)...)
	list = append(list, changedPayloads(t, good, list[1])...)
	list = append(list, otherContexts(good)...)
	for _, name := range slices.Sorted(maps.Keys(malformedBodies())) {
		v := reference(t, "body: "+name, testHeader(testEpoch(), testDevice(t, "device")), malformedBodies()[name])
		v.Want = "malformed"
		list = append(list, v)
	}
	return list
}

func goodMessages(t *testing.T) []messageVector {
	device, body := testDevice(t, "device"), testBody()
	h := testHeader(testEpoch(), device)
	bare := h
	bare.Attachments, bare.Mentions, bare.Void, bare.DevicePrev, bare.DeviceSeq = nil, nil, nil, envelope.Hash{}, 1
	remove := bare
	remove.Kind, remove.Target = envelope.Delete, envelope.Ref{Position: 5, Hash: envelope.Hash(fill("target"))}
	var list []messageVector
	for _, g := range []struct {
		name   string
		header envelope.Header
		body   envelope.Body
	}{
		{"with a file", h, body},
		{"first of its device", bare, envelope.Body{Text: "hello"}},
		{"empty delete", remove, envelope.Body{}},
		{"128 bytes of text", bare, envelope.Body{Text: strings.Repeat("a", 128)}},
		{"longest text", bare, envelope.Body{Text: strings.Repeat("z", 64<<10)}},
	} {
		v := reference(t, g.name, g.header, pad(envelope.Marshal(&g.body)))
		v.Want, v.Text = "ok", g.body.Text
		list = append(list, v)
	}
	return list
}

func changedHeaders(t *testing.T, good messageVector) (list []messageVector) {
	wants := map[string]string{
		"SaltCommit": "wrong_salt", "Org": "wrong_context", "Channel": "wrong_context",
		"Epoch": "wrong_context", "EpochLink": "wrong_context",
	}
	for _, field := range slices.Sorted(maps.Keys(headerEdits)) {
		want := "bad_commit"
		if w, ok := wants[field]; ok {
			want = w
		}
		list = append(list, good.change(t, "header changed: "+field, want, func(e *envelope.Entry) {
			h, err := envelope.ParseHeader(e)
			if err != nil {
				t.Fatal(err)
			}
			headerEdits[field](h)
			e.Header = envelope.Marshal(h)
		}))
	}
	return append(list, good.change(t, "header with a byte after", "bad_format", func(e *envelope.Entry) {
		e.Header = append(e.Header, 0)
	}))
}

func changedPayloads(t *testing.T, good, other messageVector) []messageVector {
	flip := func(at int) func(*envelope.Entry) {
		return func(e *envelope.Entry) { e.Payload[(at+len(e.Payload))%len(e.Payload)] ^= 1 }
	}
	var foreign envelope.Entry
	if err := envelope.Unmarshal(other.Entry, &foreign); err != nil {
		t.Fatal(err)
	}
	return []messageVector{
		good.change(t, "com, first byte", "bad_commit", flip(0)),
		good.change(t, "com, last byte", "bad_commit", flip(31)),
		good.change(t, "nonce", "undecryptable", flip(32)),
		good.change(t, "ciphertext, first byte", "undecryptable", flip(44)),
		good.change(t, "tag, last byte", "undecryptable", flip(-1)),
		good.change(t, "payload cut", "undecryptable", func(e *envelope.Entry) { e.Payload = e.Payload[:len(e.Payload)-1] }),
		good.change(t, "payload of one byte", "bad_commit", func(e *envelope.Entry) { e.Payload = e.Payload[:1] }),
		good.change(t, "payload shorter than com", "bad_commit", func(e *envelope.Entry) { e.Payload = e.Payload[:31] }),
		good.change(t, "payload of com alone", "undecryptable", func(e *envelope.Entry) { e.Payload = e.Payload[:32] }),
		good.change(t, "payload without a tag", "undecryptable", func(e *envelope.Entry) { e.Payload = e.Payload[:59] }),
		good.change(t, "payload longer", "undecryptable", func(e *envelope.Entry) { e.Payload = append(e.Payload, 0) }),
		good.change(t, "payload of another message", "bad_commit", func(e *envelope.Entry) { e.Payload = foreign.Payload }),
		good.change(t, "ciphertext of another message", "undecryptable", func(e *envelope.Entry) {
			e.Payload = slices.Concat(e.Payload[:32], foreign.Payload[32:])
		}),
		good.change(t, "payload disposed of", "bad_format", func(e *envelope.Entry) { e.Payload = nil }),
	}
}

// otherContexts give the reader another epoch, seed or salt than the message's.
func otherContexts(good messageVector) []messageVector {
	edit := func(name, want string, change func(*messageVector)) messageVector {
		v := good
		change(&v)
		v.Name, v.Want, v.Text = name, want, ""
		return v
	}
	other := fill("other")
	return []messageVector{
		edit("reader in another org", "wrong_context", func(v *messageVector) { v.Org = other[:] }),
		edit("reader in another channel", "wrong_context", func(v *messageVector) { v.Channel = other[:] }),
		edit("reader in another epoch", "wrong_context", func(v *messageVector) { v.N++ }),
		edit("reader on another epoch link", "wrong_context", func(v *messageVector) { v.EpochLink = other[:] }),
		edit("another seed", "bad_commit", func(v *messageVector) { v.Seed = other[:] }),
		edit("another salt", "wrong_salt", func(v *messageVector) { v.Salt = other[:] }),
		edit("no salt", "wrong_salt", func(v *messageVector) { v.Salt = nil }),
		edit("salt cut", "wrong_salt", func(v *messageVector) { v.Salt = v.Salt[:31] }),
	}
}

func paddingVectors() (list []paddingVector) {
	for _, n := range []int{0, 1, 126, 127, 128, 143, 144, 255, 256, 1000} {
		body := bytes.Repeat([]byte{0x80}, n)
		list = append(list, paddingVector{Name: "good", Body: body, Padded: pad(body), Want: "ok"})
	}
	for _, name := range []string{"only zeros", "padded wider", "padded narrower", "no mark", "byte after mark"} {
		list = append(list, paddingVector{Name: name, Padded: malformedBodies()[name], Want: "malformed"})
	}
	return list
}

func TestVectors(t *testing.T) {
	t.Parallel()
	first := goodMessages(t)[0]
	var e envelope.Entry
	if err := envelope.Unmarshal(first.Entry, &e); err != nil {
		t.Fatal(err)
	}
	vectors.Keep(t, "keys.json", "key schedule of epochs and messages", []keyVector{schedule(t, "message", e.Header, first.Salt)})
	vectors.Keep(t, "messages.json", "opening messages; want is ok or the reason for refusing", messageVectors(t))
	vectors.Keep(t, "padding.json", "padding of bodies", paddingVectors())
	for _, s := range suitetest.Suites() {
		vectors.Once(t, wrapFiles[s], "opening wraps of epoch seeds in suite "+string(s)+"; recorded once, for sealing is randomised",
			func() []wrapVector { return wrapVectors(t, s) })
	}
}

var wrapFiles = map[envelope.Suite]string{envelope.SuiteAge: "wraps.json", envelope.SuiteFIPS: "wraps-fips.json"}

func TestKeyVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors.Load[keyVector](t, "keys.json") {
		m := messageVector{Org: v.Org, Channel: v.Channel, N: v.N, EpochLink: v.EpochLink, Seed: v.Seed}
		key := m.key()
		x := key.secret(v.Header, v.Salt)
		k, com := x.key(), x.com()
		if SeedCommit(envelope.ChannelID(v.Channel), v.N, Seed(v.Seed)) != v.SeedCommit ||
			!bytes.Equal(key.key[:], v.ChannelKey) || !bytes.Equal(x[:], v.Secret) ||
			!bytes.Equal(k[:], v.Key) || !bytes.Equal(com[:], v.Com) || !bytes.Equal(x.Cov(), v.Cov) {
			t.Errorf("%s: a key differs", v.Name)
		}
	}
}

func TestMessageVectors(t *testing.T) {
	t.Parallel()
	failures := 0
	for _, v := range vectors.Load[messageVector](t, "messages.json") {
		var e envelope.Entry
		if err := envelope.Unmarshal(v.Entry, &e); err != nil {
			t.Fatal(err)
		}
		opened, err := Open(v.key(), &e, v.Salt)
		if got := reason(err); got != v.Want {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Want)
		}
		if err == nil && opened.Body.Text != v.Text {
			t.Errorf("%s: another text", v.Name)
		}
		if (e.Verify(v.Public) == nil) != v.Signed {
			t.Errorf("%s: signature verifies: %v, want %v", v.Name, !v.Signed, v.Signed)
		}
		if v.Want != "ok" {
			failures++
		}
	}
	if failures < 30 {
		t.Errorf("only %d failures", failures)
	}
}

func TestPaddingVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors.Load[paddingVector](t, "padding.json") {
		body, err := unpad(v.Padded)
		if reason(err) != v.Want || err == nil && !bytes.Equal(body, v.Body) {
			t.Errorf("%s, %d bytes: %v", v.Name, len(v.Body), err)
		}
	}
}
