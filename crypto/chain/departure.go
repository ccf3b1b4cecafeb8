package chain

import (
	"slices"

	"chancery/crypto/envelope"
)

// The fuse: how many people one removal key may take out of a channel in a
// rolling day. It bounds what a server that was taken over can do to a channel
// before somebody notices.
const (
	fuseLeast  = 20
	fuseShare  = 50 // a fiftieth of the members, where that is more
	fuseWindow = int64(24 * 3600e6)
)

// RemovalKeys is how many removal keys must sign to end a membership at a time
// (µs since 1970, UTC): two for an owner and past the fuse, else one.
func (c *Channel) RemovalKeys(target Member, received int64) int {
	if target.Rank == envelope.RankOwner || len(c.departed(received)) >= max(fuseLeast, len(c.members)/fuseShare) {
		return 2
	}
	return 1
}

// departed are the times of removals by removal keys in the day before received.
func (c *Channel) departed(received int64) []int64 {
	return slices.DeleteFunc(slices.Clone(c.departures), func(at int64) bool { return at <= received-fuseWindow })
}

// signedForDeparture checks that as many removal keys signed as it takes, and
// no more: one entry must not have several hashes.
func (c *Channel) signedForDeparture(l *envelope.Link, target Member, p *envelope.Placed) error {
	switch need, n := c.RemovalKeys(target, p.Received), len(p.Entry.Signatures); {
	case n < need:
		return refuse(NotAllowed, "removing a %s here and now takes %d removal keys", target.Rank, need)
	case n > need:
		return refuse(BadSignature, "%d signatures, want %d", n, need)
	}
	first := false
	for _, s := range p.Entry.Signatures {
		party, ok := c.dir.Org().PartyAt(envelope.RoleRemoval, s.Key, c.OrgSeq)
		if !ok {
			return refuse(NotListed, "removal key %s", s.Key)
		}
		if err := verify(&p.Entry, party.Key); err != nil {
			return err
		}
		first = first || s.Key == l.Key
	}
	if !first {
		return refuse(BadSignature, "no signature by key %s, which the link names", l.Key)
	}
	return nil
}
