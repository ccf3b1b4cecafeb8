package seal

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"filippo.io/age"

	"chancery/crypto/envelope"
)

// Identity is the private half of a recipient: it opens wraps. In suite age it
// is a hybrid mlkem768x25519 key, fixed by a seed of 32 bytes.
type Identity struct {
	seed      [32]byte
	age       *age.HybridIdentity
	recipient string
}

// GenerateIdentity makes an identity from 32 bytes of rand.
func GenerateIdentity(rand io.Reader) (*Identity, error) {
	seed := make([]byte, 32)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, fmt.Errorf("generating identity: %w", err)
	}
	return IdentityFromSeed(seed)
}

// IdentityFromSeed rebuilds an identity from the 32 bytes that Seed gave. The
// same seed gives the same identity in every implementation of age.
func IdentityFromSeed(seed []byte) (*Identity, error) {
	if err := ageAllowed(); err != nil {
		return nil, err
	}
	if len(seed) != 32 {
		return nil, fmt.Errorf("identity: seed has %d bytes, want 32", len(seed))
	}
	id, err := age.ParseHybridIdentity(strings.ToUpper(bech32("age-secret-key-pq-", seed)))
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return &Identity{[32]byte(seed), id, id.Recipient().String()}, nil
}

// Seed is the identity as 32 secret bytes, for a keyring.
func (id *Identity) Seed() []byte { return id.seed[:] }

// Recipient is the public key in its wire form: the ASCII bytes of age's
// recipient text ("age1pq1…", 1,959 bytes). The text and not the raw key,
// because it is the only form that age takes, in Go and in TypeScript.
func (id *Identity) Recipient() []byte { return []byte(id.recipient) }

func (id *Identity) LogValue() slog.Value       { return slog.StringValue("identity") }
func (id *Identity) Format(s fmt.State, _ rune) { fmt.Fprint(s, "identity") }

// RecipientID names a recipient where it has no signing key beside it.
func RecipientID(recipient []byte) envelope.KeyID {
	return envelope.KeyID(envelope.Sum("recipient", recipient))
}

// CheckRecipient tells whether a stranger's public key can be wrapped to.
func CheckRecipient(recipient []byte) error {
	_, err := parseRecipient(recipient)
	return err
}

// recipientSize is the length of age's text for a key of 1,216 bytes.
const recipientSize = 1959

// parseRecipient relies on age to refuse other spellings of the same key (upper
// case, loose padding bits), which would be two leaves in a members root.
func parseRecipient(b []byte) (*age.HybridRecipient, error) {
	if err := ageAllowed(); err != nil {
		return nil, err
	}
	if len(b) != recipientSize {
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrRecipient, len(b), recipientSize)
	}
	r, err := age.ParseHybridRecipient(string(b))
	if err != nil {
		return nil, fmt.Errorf("%w: not an mlkem768x25519 key", ErrRecipient) // age's text repeats the key
	}
	return r, nil
}
