package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

var (
	// ErrUncovered: a recorder is late, so nothing new is sent or shown.
	ErrUncovered = errors.New("messages are not captured in time")
	// ErrCoverage: a recorder signed what this device can prove to be wrong.
	ErrCoverage = errors.New("recorder's coverage is wrong")
)

// CoverWithin is how long a message may stay uncovered at most. A device may be
// stricter, never more patient.
const CoverWithin = 60 * time.Second

// leaf is one message as coverage names it. Cov is empty when this device
// can't open the message.
type leaf struct {
	Position uint64        `json:"position"`
	Entry    envelope.Hash `json:"entry"`
	Cov      []byte        `json:"cov,omitempty"`
	Received int64         `json:"received_us"`
}

// cover is what a device keeps to check recorders with: the messages that not
// every recorder has covered yet.
type cover struct {
	from   uint64 // all messages after this position are or were in leaves
	leaves []leaf
	broken error // the first wrong coverage
}

func (v *cover) add(l leaf) { v.leaves = append(v.leaves, l) }

// takeCoverage holds a recorder's root against this device's own openings.
func (c *Channel) takeCoverage(p *envelope.Placed) {
	said, err := envelope.ParseCoverage(&p.Entry)
	if err == nil {
		err = c.cover.check(said)
	}
	if err != nil && c.cover.broken == nil {
		c.cover.broken = err
		if c.log == nil {
			c.s.Note("Needs attention: " + err.Error())
		}
	}
	c.cover.drop(c.captured())
}

// check compares a root where this device could open every message of the
// range. Where it could not, it can't tell.
func (v *cover) check(said *envelope.Coverage) error {
	if said.From <= v.from {
		return nil
	}
	var root tlog.RootBuilder
	for _, l := range v.leaves {
		if l.Position < said.From || l.Position > said.To {
			continue
		}
		excepted := slices.ContainsFunc(said.Exceptions, func(x envelope.Exception) bool { return x.Position == l.Position })
		switch {
		case excepted && len(l.Cov) > 0:
			return fmt.Errorf("%w: recorder %s excepts message %d, which opens", ErrCoverage, said.Recorder, l.Position)
		case excepted:
			continue
		case len(l.Cov) == 0:
			return nil
		}
		root.Append(tlog.LeafHash(envelope.CoverLeaf(l.Position, l.Entry, l.Cov)))
	}
	if envelope.Hash(root.Root()) != said.Root {
		return fmt.Errorf("%w: recorder %s has another root for %d to %d", ErrCoverage, said.Recorder, said.From, said.To)
	}
	return nil
}

// drop forgets what every recorder has covered.
func (v *cover) drop(captured uint64) {
	n := 0
	for n < len(v.leaves) && v.leaves[n].Position <= captured {
		n++
	}
	if n > 0 {
		v.from = max(v.from, v.leaves[n-1].Position)
		v.leaves = slices.Clone(v.leaves[n:])
	}
}

// captured is the position up to which every recorder has covered.
func (c *Channel) captured() uint64 {
	recorders := c.chain.Genesis.Recorders
	if len(recorders) == 0 {
		return c.chain.Position
	}
	low := c.chain.Covered(recorders[0])
	for _, r := range recorders[1:] {
		low = min(low, c.chain.Covered(r))
	}
	return low
}

// limit is the time, in µs, after which received messages are not shown and
// none is sent; false while capture keeps up.
func (c *Channel) limit() (int64, bool) {
	if len(c.chain.Genesis.Recorders) == 0 || len(c.cover.leaves) == 0 {
		return 0, false
	}
	at := c.cover.leaves[0].Received + c.s.Cover.Microseconds()
	return at, c.s.Now().UnixMicro() > at
}

// trusted fails when capture does not work as this channel promises.
func (c *Channel) trusted() error {
	if c.cover.broken != nil {
		return c.cover.broken
	}
	if _, late := c.limit(); late {
		first := c.cover.leaves[0].Position
		behind := c.named(func(r envelope.KeyID) bool { return c.chain.Covered(r) < first })
		return fmt.Errorf("%w: message %d has waited for recorder %s for more than %s: is it running?", ErrUncovered, first, behind, c.s.Cover)
	}
	return nil
}

// named are the names of the recorders that a test holds for.
func (c *Channel) named(is func(envelope.KeyID) bool) string {
	var out []string
	for _, r := range c.chain.Genesis.Recorders {
		if is(r) {
			out = append(out, c.s.recorderName(r))
		}
	}
	return strings.Join(out, " and ")
}

// recorderName is what the organisation calls a recorder, its key if it is not
// listed any more.
func (s *Session) recorderName(r envelope.KeyID) string {
	if p, ok := s.Dir.Org().Party(envelope.RoleRecorder, r); ok {
		return p.Name
	}
	return r.String()
}
