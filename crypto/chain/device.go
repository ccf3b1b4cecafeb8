package chain

import (
	"slices"

	"chancery/crypto/envelope"
)

func checkDevice(b *envelope.DeviceBody) error {
	if b.Name == "" || len(b.Name) > 100 || len(b.Recipient) == 0 {
		return refuse(Malformed, "device without a name of at most 100 bytes or a recipient")
	}
	if err := envelope.CheckPublicKey(b.Key); err != nil {
		return &Refused{Malformed, err}
	}
	return nil
}

// DeviceAt finds a device that was live when the chain had the link seq.
func (u *User) DeviceAt(id envelope.KeyID, seq uint64) (*envelope.DeviceBody, bool) {
	for i := range u.devices {
		if d := &u.devices[i]; d.at(seq) && envelope.KeyOf(d.body.Key) == id {
			return &d.body, true
		}
	}
	return nil, false
}

// DeviceWhen finds a device that was live at a time, by the chain's own signed
// times (µs since 1970, UTC): for what was signed long ago and kept since. Who
// must decide now asks DeviceAt, because a device that was lost may date back.
func (u *User) DeviceWhen(id envelope.KeyID, at int64) (*envelope.DeviceBody, bool) {
	next, _ := slices.BinarySearch(u.times, at+1) // the first link that is signed later
	return u.DeviceAt(id, uint64(max(next, 1)-1))
}

// Devices are all live devices, the first one first.
func (u *User) Devices() []envelope.DeviceBody { return u.devicesAt(u.Seq()) }

func (u *User) devicesAt(seq uint64) (out []envelope.DeviceBody) {
	for _, d := range u.devices {
		if d.at(seq) {
			out = append(out, d.body)
		}
	}
	return out
}

// signer is the live device of this person that a link names.
func (u *User) signer(l *envelope.Link) (*envelope.DeviceBody, error) {
	d, ok := u.DeviceAt(l.Key, u.Seq())
	if !ok || l.User != u.ID() {
		return nil, refuse(DeviceUnknown, "signing device %s", l.Key)
	}
	return d, nil
}

// Had tells whether a device was ever one of this chain.
func (u *User) Had(id envelope.KeyID) bool {
	return slices.ContainsFunc(u.devices, func(d device) bool { return envelope.KeyOf(d.body.Key) == id })
}

// used tells whether a key was ever of a device or for recovery here. One that
// ended never comes back: whoever took it could wait for that.
func (u *User) used(id envelope.KeyID) bool {
	return u.Had(id) || slices.ContainsFunc(u.recovery, func(r recovery) bool { return envelope.KeyOf(r.body.Key) == id })
}

// checkNew checks a device that is to be taken in.
func (u *User) checkNew(b *envelope.DeviceBody) error {
	if err := checkDevice(b); err != nil {
		return err
	}
	if id := envelope.KeyOf(b.Key); u.used(id) {
		return refuse(Duplicate, "key %s", id)
	}
	if len(u.Devices()) >= MaxDevices {
		return refuse(NotAllowed, "more than %d devices", MaxDevices)
	}
	return nil
}

// judgeAdd takes a device that a live device approves and that signs for itself.
func (u *User) judgeAdd(l *envelope.Link, e *envelope.Entry) (func(), error) {
	b, err := body[envelope.DeviceBody](l)
	if err != nil {
		return nil, err
	}
	if err := checkDevice(b); err != nil {
		return nil, err
	}
	approver, err := u.signer(l)
	if err != nil {
		return nil, err
	}
	if err := u.checkNew(b); err != nil {
		return nil, err
	}
	if err := verifyAll(e, approver.Key, b.Key); err != nil {
		return nil, err
	}
	return func() { u.take(b, l.Seq) }, nil
}

func (u *User) take(b *envelope.DeviceBody, seq uint64) {
	u.devices = append(u.devices, device{span{from: seq}, *b})
}

func (u *User) end(id envelope.KeyID, seq uint64) {
	for i := range u.devices {
		if d := &u.devices[i]; d.until == 0 && envelope.KeyOf(d.body.Key) == id {
			d.until = seq
		}
	}
}

// judgeEnd revokes a device together with the key that it knows, in one link, so
// that nothing can be left half done. A device can't revoke itself: it would
// know the new key.
func (u *User) judgeEnd(l *envelope.Link, e *envelope.Entry) (func(), error) {
	b, err := body[envelope.DeviceEndBody](l)
	if err != nil {
		return nil, err
	}
	by, err := u.signer(l)
	if err != nil {
		return nil, err
	}
	if _, live := u.DeviceAt(b.Device, u.Seq()); !live {
		return nil, refuse(DeviceUnknown, "device to revoke %s", b.Device)
	}
	if b.Device == l.Key {
		return nil, refuse(NotAllowed, "a device revoking itself")
	}
	if err := u.checkKey(&b.Key, Holders(without(u.Devices(), b.Device), u.Recovery())); err != nil {
		return nil, err
	}
	if err := verifyOnly(e, by.Key); err != nil {
		return nil, err
	}
	return func() {
		u.end(b.Device, l.Seq)
		u.turn(&b.Key, l.Seq)
	}, nil
}

func without(devices []envelope.DeviceBody, ended ...envelope.KeyID) []envelope.DeviceBody {
	return slices.DeleteFunc(devices, func(d envelope.DeviceBody) bool { return slices.Contains(ended, envelope.KeyOf(d.Key)) })
}
