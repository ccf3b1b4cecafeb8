package seal

import (
	"crypto/subtle"
	"fmt"
	"log/slog"

	"chancery/crypto/envelope"
)

const epochSeedType = "chancery/v1/epoch-seed"

// Epoch says which epoch a seed or a key belongs to. Link and Commit come from
// the placed epoch link; while the epoch is being made they are not yet needed.
type Epoch struct {
	Org     envelope.OrgID
	Channel envelope.ChannelID
	N       uint64
	Link    envelope.Hash // of the epoch's link entry
	Commit  envelope.Hash // EpochBody.SeedCommit
}

// SeedCommit is the commitment to seed that the epoch link publishes.
func SeedCommit(channel envelope.ChannelID, n uint64, seed Seed) envelope.Hash {
	return derive[envelope.Hash](seed, nil, envelope.Frame("commit", channel, n))
}

// purpose is what a wrap of the epoch's seed is for.
func (e Epoch) purpose() Purpose {
	return Purpose{Type: epochSeedType, Org: e.Org, About: envelope.Hash(e.Channel), N: e.N}
}

// WrapSeed wraps the seed of epoch e to one recipient of suite s.
func WrapSeed(s envelope.Suite, seed Seed, e Epoch, recipient []byte) ([]byte, error) {
	return Wrap(s, e.purpose(), recipient, envelope.Marshal(&envelope.SeedWrap{
		Type: epochSeedType, Org: e.Org, Channel: e.Channel, N: e.N, Seed: seed[:],
	}))
}

// UnwrapSeed opens one's own wrap of epoch e and holds the seed against the
// commitment in e. ErrContext means a wrap of another epoch or another seed; in
// suite fips a wrap of another epoch is already ErrWrap.
func UnwrapSeed(id *Identity, wrap []byte, e Epoch) (Seed, error) {
	var w envelope.SeedWrap
	if err := unwrapInto(id, e.purpose(), wrap, &w); err != nil {
		return Seed{}, fmt.Errorf("unwrapping epoch %d: %w", e.N, err)
	}
	if w.Type != epochSeedType || w.Org != e.Org || w.Channel != e.Channel || w.N != e.N {
		return Seed{}, fmt.Errorf("unwrapping epoch %d: %w", e.N, ErrContext)
	}
	if len(w.Seed) != 32 {
		return Seed{}, fmt.Errorf("unwrapping epoch %d: %w: seed has %d bytes", e.N, ErrWrap, len(w.Seed))
	}
	seed := Seed(w.Seed)
	return seed, CheckSeed(seed, e)
}

// CheckSeed tells whether seed is the one that epoch e committed to.
func CheckSeed(seed Seed, e Epoch) error {
	commit := SeedCommit(e.Channel, e.N, seed)
	if subtle.ConstantTimeCompare(commit[:], e.Commit[:]) != 1 {
		return fmt.Errorf("%w: seed of epoch %d does not match its commitment", ErrContext, e.N)
	}
	return nil
}

// EpochKey is C_n together with the epoch it belongs to: using it for a message
// of another epoch is found before any key is derived, and so can't be mistaken
// for a fault of the sender.
type EpochKey struct {
	epoch Epoch
	key   [32]byte
}

// Key derives the channel key of epoch e from its seed.
func (s Seed) Key(e Epoch) EpochKey {
	info := envelope.Frame("channel", e.Org, e.Channel, e.N, e.Link)
	return EpochKey{e, derive[[32]byte](s, nil, info)}
}

// Epoch is what the key belongs to.
func (k EpochKey) Epoch() Epoch { return k.epoch }

func (EpochKey) LogValue() slog.Value       { return slog.StringValue(redacted) }
func (EpochKey) Format(s fmt.State, _ rune) { fmt.Fprint(s, redacted) }

// check tells whether a message with header h belongs to the key's epoch.
func (k EpochKey) check(h *envelope.Header) error {
	e := k.epoch
	if h.Org != e.Org || h.Channel != e.Channel || h.Epoch != e.N || h.EpochLink != e.Link {
		return fmt.Errorf("%w: message of epoch %d, key of epoch %d", ErrContext, h.Epoch, e.N)
	}
	return nil
}

// secret derives a message's secret X from its exact header bytes and salt.
func (k EpochKey) secret(header, salt []byte) Secret {
	return derive[Secret](k.key, salt, envelope.Frame("msg", envelope.SumBytes(header)))
}
