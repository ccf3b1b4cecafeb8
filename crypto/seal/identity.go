package seal

import (
	"fmt"
	"io"
	"log/slog"

	"chancery/crypto/envelope"
)

// Identity is the private half of a recipient: it opens wraps of one suite. A
// seed of 32 bytes fixes it: an mlkem768x25519 key in suite age, an
// MLKEM1024-P384 key in suite fips.
type Identity struct {
	suite     envelope.Suite
	seed      [32]byte
	recipient []byte
	private   opener
}

// GenerateIdentity makes an identity of suite s from 32 bytes of rand.
func GenerateIdentity(s envelope.Suite, rand io.Reader) (*Identity, error) {
	seed := make([]byte, 32)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, fmt.Errorf("generating identity: %w", err)
	}
	return IdentityFromSeed(s, seed)
}

// IdentityFromSeed rebuilds an identity from the 32 bytes that Seed gave. The
// same seed gives the same identity in every implementation of the suite. It
// fails with ErrSuite when s is not known or can't be used by this process.
func IdentityFromSeed(s envelope.Suite, seed []byte) (*Identity, error) {
	x, err := schemeOf(s)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if len(seed) != 32 {
		return nil, fmt.Errorf("identity: seed has %d bytes, want 32", len(seed))
	}
	private, recipient, err := x.identity([32]byte(seed))
	if err != nil {
		return nil, fmt.Errorf("identity of suite %s: %w", s, err)
	}
	return &Identity{s, [32]byte(seed), recipient, private}, nil
}

// Suite is the suite whose wraps the identity opens.
func (id *Identity) Suite() envelope.Suite { return id.suite }

// Seed is the identity as 32 secret bytes, for a keyring.
func (id *Identity) Seed() []byte { return id.seed[:] }

// Recipient is the public key in its wire form: age's text in suite age (1,959
// bytes), ML-KEM-1024 key ‖ uncompressed P-384 point in suite fips (1,665).
func (id *Identity) Recipient() []byte { return append([]byte(nil), id.recipient...) }

func (id *Identity) LogValue() slog.Value       { return slog.StringValue("identity") }
func (id *Identity) Format(s fmt.State, _ rune) { fmt.Fprint(s, "identity") }

// RecipientID names a recipient where it has no signing key beside it.
func RecipientID(recipient []byte) envelope.KeyID {
	return envelope.KeyID(envelope.Sum("recipient", recipient))
}

// CheckRecipient tells whether a stranger's public key can be wrapped to in
// suite s. Otherwise it fails with ErrRecipient or ErrSuite.
func CheckRecipient(s envelope.Suite, recipient []byte) error {
	x, err := schemeOf(s)
	if err != nil {
		return err
	}
	return x.check(recipient)
}
