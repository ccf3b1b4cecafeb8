package chain

import (
	"bytes"
	"slices"

	"chancery/crypto/envelope"
)

// generation is one key of a person: its recipient, and the seed of the one
// before sealed to it.
type generation struct {
	from uint64 // seq of the link that starts it
	body envelope.KeyBody
}

// sealedSeed is the length of a seed sealed under the next one: nonce, 32 bytes, tag.
const sealedSeed = 12 + 32 + 16

// Holder is whom a generation's seed is wrapped to: a device or a recovery key.
type Holder struct {
	ID        envelope.KeyID
	Recipient []byte
}

// Holders are those of devices and of a recovery key, which may be nil, in the
// order of KeyBody.Wraps.
func Holders(devices []envelope.DeviceBody, kit *envelope.RecoveryKey) []Holder {
	out := make([]Holder, 0, len(devices)+1)
	for _, d := range devices {
		out = append(out, Holder{envelope.KeyOf(d.Key), d.Recipient})
	}
	if kit != nil {
		out = append(out, Holder{envelope.KeyOf(kit.Key), kit.Recipient})
	}
	slices.SortFunc(out, func(a, b Holder) int { return envelope.CompareKey(a.ID, b.ID) })
	return out
}

// wrapFor finds the wrap to one of holders.
func wrapFor(holders []Holder, wraps []envelope.Hash, id envelope.KeyID) (envelope.Hash, bool) {
	for i, h := range holders {
		if h.ID == id {
			return wraps[i], true
		}
	}
	return envelope.Hash{}, false
}

// WrapOf is the hash of the newest seed's wrap to a live device or to the
// recovery key that stands.
func (u *User) WrapOf(id envelope.KeyID) (envelope.Hash, bool) {
	newest := u.generations[len(u.generations)-1]
	for _, d := range u.devices {
		if d.at(u.Seq()) && d.from > newest.from && envelope.KeyOf(d.body.Key) == id {
			return d.body.Wrap, true
		}
	}
	return wrapFor(Holders(u.devicesAt(newest.from), u.recoveryAt(newest.from)), newest.body.Wraps, id)
}

// RecipientAt is the user key that epochs are wrapped to at the link seq.
func (u *User) RecipientAt(seq uint64) (generation uint64, public []byte) {
	for _, g := range u.generations {
		if g.from <= seq {
			generation, public = g.body.Generation, g.body.Recipient
		}
	}
	return generation, public
}

// Generation is the number of the newest key.
func (u *User) Generation() uint64 { return uint64(len(u.generations)) }

// Key is what the chain says of generation n; 1 has no seed before it.
func (u *User) Key(n uint64) (*envelope.KeyBody, bool) {
	if n == 0 || n > u.Generation() {
		return nil, false
	}
	return &u.generations[n-1].body, true
}

// checkKey checks that k is the next generation, for exactly these holders. Its
// recipient must be a new one: those who were left out may know the others.
func (u *User) checkKey(k *envelope.KeyBody, holders []Holder) error {
	switch {
	case k.Generation != u.Generation()+1:
		return refuse(KeyBad, "generation %d after generation %d", k.Generation, u.Generation())
	case len(k.Wraps) != len(holders):
		return refuse(KeyBad, "%d wraps for %d devices and recovery keys", len(k.Wraps), len(holders))
	case len(k.Recipient) == 0 || len(k.Previous) != sealedSeed:
		return refuse(KeyBad, "no recipient, or a seed before it that is not sealed")
	}
	if slices.ContainsFunc(u.generations, func(g generation) bool { return bytes.Equal(g.body.Recipient, k.Recipient) }) {
		return refuse(KeyBad, "the recipient of an earlier generation")
	}
	return nil
}

func (u *User) turn(k *envelope.KeyBody, seq uint64) {
	u.generations = append(u.generations, generation{seq, *k})
}

// judgeKey takes a new key for the devices that there are.
func (u *User) judgeKey(l *envelope.Link, e *envelope.Entry) (func(), error) {
	k, err := body[envelope.KeyBody](l)
	if err != nil {
		return nil, err
	}
	by, err := u.signer(l)
	if err != nil {
		return nil, err
	}
	if err := u.checkKey(k, Holders(u.Devices(), u.Recovery())); err != nil {
		return nil, err
	}
	if err := verifyOnly(e, by.Key); err != nil {
		return nil, err
	}
	return func() { u.turn(k, l.Seq) }, nil
}
