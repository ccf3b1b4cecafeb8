package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"chancery/crypto/envelope"
)

func TestIdentityIsFixedBySeed(t *testing.T) {
	t.Parallel()
	one, err := GenerateIdentity(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	two, err := IdentityFromSeed(one.Seed())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Recipient(), two.Recipient()) || len(one.Recipient()) != recipientSize {
		t.Fatal("the seed gave another recipient")
	}
	// age's own text for the key must carry the same seed.
	if want := strings.ToUpper(bech32("age-secret-key-pq-", one.Seed())); one.age.String() != want {
		t.Fatalf("age spells the identity %q", one.age.String())
	}
	file, err := Wrap(two.Recipient(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Unwrap(one, file); err != nil || string(got) != "x" {
		t.Fatalf("unwrapping: %q, %v", got, err)
	}
	if _, err := IdentityFromSeed(make([]byte, 31)); err == nil {
		t.Fatal("took a short seed")
	}
}

func TestAttackRecipientRefused(t *testing.T) {
	t.Parallel()
	good := testIdentity(t, "one").Recipient()
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	// An ML-KEM key whose coefficients are not below the modulus, with a true checksum.
	weak := bech32("age1pq", bytes.Repeat([]byte{0xff}, 1216))
	changed := bytes.Clone(good)
	changed[100] ^= 1
	words := fiveBits(testIdentity(t, "one").rawRecipient(t))
	words[len(words)-1] |= 1 // one of the two bits that fill the last word
	for name, r := range map[string][]byte{
		"empty": nil, "classic": []byte(classic.Recipient().String()), "weak ML-KEM": []byte(weak),
		"upper case": bytes.ToUpper(good), "loose bits": []byte(bech32Words("age1pq", words)), "changed": changed, "longer": append(bytes.Clone(good), '\n'),
	} {
		if err := CheckRecipient(r); !errors.Is(err, ErrRecipient) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckRecipient(good); err != nil {
		t.Fatal(err)
	}
}

// rawRecipient is the key inside the text, decoded without checks.
func (id *Identity) rawRecipient(t *testing.T) []byte {
	t.Helper()
	var raw []byte
	var acc, n uint
	text := strings.TrimPrefix(id.recipient, "age1pq1")
	for _, c := range text[:len(text)-bech32Checksum] {
		acc, n = acc<<5|uint(strings.IndexRune(bech32Alphabet, c)), n+5
		if n >= 8 {
			raw, n = append(raw, byte(acc>>(n-8))), n-8
		}
	}
	if bech32("age1pq", raw) != id.recipient {
		t.Fatal("decoding the recipient went wrong")
	}
	return raw
}

// The X25519 half may be a point of low order: the wrap must fail, not weaken.
func TestAttackLowOrderRecipient(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 1216) // ML-KEM key of zeros is in range; X25519 point is zero
	_, err := Wrap([]byte(bech32("age1pq", raw)), []byte("x"))
	wantError(t, err, ErrRecipient)
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

func TestAttackForeignWrap(t *testing.T) {
	t.Parallel()
	id, other := testIdentity(t, "one"), testIdentity(t, "two")
	good := ageFile(t, []byte("x"), id.age.Recipient())
	changed := bytes.Clone(good)
	changed[len(changed)-1] ^= 1
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"empty": nil, "changed": changed, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0),
		"for another": ageFile(t, []byte("x"), other.age.Recipient()),
		"two stanzas": ageFile(t, []byte("x"), id.age.Recipient(), other.age.Recipient()),
		"classic":     ageFile(t, []byte("x"), classic.Recipient()),
		"too large":   ageFile(t, make([]byte, maxWrap), id.age.Recipient()),
		"one over":    ageFile(t, make([]byte, MaxWrapped+1), id.age.Recipient()),
	}
	for name, file := range cases {
		if _, err := Unwrap(id, file); !errors.Is(err, ErrWrap) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Unwrap(id, good); err != nil {
		t.Fatal(err)
	}
	if _, err := Wrap(id.Recipient(), make([]byte, MaxWrapped+1)); err == nil {
		t.Fatal("wrapped more than the limit")
	}
}

func TestAttack36ScryptBomb(t *testing.T) {
	t.Parallel()
	// Work factor 2^30 would take hours and a terabyte.
	bomb := "age-encryption.org/v1\n-> scrypt " + strings.Repeat("A", 22) + " 30\n" +
		strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n" + strings.Repeat("x", 64)
	start := time.Now()
	_, err := Unwrap(testIdentity(t, "one"), []byte(bomb))
	wantError(t, err, ErrWrap)
	if spent := time.Since(start); spent > 5*time.Second {
		t.Fatalf("refusing took %v", spent)
	}
}

func TestUserSeedWrap(t *testing.T) {
	t.Parallel()
	device, seed := testIdentity(t, "device"), NewUserSeed()
	c := UserSeedContext{Org: envelope.OrgID(fill("org")), Device: envelope.KeyID(fill("dev")), Generation: 2}
	wrap, err := WrapUserSeed(seed, c, device.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	got, err := UnwrapUserSeed(device, wrap, c)
	if err != nil || got != seed {
		t.Fatalf("unwrapping: %v", err)
	}
	for name, edit := range map[string]func(*UserSeedContext){
		"org": func(c *UserSeedContext) { c.Org[0]++ }, "device": func(c *UserSeedContext) { c.Device[0]++ },
		"generation": func(c *UserSeedContext) { c.Generation++ },
	} {
		want := c
		edit(&want)
		if _, err := UnwrapUserSeed(device, wrap, want); !errors.Is(err, ErrContext) {
			t.Errorf("%s: %v", name, err)
		}
	}
	one, err := UserIdentity(seed)
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := IdentityFromSeed(seed[:]); bytes.Equal(raw.Recipient(), one.Recipient()) {
		t.Fatal("the user's identity is the bare seed's")
	}
}

func TestSlip(t *testing.T) {
	t.Parallel()
	one, two, out := testIdentity(t, "one"), testIdentity(t, "two"), testIdentity(t, "out")
	slip, err := SealTo([][]byte{one.Recipient(), two.Recipient()}, []byte("data key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []*Identity{one, two} {
		if got, err := OpenSlip(id, slip); err != nil || string(got) != "data key" {
			t.Fatalf("opening: %q, %v", got, err)
		}
	}
	_, err = OpenSlip(out, slip)
	wantError(t, err, ErrWrap)
	slip[0].File, slip[1].File = slip[1].File, slip[0].File
	_, err = OpenSlip(one, slip)
	wantError(t, err, ErrWrap)
	if _, err := SealTo([][]byte{one.Recipient(), one.Recipient()}, nil); err == nil {
		t.Fatal("took one reader twice")
	}
}

func TestSealBytes(t *testing.T) {
	t.Parallel()
	key := NewDataKey()
	sealed := SealBytes(key, []byte("record 1"), []byte("text"))
	if got, err := OpenBytes(key, []byte("record 1"), sealed); err != nil || string(got) != "text" {
		t.Fatalf("opening: %q, %v", got, err)
	}
	_, err := OpenBytes(key, []byte("record 2"), sealed)
	wantError(t, err, ErrUndecryptable)
	_, err = OpenBytes(NewDataKey(), []byte("record 1"), sealed)
	wantError(t, err, ErrUndecryptable)
	_, err = OpenBytes(key, []byte("record 1"), sealed[:Overhead-1])
	wantError(t, err, ErrUndecryptable)
}

func TestSigningKey(t *testing.T) {
	t.Parallel()
	k, err := GenerateSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	same, err := SigningKeyFromSeed(k.Seed())
	if err != nil || same.ID() != k.ID() || !bytes.Equal(same.Public(), k.Public()) {
		t.Fatalf("the seed gave another key: %v", err)
	}
	approval := envelope.Approval{Version: envelope.Version, Action: "hold.approve", Time: 1}
	raw, err := SignStatement(envelope.LabelApproval, &approval, k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.OpenStatement[envelope.Approval](raw, envelope.LabelApproval, k.Public())
	if err != nil || *got != approval {
		t.Fatalf("opening statement: %v", err)
	}
	_, err = SignStatement("long", strings.Repeat("x", envelope.MaxHeader), k)
	if err == nil {
		t.Fatal("signed a statement that nobody can parse")
	}
	if _, err := GenerateSigningKey(io.LimitReader(rand.Reader, 31)); err == nil {
		t.Fatal("made a key from 31 bytes")
	}
}
