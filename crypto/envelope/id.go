package envelope

import (
	"encoding/hex"
	"fmt"
)

// Hash is a SHA-256 value.
type Hash [32]byte

// Ids are hashes with types of their own, so that a user can't be passed where
// a channel is meant. Their text form is 64 lower-case hex digits.
type (
	OrgID     Hash // of the organisation's genesis link
	UserID    Hash // of the user's genesis link
	ChannelID Hash // of the channel's genesis link
	KeyID     Hash // of a signing key; a device is named by its signing key
)

// BlobID names one sealed file; random.
type BlobID [16]byte

// MessageID is chosen by the client at random, to recognise its own message.
type MessageID [16]byte

func (h Hash) String() string      { return hex.EncodeToString(h[:]) }
func (h OrgID) String() string     { return Hash(h).String() }
func (h UserID) String() string    { return Hash(h).String() }
func (h ChannelID) String() string { return Hash(h).String() }
func (h KeyID) String() string     { return Hash(h).String() }
func (b BlobID) String() string    { return hex.EncodeToString(b[:]) }

func (h Hash) IsZero() bool      { return h == Hash{} }
func (h OrgID) IsZero() bool     { return h == OrgID{} }
func (h UserID) IsZero() bool    { return h == UserID{} }
func (h ChannelID) IsZero() bool { return h == ChannelID{} }
func (h KeyID) IsZero() bool     { return h == KeyID{} }

func (h Hash) MarshalText() ([]byte, error)      { return []byte(h.String()), nil }
func (h OrgID) MarshalText() ([]byte, error)     { return []byte(h.String()), nil }
func (h UserID) MarshalText() ([]byte, error)    { return []byte(h.String()), nil }
func (h ChannelID) MarshalText() ([]byte, error) { return []byte(h.String()), nil }
func (h KeyID) MarshalText() ([]byte, error)     { return []byte(h.String()), nil }
func (b BlobID) MarshalText() ([]byte, error)    { return []byte(b.String()), nil }

func (h *Hash) UnmarshalText(t []byte) error      { return parseHex(h[:], t) }
func (h *OrgID) UnmarshalText(t []byte) error     { return parseHex(h[:], t) }
func (h *UserID) UnmarshalText(t []byte) error    { return parseHex(h[:], t) }
func (h *ChannelID) UnmarshalText(t []byte) error { return parseHex(h[:], t) }
func (h *KeyID) UnmarshalText(t []byte) error     { return parseHex(h[:], t) }
func (b *BlobID) UnmarshalText(t []byte) error    { return parseHex(b[:], t) }

// parseHex accepts only lower case, so that an id has one spelling in URLs,
// logs and signatures.
func parseHex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("%w: id has %d characters, want %d", ErrFormat, len(text), 2*len(dst))
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%w: id has a character that is not lower-case hex", ErrFormat)
		}
	}
	_, err := hex.Decode(dst, text)
	return err
}

// ID parses the text form of any of the id types.
func ID[T OrgID | UserID | ChannelID | KeyID | Hash](text string) (T, error) {
	var h Hash
	err := h.UnmarshalText([]byte(text))
	return T(h), err
}

// Suite names the algorithms of one organisation. It is fixed in the genesis
// and never lowered.
type Suite string

const (
	SuiteAge  Suite = "age"
	SuiteFIPS Suite = "fips"
)

// p384Size is the size of a P-384 public key; an Ed25519 key has 32 bytes.
const p384Size = 97

// KeyOf names a public key: Ed25519, or P-384 of a signer in suite fips.
func KeyOf(public []byte) KeyID {
	algorithm := 1
	if len(public) == p384Size {
		algorithm = 2
	}
	return KeyID(Sum("key", algorithm, public))
}
