package chain

import (
	"maps"
	"slices"

	"chancery/crypto/envelope"
)

// Member is someone's standing in a channel.
type Member struct {
	Rank        envelope.MemberRank
	UserSeq     uint64 // the user chain's newest link that the channel knows
	HistoryFrom uint64 // first epoch the member may be given
	Joined      uint64 // position of the link that added them
}

// Counter is a device's last placed message in a channel.
type Counter struct {
	Seq  uint64
	Hash envelope.Hash
}

// Channel is the state of one channel at a position.
type Channel struct {
	spine
	Genesis  envelope.ChannelGenesisBody
	Position uint64        // of the newest entry
	Top      envelope.Hash // head of the total order there
	Received int64         // µs since 1970, UTC
	Messages uint64        // messages placed so far
	OrgSeq   uint64        // the organisation chain's newest link that the channel knows

	dir      Directory
	members  map[envelope.UserID]Member
	left     map[envelope.UserID]uint64 // of former members: the newest link of their chain that was known
	counters map[envelope.KeyID]Counter
	covered  map[envelope.KeyID]uint64
	duties   []Duty   // who records and recorded, in the order of their beginning
	changed  uint64   // position of the newest handover
	epochs   []*Epoch // every placed epoch, oldest first
	current  *Epoch
	due      *rotation

	departures []int64 // when removal keys ended memberships, in the day before the last one

	firstHead uint64          // position of tops[0]
	tops      []envelope.Hash // heads of the newest positions
	sparse    bool            // still reading links alone: positions and coverage are taken as found
	complete  bool            // every device's counter is known, also of those who wrote before tops
}

// rotation is why a new epoch must be placed.
type rotation struct {
	cause    envelope.Cause
	position uint64
	restrict bool // sending stops until an epoch placed later is current
}

// NewChannel starts a channel with its genesis, which must stand at position 1.
func NewChannel(dir Directory, genesis *envelope.Placed) (*Channel, error) {
	if err := genesis.Check(); err != nil {
		return nil, &Refused{Malformed, err}
	}
	l, err := parse(&genesis.Entry)
	if err != nil {
		return nil, err
	}
	b, err := body[envelope.ChannelGenesisBody](l)
	if err != nil {
		return nil, err
	}
	if err := checkChannelGenesis(dir, l, b); err != nil {
		return nil, err
	}
	creator, ok := dir.User(l.User)
	if !ok || !creator.HasHead(b.UserSeq, b.UserHead) {
		return nil, refuse(HeadUnknown, "creator's head at link %d", b.UserSeq)
	}
	device, ok := creator.DeviceAt(l.Key, b.UserSeq)
	if !ok {
		return nil, refuse(DeviceUnknown, "%s", l.Key)
	}
	if err := verifyOnly(&genesis.Entry, device.Key); err != nil {
		return nil, err
	}
	id := envelope.ChainOf(genesis.Entry.Header)
	c := &Channel{
		spine: spine{id: id, org: l.Org, heads: []envelope.Hash{genesis.Hash()}}, Genesis: *b, dir: dir, OrgSeq: b.OrgSeq,
		Top:      StartHead(envelope.ChannelID(id)),
		members:  map[envelope.UserID]Member{l.User: {Rank: envelope.RankOwner, UserSeq: b.UserSeq, HistoryFrom: 1, Joined: 1}},
		left:     map[envelope.UserID]uint64{},
		counters: map[envelope.KeyID]Counter{}, covered: map[envelope.KeyID]uint64{}, complete: true,
	}
	for _, r := range b.Recorders {
		c.duties = append(c.duties, Duty{Recorder: r})
	}
	if err := c.checkOrder(genesis); err != nil {
		return nil, err
	}
	c.advance(genesis)
	return c, nil
}

// StartHead is the head of a channel before its first entry.
func StartHead(id envelope.ChannelID) envelope.Hash { return envelope.Sum("head0", id) }

