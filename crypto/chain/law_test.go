package chain

import (
	"maps"
	"slices"

	"chancery/crypto/envelope"
)

// ledger is what anyone can count in a log by hand, without the validator.
type ledger struct {
	log      []*envelope.Placed
	by       []envelope.KeyID // recorders, each of whom must acknowledge an epoch
	members  map[envelope.UserID]bool
	acks     map[envelope.Hash][]envelope.KeyID // by the epoch's link
	open     map[envelope.Hash]bool             // epochs younger than every removal and restore
	counters map[envelope.KeyID]Counter
	covered  map[envelope.KeyID]uint64
	told     map[envelope.Hash]uint64 // the newest link of each person's chain that was told
	chains   map[envelope.UserID]*User
}

// count reads a log from its genesis.
func count(log []*envelope.Placed, chains map[envelope.UserID]*User) *ledger {
	l := &ledger{chains: chains, told: map[envelope.Hash]uint64{}, members: map[envelope.UserID]bool{}, acks: map[envelope.Hash][]envelope.KeyID{},
		open: map[envelope.Hash]bool{}, counters: map[envelope.KeyID]Counter{}, covered: map[envelope.KeyID]uint64{}}
	for _, p := range log {
		l.take(p)
	}
	return l
}

func (l *ledger) take(p *envelope.Placed) {
	l.log = append(l.log, p)
	switch e := &p.Entry; e.Kind {
	case envelope.KindMessage:
		h, _ := envelope.ParseHeader(e)
		l.counters[h.Device] = Counter{h.DeviceSeq, p.Hash()}
	case envelope.KindAcknowledgement:
		a, _ := envelope.ParseAcknowledgement(e)
		l.acks[a.EpochLink] = append(l.acks[a.EpochLink], a.Recorder)
	case envelope.KindCoverage:
		v, _ := envelope.ParseCoverage(e)
		l.covered[v.Recorder] = v.To
	case envelope.KindLink:
		l.takeLink(p)
	}
}

func (l *ledger) takeLink(p *envelope.Placed) {
	link, _ := envelope.ParseLink(&p.Entry)
	switch link.Type {
	case envelope.ChannelGenesis:
		b, _ := envelope.ParseBody[envelope.ChannelGenesisBody](link)
		l.members[link.User], l.by = true, b.Recorders
	case envelope.Handover:
		b, _ := envelope.ParseBody[envelope.HandoverBody](link)
		o, _ := envelope.ParseOrder[envelope.HandoverOrder](b.Order)
		l.handOver(o, p.Position)
	case envelope.MemberAdd:
		b, _ := envelope.ParseBody[envelope.AddBody](link)
		l.members[b.User], l.told[envelope.Hash(b.User)] = true, b.UserSeq
	case envelope.MemberRemove:
		b, _ := envelope.ParseBody[envelope.RemoveBody](link)
		delete(l.members, b.User)
		clear(l.open)
	case envelope.Sync:
		b, _ := envelope.ParseBody[envelope.SyncBody](link)
		l.hear(b)
	case envelope.Restore:
		clear(l.open)
	case envelope.EpochStart:
		l.open[p.Hash()] = true
	}
}

// hear counts what a chain's links say, read one by one.
func (l *ledger) hear(b *envelope.SyncBody) {
	id := envelope.UserID(b.Chain)
	u, ok := l.chains[id]
	if !ok {
		return
	}
	for seq := l.told[b.Chain] + 1; seq <= b.Seq; seq++ {
		before, _ := u.RecipientAt(seq - 1)
		if now, _ := u.RecipientAt(seq); now != before {
			clear(l.open)
		}
		if len(u.devicesAt(seq)) == 0 {
			delete(l.members, id)
			clear(l.open)
		}
	}
	l.told[b.Chain] = b.Seq
}

// handOver counts who records after a handover: who comes begins with what is
// placed next, and no message goes into an epoch that is older.
func (l *ledger) handOver(o *envelope.HandoverOrder, at uint64) {
	before := len(l.by)
	l.by = slices.DeleteFunc(slices.Clone(l.by), func(k envelope.KeyID) bool { return k == o.From })
	if !o.To.IsZero() {
		l.by = append(l.by, o.To)
		l.covered[o.To] = at
	}
	if !o.To.IsZero() || len(l.by) != before {
		clear(l.open)
	}
}

// breaks names a law that an entry in the next place would break, if any.
func (l *ledger) breaks(e *envelope.Entry) string {
	switch e.Kind {
	case envelope.KindMessage:
		if h, err := envelope.ParseHeader(e); err == nil {
			return l.breaksByMessage(h)
		}
	case envelope.KindAcknowledgement:
		if a, err := envelope.ParseAcknowledgement(e); err == nil {
			return broken(slices.Contains(l.acks[a.EpochLink], a.Recorder), "acknowledged twice")
		}
	case envelope.KindCoverage:
		if v, err := envelope.ParseCoverage(e); err == nil {
			return l.breaksByCoverage(v)
		}
	case envelope.KindLink:
		if link, err := envelope.ParseLink(e); err == nil {
			return broken(!link.User.IsZero() && !l.members[link.User] && link.Type != envelope.Handover, "a link by who is no member")
		}
	}
	return "malformed"
}

func broken(is bool, law string) string {
	if is {
		return law
	}
	return ""
}

func (l *ledger) breaksByCoverage(v *envelope.Coverage) string {
	if v.From != l.covered[v.Recorder]+1 || v.To > uint64(len(l.log)) {
		return "coverage with a gap, or of what is not there"
	}
	return broken(l.log[v.To-1].Head != v.HeadTo, "coverage of another history")
}

func (l *ledger) breaksByMessage(h *envelope.Header) string {
	last := l.counters[h.Device]
	silent := slices.ContainsFunc(l.by, func(k envelope.KeyID) bool { return !slices.Contains(l.acks[h.EpochLink], k) })
	switch {
	case !l.members[h.User]:
		return "a message by who is no member"
	case !l.live(h):
		return "a message by a device that was revoked, or is not there yet"
	case !l.open[h.EpochLink]:
		return "a message in an epoch that a removal, a new key or a restore ended"
	case silent:
		return "a message before every recorder acknowledged its epoch"
	case h.DevicePrev != last.Hash || h.DeviceSeq != last.Seq+uint64(len(h.Void))+1:
		return "a message that leaves a number out"
	}
	for i, v := range h.Void {
		if v != last.Seq+uint64(i)+1 {
			return "a message that voids another number"
		}
	}
	return ""
}

func (l *ledger) live(h *envelope.Header) bool {
	_, ok := l.chains[h.User].DeviceAt(h.Device, l.told[envelope.Hash(h.User)])
	return ok
}

// same tells whether a validator counted what the ledger did.
func (l *ledger) same(c *Channel) bool {
	return slices.Equal(c.Members(), slices.SortedFunc(maps.Keys(l.members), envelope.CompareUser)) &&
		maps.Equal(c.counters, l.counters) && maps.Equal(c.covered, l.covered)
}
