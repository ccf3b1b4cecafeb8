package keyring

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"fmt"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

const kdfPBKDF2 = "pbkdf2-hmac-sha512"

// Iterations of PBKDF2: 600,000 take about half a second. A file that asks for
// more than ten million is refused before any work is done.
const (
	defaultIterations = 600_000
	minIterations     = 1_000
	maxIterations     = 10_000_000
	saltSize          = 32
)

// pbkdf is suite fips's protector: AES-256-GCM under a PBKDF2 key. PBKDF2 costs
// an attacker's hardware less than scrypt does; it is what FIPS 140-3 approves.
type pbkdf struct{}

func (p pbkdf) protect(master seal.DataKey, passphrase string, cheap bool) (configJSON, error) {
	c := configJSON{KDF: kdfPBKDF2, Iterations: defaultIterations, Salt: make([]byte, saltSize)}
	if cheap {
		c.Iterations = minIterations
	}
	rand.Read(c.Salt) // never fails: the runtime ends the process instead
	key, err := p.key(c, passphrase)
	if err != nil {
		return c, err
	}
	c.Master = seal.SealBytes(key, p.context(c), master[:])
	return c, nil
}

// unprotect can't tell a wrong passphrase from a changed file: both are
// ErrPassphrase, but for what no keyring of ours has.
func (p pbkdf) unprotect(c configJSON, passphrase string) ([]byte, error) {
	if c.Iterations < minIterations || c.Iterations > maxIterations || len(c.Salt) != saltSize || len(c.Master) != len(seal.DataKey{})+seal.Overhead {
		return nil, fmt.Errorf("%w: %d iterations, %d bytes of salt, %d of master key", ErrDamaged, c.Iterations, len(c.Salt), len(c.Master))
	}
	key, err := p.key(c, passphrase)
	if err != nil {
		return nil, err
	}
	master, err := seal.OpenBytes(key, p.context(c), c.Master)
	if err != nil {
		return nil, ErrPassphrase
	}
	return master, nil
}

func (pbkdf) key(c configJSON, passphrase string) (seal.DataKey, error) {
	key, err := pbkdf2.Key(sha512.New, passphrase, c.Salt, c.Iterations, len(seal.DataKey{}))
	if err != nil {
		return seal.DataKey{}, fmt.Errorf("deriving the key of the passphrase: %w", err)
	}
	return seal.DataKey(key), nil
}

func (pbkdf) context(c configJSON) []byte {
	return envelope.Frame("keyring-master", c.KDF, uint64(c.Iterations), c.Salt)
}
