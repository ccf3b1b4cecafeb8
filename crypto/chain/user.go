package chain

import (
	"slices"

	"chancery/crypto/envelope"
)

// User is one person's chain: devices and key generations.
type User struct {
	spine
	devices   []device
	recipient []byte // of generation 1; later generations are reserved
}

type device struct {
	body envelope.DeviceBody
	from uint64 // seq of the link that added it
}

// NewUser starts the chain with its genesis, signed by the first device.
func NewUser(org *Org, genesis *envelope.Entry) (*User, error) {
	l, err := parse(genesis)
	if err != nil {
		return nil, err
	}
	b, err := body[envelope.UserGenesisBody](l)
	if err != nil {
		return nil, err
	}
	switch {
	case l.Type != envelope.UserGenesis || l.Seq != 0:
		return nil, refuse(Malformed, "not a user's genesis")
	case l.Org != org.ID():
		return nil, refuse(WrongChain, "user of organisation %s", l.Org)
	case b.Suite != org.Suite():
		return nil, refuse(SuiteBad, "user of suite %q in an organisation of suite %q", b.Suite, org.Suite())
	case len(b.Nonce) != 16 || len(b.Recipient) == 0 || l.Key != envelope.KeyOf(b.Device.Key):
		return nil, refuse(Malformed, "genesis without nonce or recipient, or not signed by its device")
	}
	if err := checkDevice(&b.Device); err != nil {
		return nil, err
	}
	u := &User{
		spine:     spine{id: envelope.ChainOf(genesis.Header), org: l.Org, heads: []envelope.Hash{genesis.Hash()}},
		devices:   []device{{body: b.Device}},
		recipient: b.Recipient,
	}
	return u, verifyOnly(genesis, b.Device.Key)
}

func checkDevice(b *envelope.DeviceBody) error {
	if b.Name == "" || len(b.Name) > 100 || len(b.Recipient) == 0 {
		return refuse(Malformed, "device without a name of at most 100 bytes or a recipient")
	}
	if err := envelope.CheckPublicKey(b.Key); err != nil {
		return &Refused{Malformed, err}
	}
	return nil
}

// ID names the user.
func (u *User) ID() envelope.UserID { return envelope.UserID(u.id) }

// Try tells whether Apply would take the entry, and changes nothing.
func (u *User) Try(e *envelope.Entry) error {
	copied := *u
	copied.heads = slices.Clone(u.heads)
	copied.devices = slices.Clone(u.devices)
	return copied.Apply(e)
}

// Apply adds the next link.
func (u *User) Apply(e *envelope.Entry) error {
	l, err := parse(e)
	if err != nil {
		return err
	}
	if err := u.follow(l); err != nil {
		return err
	}
	if l.Type != envelope.DeviceAdd {
		return refuse(Malformed, "link type %q in a user's chain", l.Type)
	}
	if err := u.add(l, e); err != nil {
		return err
	}
	u.heads = append(u.heads, e.Hash())
	return nil
}

// add takes a device that a live device approves and that signs for itself.
func (u *User) add(l *envelope.Link, e *envelope.Entry) error {
	b, err := body[envelope.DeviceBody](l)
	if err != nil {
		return err
	}
	if err := checkDevice(b); err != nil {
		return err
	}
	approver, ok := u.DeviceAt(l.Key, u.Seq())
	if !ok || l.User != u.ID() {
		return refuse(DeviceUnknown, "approving device %s", l.Key)
	}
	if _, twice := u.DeviceAt(envelope.KeyOf(b.Key), u.Seq()); twice {
		return refuse(Duplicate, "device %s", envelope.KeyOf(b.Key))
	}
	if len(e.Signatures) != 2 {
		return refuse(BadSignature, "%d signatures, want the approving and the new device's", len(e.Signatures))
	}
	if err := verify(e, approver.Key); err != nil {
		return err
	}
	if err := verify(e, b.Key); err != nil {
		return err
	}
	u.devices = append(u.devices, device{body: *b, from: l.Seq})
	return nil
}

// DeviceAt finds a device that was live when the chain had the link seq.
func (u *User) DeviceAt(id envelope.KeyID, seq uint64) (*envelope.DeviceBody, bool) {
	for i := range u.devices {
		if d := &u.devices[i]; d.from <= seq && envelope.KeyOf(d.body.Key) == id {
			return &d.body, true
		}
	}
	return nil, false
}

// Devices are all live devices, the first one first.
func (u *User) Devices() []envelope.DeviceBody {
	out := make([]envelope.DeviceBody, len(u.devices))
	for i, d := range u.devices {
		out[i] = d.body
	}
	return out
}

// RecipientAt is the user key that epochs are wrapped to at the link seq.
func (u *User) RecipientAt(uint64) (generation uint64, public []byte) { return 1, u.recipient }
