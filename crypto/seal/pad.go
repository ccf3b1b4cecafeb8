package seal

import (
	"bytes"
	"fmt"
	"math/bits"

	"chancery/crypto/envelope"
)

const padMark = 0x80

// pad hides the length of body: a mark, then zeros up to paddedSize.
func pad(body []byte) []byte {
	padded := make([]byte, paddedSize(len(body)))
	copy(padded, body)
	padded[len(body)] = padMark
	return padded
}

// unpad undoes pad and refuses every other padding of the same body, which
// would be a channel for bytes that no reader sees.
func unpad(padded []byte) ([]byte, error) {
	marked := bytes.TrimRight(padded, "\x00")
	n := len(marked) - 1
	if n < 0 || marked[n] != padMark {
		return nil, fmt.Errorf("%w: padding has no mark", ErrBody)
	}
	if want := paddedSize(n); len(padded) != want {
		return nil, fmt.Errorf("%w: %d bytes padded to %d, want %d", ErrBody, n, len(padded), want)
	}
	return marked[:n], nil
}

// paddedSize is the padded length of n bytes: Padmé (Nikitin et al., PETS
// 2019), which leaks O(log log n) bits and adds 12 % at most.
func paddedSize(n int) int {
	size := uint(max(n+1, envelope.MinPadded))
	exponent := bits.Len(size) - 1
	mask := uint(1)<<(exponent-bits.Len(uint(exponent))) - 1
	return int((size + mask) &^ mask)
}
