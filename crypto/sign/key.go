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
)

// ErrKeyFile reports a key file that is malformed or that others may read.
var ErrKeyFile = errors.New("unacceptable key file")

// keyFileHeader is the first line of a key file; the second is the seed.
const keyFileHeader = "chancery/v1/ed25519-private-key"

// KeyID names a public key everywhere: SHA-256 over its framed encoding.
type KeyID [32]byte

// String returns the id in lower-case hexadecimal.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// IDOf returns the id of an Ed25519 public key of 32 bytes.
func IDOf(pub ed25519.PublicKey) KeyID {
	// The deterministic CBOR of ["chancery/v1/key", 1, pub], spelled out: this
	// package has no other use for an encoder. 0x83 array of 3, 0x6f text of 15,
	// 0x01 Ed25519, 0x58 0x20 bytes of 32.
	framed := append([]byte("\x83\x6fchancery/v1/key\x01\x58\x20"), pub...)
	return sha256.Sum256(framed)
}

// Signer signs byte strings with one Ed25519 key: a Key, or a client of the
// process that holds one.
type Signer interface {
	Public() ed25519.PublicKey
	// Sign returns the 64-byte signature over msg as it stands. Callers pass
	// framed bytes, so that no message of one kind reads as another.
	Sign(msg []byte) ([]byte, error)
}

// Key is an Ed25519 private key in memory. It never prints its secret.
type Key struct{ private ed25519.PrivateKey }

// NewKey makes a key from 32 bytes read from random.
func NewKey(random io.Reader) (*Key, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("making key: %w", err)
	}
	return &Key{ed25519.NewKeyFromSeed(seed)}, nil
}

// Public returns the public key, 32 bytes.
func (k *Key) Public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// Sign implements Signer; its error is always nil.
func (k *Key) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(k.private, msg), nil }

// LogValue implements slog.LogValuer.
func (Key) LogValue() slog.Value { return slog.StringValue("redacted") }

// Format implements fmt.Formatter for every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// LoadKey reads a key file: the header line and the seed in base64, nothing
// more. A file that group or others may read is refused (ErrKeyFile, wrapped).
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
	seed64, _ := strings.CutPrefix(text, keyFileHeader+"\n")
	seed, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(seed64, "\n"))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, ErrKeyFile
	}
	k := &Key{ed25519.NewKeyFromSeed(seed)}
	if k.text() != text {
		return nil, ErrKeyFile
	}
	return k, nil
}

func (k *Key) text() string {
	return keyFileHeader + "\n" + base64.StdEncoding.EncodeToString(k.private.Seed()) + "\n"
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
