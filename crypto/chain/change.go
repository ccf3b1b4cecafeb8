package chain

import (
	"chancery/crypto/envelope"
)

// judgeLink checks a link of the channel's own chain.
func (c *Channel) judgeLink(p *envelope.Placed) (func(), error) {
	l, err := parse(&p.Entry)
	if err != nil {
		return nil, err
	}
	if err := c.follow(l); err != nil {
		return nil, err
	}
	change, err := c.judgeType(l, p)
	if err != nil {
		return nil, err
	}
	head := p.Hash()
	return func() {
		change()
		c.heads = append(c.heads, head)
	}, nil
}

func (c *Channel) judgeType(l *envelope.Link, p *envelope.Placed) (func(), error) {
	switch l.Type {
	case envelope.MemberAdd:
		return c.judgeAdd(l, p)
	case envelope.MemberRemove:
		return c.judgeRemove(l, p)
	case envelope.MemberRole:
		return c.judgeRole(l, p)
	case envelope.Sync:
		return c.judgeSync(l, p)
	case envelope.EpochStart:
		return c.judgeEpoch(l, p)
	case envelope.Restore:
		return c.judgeRestore(l, p)
	case envelope.Handover:
		return c.judgeHandover(l, p)
	}
	return nil, refuse(Malformed, "link type %q in a channel's chain", l.Type)
}

// signedByMember checks that a member's live device signed the link.
func (c *Channel) signedByMember(l *envelope.Link, e *envelope.Entry) (Member, error) {
	m, ok := c.members[l.User]
	if !ok {
		return m, refuse(NotMember, "%s", l.User)
	}
	return m, c.signedByDevice(l, e, m.UserSeq)
}

func (c *Channel) signedByDevice(l *envelope.Link, e *envelope.Entry, userSeq uint64) error {
	d, err := c.device(l.User, l.Key, userSeq)
	if err != nil {
		return err
	}
	return verifyOnly(e, d.Key)
}

func (c *Channel) device(u envelope.UserID, key envelope.KeyID, userSeq uint64) (*envelope.DeviceBody, error) {
	user, ok := c.dir.User(u)
	if !ok {
		return nil, refuse(HeadUnknown, "user %s", u)
	}
	d, ok := user.DeviceAt(key, userSeq)
	if !ok {
		return nil, refuse(DeviceUnknown, "device %s of user %s at link %d", key, u, userSeq)
	}
	return d, nil
}

func (c *Channel) judgeAdd(l *envelope.Link, p *envelope.Placed) (func(), error) {
	b, err := body[envelope.AddBody](l)
	if err != nil {
		return nil, err
	}
	user, ok := c.dir.User(b.User)
	if !ok || !user.HasHead(b.UserSeq, b.UserHead) {
		return nil, refuse(HeadUnknown, "user %s at link %d", b.User, b.UserSeq)
	}
	if b.UserSeq < c.left[b.User] {
		return nil, refuse(HeadUnknown, "user %s at link %d, link %d was known", b.User, b.UserSeq, c.left[b.User])
	}
	if _, twice := c.members[b.User]; twice {
		return nil, refuse(Duplicate, "%s is a member", b.User)
	}
	if user.EndedAt(b.UserSeq) {
		return nil, refuse(NotAllowed, "the chain of user %s ended with a reset", b.User)
	}
	if err := c.mayAdd(l, b, &p.Entry); err != nil {
		return nil, err
	}
	switch next := uint64(len(c.epochs)) + 1; {
	case b.HistoryFrom != next:
		return nil, refuse(NotAllowed, "history from epoch %d, the next is %d", b.HistoryFrom, next)
	case len(c.members) >= MaxMembers:
		return nil, refuse(NotAllowed, "a channel has at most %d members", MaxMembers)
	}
	return func() {
		c.members[b.User] = Member{Rank: b.Rank, UserSeq: b.UserSeq, HistoryFrom: b.HistoryFrom, Joined: p.Position}
		c.rotate(envelope.CauseAdd, p.Position, false)
	}, nil
}

// MaxMembers of one channel: an epoch is wrapped to each of them.
const MaxMembers = 2000

