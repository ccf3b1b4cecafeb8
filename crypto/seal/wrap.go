package seal

import (
	"fmt"

	"chancery/crypto/envelope"
)

// Limits of a wrap, in bytes. A wrap carries keys, never content.
const (
	MaxWrapped = 4 << 10
	maxWrap    = MaxWrapped + 2<<10
)

// Purpose is what a wrap is for. Suite fips binds it into the wrap; in both
// suites the plaintext repeats it, and the opener compares.
type Purpose struct {
	Type  string         // the plaintext's type text
	Org   envelope.OrgID //
	About envelope.Hash  // the channel, device or archive that the secret belongs to
	N     uint64         // epoch or generation, else 0
}

// context is what a wrap of suite s to a recipient is bound to.
func (p Purpose) context(s envelope.Suite, recipient []byte) []byte {
	return envelope.Frame("wrap", p.Type, string(s), p.Org, p.About, p.N, RecipientID(recipient))
}

// Wrap seals plaintext to one recipient of suite s. It fails with ErrSuite, or
// with ErrRecipient when the public key is none of that suite.
func Wrap(s envelope.Suite, p Purpose, recipient, plaintext []byte) ([]byte, error) {
	x, err := schemeOf(s)
	if err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	if len(plaintext) > MaxWrapped {
		return nil, fmt.Errorf("wrapping: %d bytes, limit %d", len(plaintext), MaxWrapped)
	}
	file, err := x.wrap(recipient, p.context(s, recipient), plaintext)
	if err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	return file, nil
}

// Unwrap opens a file that Wrap made for id and p. Every refusal of a file wraps
// ErrWrap.
func Unwrap(id *Identity, p Purpose, file []byte) ([]byte, error) {
	if len(file) > maxWrap {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrWrap, len(file), maxWrap)
	}
	plaintext, err := id.private.unwrap(p.context(id.suite, id.recipient), file)
	if err != nil {
		return nil, err
	}
	if len(plaintext) > MaxWrapped {
		return nil, fmt.Errorf("%w: %d bytes inside, limit %d", ErrWrap, len(plaintext), MaxWrapped)
	}
	return plaintext, nil
}
