package seal

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// SigningKey is an Ed25519 private key: of a device, a recorder or a root.
type SigningKey struct {
	private ed25519.PrivateKey
	id      envelope.KeyID
}

// GenerateSigningKey makes a key from 32 bytes of rand.
func GenerateSigningKey(rand io.Reader) (*SigningKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, fmt.Errorf("generating signing key: %w", err)
	}
	return SigningKeyFromSeed(seed)
}

// SigningKeyFromSeed rebuilds a key from the 32 bytes that Seed gave.
func SigningKeyFromSeed(seed []byte) (*SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("signing key: seed has %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	private := ed25519.NewKeyFromSeed(seed)
	return &SigningKey{private, envelope.KeyOf(private.Public().(ed25519.PublicKey))}, nil
}

// Seed is the private key as 32 bytes, for a keyring.
func (k *SigningKey) Seed() []byte { return k.private.Seed() }

// Public is the public key, 32 bytes.
func (k *SigningKey) Public() []byte { return []byte(k.private.Public().(ed25519.PublicKey)) }

// ID names the key.
func (k *SigningKey) ID() envelope.KeyID { return k.id }

func (k *SigningKey) LogValue() slog.Value { return slog.StringValue("signing key " + k.id.String()) }
func (k *SigningKey) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "signing key %s", k.id)
}

func (k *SigningKey) sign(message []byte) envelope.Signature {
	return envelope.Signature{Key: k.id, Bytes: ed25519.Sign(k.private, message)}
}

// SignEntry attaches k's signature to e, whose header and payload are final.
// Call it once for each key.
func SignEntry(e *envelope.Entry, k *SigningKey) {
	e.Attach(k.sign(envelope.SigningInput(e.Kind, envelope.SumBytes(e.Header), envelope.SumBytes(e.Payload))))
}

// Cosign gives the line that k adds, under its name, to the signed note of a
// checkpoint with this text: C2SP's cosignature/v1. At is in seconds since 1970.
// Whoever cosigns has found that the checkpoint extends the last one cosigned.
func Cosign(text, name string, at int64, k *SigningKey) string {
	return tlog.CosignatureLine(name, k.Public(), at, ed25519.Sign(k.private, tlog.Cosigned(text, at)))
}

// SignStatement gives the bytes of an envelope.Signed that carries v.
func SignStatement(label string, v any, k *SigningKey) ([]byte, error) {
	b := envelope.Marshal(v)
	signed := envelope.Marshal(&envelope.Signed{
		Label: label, Bytes: b, Signature: k.sign(envelope.StatementInput(label, b)),
	})
	if len(signed) > envelope.MaxHeader {
		return nil, fmt.Errorf("signing %s: statement has %d bytes, limit %d", label, len(signed), envelope.MaxHeader)
	}
	return signed, nil
}
