package retention

import (
	"math"
	"slices"

	"chancery/crypto/envelope"
)

// Law is everything that decides how long a message stays, at one moment.
type Law struct {
	Org             envelope.OrgID
	Rules           []Rule // in force
	RulesGeneration uint64
	Holds           []Hold // in force
	HoldsGeneration uint64
}

// Hold is a hold in force, by its id and scope.
type Hold struct {
	ID    envelope.Hash
	Order envelope.HoldOrder
}

// Channel is what is judged of a channel.
type Channel struct {
	ID       envelope.ChannelID
	Covered  uint64       // last position that every required recorder has covered; math.MaxUint64 when none is required
	Members  []Membership // past and present
	Messages []Message    // in rising order
}

// Membership is the positions at which someone was a member, both included.
type Membership struct {
	User     envelope.UserID
	From, To uint64 // To is math.MaxUint64 while it lasts
}

// Message is what is judged of a message. Nothing of it is content.
type Message struct {
	Position uint64
	Received int64 // µs since 1970, UTC
	Entry    envelope.Hash
	Author   envelope.UserID
	Target   uint64 // position of the message that it revises; 0 for a post
	Disposed bool
}

// Codes of verdicts: the rule that decides.
const (
	HoldActive   = "hold.active"    // a hold keeps it
	RetentionMin = "retention.min"  // a minimum keeps it
	RetentionMax = "retention.max"  // a maximum ends it, now or later
	None         = "retention.none" // no rule ends it
	Disposed     = "disposed"       // it has gone
)

// Verdict is what becomes of one message, and why.
type Verdict struct {
	Code  string
	At    int64 // when its time is over, µs since 1970, UTC; 0 for never
	Rules []string
	Holds []envelope.Hash
}

// Due tells whether the message's time is over at the horizon. A hold that
// keeps it is another question.
func (v *Verdict) Due(horizon int64) bool { return v.At != 0 && v.At <= horizon }

// Judge says what becomes of a message by itself. A hold beats every rule, the
// longest minimum beats every maximum, and of maxima the shortest of the most
// specific scope counts.
func (l *Law) Judge(c *Channel, m *Message, horizon int64) Verdict {
	if m.Disposed {
		return Verdict{Code: Disposed}
	}
	v := l.term(c.ID, m.Received, horizon)
	for i := range l.Holds {
		if keeps(&l.Holds[i].Order, c, m) {
			v.Code, v.Holds = HoldActive, append(v.Holds, l.Holds[i].ID)
		}
	}
	return v
}

// term applies the rules for a channel.
func (l *Law) term(channel envelope.ChannelID, received, horizon int64) Verdict {
	minimum, keeping := l.longest(channel)
	maximum, ending := l.shortest(channel)
	v := Verdict{Code: None}
	if maximum != math.MaxUint64 {
		v = Verdict{Code: RetentionMax, At: after(received, max(minimum, maximum)), Rules: ending}
	}
	if minimum > 0 && (after(received, minimum) > horizon || minimum > maximum) {
		v.Code, v.Rules = RetentionMin, keeping
	}
	return v
}

// longest is the longest minimum of all rules for a channel, and whose it is.
func (l *Law) longest(channel envelope.ChannelID) (seconds uint64, ids []string) {
	for i := range l.Rules {
		r := &l.Rules[i].Order
		if r.MinRetain == 0 || r.MinRetain < seconds || r.Channel != channel && !r.Channel.IsZero() {
			continue
		}
		if r.MinRetain > seconds {
			seconds, ids = r.MinRetain, nil
		}
		ids = append(ids, r.ID)
	}
	return seconds, ids
}

// shortest is the shortest maximum of the most specific scope that has a rule,
// and whose it is; math.MaxUint64 when that scope keeps for ever.
func (l *Law) shortest(channel envelope.ChannelID) (seconds uint64, ids []string) {
	scope := envelope.ChannelID{}
	if slices.ContainsFunc(l.Rules, func(r Rule) bool { return r.Order.Channel == channel }) {
		scope = channel
	}
	seconds = math.MaxUint64
	for i := range l.Rules {
		r := &l.Rules[i].Order
		if limit := forever(r.MaxRetain); r.Channel == scope && limit < seconds {
			seconds, ids = limit, []string{r.ID}
		}
	}
	return seconds, ids
}

// forever turns the order's 0 into no limit.
func forever(seconds uint64) uint64 {
	if seconds == 0 {
		return math.MaxUint64
	}
	return seconds
}

// MaxRetain bounds what a rule may say, in seconds: a thousand years.
const MaxRetain = 1000 * 365 * 24 * 3600

func after(received int64, seconds uint64) int64 {
	return received + int64(min(seconds, MaxRetain))*1e6
}

// keeps tells whether a hold keeps a message: in its time and channels, and of
// a custodian or while one was a member.
func keeps(h *envelope.HoldOrder, c *Channel, m *Message) bool {
	switch {
	case m.Received < h.From || h.To != 0 && m.Received > h.To:
		return false
	case len(h.Channels) > 0 && !slices.Contains(h.Channels, c.ID):
		return false
	case len(h.Users) == 0 || slices.Contains(h.Users, m.Author):
		return true
	}
	return slices.ContainsFunc(c.Members, func(x Membership) bool {
		return x.From <= m.Position && m.Position <= x.To && slices.Contains(h.Users, x.User)
	})
}

// Cutoff is the latest time of receipt of anything that can be due: no rule has
// a shorter maximum. It is negative when no rule ends anything.
func (l *Law) Cutoff(horizon int64) int64 {
	cutoff := int64(-1)
	for i := range l.Rules {
		if limit := l.Rules[i].Order.MaxRetain; limit != 0 {
			cutoff = max(cutoff, horizon-int64(min(limit, MaxRetain))*1e6)
		}
	}
	return cutoff
}
