package seal

import (
	"crypto/rand"
	"fmt"
	"log/slog"
)

// Secrets are 32 bytes with types of their own, so that one can't be passed for
// another. They print as "redacted" everywhere, in fmt, slog and JSON; CBOR
// through envelope.Marshal carries the bytes, because that is how they are kept.
type (
	Seed     [32]byte // of an epoch: S_n
	UserSeed [32]byte // of a user key generation: U_g
	Secret   [32]byte // of one message: X
	DataKey  [32]byte // of one file or one stream of records
)

// NewSeed makes the seed of a new epoch.
func NewSeed() Seed { return random[Seed]() }

// NewUserSeed makes the seed of a new user key generation.
func NewUserSeed() UserSeed { return random[UserSeed]() }

// NewDataKey makes the key of one file or one stream of records.
func NewDataKey() DataKey { return random[DataKey]() }

func random[T ~[32]byte]() T {
	var b [32]byte
	rand.Read(b[:]) // never fails: the runtime ends the process instead
	return T(b)
}

const redacted = "redacted"

func (Seed) LogValue() slog.Value     { return slog.StringValue(redacted) }
func (UserSeed) LogValue() slog.Value { return slog.StringValue(redacted) }
func (Secret) LogValue() slog.Value   { return slog.StringValue(redacted) }
func (DataKey) LogValue() slog.Value  { return slog.StringValue(redacted) }

func (Seed) Format(s fmt.State, _ rune)     { fmt.Fprint(s, redacted) }
func (UserSeed) Format(s fmt.State, _ rune) { fmt.Fprint(s, redacted) }
func (Secret) Format(s fmt.State, _ rune)   { fmt.Fprint(s, redacted) }
func (DataKey) Format(s fmt.State, _ rune)  { fmt.Fprint(s, redacted) }

func (Seed) MarshalText() ([]byte, error)     { return []byte(redacted), nil }
func (UserSeed) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) MarshalText() ([]byte, error)   { return []byte(redacted), nil }
func (DataKey) MarshalText() ([]byte, error)  { return []byte(redacted), nil }
