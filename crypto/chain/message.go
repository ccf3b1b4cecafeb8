package chain

import (
	"slices"

	"chancery/crypto/envelope"
)

func (c *Channel) judgeMessage(p *envelope.Placed) (func(), error) {
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: p.Entry.Kind, Header: p.Entry.Header})
	if err != nil {
		return nil, &Refused{Malformed, err}
	}
	if h.Org != c.org || h.Channel != c.ID() {
		return nil, refuse(WrongChain, "message for channel %s", h.Channel)
	}
	if err := c.checkSender(h, p); err != nil {
		return nil, err
	}
	if err := c.checkSendable(h, p.Received); err != nil {
		return nil, err
	}
	if err := c.checkCounter(h); err != nil {
		return nil, err
	}
	if err := c.checkSeen(h); err != nil {
		return nil, err
	}
	hash := p.Hash()
	return func() {
		c.counters[h.Device] = Counter{h.DeviceSeq, hash}
		c.Messages++
	}, nil
}

func (c *Channel) checkSender(h *envelope.Header, p *envelope.Placed) error {
	m, ok := c.members[h.User]
	if !ok {
		return refuse(NotMember, "%s", h.User)
	}
	d, err := c.device(h.User, h.Device, m.UserSeq)
	if err != nil {
		return err
	}
	header := envelope.SumBytes(p.Entry.Header)
	if err := envelope.VerifyEntry(p.Entry.Kind, header, p.Payload, p.Entry.Signatures, d.Key); err != nil {
		return &Refused{BadSignature, err}
	}
	return nil
}

// checkSendable holds messages back until the channel's epoch is one that every
// member and every recorder can open.
func (c *Channel) checkSendable(h *envelope.Header, received int64) error {
	newest, any := c.Newest()
	switch {
	case !any || c.current == nil:
		return refuse(EpochNone, "no epoch is open and acknowledged")
	case c.due != nil && newest.Position < c.due.position:
		return refuse(RotationDue, "a new epoch is due since %d (%s)", c.due.position, c.due.cause)
	case c.due != nil && c.due.restrict && c.current.Position < c.due.position:
		return refuse(RotationDue, "epoch %d is not acknowledged yet (%s)", newest.N, c.due.cause)
	case h.Epoch != c.current.N || h.EpochLink != c.current.Link:
		return refuse(EpochNotCurrent, "sealed in epoch %d, current is %d", h.Epoch, c.current.N)
	case received >= c.current.Body.NotAfter:
		return refuse(EpochExpired, "epoch %d ended", h.Epoch)
	}
	return nil
}

// checkCounter makes a dropped, replayed or reordered message visible: numbers
// follow one another, and those given up are named.
func (c *Channel) checkCounter(h *envelope.Header) error {
	last, known := c.counters[h.Device]
	if !known && !c.complete {
		return nil // a late starter takes each device's counter as it finds it
	}
	if h.DevicePrev != last.Hash {
		return refuse(CounterBad, "device's last placed message is %d, with another hash", last.Seq)
	}
	if h.DeviceSeq <= last.Seq {
		return refuse(CounterBad, "device_seq %d after %d", h.DeviceSeq, last.Seq)
	}
	if gap := h.DeviceSeq - last.Seq - 1; gap != uint64(len(h.Void)) {
		return refuse(CounterBad, "device_seq %d after %d with %d voided", h.DeviceSeq, last.Seq, len(h.Void))
	}
	for i, v := range h.Void {
		if v != last.Seq+1+uint64(i) {
			return refuse(CounterBad, "void names %d", v)
		}
	}
	return nil
}

func (c *Channel) checkSeen(h *envelope.Header) error {
	if h.Seen.Position == 0 || h.Seen.Position > c.Position || c.Position-h.Seen.Position >= SeenWindow {
		return refuse(SeenBad, "seen entry %d at %d", h.Seen.Position, c.Position)
	}
	if head, known := c.HeadAt(h.Seen.Position); known && head != h.Seen.Hash {
		return refuse(SeenBad, "another head at %d", h.Seen.Position)
	}
	return nil
}

func (c *Channel) judgeAcknowledgement(p *envelope.Placed) (func(), error) {
	a, err := envelope.ParseAcknowledgement(&p.Entry)
	if err != nil {
		return nil, &Refused{Malformed, err}
	}
	if a.Org != c.org || a.Channel != c.ID() {
		return nil, refuse(WrongChain, "acknowledgement for channel %s", a.Channel)
	}
	if !slices.Contains(c.Recorders(), a.Recorder) {
		return nil, refuse(NotListed, "%s does not record this channel", a.Recorder)
	}
	if err := c.signedByRecorder(a.Recorder, &p.Entry); err != nil {
		return nil, err
	}
	epoch, ok := c.Epoch(a.N)
	switch {
	case !ok || epoch.Link != a.EpochLink || epoch.Body.SeedCommit != a.SeedCommit:
		return nil, refuse(EpochBad, "acknowledgement of an epoch %d that is not there", a.N)
	case !epoch.Awaits(a.Recorder):
		return nil, refuse(EpochBad, "epoch %d is not wrapped to recorder %s", a.N, a.Recorder)
	case epoch.Acknowledged(a.Recorder):
		return nil, refuse(Duplicate, "epoch %d is acknowledged", a.N)
	}
	return func() {
		epoch.acked = append(epoch.acked, a.Recorder)
		c.enterOnce(epoch)
	}, nil
}

func (c *Channel) signedByRecorder(r envelope.KeyID, e *envelope.Entry) error {
	party, ok := c.dir.Org().PartyAt(envelope.RoleRecorder, r, c.OrgSeq)
	if !ok {
		return refuse(NotListed, "recorder %s", r)
	}
	return verifyOnly(e, party.Key)
}

// judgeCoverage checks what everyone can: that the ranges continue and name
// heads that stand. Its Merkle root needs what only members can compute.
func (c *Channel) judgeCoverage(p *envelope.Placed) (func(), error) {
	v, err := envelope.ParseCoverage(&p.Entry)
	if err != nil {
		return nil, &Refused{Malformed, err}
	}
	if v.Org != c.org || v.Channel != c.ID() {
		return nil, refuse(WrongChain, "coverage of channel %s", v.Channel)
	}
	end := c.DutyEnd(v.Recorder)
	if end == 0 {
		return nil, refuse(NotListed, "%s has nothing to cover in this channel", v.Recorder)
	}
	if err := c.signedByRecorder(v.Recorder, &p.Entry); err != nil {
		return nil, err
	}
	last, known := c.covered[v.Recorder]
	strict := c.complete || known && !c.sparse // links read alone may leave older coverage out
	if v.From <= last || strict && v.From != last+1 {
		return nil, refuse(CoverageBad, "coverage from %d after %d", v.From, last)
	}
	if v.To >= p.Position || v.To > end {
		return nil, refuse(CoverageBad, "coverage to %d at %d", v.To, p.Position)
	}
	// As with Seen: beyond the window validators remember differently, so none judges.
	if head, known := c.HeadAt(v.To); known && c.Position-v.To < SeenWindow && head != v.HeadTo {
		return nil, refuse(CoverageBad, "another head at %d", v.To)
	}
	return func() { c.covered[v.Recorder] = v.To }, nil
}
