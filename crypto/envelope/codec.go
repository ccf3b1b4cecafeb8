package envelope

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// ErrFormat is wrapped by every refusal of bytes that are not the one canonical
// encoding of a value of the expected shape.
var ErrFormat = errors.New("malformed")

// Limits on what a stranger can make us hold. Sizes are in bytes.
const (
	MaxHeader  = 8 << 10   // a link or message header
	MaxPayload = 128 << 10 // the ciphertext part of one message
	maxArray   = 4096      // elements of any one array
	maxNesting = 8
)

var (
	encoder = must(cbor.EncOptions{
		Sort: cbor.SortCoreDeterministic, ShortestFloat: cbor.ShortestFloat16,
		NaNConvert: cbor.NaNConvertReject, InfConvert: cbor.InfConvertReject,
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		NilContainers: cbor.NilContainerAsEmpty,
	}.EncMode())
	decoder = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		TagsMd: cbor.TagsForbidden, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels: maxNesting, MaxArrayElements: maxArray, MaxMapPairs: 16,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Marshal gives the canonical encoding of v: deterministic CBOR in which every
// structure is an array, so that no field can be missing, unknown or reordered.
func Marshal(v any) []byte {
	b, err := encoder.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err)) // only our own fixed types come here
	}
	return b
}

// Unmarshal decodes the canonical encoding of v and refuses every other
// encoding of it. The library's strict mode still takes long-form integers, so
// the value is encoded again and compared.
func Unmarshal(b []byte, v any) error {
	if err := decoder.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %T: %v", ErrFormat, v, err)
	}
	if !bytes.Equal(Marshal(v), b) {
		return fmt.Errorf("%w: %T: not canonical", ErrFormat, v)
	}
	return nil
}

// Frame joins parts under a label so that no two different lists of parts give
// the same bytes: the CBOR array [label, parts…].
func Frame(label string, parts ...any) []byte {
	return Marshal(append([]any{"chancery/v1/" + label}, parts...))
}

// Sum is SHA-256 over a frame.
func Sum(label string, parts ...any) Hash { return sha256.Sum256(Frame(label, parts...)) }

// SumBytes is plain SHA-256, for header and payload bytes.
func SumBytes(b []byte) Hash { return sha256.Sum256(b) }