func checkChannelGenesis(dir Directory, l *envelope.Link, b *envelope.ChannelGenesisBody) error {
	org := dir.Org()
	switch {
	case l.Type != envelope.ChannelGenesis || l.Seq != 0:
		return refuse(Malformed, "not a channel's genesis")
	case l.Org != org.ID():
		return refuse(WrongChain, "channel of organisation %s", l.Org)
	case !org.HasHead(b.OrgSeq, b.OrgHead):
		return refuse(HeadUnknown, "organisation's head at link %d", b.OrgSeq)
	case b.Access != envelope.AccessPublic && b.Access != envelope.AccessPrivate && b.Access != envelope.AccessDirect:
		return refuse(Malformed, "access %q", b.Access)
	case b.History != envelope.HistorySinceJoin:
		return refuse(Malformed, "history %q", b.History)
	case b.Lifetime < minLifetime || b.Lifetime > maxLifetime:
		return refuse(Malformed, "epoch lifetime of %d seconds", b.Lifetime)
	case len(b.Nonce) != 16:
		return refuse(Malformed, "nonce of %d bytes", len(b.Nonce))
	}
	return checkCapture(org, b)
}

// checkCapture refuses a channel that promises less capture than its
// organisation demands, or capture by nobody.
func checkCapture(org *Org, b *envelope.ChannelGenesisBody) error {
	required := b.Capture == envelope.CaptureRequired
	switch {
	case !required && b.Capture != envelope.CaptureOff:
		return refuse(Malformed, "capture %q", b.Capture)
	case !required && org.Genesis.Capture == envelope.CaptureRequired:
		return refuse(CaptureBad, "the organisation requires capture")
	case required != (len(b.Recorders) > 0) || len(b.Recorders) > 2:
		return refuse(CaptureBad, "capture %q by %d recorders", b.Capture, len(b.Recorders))
	case len(b.Recorders) == 2 && envelope.CompareKey(b.Recorders[0], b.Recorders[1]) >= 0:
		return refuse(Malformed, "recorders are not sorted")
	}
	for _, r := range b.Recorders {
		if _, ok := org.PartyAt(envelope.RoleRecorder, r, b.OrgSeq); !ok {
			return refuse(NotListed, "recorder %s", r)
		}
	}
	return nil
}

// ID names the channel.
func (c *Channel) ID() envelope.ChannelID { return envelope.ChannelID(c.id) }

// Org names the organisation.
func (c *Channel) Org() envelope.OrgID { return c.org }

// Member finds someone's standing now.
func (c *Channel) Member(u envelope.UserID) (Member, bool) { m, ok := c.members[u]; return m, ok }

// Members are all members now, sorted.
func (c *Channel) Members() []envelope.UserID {
	return slices.SortedFunc(maps.Keys(c.members), envelope.CompareUser)
}

// Counter is the last placed message of a device, zero before its first.
func (c *Channel) Counter(device envelope.KeyID) Counter { return c.counters[device] }

// Covered is the last position that a recorder has covered.
func (c *Channel) Covered(recorder envelope.KeyID) uint64 { return c.covered[recorder] }

// HeadAt is the head at a position, if this validator followed so far.
func (c *Channel) HeadAt(position uint64) (envelope.Hash, bool) {
	if position < c.firstHead || position > c.Position || len(c.tops) == 0 {
		return envelope.Hash{}, false
	}
	return c.tops[position-c.firstHead], true
}

// Apply takes the next entry: at the next position, with the head that
// follows. Nothing changes when it refuses.
func (c *Channel) Apply(p *envelope.Placed) error {
	if err := p.Check(); err != nil {
		return &Refused{Malformed, err}
	}
	if err := c.checkOrder(p); err != nil {
		return err
	}
	change, err := c.judge(p)
	if err != nil {
		return err
	}
	change()
	c.advance(p)
	return nil
}

