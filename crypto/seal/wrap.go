package seal

import (
	"bytes"
	"fmt"
	"io"

	"filippo.io/age"
)

// Limits of a wrap, in bytes. A wrap carries keys, never content.
const (
	MaxWrapped = 4 << 10
	maxWrap    = MaxWrapped + 2<<10
)

// Wrap seals plaintext to one recipient, as an age file with one stanza. age
// authenticates no context, so the plaintext must say what it is for.
func Wrap(recipient, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxWrapped {
		return nil, fmt.Errorf("wrapping: %d bytes, limit %d", len(plaintext), MaxWrapped)
	}
	to, err := parseRecipient(recipient)
	if err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to)
	if err != nil {
		// Only the key can be at fault: its X25519 half may be of low order.
		return nil, fmt.Errorf("wrapping: %w: %v", ErrRecipient, err)
	}
	if _, err := w.Write(plaintext); err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("wrapping: %w", err)
	}
	return file.Bytes(), nil
}

// Unwrap opens a file that Wrap made for id. Every refusal wraps ErrWrap.
func Unwrap(id *Identity, file []byte) ([]byte, error) {
	if err := ageAllowed(); err != nil {
		return nil, err
	}
	if len(file) > maxWrap {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrWrap, len(file), maxWrap)
	}
	r, err := age.Decrypt(bytes.NewReader(file), oneStanza{id.age})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrWrap, err)
	}
	plaintext, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrWrap, err)
	}
	if len(plaintext) > MaxWrapped {
		return nil, fmt.Errorf("%w: %d bytes inside, limit %d", ErrWrap, len(plaintext), MaxWrapped)
	}
	return plaintext, nil
}

// oneStanza takes only files with a single stanza, for a second one would be a
// second reader whom no members root names. Stanzas of other types (scrypt above
// all, which can cost hours) are none of the hybrid identity's and stay unread.
type oneStanza struct{ identity *age.HybridIdentity }

func (o oneStanza) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 {
		return nil, fmt.Errorf("%d stanzas, want 1", len(stanzas))
	}
	return o.identity.Unwrap(stanzas)
}
