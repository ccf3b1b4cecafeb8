package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// Overhead of SealBytes: nonce and tag, in bytes.
const Overhead = 12 + 16

// SealBytes is AES-256-GCM with a random nonce: nonce ‖ ciphertext ‖ tag. One
// key may seal 2³² times at most.
func SealBytes(key DataKey, aad, plaintext []byte) []byte {
	return newAEAD(key).Seal(nil, nil, plaintext, aad)
}

// OpenBytes undoes SealBytes. It fails with ErrUndecryptable.
func OpenBytes(key DataKey, aad, sealed []byte) ([]byte, error) {
	plaintext, err := newAEAD(key).Open(nil, nil, sealed, aad)
	if err != nil {
		return nil, ErrUndecryptable
	}
	return plaintext, nil
}

// newAEAD uses the random-nonce mode because FIPS enforcement permits no other.
func newAEAD(key DataKey) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(fmt.Sprintf("AES with a key of 32 bytes: %v", err))
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("AES-GCM: %v", err))
	}
	return aead
}
