package keyring

import (
	"errors"
	"fmt"

	"chancery/crypto/agefile"
	"chancery/crypto/seal"
)

const kdfScrypt = "age-scrypt"

// Scrypt's work factors: 2^17 takes about half a second and 128 MiB. A file
// that asks for more than 2^20 is refused before any work is done.
const (
	defaultLogN = 17
	minLogN     = 10
	maxLogN     = 20
)

// scrypt is suite age's protector: an age file with one scrypt stanza.
type scrypt struct{}

func (scrypt) protect(master seal.DataKey, passphrase string, cheap bool) (configJSON, error) {
	logN := defaultLogN
	if cheap {
		logN = minLogN
	}
	file, err := agefile.Protect(passphrase, master[:], logN)
	return configJSON{KDF: kdfScrypt, Master: file}, err
}

func (scrypt) unprotect(c configJSON, passphrase string) ([]byte, error) {
	if c.Iterations != 0 || len(c.Salt) != 0 {
		return nil, fmt.Errorf("%w: parameters of another kdf", ErrDamaged)
	}
	master, err := agefile.Unprotect(passphrase, c.Master, maxLogN)
	if errors.Is(err, agefile.ErrPassphrase) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return master, nil
}
