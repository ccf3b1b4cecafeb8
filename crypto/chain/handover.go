package chain

import (
	"slices"

	"chancery/crypto/envelope"
)

// judgeHandover takes another recorder in the place of one that goes, on the
// word of two people. Whatever else changes who records takes the root.
func (c *Channel) judgeHandover(l *envelope.Link, p *envelope.Placed) (func(), error) {
	b, err := body[envelope.HandoverBody](l)
	if err != nil {
		return nil, err
	}
	o, err := envelope.ParseOrder[envelope.HandoverOrder](b.Order)
	if err != nil {
		return nil, &Refused{Malformed, err}
	}
	if err := c.checkHandover(o, p); err != nil {
		return nil, err
	}
	if err := c.checkSuccession(o); err != nil {
		return nil, err
	}
	if err := c.signedForHandover(l, b, o, p); err != nil {
		return nil, err
	}
	return func() { c.handOver(o, p.Position) }, nil
}

func (c *Channel) handOver(o *envelope.HandoverOrder, at uint64) {
	lasting := len(c.Recorders())
	c.duties = slices.Clone(c.duties)
	if !o.From.IsZero() {
		c.endDuty(o.From, at, o.Lost)
	}
	if !o.To.IsZero() {
		c.duties = append(c.duties, Duty{Recorder: o.To, Since: at})
		c.covered[o.To] = at
	}
	c.changed = at
	if !o.To.IsZero() || len(c.Recorders()) != lasting {
		c.rotate(envelope.CauseRecorder, at, true)
	}
}

// checkHandover holds the order to this history and to what was not changed
// since it was signed.
func (c *Channel) checkHandover(o *envelope.HandoverOrder, p *envelope.Placed) error {
	switch {
	case o.Org != c.org || o.Channel != c.ID():
		return refuse(WrongChain, "handover in channel %s", o.Channel)
	case len(o.Reason) > 200 || o.From == o.To || o.Lost && o.From.IsZero():
		return refuse(Malformed, "handover from %s to %s", o.From, o.To)
	case c.Genesis.Capture != envelope.CaptureRequired:
		return refuse(CaptureBad, "a channel without capture has no recorder")
	case p.Received >= o.NotAfter:
		return refuse(HandoverBad, "the order ended")
	case o.Seen.Position == 0 || o.Seen.Position < c.changed:
		return refuse(HandoverBad, "the recorders changed at %d, the order has seen %d", c.changed, o.Seen.Position)
	case o.Seen.Position >= p.Position || p.Position-1-o.Seen.Position >= SeenWindow:
		return refuse(HandoverBad, "the order has seen %d, this is %d", o.Seen.Position, p.Position)
	}
	if head, known := c.HeadAt(o.Seen.Position); known && head != o.Seen.Hash {
		return refuse(HandoverBad, "another head at %d", o.Seen.Position)
	}
	return nil
}

// checkSuccession checks who goes and who comes.
func (c *Channel) checkSuccession(o *envelope.HandoverOrder) error {
	now := c.Recorders()
	goes, n := slices.Contains(now, o.From), len(now)
	if goes {
		n--
	}
	writeOff := o.To.IsZero() && o.Lost && !goes && slices.ContainsFunc(c.duties, func(d Duty) bool { return d.Recorder == o.From })
	if !o.From.IsZero() && !goes && !writeOff {
		return refuse(NotListed, "%s does not record this channel", o.From)
	}
	if !o.To.IsZero() {
		n++
		if err := c.checkSuccessor(o.To); err != nil {
			return err
		}
	}
	if n < 1 || n > 2 {
		return refuse(CaptureBad, "capture by %d recorders", n)
	}
	return nil
}

func (c *Channel) checkSuccessor(r envelope.KeyID) error {
	if slices.Contains(c.Recorders(), r) {
		return refuse(Duplicate, "%s records this channel", r)
	}
	if _, ok := c.dir.Org().PartyAt(envelope.RoleRecorder, r, c.OrgSeq); !ok {
		return refuse(NotListed, "recorder %s", r)
	}
	if c.owes(r) {
		return refuse(HandoverBad, "%s has yet to cover what was its duty", r)
	}
	return nil
}

// signedForHandover checks that the root signed or, where the number of
// recorders stays, one person for compliance and another for legal.
func (c *Channel) signedForHandover(l *envelope.Link, b *envelope.HandoverBody, o *envelope.HandoverOrder, p *envelope.Placed) error {
	if l.User.IsZero() {
		if len(b.Asked) > 0 || b.AskedSeq|b.UserSeq != 0 || !b.AskedHead.IsZero() || !b.UserHead.IsZero() {
			return refuse(Malformed, "people beside the root's signature")
		}
		org := c.dir.Org()
		return org.verifyRoots(&p.Entry, int(org.Genesis.Threshold))
	}
	if o.From.IsZero() || o.To.IsZero() && slices.Contains(c.Recorders(), o.From) {
		return refuse(CaptureBad, "only the root changes how many recorders there are")
	}
	asked, err := c.askedForHandover(b, p.Received)
	switch {
	case err != nil:
		return err
	case asked == l.User:
		return refuse(NotAllowed, "%s asked for the handover and signs it", asked)
	}
	if err := c.listedPerson(envelope.RoleLegal, l.User, p.Received); err != nil {
		return err
	}
	if err := c.knownHead(l.User, b.UserSeq, b.UserHead); err != nil {
		return err
	}
	return c.signedByDevice(l, &p.Entry, b.UserSeq)
}

// askedForHandover gives the person for compliance whose approval the link
// carries.
func (c *Channel) askedForHandover(b *envelope.HandoverBody, received int64) (who envelope.UserID, err error) {
	a, err := b.AskedBy()
	if err != nil {
		return who, &Refused{Malformed, err}
	}
	if a.Org != c.org || a.Object != envelope.OrderHash(b.Order) || a.Action != envelope.ActionHandover {
		return who, refuse(HandoverBad, "approval of %s on %s", a.Action, a.Object)
	}
	if err := c.listedPerson(envelope.RoleCompliance, a.User, received); err != nil {
		return who, err
	}
	if err := c.knownHead(a.User, b.AskedSeq, b.AskedHead); err != nil {
		return who, err
	}
	d, err := c.device(a.User, a.Device, b.AskedSeq)
	if err != nil {
		return who, err
	}
	if _, err := envelope.OpenStatement[envelope.Approval](b.Asked, envelope.LabelApproval, d.Key); err != nil {
		return who, &Refused{BadSignature, err}
	}
	return a.User, nil
}

// listedPerson checks that somebody was listed in a role when the server
// received what they signed.
func (c *Channel) listedPerson(role envelope.Role, u envelope.UserID, received int64) error {
	who := envelope.Party{User: u}
	p, ok := c.dir.Org().PartyAt(role, who.ID(), c.OrgSeq)
	if !ok || p.NotAfter != 0 && p.NotAfter <= received {
		return refuse(NotListed, "%s %s", role, u)
	}
	return nil
}

// knownHead checks that somebody's chain has a head, and that the channel knows
// no newer one.
func (c *Channel) knownHead(u envelope.UserID, seq uint64, head envelope.Hash) error {
	user, ok := c.dir.User(u)
	if !ok || !user.HasHead(seq, head) || max(c.members[u].UserSeq, c.left[u]) > seq {
		return refuse(HeadUnknown, "user %s at link %d", u, seq)
	}
	return nil
}
