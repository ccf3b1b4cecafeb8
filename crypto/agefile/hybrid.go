package agefile

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// Identity opens files that were sealed to its recipient. It is an
// mlkem768x25519 key.
type Identity struct{ hybrid *age.HybridIdentity }

// NewIdentity rebuilds the identity that a seed fixes: the same one in every
// implementation of age.
func NewIdentity(seed [32]byte) (*Identity, error) {
	if err := Allowed(); err != nil {
		return nil, err
	}
	id, err := age.ParseHybridIdentity(strings.ToUpper(bech32("age-secret-key-pq-", seed[:])))
	if err != nil {
		return nil, err
	}
	return &Identity{id}, nil
}

// Recipient is the public half as age's text ("age1pq1…", 1,959 bytes). The text
// and not the raw key, because it is the only form that age takes, in Go and in
// TypeScript.
func (id *Identity) Recipient() []byte { return []byte(id.hybrid.Recipient().String()) }

// Open opens a file that Seal made for id. limit bounds what comes out, in bytes.
func (id *Identity) Open(file []byte, limit int64) ([]byte, error) {
	if err := Allowed(); err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(file), oneStanza{id.hybrid})
	if err != nil {
		return nil, err
	}
	plaintext, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(plaintext)) > limit {
		err = fmt.Errorf("more than %d bytes inside", limit)
	}
	if err != nil {
		return nil, err
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

// recipientSize is the length of age's text for a key of 1,216 bytes.
const recipientSize = 1959

// Check refuses with ErrRecipient what is no recipient in its one spelling.
func Check(recipient []byte) error {
	_, err := parse(recipient)
	return err
}

// parse relies on age to refuse other spellings of the same key (upper case,
// loose padding bits), which would be two leaves in a members root.
func parse(b []byte) (*age.HybridRecipient, error) {
	if err := Allowed(); err != nil {
		return nil, err
	}
	if len(b) != recipientSize {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrRecipient, len(b), recipientSize)
	}
	r, err := age.ParseHybridRecipient(string(b))
	if err != nil {
		return nil, ErrRecipient // age's text repeats the key
	}
	return r, nil
}

// Seal gives a binary age file with one stanza, to one recipient.
func Seal(recipient, plaintext []byte) ([]byte, error) {
	to, err := parse(recipient)
	if err != nil {
		return nil, err
	}
	file, err := encrypt(to, plaintext)
	if err != nil {
		// Only the key can be at fault: its X25519 half may be of low order.
		return nil, fmt.Errorf("%w: %v", ErrRecipient, err)
	}
	return file, nil
}

func encrypt(to age.Recipient, plaintext []byte) ([]byte, error) {
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plaintext); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}
