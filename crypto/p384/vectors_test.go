package p384

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"chancery/crypto/vectors"
)

type vector struct {
	Name      string      `json:"name"`
	Kind      string      `json:"kind"`
	Key       vectors.Hex `json:"key"`
	Message   vectors.Hex `json:"message,omitempty"`
	Signature vectors.Hex `json:"signature,omitempty"`
	Want      string      `json:"want"`
}

// named is the key whose scalar is the SHA-384 of a name.
func named(t *testing.T, name string) *Key {
	t.Helper()
	scalar := sha512.Sum384([]byte(name))
	k, err := Parse(scalar[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// beyond is a point with x below 2^128, its x written as x + p: in 48 bytes, and no second spelling.
func beyond() (good, bad []byte) {
	curve := elliptic.P384().Params()
	for x := big.NewInt(1); ; x.Add(x, big.NewInt(1)) {
		square := new(big.Int).Exp(x, big.NewInt(3), curve.P)
		square.Sub(square, new(big.Int).Mul(big.NewInt(3), x)).Add(square, curve.B)
		y := new(big.Int).ModSqrt(square.Mod(square, curve.P), curve.P)
		if y == nil {
			continue
		}
		return point(x, y), point(new(big.Int).Add(x, curve.P), y)
	}
}

func point(x, y *big.Int) []byte {
	return slices.Concat([]byte{4}, x.FillBytes(make([]byte, 48)), y.FillBytes(make([]byte, 48)))
}

func keyVectors(t *testing.T) (list []vector) {
	add := func(name string, key []byte, want string) {
		list = append(list, vector{Name: name, Kind: "key", Key: key, Want: want})
	}
	good := named(t, "signer").Public()
	small, large := beyond()
	spelled := func(first byte) []byte { return append([]byte{first}, good[1:]...) }
	flipped := bytes.Clone(good)
	flipped[96] ^= 1
	add("good", good, "ok")
	add("good, x of few digits", small, "ok")
	add("x not below the prime", large, "bad_key")
	add("not on the curve", flipped, "bad_key")
	add("empty", nil, "bad_key")
	add("infinity", []byte{0}, "bad_key")
	add("zeros", make([]byte, 97), "bad_key")
	add("origin", append([]byte{4}, make([]byte, 96)...), "bad_key")
	add("96 bytes", good[:96], "bad_key")
	add("98 bytes", append(bytes.Clone(good), 0), "bad_key")
	add("without its first byte", good[1:], "bad_key")
	add("compressed", append([]byte{2 + good[96]&1}, good[1:49]...), "bad_key")
	for _, first := range []byte{0, 2, 3, 5, 6, 7} {
		add(fmt.Sprintf("first byte %d", first), spelled(first), "bad_key")
	}
	add("32 bytes", good[1:33], "bad_key")
	return list
}

func signatureVectors(t *testing.T) (list []vector) {
	k, other, message := named(t, "signer"), named(t, "another"), []byte("a message")
	key := k.Public()
	good, err := k.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	r, s, n := good[:48], good[48:], elliptic.P384().Params().N
	add := func(name string, key, message, signature []byte, want string) {
		list = append(list, vector{name, "signature", key, message, signature, want})
	}
	bad := func(name string, signature []byte) { add(name, key, message, signature, "bad_signature") }
	high := new(big.Int).Sub(n, new(big.Int).SetBytes(s)).FillBytes(make([]byte, 48))
	der, err := asn1.Marshal(pair{new(big.Int).SetBytes(r), new(big.Int).SetBytes(s)})
	if err != nil {
		t.Fatal(err)
	}
	add("good", key, message, good, "ok")
	add("another message", key, []byte("a messagf"), good, "bad_signature")
	add("another key", other.Public(), message, good, "bad_signature")
	add("under no key", key[:96], message, good, "bad_key")
	add("under a compressed key", append([]byte{2 + key[96]&1}, key[1:49]...), message, good, "bad_key")
	bad("s in the upper half", slices.Concat(r, high))
	bad("r of zero", slices.Concat(make([]byte, 48), s))
	bad("s of zero", slices.Concat(r, make([]byte, 48)))
	bad("r and s of zero", make([]byte, 96))
	bad("r the order", slices.Concat(n.Bytes(), s))
	bad("s the order", slices.Concat(r, n.Bytes()))
	bad("s above the order", slices.Concat(r, bytes.Repeat([]byte{0xff}, 48)))
	bad("halves exchanged", slices.Concat(s, r))
	bad("ASN.1", der)
	bad("little-endian", slices.Concat(reversed(r), reversed(s)))
	bad("empty", nil)
	bad("95 bytes", good[:95])
	bad("97 bytes", append(bytes.Clone(good), 0))
	bad("64 bytes", good[:64])
	bad("over SHA-512", overSHA512(t, k, message))
	for _, at := range []int{0, 47, 48, 95} {
		flipped := bytes.Clone(good)
		flipped[at] ^= 1
		bad(fmt.Sprintf("bit of byte %d", at), flipped)
	}
	return list
}

func reversed(b []byte) []byte {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return b
}

// overSHA512 is a good signature of a longer digest, cut as ECDSA cuts it.
func overSHA512(t *testing.T, k *Key, message []byte) []byte {
	t.Helper()
	digest := sha512.Sum512(message)
	cut := new(big.Int).SetBytes(digest[:48])
	// With nonce 1, r is the generator's x, and s = digest + r × secret.
	curve := elliptic.P384().Params()
	secret, err := k.Secret()
	if err != nil {
		t.Fatal(err)
	}
	r := new(big.Int).Mod(curve.Gx, curve.N)
	s := new(big.Int).Mul(r, new(big.Int).SetBytes(secret))
	if s.Mod(s.Add(s, cut), curve.N); high(s) {
		s.Sub(curve.N, s)
	}
	public, err := parse(k.Public())
	if err != nil || !ecdsa.Verify(public, digest[:48], r, s) {
		t.Fatalf("no signature over the longer digest: %v", err)
	}
	return slices.Concat(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48)))
}

func TestP384Vectors(t *testing.T) {
	t.Parallel()
	const about = "strict ECDSA P-384 (encoding.md): public keys of suite fips' signer, and signatures under them"
	for _, v := range vectors.Keep(t, "p384.json", about, append(keyVectors(t), signatureVectors(t)...)) {
		err := CheckPublic(v.Key)
		if v.Kind == "signature" {
			err = Verify(v.Key, v.Message, v.Signature)
		}
		want := map[string]error{"ok": nil, "bad_key": ErrKey, "bad_signature": ErrSignature}[v.Want]
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s, %s: %v, want %s", v.Kind, v.Name, err, v.Want)
		}
	}
}
