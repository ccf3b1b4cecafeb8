package envelope

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"

	"filippo.io/edwards25519"
)

var (
	// ErrKey reports an Ed25519 public key that may not be used.
	ErrKey = errors.New("unacceptable public key")
	// ErrSignature reports a signature that does not verify.
	ErrSignature = errors.New("signature does not verify")
)

// minusOne is the scalar L-1, where L is the order of the prime subgroup.
var minusOne = new(edwards25519.Scalar).Subtract(edwards25519.NewScalar(), scalarOne())

// CheckPublicKey accepts pub, 32 bytes, only if it is the canonical encoding of
// a point of prime order. Otherwise it returns ErrKey, wrapped.
//
// RFC 8032 verifiers, Go's and WebCrypto's among them, take any point. Under
// the identity or a point of small order one signature verifies for any
// message, and a point with a small-order part verifies in some libraries and
// not in others, so that two honest members would disagree about one entry.
func CheckPublicKey(pub []byte) error {
	if len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("checking public key: %d bytes: %w", len(pub), ErrKey)
	}
	if accepted.has([32]byte(pub)) {
		return nil
	}
	if err := checkPoint(pub); err != nil {
		return err
	}
	accepted.add([32]byte(pub))
	return nil
}

func checkPoint(pub []byte) error {
	p, err := new(edwards25519.Point).SetBytes(pub)
	if err != nil {
		return fmt.Errorf("checking public key: not on the curve: %w", ErrKey)
	}
	// As it happens no point of prime order has a second spelling, so the check
	// below would do; but that takes a search to see, and this does not.
	if string(p.Bytes()) != string(pub) {
		return fmt.Errorf("checking public key: not canonical: %w", ErrKey)
	}
	if p.Equal(edwards25519.NewIdentityPoint()) == 1 || !inPrimeSubgroup(p) {
		return fmt.Errorf("checking public key: not of prime order: %w", ErrKey)
	}
	return nil
}

// accepted remembers keys that passed: a few keys sign nearly everything, and
// the check costs as much as a signature. Whether a key is acceptable follows
// from its bytes alone.
var accepted keyMemo

// keyMemo is a set of keys. It starts anew when it is full.
type keyMemo struct {
	mu   sync.RWMutex
	keys map[[32]byte]struct{}
}

const maxAccepted = 8192

func (m *keyMemo) has(key [32]byte) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	_, ok := m.keys[key]
	return ok
}

func (m *keyMemo) add(key [32]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil || len(m.keys) >= maxAccepted {
		m.keys = make(map[[32]byte]struct{}, 64)
	}
	m.keys[key] = struct{}{}
}

// inPrimeSubgroup says whether [L]p is the identity. Scalars are reduced modulo
// L, so it asks the same question as [L-1]p = -p.
func inPrimeSubgroup(p *edwards25519.Point) bool {
	q := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(minusOne, p, edwards25519.NewScalar())
	return q.Equal(new(edwards25519.Point).Negate(p)) == 1
}

// VerifySignature accepts sig, 64 bytes, over msg under pub by the cofactorless
// equation, with a canonical S, a canonical R and a key that CheckPublicKey
// accepts: exactly one signature encoding per (R, S), in every language. It
// returns ErrKey or ErrSignature, wrapped.
func VerifySignature(pub, msg, sig []byte) error {
	if err := CheckPublicKey(pub); err != nil {
		return err
	}
	// The standard library refuses S ≥ L and compares the encoding of R byte by
	// byte with one it computes, so a non-canonical R can't pass.
	if len(sig) != ed25519.SignatureSize || !ed25519.Verify(pub, msg, sig) {
		return ErrSignature
	}
	return nil
}

func scalarOne() *edwards25519.Scalar {
	one, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		panic(err) // 1 is below L
	}
	return one
}