// Judge tells whether Apply would take the entry at the next position, without
// changing anything. The server asks it before it places an entry.
func (c *Channel) Judge(e *envelope.Entry, received int64) error {
	if received < c.Received {
		return refuse(BrokenOrder, "received before the entry at %d", c.Position)
	}
	p := &envelope.Placed{Position: c.Position + 1, Received: received, Entry: *e, Payload: envelope.SumBytes(e.Payload)}
	if err := p.Check(); err != nil {
		return &Refused{Malformed, err}
	}
	_, err := c.judge(p)
	return err
}

func (c *Channel) judge(p *envelope.Placed) (change func(), err error) {
	switch p.Entry.Kind {
	case envelope.KindLink:
		return c.judgeLink(p)
	case envelope.KindMessage:
		return c.judgeMessage(p)
	case envelope.KindAcknowledgement:
		return c.judgeAcknowledgement(p)
	default:
		return c.judgeCoverage(p)
	}
}

func (c *Channel) checkOrder(p *envelope.Placed) error {
	switch {
	case p.Position != c.Position+1:
		return refuse(BrokenOrder, "entry %d after entry %d", p.Position, c.Position)
	case p.Received < c.Received:
		return refuse(BrokenOrder, "entry %d was received before entry %d", p.Position, c.Position)
	case p.Head != envelope.NextHead(c.Top, p.Position, p.Received, p.Hash()):
		return refuse(BrokenOrder, "head at %d does not follow", p.Position)
	}
	return nil
}

func (c *Channel) advance(p *envelope.Placed) {
	c.Position, c.Top, c.Received = p.Position, p.Head, p.Received
	if len(c.tops) == 0 {
		c.firstHead = p.Position
	}
	c.tops = append(c.tops, p.Head)
	if len(c.tops) > 2*SeenWindow {
		c.firstHead += SeenWindow
		c.tops = slices.Clone(c.tops[SeenWindow:])
	}
}

// ReadLink takes an entry that is not a message on its own: its place in the
// total order is believed, its right to stand there is checked. A client that
// starts late reads all of them from the genesis, then calls StartAt.
func (c *Channel) ReadLink(p *envelope.Placed) error {
	if p.Position <= c.Position || p.Received < c.Received || p.Entry.Kind == envelope.KindMessage {
		return refuse(BrokenOrder, "entry %d, of kind %d, after entry %d", p.Position, p.Entry.Kind, c.Position)
	}
	if err := p.Check(); err != nil {
		return &Refused{Malformed, err}
	}
	sparse, complete := c.sparse, c.complete
	c.sparse, c.complete = true, false
	change, err := c.judge(p)
	if err != nil {
		c.sparse, c.complete = sparse, complete
		return err
	}
	change()
	c.Position, c.Top, c.Received = p.Position, p.Head, p.Received
	c.tops = nil
	return nil
}

// StartAt ends the reading of links: the next entry stands at position+1 and
// follows head. Counters and coverage are taken as found from there, unless
// Know tells them.
func (c *Channel) StartAt(position uint64, head envelope.Hash, received int64) {
	c.Position, c.Top, c.Received = position, head, received
	c.firstHead, c.tops = position, []envelope.Hash{head}
	c.sparse = false
}

// Know tells a late starter every device's last placed message and every
// recorder's coverage, from a store that it trusts: its own.
func (c *Channel) Know(counters map[envelope.KeyID]Counter, covered map[envelope.KeyID]uint64) {
	maps.Copy(c.counters, counters)
	for r, to := range covered {
		c.covered[r] = max(c.covered[r], to) // who came back began anew at a link
	}
	c.complete = true
}

// Remember tells a late starter the newest heads, the last of which is the one
// it starts at, from a store that it trusts. Without them it takes what names an
// older head as said, where those who followed refuse.
func (c *Channel) Remember(heads []envelope.Hash) error {
	if n := uint64(len(heads)); n == 0 || n > c.Position || heads[n-1] != c.Top {
		return refuse(BrokenOrder, "%d heads that do not end at the one at %d", n, c.Position)
	}
	c.tops = slices.Clone(heads)
	c.firstHead = c.Position + 1 - uint64(len(heads))
	return nil
}
