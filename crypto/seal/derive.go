package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// derive is HKDF-SHA-256 with 32 bytes of output.
func derive[T ~[32]byte](secret [32]byte, salt, info []byte) T {
	return key[T](hkdf.Key(sha256.New, secret[:], salt, string(info), 32))
}

// expand is HKDF-Expand for a secret that is itself HKDF output.
func expand[T ~[32]byte](secret [32]byte, info []byte) T {
	return key[T](hkdf.Expand(sha256.New, secret[:], string(info), 32))
}

func key[T ~[32]byte](b []byte, err error) T {
	if err != nil {
		panic(fmt.Sprintf("deriving 32 bytes from 32: %v", err)) // lengths are fixed
	}
	return T(b)
}
