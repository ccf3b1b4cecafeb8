package agefile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"chancery/crypto/suitetest"
)

const limit = 4 << 10 // bytes of plaintext

func testIdentity(t testing.TB, fill byte) *Identity {
	t.Helper()
	suitetest.NeedsAge(t)
	id, err := NewIdentity([32]byte{fill})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestIdentityIsFixedBySeed(t *testing.T) {
	t.Parallel()
	one, two := testIdentity(t, 1), testIdentity(t, 1)
	if !bytes.Equal(one.Recipient(), two.Recipient()) || len(one.Recipient()) != recipientSize {
		t.Fatal("the seed gave another recipient")
	}
	// age's own text for the key must carry the same seed.
	seed := [32]byte{1}
	if want := strings.ToUpper(bech32("age-secret-key-pq-", seed[:])); one.hybrid.String() != want {
		t.Fatalf("age spells the identity %q", one.hybrid.String())
	}
	file, err := Seal(two.Recipient(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := one.Open(file, limit); err != nil || string(got) != "x" {
		t.Fatalf("opening: %q, %v", got, err)
	}
}

func TestAttack28WeakAgeKeys(t *testing.T) {
	t.Parallel()
	good := testIdentity(t, 1).Recipient()
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	// An ML-KEM key whose coefficients are not below the modulus, with a true checksum.
	weak := bech32("age1pq", bytes.Repeat([]byte{0xff}, 1216))
	changed := bytes.Clone(good)
	changed[100] ^= 1
	words := fiveBits(testIdentity(t, 1).raw(t))
	words[len(words)-1] |= 1 // one of the two bits that fill the last word
	for name, r := range map[string][]byte{
		"empty": nil, "classic": []byte(classic.Recipient().String()), "weak ML-KEM": []byte(weak),
		"upper case": bytes.ToUpper(good), "loose bits": []byte(bech32Words("age1pq", words)), "changed": changed, "longer": append(bytes.Clone(good), '\n'),
	} {
		if err := Check(r); !errors.Is(err, ErrRecipient) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(good); err != nil {
		t.Fatal(err)
	}
}

// raw is the key inside the text, decoded without checks.
func (id *Identity) raw(t *testing.T) []byte {
	t.Helper()
	var raw []byte
	var acc, n uint
	text := strings.TrimPrefix(string(id.Recipient()), "age1pq1")
	for _, c := range text[:len(text)-bech32Checksum] {
		acc, n = acc<<5|uint(strings.IndexRune(bech32Alphabet, c)), n+5
		if n >= 8 {
			raw, n = append(raw, byte(acc>>(n-8))), n-8
		}
	}
	if bech32("age1pq", raw) != string(id.Recipient()) {
		t.Fatal("decoding the recipient went wrong")
	}
	return raw
}

// The X25519 half may be a point of low order: the wrap must fail, not weaken.
func TestAttack28LowOrderRecipient(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 1216) // ML-KEM key of zeros is in range; X25519 point is zero
	suitetest.NeedsAge(t)
	if _, err := Seal([]byte(bech32("age1pq", raw)), []byte("x")); !errors.Is(err, ErrRecipient) {
		t.Fatal(err)
	}
}

// ageFile makes a file with recipients of the attacker's choice.
func ageFile(t *testing.T, plaintext []byte, to ...age.Recipient) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plaintext); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestAttackForeignFile(t *testing.T) {
	t.Parallel()
	id, other := testIdentity(t, 1), testIdentity(t, 2)
	good := ageFile(t, []byte("x"), id.hybrid.Recipient())
	changed := bytes.Clone(good)
	changed[len(changed)-1] ^= 1
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"empty": nil, "changed": changed, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0),
		"for another": ageFile(t, []byte("x"), other.hybrid.Recipient()),
		"two stanzas": ageFile(t, []byte("x"), id.hybrid.Recipient(), other.hybrid.Recipient()),
		"classic":     ageFile(t, []byte("x"), classic.Recipient()),
		"too large":   ageFile(t, make([]byte, limit+1), id.hybrid.Recipient()),
	}
	for name, file := range cases {
		if _, err := id.Open(file, limit); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if _, err := id.Open(good, limit); err != nil {
		t.Fatal(err)
	}
}

func TestAttack36ScryptBomb(t *testing.T) {
	t.Parallel()
	// Work factor 2^30 would take hours and a terabyte.
	bomb := "age-encryption.org/v1\n-> scrypt " + strings.Repeat("A", 22) + " 30\n" +
		strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n" + strings.Repeat("x", 64)
	start := time.Now()
	if _, err := testIdentity(t, 1).Open([]byte(bomb), limit); err == nil {
		t.Fatal("opened")
	}
	if spent := time.Since(start); spent > 5*time.Second {
		t.Fatalf("refusing took %v", spent)
	}
}