// mayAdd checks the signer's right: an owner or moderator adds; in a public
// channel people add themselves as members; a direct channel is closed once it
// has an epoch.
func (c *Channel) mayAdd(l *envelope.Link, b *envelope.AddBody, e *envelope.Entry) error {
	if b.Rank != envelope.RankMember && b.Rank != envelope.RankModerator && b.Rank != envelope.RankOwner {
		return refuse(Malformed, "rank %q", b.Rank)
	}
	if c.Genesis.Access == envelope.AccessDirect && len(c.epochs) > 0 {
		return refuse(NotAllowed, "a direct channel takes nobody in")
	}
	if l.User == b.User && c.Genesis.Access == envelope.AccessPublic && b.Rank == envelope.RankMember {
		return c.signedByDevice(l, e, b.UserSeq)
	}
	m, err := c.signedByMember(l, e)
	if err != nil {
		return err
	}
	if m.Rank == envelope.RankMember || (m.Rank == envelope.RankModerator && b.Rank != envelope.RankMember) {
		return refuse(NotAllowed, "a %s adding a %s", m.Rank, b.Rank)
	}
	return nil
}

func (c *Channel) judgeRemove(l *envelope.Link, p *envelope.Placed) (func(), error) {
	b, err := body[envelope.RemoveBody](l)
	if err != nil {
		return nil, err
	}
	target, ok := c.members[b.User]
	if !ok {
		return nil, refuse(NotMember, "%s", b.User)
	}
	if len(b.Reason) > 64 {
		return nil, refuse(Malformed, "reason of %d bytes", len(b.Reason))
	}
	if err := c.mayRemove(l, b.User, target, p); err != nil {
		return nil, err
	}
	return func() {
		c.drop(b.User, target.UserSeq)
		if l.User.IsZero() {
			c.departures = append(c.departed(p.Received), p.Received)
		}
		c.rotate(envelope.CauseRemove, p.Position, true)
	}, nil
}

// drop ends a membership. What the channel knows of the user's chain stays, so
// that nobody comes back under an older head, with a device revoked since.
func (c *Channel) drop(u envelope.UserID, seq uint64) {
	delete(c.members, u)
	c.left[u] = seq
}

// mayRemove checks the signer's right. Removal keys end the memberships of
// people who left, also where members couldn't: the last owner's, and in a
// direct channel.
func (c *Channel) mayRemove(l *envelope.Link, who envelope.UserID, target Member, p *envelope.Placed) error {
	if l.User.IsZero() {
		return c.signedForDeparture(l, target, p)
	}
	m, err := c.signedByMember(l, &p.Entry)
	switch {
	case err != nil:
		return err
	case c.Genesis.Access == envelope.AccessDirect:
		return refuse(NotAllowed, "a direct channel keeps its members")
	case target.Rank == envelope.RankOwner && c.owners() == 1:
		return refuse(NotAllowed, "the last owner stays: make somebody else an owner first")
	case l.User == who:
		return nil
	}
	if m.Rank == envelope.RankMember || (m.Rank == envelope.RankModerator && target.Rank != envelope.RankMember) {
		return refuse(NotAllowed, "a %s removing a %s", m.Rank, target.Rank)
	}
	return nil
}

// owners counts those who can govern the channel; without one nobody could.
func (c *Channel) owners() (n int) {
	for _, m := range c.members {
		if m.Rank == envelope.RankOwner {
			n++
		}
	}
	return n
}

// signedByParty checks that a listed key signed, at the organisation head that
// the channel knows.
func (c *Channel) signedByParty(l *envelope.Link, e *envelope.Entry, role envelope.Role) error {
	party, ok := c.dir.Org().PartyAt(role, l.Key, c.OrgSeq)
	if !ok {
		return refuse(NotListed, "%s key %s", role, l.Key)
	}
	return verifyOnly(e, party.Key)
}

