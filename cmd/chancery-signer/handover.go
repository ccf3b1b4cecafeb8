package main

import (
	"errors"
	"fmt"
	"slices"

	"chancery/compliance/disposal"
	"chancery/crypto/envelope"
)

// handOver takes a change of who records a channel. Which of them stand in the
// channel is the server's word, so all that can be asked is that the root, or two
// listed people, wanted it; an auditor judges it in its place.
func (e *evidence) handOver(entry *envelope.Entry, l *envelope.Link) error {
	b, err := envelope.ParseBody[envelope.HandoverBody](l)
	if err != nil {
		return err
	}
	o, err := envelope.ParseOrder[envelope.HandoverOrder](b.Order)
	if err != nil {
		return err
	}
	recorders, ok := e.recorders[o.Channel]
	if !ok || l.Org != e.org.ID() || l.Chain != envelope.Hash(o.Channel) {
		return fmt.Errorf("a handover of channel %s, whose genesis is not there", o.Channel)
	}
	if err := e.wanted(entry, l, b); err != nil {
		return fmt.Errorf("handover of channel %s: %w", o.Channel, err)
	}
	recorders = slices.Clone(recorders)
	if o.Lost {
		recorders = slices.DeleteFunc(recorders, func(r envelope.KeyID) bool { return r == o.From })
	}
	if !o.To.IsZero() && !slices.Contains(recorders, o.To) {
		recorders = append(recorders, o.To)
	}
	e.recorders[o.Channel] = recorders
	return nil
}

func (e *evidence) wanted(entry *envelope.Entry, l *envelope.Link, b *envelope.HandoverBody) error {
	if l.User.IsZero() {
		return e.org.SignedByRoots(entry)
	}
	asked, err := b.AskedBy()
	if err != nil {
		return err
	}
	device, err := e.device(envelope.RoleCompliance, asked.User, asked.Device, b.AskedSeq, b.AskedHead)
	if err != nil {
		return err
	}
	if _, err := envelope.OpenStatement[envelope.Approval](b.Asked, envelope.LabelApproval, device.Key); err != nil {
		return err
	}
	if asked.Object != envelope.OrderHash(b.Order) || asked.Action != envelope.ActionHandover || asked.User == l.User {
		return errors.New("not asked for by another person")
	}
	if device, err = e.device(envelope.RoleLegal, l.User, l.Key, b.UserSeq, b.UserHead); err != nil {
		return err
	}
	return entry.Verify(device.Key)
}

// device finds the device of somebody who was listed in a role.
func (e *evidence) device(role envelope.Role, u envelope.UserID, key envelope.KeyID, seq uint64, head envelope.Hash) (*envelope.DeviceBody, error) {
	who := envelope.Party{User: u}
	if _, ok := disposal.EverListed(e.org, role, who.ID()); !ok {
		return nil, fmt.Errorf("%s was never listed as %s", u, role)
	}
	user, ok := e.users[u]
	if !ok || !user.HasHead(seq, head) {
		return nil, fmt.Errorf("the chain of %s is not there", u)
	}
	device, ok := user.DeviceAt(key, seq)
	if !ok {
		return nil, fmt.Errorf("a device that %s does not have", u)
	}
	return device, nil
}
