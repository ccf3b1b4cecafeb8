package chain

import (
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Epoch lifetimes, in seconds, and how far ahead of the server's clock a
// writer's may run, in µs.
const (
	minLifetime = 60
	maxLifetime = 30 * 24 * 3600
	clockSlack  = 120e6
)

// Epoch is one placed epoch.
type Epoch struct {
	N        uint64
	Link     envelope.Hash
	Body     envelope.EpochBody
	Position uint64 // of its link
	Creator  envelope.UserID

	recipients []envelope.Recipient
	acked      []envelope.KeyID // recorders that can open it
	current    bool             // was current at some position
}

// Recipients are whom the epoch was wrapped to, in the order of its roots.
func (e *Epoch) Recipients() []envelope.Recipient { return e.recipients }

// Acknowledged tells whether a recorder has said that it can open the epoch.
func (e *Epoch) Acknowledged(r envelope.KeyID) bool { return slices.Contains(e.acked, r) }

// Current is the epoch that messages must be sealed in, if there is one.
func (c *Channel) Current() (*Epoch, bool) { return c.current, c.current != nil }

// Epoch finds a placed epoch.
func (c *Channel) Epoch(n uint64) (*Epoch, bool) {
	if n == 0 || n > uint64(len(c.epochs)) {
		return nil, false
	}
	return c.epochs[n-1], true
}

// Newest is the epoch placed last, current or not.
func (c *Channel) Newest() (*Epoch, bool) { return c.Epoch(uint64(len(c.epochs))) }

// Due tells whether the next writer must place an epoch first, and why.
func (c *Channel) Due(now int64) (envelope.Cause, bool) {
	newest, any := c.Newest()
	switch {
	case !any:
		return envelope.CauseStart, true
	case c.due != nil && newest.Position < c.due.position:
		return c.due.cause, true
	case now >= newest.Body.NotAfter:
		return envelope.CauseExpiry, true
	}
	return "", false
}

func (c *Channel) rotate(cause envelope.Cause, position uint64, restrict bool) {
	if c.due != nil && c.due.restrict && (c.current == nil || c.current.Position < c.due.position) {
		restrict = true // an earlier restriction is still unanswered
	}
	c.due = &rotation{cause, position, restrict}
}

// Recipients are whom the next epoch must be wrapped to: members at their
// synced heads, then recorders, each sorted by id.
func (c *Channel) Recipients() ([]envelope.Recipient, error) {
	out := make([]envelope.Recipient, 0, len(c.members)+len(c.duties))
	for _, id := range c.Members() {
		user, ok := c.dir.User(id)
		if !ok {
			return nil, refuse(HeadUnknown, "user %s", id)
		}
		g, public := user.RecipientAt(c.members[id].UserSeq)
		out = append(out, envelope.Recipient{Kind: envelope.RecipientMember, ID: envelope.Hash(id), Generation: g, Public: public})
	}
	for _, id := range c.Recorders() {
		party, ok := c.dir.Org().PartyAt(envelope.RoleRecorder, id, c.OrgSeq)
		if !ok {
			return nil, refuse(NotListed, "recorder %s", id)
		}
		out = append(out, envelope.Recipient{Kind: envelope.RecipientRecorder, ID: envelope.Hash(id), Public: party.Recipient})
	}
	return out, nil
}

// MembersRoot is the Merkle root over recipients, in their order.
func MembersRoot(recipients []envelope.Recipient) envelope.Hash {
	var b tlog.RootBuilder
	for i := range recipients {
		b.Append(tlog.LeafHash(recipients[i].RecipientLeaf()))
	}
	return envelope.Hash(b.Root())
}

// WrapsRoot is the Merkle root over the wraps of recipients, in their order.
func WrapsRoot(recipients []envelope.Recipient, wraps []envelope.Hash) envelope.Hash {
	var b tlog.RootBuilder
	for i := range recipients {
		b.Append(tlog.LeafHash(recipients[i].WrapLeaf(wraps[i])))
	}
	return envelope.Hash(b.Root())
}

func (c *Channel) judgeEpoch(l *envelope.Link, p *envelope.Placed) (func(), error) {
	b, err := body[envelope.EpochBody](l)
	if err != nil {
		return nil, err
	}
	if _, err := c.signedByMember(l, &p.Entry); err != nil {
		return nil, err
	}
	recipients, err := c.Recipients()
	if err != nil {
		return nil, err
	}
	if err := c.checkEpoch(b, recipients, p.Received); err != nil {
		return nil, err
	}
	epoch := &Epoch{N: b.N, Link: p.Hash(), Body: *b, Position: p.Position, Creator: l.User, recipients: recipients}
	return func() {
		c.epochs = append(c.epochs, epoch)
		c.enterOnce(epoch)
	}, nil
}

func (c *Channel) checkEpoch(b *envelope.EpochBody, recipients []envelope.Recipient, received int64) error {
	var prev envelope.Hash
	if newest, ok := c.Newest(); ok {
		prev = newest.Body.SeedCommit
	}
	lifetime := int64(c.Genesis.Lifetime) * 1e6
	switch {
	case b.N != uint64(len(c.epochs))+1:
		return refuse(EpochBad, "epoch %d after epoch %d", b.N, len(c.epochs))
	case b.PrevCommit != prev:
		return refuse(EpochBad, "epoch %d does not follow the seed of epoch %d", b.N, b.N-1)
	case b.MembersRoot != MembersRoot(recipients):
		return refuse(EpochBad, "epoch %d is not for the members at this position", b.N)
	case b.History != c.Genesis.History:
		return refuse(EpochBad, "history %q in a channel of history %q", b.History, c.Genesis.History)
	case b.NotAfter <= received || b.NotAfter > received+lifetime+clockSlack:
		return refuse(EpochBad, "epoch %d ends outside the channel's lifetime", b.N)
	}
	return nil
}

// Awaits tells whether a recorder is one that must acknowledge the epoch.
func (e *Epoch) Awaits(r envelope.KeyID) bool {
	return slices.ContainsFunc(e.recipients, func(x envelope.Recipient) bool {
		return x.Kind == envelope.RecipientRecorder && x.ID == envelope.Hash(r)
	})
}

// Open tells whether every recorder that the epoch is wrapped to can open it.
func (e *Epoch) Open() bool {
	return !slices.ContainsFunc(e.recipients, func(x envelope.Recipient) bool {
		return x.Kind == envelope.RecipientRecorder && !e.Acknowledged(envelope.KeyID(x.ID))
	})
}

// enterOnce makes an epoch the one that messages are sealed in, once it is open.
func (c *Channel) enterOnce(e *Epoch) {
	if !e.Open() {
		return
	}
	e.current = true
	if c.current == nil || e.N > c.current.N {
		c.current = e
	}
}
