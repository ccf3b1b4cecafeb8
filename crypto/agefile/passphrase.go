package agefile

import (
	"bytes"
	"errors"
	"io"

	"filippo.io/age"
)

// Protect seals plaintext under a passphrase by scrypt with work factor 2^logN.
func Protect(passphrase string, plaintext []byte, logN int) ([]byte, error) {
	if err := Allowed(); err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(logN)
	return encrypt(to, plaintext)
}

// Unprotect undoes Protect. A file that asks for more work than 2^maxLogN is
// refused before any is done. It fails with ErrPassphrase, or with another error
// when the file is damaged.
func Unprotect(passphrase string, file []byte, maxLogN int) ([]byte, error) {
	if err := Allowed(); err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxLogN)
	r, err := age.Decrypt(bytes.NewReader(file), id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
