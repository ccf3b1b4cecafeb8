package agefile

import "strings"

// age takes private keys only as Bech32 text (BIP 173), and keeps its encoder
// to itself. age checks the result when it parses it.

const (
	bech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	bech32Checksum = 6 // characters
)

// bech32 encodes data under a lower-case prefix, in lower case.
func bech32(prefix string, data []byte) string { return bech32Words(prefix, fiveBits(data)) }

func bech32Words(prefix string, words []byte) string {
	sum := bech32Sum(prefix, words)
	for i := range bech32Checksum {
		words = append(words, byte(sum>>(5*(bech32Checksum-1-i)))&31)
	}
	var text strings.Builder
	text.WriteString(prefix + "1")
	for _, w := range words {
		text.WriteByte(bech32Alphabet[w])
	}
	return text.String()
}

// fiveBits regroups bytes into 5-bit words, high bits first, zero-filled.
func fiveBits(data []byte) []byte {
	var words []byte
	var acc, n uint
	for _, b := range data {
		acc, n = acc<<8|uint(b), n+8
		for ; n >= 5; n -= 5 {
			words = append(words, byte(acc>>(n-5))&31)
		}
		acc &= 1<<n - 1
	}
	if n > 0 {
		words = append(words, byte(acc<<(5-n))&31)
	}
	return words
}

// bech32Sum is the BCH checksum over the prefix and words.
func bech32Sum(prefix string, words []byte) uint32 {
	sum := uint32(1)
	step := func(v byte) {
		top := sum >> 25
		sum = (sum&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range len(prefix) {
		step(prefix[i] >> 5)
	}
	step(0)
	for i := range len(prefix) {
		step(prefix[i] & 31)
	}
	for _, w := range words {
		step(w)
	}
	for range bech32Checksum {
		step(0)
	}
	return sum ^ 1
}
