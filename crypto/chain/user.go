package chain

import (
	"chancery/crypto/envelope"
)

// User is one person's chain: devices, key generations, the recovery key, and
// whether it was left for another.
type User struct {
	spine
	org         *Org
	times       []int64 // signed, by seq; they never decrease
	devices     []device
	recovery    []recovery
	generations []generation
	proofs      []proof
	replaces    *envelope.Replaced
	reset       uint64 // seq of the link that ends the chain; 0 while it stands
	successor   envelope.UserID
}

// span is from which link on something is so, and from which on no more.
type span struct{ from, until uint64 } // until is 0 while it stands

func (s span) at(seq uint64) bool { return s.from <= seq && (s.until == 0 || seq < s.until) }

type device struct {
	span
	body envelope.DeviceBody
}

// A person's chain takes so many links in a day of its own signed times: each of
// them may make every channel of that person rotate. An officer's reset always fits.
const (
	maxLinksADay = 20
	day          = int64(24 * 3600e6)
)

// MaxDevices are live on one chain at a time.
const MaxDevices = 32

// NewUser starts the chain with its genesis, signed by the first device and, if
// it replaces another chain, by an officer of the organisation.
func NewUser(org *Org, genesis *envelope.Entry) (*User, error) {
	l, err := parse(genesis)
	if err != nil {
		return nil, err
	}
	b, err := body[envelope.UserGenesisBody](l)
	if err != nil {
		return nil, err
	}
	if err := checkUserGenesis(org, l, b); err != nil {
		return nil, err
	}
	u := &User{
		spine: spine{id: envelope.ChainOf(genesis.Header), org: l.Org, heads: []envelope.Hash{genesis.Hash()}}, org: org,
		times: []int64{l.Time}, devices: []device{{body: b.Device}},
		generations: []generation{{body: envelope.KeyBody{Generation: 1, Recipient: b.Recipient, Wraps: []envelope.Hash{b.Device.Wrap}}}},
	}
	if len(b.Replaces) == 0 {
		return u, verifyOnly(genesis, b.Device.Key)
	}
	u.replaces = &b.Replaces[0]
	return u, u.verifyReplaces(genesis)
}

func checkUserGenesis(org *Org, l *envelope.Link, b *envelope.UserGenesisBody) error {
	switch {
	case l.Type != envelope.UserGenesis || l.Seq != 0:
		return refuse(Malformed, "not a user's genesis")
	case l.Org != org.ID():
		return refuse(WrongChain, "user of organisation %s", l.Org)
	case b.Suite != org.Suite():
		return refuse(SuiteBad, "user of suite %q in an organisation of suite %q", b.Suite, org.Suite())
	case len(b.Nonce) != 16 || len(b.Recipient) == 0 || l.Key != envelope.KeyOf(b.Device.Key):
		return refuse(Malformed, "genesis without nonce or recipient, or not signed by its device")
	case len(b.Replaces) > 1:
		return refuse(Malformed, "genesis that replaces %d chains", len(b.Replaces))
	case len(b.Replaces) == 1 && b.Replaces[0].Officer == l.Key:
		return refuse(Malformed, "genesis whose officer is its own device")
	}
	return checkDevice(&b.Device)
}

// ID names the user.
func (u *User) ID() envelope.UserID { return envelope.UserID(u.id) }

// Time is when the newest link says that it was signed, µs since 1970, UTC. The
// next one must not be signed before.
func (u *User) Time() int64 { return u.times[len(u.times)-1] }

// Try tells whether Apply would take the entry, and changes nothing.
func (u *User) Try(e *envelope.Entry) error {
	_, err := u.judge(e)
	return err
}

// Apply adds the next link.
func (u *User) Apply(e *envelope.Entry) error {
	change, err := u.judge(e)
	if err == nil {
		change()
	}
	return err
}

func (u *User) judge(e *envelope.Entry) (func(), error) {
	l, err := parse(e)
	if err != nil {
		return nil, err
	}
	if err := u.follow(l); err != nil {
		return nil, err
	}
	if err := u.checkPace(l); err != nil {
		return nil, err
	}
	change, err := u.judgeType(l, e)
	if err != nil {
		return nil, err
	}
	return func() {
		change()
		u.heads, u.times = append(u.heads, e.Hash()), append(u.times, l.Time)
	}, nil
}

func (u *User) checkPace(l *envelope.Link) error {
	switch {
	case u.reset != 0:
		return refuse(NotAllowed, "the chain ended: user %s goes on", u.successor)
	case l.Time < u.Time():
		return refuse(BrokenOrder, "link %d is signed before link %d", l.Seq, u.Seq())
	case l.Type == envelope.UserReset || len(u.times) < maxLinksADay:
		return nil
	}
	// Times rise, so the unsigned difference is exact however far apart they are.
	if uint64(l.Time)-uint64(u.times[len(u.times)-maxLinksADay]) < uint64(day) {
		return refuse(NotAllowed, "more than %d links in a day", maxLinksADay)
	}
	return nil
}

func (u *User) judgeType(l *envelope.Link, e *envelope.Entry) (func(), error) {
	switch l.Type {
	case envelope.DeviceAdd:
		return u.judgeAdd(l, e)
	case envelope.DeviceEnd:
		return u.judgeEnd(l, e)
	case envelope.Evidence:
		return u.judgeEvidence(l, e)
	case envelope.UserKey:
		return u.judgeKey(l, e)
	case envelope.Recovery:
		return u.judgeRecovery(l, e)
	case envelope.Recover:
		return u.judgeRecover(l, e)
	case envelope.UserReset:
		return u.judgeReset(l, e)
	}
	return nil, refuse(Malformed, "link type %q in a user's chain", l.Type)
}

// Restricts tells whether the links after from, up to to, take something away:
// a device, a key that somebody else may know, or the whole chain.
func (u *User) Restricts(from, to uint64) bool {
	for _, g := range u.generations {
		if from < g.from && g.from <= to {
			return true
		}
	}
	return from < u.reset && u.reset <= to
}
