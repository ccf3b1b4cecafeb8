package sign

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"chancery/crypto/p384"
)

// ErrKeyFile reports a key file that is malformed or that others may read.
var ErrKeyFile = errors.New("unacceptable key file")

// Algorithm names what a key signs with. Its text is what a key file says in its
// first line.
type Algorithm string

const (
	Ed25519 Algorithm = "ed25519"    // 32-byte keys, 64-byte signatures
	P384    Algorithm = "ecdsa-p384" // with SHA-384; keys and signatures of crypto/p384
)

// KeyID names a public key everywhere: SHA-256 over its framed encoding.
type KeyID [32]byte

// String returns the id in lower-case hexadecimal.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// AlgorithmOf tells the algorithm of a public key, by its size; false when no
// algorithm has keys of that size.
func AlgorithmOf(public []byte) (Algorithm, bool) {
	switch len(public) {
	case ed25519.PublicKeySize:
		return Ed25519, true
	case p384.PublicSize:
		return P384, true
	}
	return "", false
}

// IDOf returns the id of a public key in its wire form.
func IDOf(public []byte) KeyID {
	// The deterministic CBOR of ["chancery/v1/key", algorithm, public], spelled
	// out: this package has no other use for an encoder. 0x83 array of 3, 0x6f
	// text of 15, algorithm 1 or 2, 0x58 bytes of a length below 256.
	number := byte(1)
	if a, _ := AlgorithmOf(public); a == P384 {
		number = 2
	}
	framed := append([]byte("\x83\x6fchancery/v1/key"), number, 0x58, byte(len(public)))
	return sha256.Sum256(append(framed, public...))
}

// Signer signs byte strings with one key: a Key, or a client of the process that
// holds one.
type Signer interface {
	// Public returns the public key in its wire form; its size tells the
	// algorithm.
	Public() []byte
	// Sign returns the signature over msg as it stands. Callers pass framed
	// bytes, so that no message of one kind reads as another.
	Sign(msg []byte) ([]byte, error)
}

// Key is a private key in memory. It never prints its secret.
type Key struct {
	algorithm Algorithm
	secret    []byte // Ed25519 seed or P-384 scalar
	Signer
}

// NewKey makes an Ed25519 key from 32 bytes read from random.
func NewKey(random io.Reader) (*Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	return keyOf(Ed25519, seed)
}

// NewP384Key makes a P-384 key, for checkpoints, archives and certificates of
// suite fips.
func NewP384Key() (*Key, error) {
	k, err := p384.Generate()
	if err != nil {
		return nil, err
	}
	secret, err := k.Secret()
	if err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	return &Key{P384, secret, k}, nil
}

func keyOf(a Algorithm, secret []byte) (*Key, error) {
	switch {
	case a == Ed25519 && len(secret) == ed25519.SeedSize:
		return &Key{a, secret, edwards{ed25519.NewKeyFromSeed(secret)}}, nil
	case a == P384:
		k, err := p384.Parse(secret)
		if err != nil {
			return nil, err
		}
		return &Key{a, secret, k}, nil
	}
	return nil, ErrKeyFile
}

// Algorithm is what the key signs with.
func (k *Key) Algorithm() Algorithm { return k.algorithm }

type edwards struct{ private ed25519.PrivateKey }

func (k edwards) Public() []byte                  { return k.private.Public().(ed25519.PublicKey) }
func (k edwards) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(k.private, msg), nil }

// verify tells whether sig is public's over msg. The size of the key decides the
// algorithm, so a signature can't be read by another one.
func verify(public, msg, sig []byte) bool {
	switch a, _ := AlgorithmOf(public); a {
	case Ed25519:
		return ed25519.Verify(public, msg, sig)
	case P384:
		return p384.Verify(public, msg, sig) == nil
	}
	return false
}

// LogValue implements slog.LogValuer.
func (Key) LogValue() slog.Value { return slog.StringValue("redacted") }

// Format implements fmt.Formatter for every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// LoadKey reads a key file: the line "chancery/v1/<algorithm>-private-key" and
// the secret in base64, nothing more. A file that group or others may read is refused (ErrKeyFile, wrapped).
func LoadKey(path string) (*Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("loading key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("loading key %s: mode %v, want a file with 0600: %w", path, info.Mode(), ErrKeyFile)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, fmt.Errorf("loading key: %w", err)
	}
	k, err := parseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("loading key %s: %w", path, err)
	}
	return k, nil
}

func parseKey(text string) (*Key, error) {
	header, secret64, _ := strings.Cut(text, "\n")
	name, _ := strings.CutSuffix(strings.TrimPrefix(header, "chancery/v1/"), "-private-key")
	secret, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(secret64, "\n"))
	if err != nil {
		return nil, ErrKeyFile
	}
	k, err := keyOf(Algorithm(name), secret)
	if err != nil || k.text() != text {
		return nil, ErrKeyFile
	}
	return k, nil
}

func (k *Key) text() string {
	return "chancery/v1/" + string(k.algorithm) + "-private-key\n" + base64.StdEncoding.EncodeToString(k.secret) + "\n"
}

// Save writes the key to a new file of mode 0600 and flushes file and directory.
// A file that is there already is never overwritten.
func (k *Key) Save(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("saving key: %w", err)
	}
	_, err = f.WriteString(k.text())
	if err := errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("saving key %s: %w", path, err)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
