package session

import (
	"errors"
	"fmt"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// ErrDeparture: what the server asks a removal key to sign is not the removal
// that it says it is.
var ErrDeparture = errors.New("not the removal that the server says it is")

// Countersign signs a waiting removal with a second removal key. It signs
// nothing but the end of d's one membership, which another listed removal key
// has signed.
func Countersign(org *chain.Org, d *wire.Departure, key *seal.SigningKey) ([]byte, error) {
	if _, ok := org.Party(envelope.RoleRemoval, key.ID()); !ok {
		return nil, fmt.Errorf("the organisation does not list removal key %s", key.ID())
	}
	e, err := envelope.ParseEntry(d.Entry)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeparture, err)
	}
	l, err := envelope.ParseLink(e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDeparture, err)
	}
	if l.Type != envelope.MemberRemove || !l.User.IsZero() || l.Org != org.ID() || l.Chain != envelope.Hash(d.Channel) {
		return nil, fmt.Errorf("%w: a %s of chain %s", ErrDeparture, l.Type, l.Chain)
	}
	body, err := envelope.ParseBody[envelope.RemoveBody](l)
	if err != nil || body.User != d.User {
		return nil, fmt.Errorf("%w: it removes somebody else", ErrDeparture)
	}
	first, ok := org.Party(envelope.RoleRemoval, l.Key)
	if !ok || l.Key == key.ID() || len(e.Signatures) != 1 || e.Verify(first.Key) != nil {
		return nil, fmt.Errorf("%w: another listed removal key has to sign first", ErrDeparture)
	}
	seal.SignEntry(e, key)
	return envelope.Marshal(e), nil
}
