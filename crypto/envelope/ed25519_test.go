package envelope

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"filippo.io/edwards25519"
)

// smallOrder lists the canonical encodings of the eight points whose order
// divides the cofactor, and the ways to write some of them non-canonically.
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000", // identity
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
	"0000000000000000000000000000000000000000000000000000000000000000", // order 4
	"0000000000000000000000000000000000000000000000000000000000000080", // order 4
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", // order 8
	"0100000000000000000000000000000000000000000000000000000000000080", // identity, -0
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // order 2, -0
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // identity, y = p+1
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // identity, y = p+1, -0
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 4, y = p
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // order 4, y = p
}

func testKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func TestCheckPublicKeyAccepts(t *testing.T) {
	t.Parallel()
	for b := range byte(64) {
		if err := CheckPublicKey(testKey(b).Public().(ed25519.PublicKey)); err != nil {
			t.Errorf("key %d: %v", b, err)
		}
	}
}

func TestAttack28SmallOrderKey(t *testing.T) {
	t.Parallel()
	for _, h := range smallOrder {
		pub, _ := hex.DecodeString(h)
		if err := CheckPublicKey(pub); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", h, err)
		}
	}
	for _, pub := range [][]byte{nil, make([]byte, 31), make([]byte, 33), bytes.Repeat([]byte{2}, 32)} {
		if err := CheckPublicKey(pub); !errors.Is(err, ErrKey) {
			t.Errorf("%x: %v", pub, err)
		}
	}
}

func TestAttack28IdentityKeySignsAnything(t *testing.T) {
	t.Parallel()
	identity, _ := hex.DecodeString(smallOrder[0])
	// R = identity, S = 0 satisfies the equation whatever the message is.
	sig := append(bytes.Clone(identity), make([]byte, 32)...)
	msg := []byte("I never wrote this")
	if !ed25519.Verify(identity, msg, sig) {
		t.Fatal("the standard library refuses the forgery: this check may be dropped")
	}
	if err := VerifySignature(identity, msg, sig); !errors.Is(err, ErrKey) {
		t.Errorf("forgery under the identity key: %v", err)
	}
}

func TestAttack28MixedOrderKey(t *testing.T) {
	t.Parallel()
	good, err := new(edwards25519.Point).SetBytes(testKey(1).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range smallOrder[1:8] {
		raw, _ := hex.DecodeString(h)
		torsion, err := new(edwards25519.Point).SetBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		mixed := new(edwards25519.Point).Add(good, torsion).Bytes()
		if err := CheckPublicKey(mixed); !errors.Is(err, ErrKey) {
			t.Errorf("key with a part of small order %s: %v", h, err)
		}
	}
}

// TestAttack28SecondSpellingOfKey writes y as y+p, which fits for y below 19.
func TestAttack28SecondSpellingOfKey(t *testing.T) {
	t.Parallel()
	for y := range byte(19) {
		for _, sign := range []byte{0, 0x80} {
			second := append([]byte{0xed + y}, bytes.Repeat([]byte{0xff}, 31)...)
			second[31] = 0x7f | sign
			if err := CheckPublicKey(second); !errors.Is(err, ErrKey) {
				t.Errorf("y = p+%d, sign %x: %v", y, sign, err)
			}
		}
	}
}

func TestAttack28MalleatedSignature(t *testing.T) {
	t.Parallel()
	key, msg := testKey(7), []byte("message")
	pub := key.Public().(ed25519.PublicKey)
	sig := ed25519.Sign(key, msg)
	if err := VerifySignature(pub, msg, sig); err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"S + L":    append(bytes.Clone(sig[:32]), addOrder(sig[32:])...),
		"cut":      sig[:63],
		"extended": append(bytes.Clone(sig), 0),
		"empty":    nil,
	}
	for i := range sig {
		changed := bytes.Clone(sig)
		changed[i] ^= 0x10
		bad["byte "+string(rune('0'+i))] = changed
	}
	for name, s := range bad {
		if err := VerifySignature(pub, msg, s); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := VerifySignature(pub, []byte("other"), sig); !errors.Is(err, ErrSignature) {
		t.Errorf("another message: %v", err)
	}
}

// addOrder adds the group order to a little-endian scalar.
func addOrder(s []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	le := bytes.Clone(s)
	reverse(le)
	sum := new(big.Int).Add(new(big.Int).SetBytes(le), order).FillBytes(make([]byte, 32))
	reverse(sum)
	return sum
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

// TestKeyMemoIsBounded: a flood of good keys takes no memory for ever, and a bad
// key is never remembered as a good one.
func TestKeyMemoIsBounded(t *testing.T) {
	t.Parallel()
	var m keyMemo
	for i := range uint32(maxAccepted + 2) {
		m.add([32]byte{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	if len(m.keys) > maxAccepted {
		t.Errorf("%d keys are remembered", len(m.keys))
	}
	identity := [32]byte{1}
	for range 2 {
		if CheckPublicKey(identity[:]) == nil || accepted.has(identity) {
			t.Error("the identity point was accepted")
		}
	}
}

func BenchmarkVerifySignature(b *testing.B) {
	key, msg := testKey(7), make([]byte, 300)
	pub := key.Public().(ed25519.PublicKey)
	sig := ed25519.Sign(key, msg)
	for b.Loop() {
		if err := VerifySignature(pub, msg, sig); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckPublicKey(b *testing.B) {
	pub := testKey(7).Public().(ed25519.PublicKey)
	for b.Loop() {
		if err := checkPoint(pub); err != nil {
			b.Fatal(err)
		}
	}
}
