package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"golang.org/x/mod/sumdb/note"
)

const inToto = "application/vnd.in-toto+json"

func testKey(t *testing.T, b byte) *Key {
	t.Helper()
	k, err := NewKey(bytes.NewReader(bytes.Repeat([]byte{b}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestIDOf(t *testing.T) {
	t.Parallel()
	const want = "04eff898deb9cb8c9ed30d614600124226faf4ad61233f13be3b45975a067e0f"
	if got := IDOf(bytes.Repeat([]byte{0xab}, 32)).String(); got != want {
		t.Errorf("IDOf = %s, want %s", got, want)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "signer.key")
	k := testKey(t, 1)
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadKey(path)
	if err != nil || !bytes.Equal(loaded.Public(), k.Public()) {
		t.Fatalf("loading what was saved: %v", err)
	}
	if err := testKey(t, 2).Save(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwriting a key: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); !errors.Is(err, ErrKeyFile) {
		t.Errorf("loading a key that the group may read: %v", err)
	}
}

func TestKeyFileForms(t *testing.T) {
	t.Parallel()
	text := testKey(t, 1).text()
	if _, err := parseKey(text); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", text + "\n", strings.TrimSuffix(text, "\n"), strings.ReplaceAll(text, "\n", "\r\n"), " " + text,
		strings.Replace(text, "v1", "v2", 1), strings.Replace(text, "AQE=", "AQF=", 1), text[:40], text[strings.Index(text, "\n")+1:], strings.Replace(text, "ed25519", "ecdsa-p384", 1), strings.Replace(text, "ed25519", "rsa", 1),
	} {
		if _, err := parseKey(bad); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAttack41KeyPrintsNothing(t *testing.T) {
	t.Parallel()
	k := testKey(t, 0x41)
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %x %s %q", k, k, k, k, k, k), fmt.Sprint(*k), k.LogValue().String()} {
		if strings.Trim(s, "redact ") != "" {
			t.Errorf("printed %q", s)
		}
	}
}

func TestDSSERoundTrip(t *testing.T) {
	t.Parallel()
	a, b, c := testKey(t, 1), testKey(t, 2), testKey(t, 3)
	for _, payload := range [][]byte{nil, []byte(`{"a":1}`), bytes.Repeat([]byte{0xff}, 100)} {
		raw, err := SignDSSE(inToto, payload, a, b, c)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := VerifyDSSE(raw, b.Public(), a.Public())
		if err != nil {
			t.Fatal(err)
		}
		if doc.PayloadType != inToto || !bytes.Equal(doc.Payload, payload) || len(doc.Signers) != 2 || doc.Unknown != 1 {
			t.Errorf("verified %+v", doc)
		}
	}
}

// libraryKey lets the DSSE library's own verifier read our envelopes.
type libraryKey struct{ *Key }

func (k libraryKey) KeyID() (string, error)   { return IDOf(k.Key.Public()).String(), nil }
func (k libraryKey) Public() crypto.PublicKey { return k.Key.Public() }
func (k libraryKey) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(k.Key.Public(), data, sig) {
		return errors.New("bad signature")
	}
	return nil
}

func TestDSSEIsReadByTheLibrary(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	raw, err := SignDSSE(inToto, []byte("payload"), k)
	if err != nil {
		t.Fatal(err)
	}
	env, _, err := parseEnvelope(raw)
	if err != nil {
		t.Fatal(err)
	}
	v, err := dsse.NewEnvelopeVerifier(libraryKey{k})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), env); err != nil {
		t.Error(err)
	}
}

func TestAttack38AnyDocumentBitFlipped(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	raw, err := SignDSSE(inToto, []byte(`{"subject":"archive.json"}`), k)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if _, err := VerifyDSSE(raw, k.Public()); !errors.Is(err, ErrDSSE) {
				t.Errorf("byte %d bit %d: %v", i, bit, err)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func TestAttack38DocumentForms(t *testing.T) {
	t.Parallel()
	a, b := testKey(t, 1), testKey(t, 2)
	sign := func(payload string, keys ...Signer) string {
		raw, err := SignDSSE(inToto, []byte(payload), keys...)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	raw := sign("payload?>", a)
	two := sign("payload?>", a, b)
	elsewhere := sign("other", a)
	sigOf := func(s string) string { _, sig, _ := strings.Cut(s, `"signatures":`); return sig }
	for name, bad := range map[string]string{
		"empty":              "",
		"null":               "null",
		"unknown member":     strings.Replace(raw, "{", `{"extra":1,`, 1),
		"member repeated":    strings.Replace(raw, "{", `{"payloadType":"x",`, 1),
		"member in capitals": strings.Replace(raw, "payloadType", "PayloadType", 1),
		"white space":        strings.Replace(raw, ",", ", ", 1),
		"trailing newline":   raw + "\n",
		"trailing bytes":     raw + raw,
		"URL base64":         strings.Replace(raw, "D8+", "D8-", 1),
		"escaped character":  strings.Replace(raw, "application", `\u0061pplication`, 1),
		"stray base64 bits":  strings.Replace(sign("x", a), "eA==", "eB==", 1),
		"no signatures":      strings.Replace(raw, sigOf(raw), "[]}", 1),
		"null signatures":    strings.Replace(raw, sigOf(raw), "null}", 1),
		"another's":          strings.Replace(raw, sigOf(raw), sigOf(elsewhere), 1),
		"payload type":       strings.Replace(raw, "in-toto", "in-tota", 1),
		"stranger only":      sign("payload?>", b),
		"key id in capitals": strings.Replace(raw, IDOf(a.Public()).String(), strings.ToUpper(IDOf(a.Public()).String()), 1),
		"signature twice":    strings.Replace(raw, "]}", ","+strings.Trim(sigOf(raw), "[]}")+"}]}", 1),
		"relabelled":         strings.ReplaceAll(sign("payload?>", b), IDOf(b.Public()).String(), IDOf(a.Public()).String()),
	} {
		if _, err := VerifyDSSE([]byte(bad), a.Public()); !errors.Is(err, ErrDSSE) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := strings.Replace(two, sigOf(two), strings.Replace(sigOf(two), `"sig":"`, `"sig":"AA`, 1), 1)
	if _, err := VerifyDSSE([]byte(broken), a.Public(), b.Public()); !errors.Is(err, ErrDSSE) {
		t.Errorf("one good and one bad signature: %v", err)
	}
	if _, err := VerifyDSSE([]byte(raw), make([]byte, 31)); !errors.Is(err, ErrDSSE) {
		t.Errorf("trusted key cut short: %v", err)
	}
}

func TestSignDSSERefuses(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	for name, try := range map[string]func() ([]byte, error){
		"no signers":   func() ([]byte, error) { return SignDSSE(inToto, nil) },
		"signer twice": func() ([]byte, error) { return SignDSSE(inToto, nil, k, k) },
		"no type":      func() ([]byte, error) { return SignDSSE("", nil, k) },
		"odd type":     func() ([]byte, error) { return SignDSSE("a<b", nil, k) },
	} {
		if _, err := try(); !errors.Is(err, ErrDSSE) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignNote(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	msg, err := SignNote("chat.example/log\n1\nroot\n", "chat.example/log", k)
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := note.NewEd25519VerifierKey("chat.example/log", k.Public())
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(msg, note.VerifierList(v)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "a b", "a+b"} {
		if _, err := SignNote("text\n", name, k); err == nil {
			t.Errorf("signed as %q", name)
		}
	}
	if _, err := SignNote("no newline", "chat.example/log", k); err == nil {
		t.Error("signed a text without its newline")
	}
}
