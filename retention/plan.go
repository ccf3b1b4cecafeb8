package retention

import (
	"bytes"
	"iter"
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// maxRanges of one plan. What is left over is in the next one.
const maxRanges = 4000

// Make says what is past its time. Channels come in rising order of their ids.
// It is a pure function: the same facts make the same bytes.
func Make(law *Law, clock Clock, channels iter.Seq2[*Channel, error]) (*envelope.DisposalPlan, error) {
	size, horizon := clock.Horizon()
	p := &envelope.DisposalPlan{
		Version: envelope.Version, Org: law.Org, Holds: law.HoldsGeneration, HoldsRoot: holdsRoot(law.Holds),
		Size: size, Horizon: horizon, Rules: []envelope.Hash{}, Ranges: []envelope.DisposalRange{},
	}
	for i := range law.Rules {
		p.Rules = append(p.Rules, law.Rules[i].Hash)
	}
	slices.SortFunc(p.Rules, func(a, b envelope.Hash) int { return bytes.Compare(a[:], b[:]) })
	for c, err := range channels {
		if err != nil {
			return nil, err
		}
		s := sorting{law: law, horizon: horizon, channel: c}
		going := s.sort()
		p.Blocked += s.blocked
		p.Unconfirmed += s.unconfirmed
		p.Ranges = append(p.Ranges, ranges(c, going)...)
		if len(p.Ranges) >= maxRanges {
			p.Ranges = p.Ranges[:maxRanges]
			break
		}
	}
	return p, nil
}

func holdsRoot(holds []Hold) envelope.Hash {
	leaves := make([][]byte, len(holds))
	for i := range holds {
		leaves[i] = holds[i].ID[:]
	}
	slices.SortFunc(leaves, bytes.Compare)
	return envelope.Hash(tlog.Root(leaves))
}

// sorting finds what goes from one channel.
type sorting struct {
	law                  *Law
	horizon              int64
	channel              *Channel
	blocked, unconfirmed uint64
}

// sort tells for each message whether it goes. A message and its revisions go
// together or stay together.
func (s *sorting) sort() []bool {
	c := s.channel
	verdicts := make([]Verdict, len(c.Messages))
	state := make(map[uint64]fate, len(c.Messages))
	roots := Roots(c.Messages)
	for i := range c.Messages {
		m := &c.Messages[i]
		if m.Disposed {
			continue
		}
		verdicts[i] = s.law.Judge(c, m, s.horizon)
		f := state[roots[i]]
		f.early = f.early || !verdicts[i].Due(s.horizon)
		f.held = f.held || len(verdicts[i].Holds) > 0
		f.uncovered = f.uncovered || m.Position > c.Covered
		state[roots[i]] = f
	}
	going := make([]bool, len(c.Messages))
	for i := range c.Messages {
		if c.Messages[i].Disposed {
			continue
		}
		switch f := state[roots[i]]; {
		case !verdicts[i].Due(s.horizon):
		case f.held:
			s.blocked++
		case f.uncovered:
			s.unconfirmed++
		default:
			going[i] = !f.early
		}
	}
	return going
}

// fate is what a message and its revisions share.
type fate struct{ early, held, uncovered bool }

// Roots gives for each message the position of the post that it and its
// revisions belong to: its own, or what its target leads to.
func Roots(messages []Message) []uint64 {
	roots := make([]uint64, len(messages))
	known := make(map[uint64]uint64, len(messages))
	for i, m := range messages {
		roots[i] = m.Position
		if m.Target != 0 {
			roots[i] = m.Target
			// Targets stand before their revisions, so one step leads to the root.
			if root, ok := known[m.Target]; ok {
				roots[i] = root
			}
		}
		known[m.Position] = roots[i]
	}
	return roots
}

// ranges joins neighbours that go. A message that stays or went before ends a
// range, so that each range names all messages between its ends.
func ranges(c *Channel, going []bool) (out []envelope.DisposalRange) {
	var root tlog.RootBuilder
	open := false
	for i := range c.Messages {
		m := &c.Messages[i]
		if !going[i] {
			open = false
			continue
		}
		if !open {
			out = append(out, envelope.DisposalRange{Channel: c.ID, From: m.Position})
			root, open = tlog.RootBuilder{}, true
		}
		root.Append(tlog.LeafHash(m.Entry[:]))
		last := &out[len(out)-1]
		last.To, last.Messages, last.Root = m.Position, uint64(root.Size()), envelope.Hash(root.Root())
	}
	return out
}

// Messages counts what a plan disposes of.
func Messages(p *envelope.DisposalPlan) (n uint64) {
	for i := range p.Ranges {
		n += p.Ranges[i].Messages
	}
	return n
}
