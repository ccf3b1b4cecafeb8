package p384

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// Sizes in bytes.
const (
	PublicSize    = 97
	SecretSize    = 48
	SignatureSize = 96
)

var (
	// ErrKey: no P-384 key in its one encoding.
	ErrKey = errors.New("not a P-384 key")
	// ErrSignature: the signature does not verify, or is not in its one form.
	ErrSignature = errors.New("ECDSA signature does not verify")
)

// Key is a private key.
type Key struct {
	private *ecdsa.PrivateKey
	public  []byte
}

// Generate makes a key.
func Generate() (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making P-384 key: %w", err)
	}
	return wrap(private)
}

// Parse rebuilds a key from what Secret gave.
func Parse(secret []byte) (*Key, error) {
	if len(secret) != SecretSize {
		return nil, fmt.Errorf("%w: %d secret bytes, want %d", ErrKey, len(secret), SecretSize)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), secret)
	if err != nil {
		return nil, fmt.Errorf("%w: scalar out of range", ErrKey) // never the secret itself
	}
	return wrap(private)
}

func wrap(private *ecdsa.PrivateKey) (*Key, error) {
	public, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrKey, err)
	}
	return &Key{private, public}, nil
}

// Public is the public key, PublicSize bytes.
func (k *Key) Public() []byte { return bytes.Clone(k.public) }

// Secret is the private scalar, SecretSize bytes.
func (k *Key) Secret() ([]byte, error) { return k.private.Bytes() }

type pair struct{ R, S *big.Int }

// Sign signs msg as it stands: SignatureSize bytes.
func (k *Key) Sign(msg []byte) ([]byte, error) {
	digest := sha512.Sum384(msg)
	der, err := k.private.Sign(nil, digest[:], crypto.SHA384) // no randomness: RFC 6979
	if err != nil {
		return nil, fmt.Errorf("signing with P-384: %w", err)
	}
	var sig pair
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, fmt.Errorf("signing with P-384: %w", err)
	}
	if n := elliptic.P384().Params().N; high(sig.S) {
		sig.S.Sub(n, sig.S)
	}
	out := make([]byte, SignatureSize)
	sig.R.FillBytes(out[:SignatureSize/2])
	sig.S.FillBytes(out[SignatureSize/2:])
	return out, nil
}

// high tells whether s is in the upper half: (r, n−s) would verify as well.
func high(s *big.Int) bool {
	half := new(big.Int).Rsh(elliptic.P384().Params().N, 1)
	return s.Cmp(half) > 0
}

// CheckPublic refuses with ErrKey what is no public key in its one encoding.
func CheckPublic(public []byte) error {
	_, err := parse(public)
	return err
}

func parse(public []byte) (*ecdsa.PublicKey, error) {
	if len(public) != PublicSize {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrKey, len(public), PublicSize)
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), public)
	if err != nil {
		return nil, fmt.Errorf("%w: not a point of the curve", ErrKey)
	}
	return k, nil
}

// Verify fails with ErrKey or ErrSignature unless sig is public's over msg.
func Verify(public, msg, sig []byte) error {
	k, err := parse(public)
	if err != nil {
		return err
	}
	if len(sig) != SignatureSize {
		return fmt.Errorf("%w: %d bytes, want %d", ErrSignature, len(sig), SignatureSize)
	}
	p := pair{new(big.Int).SetBytes(sig[:SignatureSize/2]), new(big.Int).SetBytes(sig[SignatureSize/2:])}
	if high(p.S) {
		return fmt.Errorf("%w: s is in the upper half", ErrSignature)
	}
	der, err := asn1.Marshal(p)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrSignature, err)
	}
	if digest := sha512.Sum384(msg); !ecdsa.VerifyASN1(k, digest[:], der) {
		return ErrSignature
	}
	return nil
}