func (c *Channel) judgeRole(l *envelope.Link, p *envelope.Placed) (func(), error) {
	b, err := body[envelope.RoleBody](l)
	if err != nil {
		return nil, err
	}
	m, err := c.signedByMember(l, &p.Entry)
	if err != nil {
		return nil, err
	}
	target, ok := c.members[b.User]
	switch {
	case !ok:
		return nil, refuse(NotMember, "%s", b.User)
	case m.Rank != envelope.RankOwner || c.Genesis.Access == envelope.AccessDirect:
		return nil, refuse(NotAllowed, "a %s changing ranks in a %s channel", m.Rank, c.Genesis.Access)
	case target.Rank == envelope.RankOwner && b.Rank != envelope.RankOwner && c.owners() == 1:
		return nil, refuse(NotAllowed, "the last owner stays: make somebody else an owner first")
	case b.Rank != envelope.RankMember && b.Rank != envelope.RankModerator && b.Rank != envelope.RankOwner:
		return nil, refuse(Malformed, "rank %q", b.Rank)
	}
	return func() { target.Rank = b.Rank; c.members[b.User] = target }, nil
}

// judgeSync takes the news that another chain has grown. The proof is the head
// itself, so the signer needs no right beyond being known.
func (c *Channel) judgeSync(l *envelope.Link, p *envelope.Placed) (func(), error) {
	b, err := body[envelope.SyncBody](l)
	if err != nil {
		return nil, err
	}
	if err := c.signedBySomeone(l, b, &p.Entry); err != nil {
		return nil, err
	}
	if org := c.dir.Org(); b.Chain == org.id {
		if b.Seq <= c.OrgSeq || !org.HasHead(b.Seq, b.Head) {
			return nil, refuse(HeadUnknown, "organisation's head at link %d", b.Seq)
		}
		return func() { c.OrgSeq = b.Seq }, nil
	}
	id := envelope.UserID(b.Chain)
	m, ok := c.members[id]
	user, known := c.dir.User(id)
	switch {
	case !ok:
		return nil, refuse(NotMember, "%s", id)
	case !known || b.Seq <= m.UserSeq || !user.HasHead(b.Seq, b.Head):
		return nil, refuse(HeadUnknown, "user %s at link %d", id, b.Seq)
	}
	return func() { c.learn(id, m, user, b.Seq, p.Position) }, nil
}

// learn takes what a member's chain says up to the link seq: a reset ends the
// membership, a new key or a revoked device ends the epochs that they know.
func (c *Channel) learn(id envelope.UserID, m Member, user *User, seq, position uint64) {
	if user.Restricts(m.UserSeq, seq) {
		c.rotate(envelope.CauseDevice, position, true)
	}
	if user.EndedAt(seq) {
		c.drop(id, seq)
		return
	}
	m.UserSeq = seq
	c.members[id] = m
}

func (c *Channel) signedBySomeone(l *envelope.Link, b *envelope.SyncBody, e *envelope.Entry) error {
	if l.User.IsZero() {
		return c.signedByParty(l, e, envelope.RoleReceipt)
	}
	m, ok := c.members[l.User]
	if !ok {
		return refuse(NotMember, "%s", l.User)
	}
	seq := m.UserSeq
	if b.Chain == envelope.Hash(l.User) {
		seq = b.Seq // a new device may announce itself
	}
	return c.signedByDevice(l, e, seq)
}

// judgeRestore takes the root's word that the server came back from an older
// copy. What survived must be what this validator knows.
func (c *Channel) judgeRestore(l *envelope.Link, p *envelope.Placed) (func(), error) {
	b, err := body[envelope.RestoreBody](l)
	if err != nil {
		return nil, err
	}
	if b.NewPosition != p.Position-1 || b.OldPosition < b.NewPosition || len(b.Reason) > 200 {
		return nil, refuse(RestoreBad, "restore of %d to %d at %d", b.OldPosition, b.NewPosition, p.Position)
	}
	if head, known := c.HeadAt(b.NewPosition); known && head != b.NewHead {
		return nil, refuse(RestoreBad, "another head at %d", b.NewPosition)
	}
	org := c.dir.Org()
	if err := org.verifyRoots(&p.Entry, int(org.Genesis.Threshold)); err != nil {
		return nil, err
	}
	return func() { c.rotate(envelope.CauseRestore, p.Position, true) }, nil
}
