package seal

import (
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"chancery/crypto/envelope"
)

// ErrKit: the text is no recovery kit, or was mistyped.
var ErrKit = errors.New("not a recovery kit, or mistyped")

// Kit is the printed secret by which a person who lost every device gets back in:
// 256 bits. Its public half stands in the person's chain as envelope.RecoveryKey.
type Kit [32]byte

// NewKit makes a kit.
func NewKit() Kit { return random[Kit]() }

func (Kit) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Kit) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (Kit) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// SigningKey signs what the kit may say on its person's chain.
func (k Kit) SigningKey() *SigningKey {
	seed := derive[[32]byte](k, nil, envelope.Frame("kit-signing"))
	key, err := SigningKeyFromSeed(seed[:])
	if err != nil {
		panic(fmt.Sprintf("signing key of 32 bytes: %v", err))
	}
	return key
}

// Identity opens the user seeds that are wrapped to the kit, in suite s.
func (k Kit) Identity(s envelope.Suite) (*Identity, error) {
	seed := derive[[32]byte](k, nil, envelope.Frame("kit-identity"))
	return IdentityFromSeed(s, seed[:])
}

// Public is what the chain says of the kit.
func (k Kit) Public(s envelope.Suite) (*envelope.RecoveryKey, error) {
	id, err := k.Identity(s)
	if err != nil {
		return nil, err
	}
	return &envelope.RecoveryKey{Key: k.SigningKey().Public(), Recipient: id.Recipient()}, nil
}

// The alphabet has no I, L, O and U.
var kitLetters = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

const (
	kitCheck  = 3 // bytes of checksum: then the 35 bytes fill 56 letters, without a bit over
	kitGroup  = 4 // letters
	kitLength = 56
)

func (k Kit) check() []byte {
	sum := envelope.Sum("kit-check", k[:])
	return sum[:kitCheck]
}

// Reveal is the kit's text for printing: fourteen groups of four letters and
// digits, the last of which check the others. Nothing else shows the secret.
func (k Kit) Reveal() string {
	text := kitLetters.EncodeToString(append(k[:], k.check()...))
	var groups []string
	for i := 0; i < len(text); i += kitGroup {
		groups = append(groups, text[i:i+kitGroup])
	}
	return strings.Join(groups, " ")
}

var kitSpelling = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", "-", "", "O", "0", "I", "1", "L", "1")

// ParseKit reads a kit's text, in any case and grouping; O counts as 0, I and L
// as 1. It fails with ErrKit.
func ParseKit(text string) (Kit, error) {
	letters := kitSpelling.Replace(strings.ToUpper(text))
	b, err := kitLetters.DecodeString(letters)
	if err != nil || len(letters) != kitLength {
		return Kit{}, fmt.Errorf("%w: %d letters and digits, want %d in groups of four", ErrKit, len(letters), kitLength)
	}
	k := Kit(b[:len(Kit{})])
	if string(b[len(k):]) != string(k.check()) {
		return Kit{}, fmt.Errorf("%w: the last letters don't fit the others", ErrKit)
	}
	return k, nil
}
