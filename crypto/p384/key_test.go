package p384

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"
)

func testKey(t *testing.T) *Key {
	t.Helper()
	k, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	k := testKey(t)
	secret, err := k.Secret()
	if err != nil {
		t.Fatal(err)
	}
	same, err := Parse(secret)
	if err != nil || !bytes.Equal(same.Public(), k.Public()) {
		t.Fatalf("the secret gave another key: %v", err)
	}
	for i := range 32 { // half of all signatures come out high before they are brought down
		msg := []byte{byte(i)}
		sig, err := k.Sign(msg)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(k.Public(), msg, sig); err != nil {
			t.Fatal(err)
		}
		if again, err := same.Sign(msg); err != nil || !bytes.Equal(again, sig) {
			t.Fatalf("signed otherwise: %v", err)
		}
		if err := Verify(k.Public(), []byte("other"), sig); !errors.Is(err, ErrSignature) {
			t.Fatalf("another message: %v", err)
		}
		if err := Verify(testKey(t).Public(), msg, sig); !errors.Is(err, ErrSignature) {
			t.Fatalf("another key: %v", err)
		}
	}
}

// RFC 6979 A.2.6, message "sample" with SHA-384; its s is in the upper half and
// stands here as n − s.
func TestKnownAnswer(t *testing.T) {
	t.Parallel()
	secret, _ := hex.DecodeString("6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5")
	k, err := Parse(secret)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := k.Sign([]byte("sample"))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := hex.DecodeString("94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46")
	s, _ := new(big.Int).SetString("99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8", 16)
	low := make([]byte, 48)
	new(big.Int).Sub(elliptic.P384().Params().N, s).FillBytes(low)
	if want := append(r, low...); !bytes.Equal(sig, want) {
		t.Fatalf("signature is %x, want %x", sig, want)
	}
}

func TestAttack28MalleatedECDSA(t *testing.T) {
	t.Parallel()
	k, msg := testKey(t), []byte("text")
	sig, err := k.Sign(msg)
	if err != nil {
		t.Fatal(err)
	}
	n := elliptic.P384().Params().N
	high := bytes.Clone(sig)
	s := new(big.Int).SetBytes(sig[48:])
	new(big.Int).Sub(n, s).FillBytes(high[48:])
	// The library alone would take it.
	der, err := asn1.Marshal(pair{new(big.Int).SetBytes(high[:48]), new(big.Int).SetBytes(high[48:])})
	if err != nil {
		t.Fatal(err)
	}
	digest := sha512.Sum384(msg)
	if !ecdsa.VerifyASN1(&k.private.PublicKey, digest[:], der) {
		t.Fatal("the case shows nothing")
	}
	flipped := bytes.Clone(sig)
	flipped[0] ^= 1
	for name, bad := range map[string][]byte{
		"high s": high, "empty": nil, "short": sig[:95], "long": append(bytes.Clone(sig), 0), "DER": der,
		"zeros": make([]byte, 96), "ones": bytes.Repeat([]byte{255}, 96), "a bit": flipped,
		"swapped": append(bytes.Clone(sig[48:]), sig[:48]...),
	} {
		if err := Verify(k.Public(), msg, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttack28P384Keys(t *testing.T) {
	t.Parallel()
	good := testKey(t).Public()
	off := bytes.Clone(good)
	off[96] ^= 1
	x, y := new(big.Int).SetBytes(good[1:49]), new(big.Int).SetBytes(good[49:])
	compressed := elliptic.MarshalCompressed(elliptic.P384(), x, y)
	p := elliptic.P384().Params().P
	large := bytes.Clone(good)
	p.FillBytes(large[1:49])
	for name, bad := range map[string][]byte{
		"empty": nil, "infinity": {0}, "zeros": make([]byte, 97), "not on the curve": off, "compressed": compressed,
		"hybrid form": append([]byte{6}, good[1:]...), "coordinate not reduced": large, "long": append(bytes.Clone(good), 0),
		"Ed25519": make([]byte, 32),
	} {
		if err := CheckPublic(bad); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckPublic(good); err != nil {
		t.Fatal(err)
	}
	n := make([]byte, 48)
	elliptic.P384().Params().N.FillBytes(n)
	for name, secret := range map[string][]byte{"zero": make([]byte, 48), "order": n, "short": n[:47]} {
		if _, err := Parse(secret); !errors.Is(err, ErrKey) {
			t.Errorf("secret %s: %v", name, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	key, err := wrap(k)
	if err != nil {
		b.Fatal(err)
	}
	sig, err := key.Sign([]byte("text"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Verify(key.public, []byte("text"), sig); err != nil {
			b.Fatal(err)
		}
	}
}
