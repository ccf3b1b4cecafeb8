package chain

import (
	"slices"

	"chancery/crypto/envelope"
)

// recovery is a recovery key. It is no device: it can't post, add members or
// take part in anything but its own chain, and there it can do one thing once.
type recovery struct {
	span
	body envelope.RecoveryKey
}

// Recovery is the recovery key that stands, nil when there is none.
func (u *User) Recovery() *envelope.RecoveryKey { return u.recoveryAt(u.Seq()) }

func (u *User) recoveryAt(seq uint64) *envelope.RecoveryKey {
	for i := range u.recovery {
		if r := &u.recovery[i]; r.at(seq) {
			return &r.body
		}
	}
	return nil
}

func (u *User) endRecovery(seq uint64) {
	for i := range u.recovery {
		if r := &u.recovery[i]; r.until == 0 {
			r.until = seq
		}
	}
}

// judgeRecovery lets a recovery key stand in place of the one before, or none.
// Either way there is a new key: the old recovery key may be in other hands.
func (u *User) judgeRecovery(l *envelope.Link, e *envelope.Entry) (func(), error) {
	b, err := body[envelope.RecoveryBody](l)
	if err != nil {
		return nil, err
	}
	by, err := u.signer(l)
	if err != nil {
		return nil, err
	}
	kit, err := u.checkRecovery(b)
	if err != nil {
		return nil, err
	}
	if err := u.checkKey(&b.Key, Holders(u.Devices(), kit)); err != nil {
		return nil, err
	}
	signers := [][]byte{by.Key}
	if kit != nil {
		signers = append(signers, kit.Key)
	}
	if err := verifyAll(e, signers...); err != nil {
		return nil, err
	}
	return func() {
		u.endRecovery(l.Seq)
		if kit != nil {
			u.recovery = append(u.recovery, recovery{span{from: l.Seq}, *kit})
		}
		u.turn(&b.Key, l.Seq)
	}, nil
}

func (u *User) checkRecovery(b *envelope.RecoveryBody) (*envelope.RecoveryKey, error) {
	switch {
	case len(b.Stand) > 1:
		return nil, refuse(Malformed, "%d recovery keys", len(b.Stand))
	case len(b.Stand) == 0 && u.Recovery() == nil:
		return nil, refuse(NotAllowed, "there is no recovery key to end")
	case len(b.Stand) == 0:
		return nil, nil
	}
	kit := &b.Stand[0]
	if err := envelope.CheckPublicKey(kit.Key); err != nil || len(kit.Recipient) == 0 {
		return nil, refuse(Malformed, "recovery key that is none, or without a recipient: %v", err)
	}
	if id := envelope.KeyOf(kit.Key); u.used(id) {
		return nil, refuse(Duplicate, "key %s", id)
	}
	return kit, nil
}

// judgeRecover takes what a recovery key may say: a device to add, devices to
// revoke, a new key. It ends with that.
func (u *User) judgeRecover(l *envelope.Link, e *envelope.Entry) (func(), error) {
	b, err := body[envelope.RecoverBody](l)
	if err != nil {
		return nil, err
	}
	kit := u.Recovery()
	if kit == nil || l.Key != envelope.KeyOf(kit.Key) || l.User != u.ID() {
		return nil, refuse(DeviceUnknown, "recovery key %s", l.Key)
	}
	devices, err := u.recovered(b)
	if err != nil {
		return nil, err
	}
	holders := Holders(devices, nil)
	if err := u.checkKey(&b.Key, holders); err != nil {
		return nil, err
	}
	signers := [][]byte{kit.Key}
	for _, d := range b.Add {
		if wrap, _ := wrapFor(holders, b.Key.Wraps, envelope.KeyOf(d.Key)); wrap != d.Wrap {
			return nil, refuse(KeyBad, "another wrap for the device that is added")
		}
		signers = append(signers, d.Key)
	}
	if err := verifyAll(e, signers...); err != nil {
		return nil, err
	}
	return func() {
		for _, id := range b.End {
			u.end(id, l.Seq)
		}
		for i := range b.Add {
			u.take(&b.Add[i], l.Seq)
		}
		u.endRecovery(l.Seq)
		u.turn(&b.Key, l.Seq)
	}, nil
}

// recovered are the devices that a recovery leaves, at least one.
func (u *User) recovered(b *envelope.RecoverBody) ([]envelope.DeviceBody, error) {
	if len(b.Add) > 1 || len(b.Add)+len(b.End) == 0 {
		return nil, refuse(Malformed, "recovery that adds %d devices and revokes %d", len(b.Add), len(b.End))
	}
	for i, id := range b.End {
		if i > 0 && envelope.CompareKey(b.End[i-1], id) >= 0 {
			return nil, refuse(Malformed, "devices to revoke are not sorted")
		}
		if _, live := u.DeviceAt(id, u.Seq()); !live {
			return nil, refuse(DeviceUnknown, "device to revoke %s", id)
		}
	}
	for i := range b.Add {
		if err := u.checkNew(&b.Add[i]); err != nil {
			return nil, err
		}
	}
	devices := slices.Concat(without(u.Devices(), b.End...), b.Add)
	if len(devices) == 0 {
		return nil, refuse(NotAllowed, "recovery that leaves no device")
	}
	return devices, nil
}
