package seal

import (
	"fmt"

	"chancery/crypto/envelope"
)

const userSeedType = "chancery/v1/user-seed"

// UserIdentity is the identity of suite s that a user key generation opens
// epochs with.
func UserIdentity(s envelope.Suite, seed UserSeed) (*Identity, error) {
	derived := derive[[32]byte](seed, nil, envelope.Frame("user-identity"))
	return IdentityFromSeed(s, derived[:])
}

// UserSealingKey is what a user key generation seals for its own person: the
// seed before it, and what only that person may read.
func UserSealingKey(seed UserSeed) DataKey {
	return derive[DataKey](seed, nil, envelope.Frame("user-sealing"))
}

// Lineage is where a user key generation stands: whose it is, and its number.
type Lineage struct {
	Org        envelope.OrgID
	User       envelope.UserID
	Generation uint64
}

func (l Lineage) aad() []byte {
	return envelope.Frame("previous-user-seed", l.Org, l.User, l.Generation)
}

// SealPrevious seals the seed of the generation before under seed, which is that
// of l. It gives 60 bytes, for the link that starts the generation.
func SealPrevious(seed UserSeed, l Lineage, previous UserSeed) []byte {
	return SealBytes(UserSealingKey(seed), l.aad(), previous[:])
}

// OpenPrevious opens what SealPrevious sealed. The caller must compare
// UserIdentity(previous).Recipient() with the user's chain before using it.
func OpenPrevious(seed UserSeed, l Lineage, sealed []byte) (UserSeed, error) {
	previous, err := OpenBytes(UserSealingKey(seed), l.aad(), sealed)
	if err != nil || len(previous) != 32 {
		return UserSeed{}, fmt.Errorf("opening the user seed before generation %d: %w", l.Generation, ErrUndecryptable)
	}
	return UserSeed(previous), nil
}

// UserSeedContext says which user seed a wrap must hold.
type UserSeedContext struct {
	Org        envelope.OrgID
	Device     envelope.KeyID
	Generation uint64
}

func (c UserSeedContext) purpose() Purpose {
	return Purpose{Type: userSeedType, Org: c.Org, About: envelope.Hash(c.Device), N: c.Generation}
}

// WrapUserSeed wraps seed to one of the user's devices, given by its recipient
// of suite s.
func WrapUserSeed(s envelope.Suite, seed UserSeed, c UserSeedContext, recipient []byte) ([]byte, error) {
	return Wrap(s, c.purpose(), recipient, envelope.Marshal(&envelope.UserSeedWrap{
		Type: userSeedType, Org: c.Org, Device: c.Device, Generation: c.Generation, Seed: seed[:],
	}))
}

// UnwrapUserSeed opens a wrap with the device's own identity. The caller must
// compare UserIdentity(seed).Recipient() with the user's chain before using it.
func UnwrapUserSeed(id *Identity, wrap []byte, c UserSeedContext) (UserSeed, error) {
	var w envelope.UserSeedWrap
	if err := unwrapInto(id, c.purpose(), wrap, &w); err != nil {
		return UserSeed{}, fmt.Errorf("unwrapping user seed: %w", err)
	}
	if w.Type != userSeedType || w.Org != c.Org || w.Device != c.Device || w.Generation != c.Generation {
		return UserSeed{}, fmt.Errorf("unwrapping user seed: %w", ErrContext)
	}
	if len(w.Seed) != 32 {
		return UserSeed{}, fmt.Errorf("unwrapping user seed: %w: seed has %d bytes", ErrWrap, len(w.Seed))
	}
	return UserSeed(w.Seed), nil
}

// unwrapInto opens a wrap and decodes its plaintext. A wrap of another type has
// another shape, so it fails here as malformed.
func unwrapInto(id *Identity, p Purpose, wrap []byte, v any) error {
	plaintext, err := Unwrap(id, p, wrap)
	if err != nil {
		return err
	}
	if err := envelope.Unmarshal(plaintext, v); err != nil {
		return fmt.Errorf("%w: %w", ErrWrap, err)
	}
	return nil
}
