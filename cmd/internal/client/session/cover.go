package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
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

// leaf is one message as coverage names it. Secret is empty when this device
// can't open the message.
type leaf struct {
	Position uint64        `json:"position"`
	Entry    envelope.Hash `json:"entry"`
	Secret   []byte        `json:"secret,omitempty"`
	Received int64         `json:"received_us"`
}

// cover is what a device keeps to check recorders with: the messages that not
// every recorder has covered yet.
type cover struct {
	from   uint64 // all messages after this position are or were in leaves
	leaves []leaf
	faults []*fault // wrong coverage that nobody has ruled on
}

// fault is one wrong coverage, with what proves it.
type fault struct {
	at       envelope.Ref // position and hash of the coverage entry
	entry    envelope.Entry
	said     *envelope.Coverage
	position uint64            // of the message that it excepts, 0: its root is another
	secrets  map[uint64][]byte // of the messages in dispute, by position
	disputed bool              // the signed dispute was delivered
}

func (f *fault) Error() string {
	if f.position > 0 {
		return fmt.Sprintf("%v: coverage %d of recorder %s excepts message %d, which opens here", ErrCoverage, f.at.Position, f.said.Recorder, f.position)
	}
	return fmt.Sprintf("%v: coverage %d of recorder %s has another root for %d to %d than the messages give", ErrCoverage,
		f.at.Position, f.said.Recorder, f.said.From, f.said.To)
}

func (f *fault) Unwrap() error { return ErrCoverage }

func (v *cover) add(l leaf) { v.leaves = append(v.leaves, l) }

// takeCoverage holds a recorder's root against this device's own openings.
func (c *Channel) takeCoverage(p *envelope.Placed) {
	if said, err := envelope.ParseCoverage(&p.Entry); err == nil {
		if f := c.cover.check(said); f != nil {
			f.entry, f.at = p.Entry, envelope.Ref{Position: p.Position, Hash: p.Hash()}
			c.cover.faults = append(c.cover.faults, f)
			c.attention(f.Error() + ". Nothing new is sent or shown here until two people have ruled on it")
		}
	}
	c.settleCapture()
}

// settleCapture goes on where recorders have covered, or where nobody has to any
// more.
func (c *Channel) settleCapture() {
	c.cover.drop(c.chain.Captured())
	if c.waiting && !c.late() {
		c.waiting = false
		c.attention("messages are captured again")
	}
	c.unveil()
}

// attention tells the person what happened in this channel.
func (c *Channel) attention(text string) {
	c.s.Note(fmt.Sprintf("Needs attention: channel %s: %s", c.id, text))
}

// check compares a root where this device could open every message of the
// range. Where it could not, it can't tell.
func (v *cover) check(said *envelope.Coverage) *fault {
	if said.From <= v.from {
		return nil
	}
	var root tlog.RootBuilder
	secrets, blind := map[uint64][]byte{}, false
	for _, l := range v.leaves {
		if l.Position < said.From || l.Position > said.To {
			continue
		}
		excepted := slices.ContainsFunc(said.Exceptions, func(x envelope.Exception) bool { return x.Position == l.Position })
		switch {
		case excepted && len(l.Secret) > 0:
			return &fault{said: said, position: l.Position, secrets: map[uint64][]byte{l.Position: l.Secret}}
		case excepted:
		case len(l.Secret) == 0:
			blind = true
		default:
			secrets[l.Position] = l.Secret
			root.Append(tlog.LeafHash(envelope.CoverLeaf(l.Position, l.Entry, seal.Secret(l.Secret).Cov())))
		}
	}
	if blind || envelope.Hash(root.Root()) == said.Root {
		return nil
	}
	return &fault{said: said, secrets: secrets}
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

// recorded tells whether messages here must be captured.
func (c *Channel) recorded() bool {
	return c.chain != nil && c.chain.Genesis.Capture == envelope.CaptureRequired
}

// limit is the time, in µs, after which received messages are not shown and
// none is sent; false while capture keeps up.
func (c *Channel) limit() (int64, bool) {
	if !c.recorded() || len(c.cover.leaves) == 0 {
		return 0, false
	}
	at := c.cover.leaves[0].Received + c.s.Cover.Microseconds()
	return at, c.s.Now().UnixMicro() > at
}

func (c *Channel) late() bool { _, late := c.limit(); return late }

// trusted fails when capture does not work as this channel promises.
func (c *Channel) trusted() error {
	if len(c.cover.faults) > 0 {
		return fmt.Errorf("channel %s: %w", c.id, c.cover.faults[0])
	}
	if c.late() {
		first := c.cover.leaves[0].Position
		behind := c.behind(first)
		return fmt.Errorf("%w: message %d has waited for recorder %s for more than %s: is it running?", ErrUncovered, first, behind, c.s.Cover)
	}
	return nil
}

// behind are the names of the recorders that have not covered a position of
// theirs.
func (c *Channel) behind(position uint64) string {
	var late []envelope.KeyID
	for _, d := range c.chain.Duties() {
		if d.Since < position && (d.Until == 0 || position <= d.Until) && c.chain.Covered(d.Recorder) < position {
			late = append(late, d.Recorder)
		}
	}
	return c.s.recorderNames(late)
}

func (s *Session) recorderNames(recorders []envelope.KeyID) string {
	var out []string
	for _, r := range recorders {
		out = append(out, s.recorderName(r))
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

// veiled says why a message's text is not shown, "" when it is.
func (c *Channel) veiled(m *Message) string {
	if len(c.cover.faults) > 0 && m.Position > c.cover.faults[0].at.Position {
		return "a coverage before it is in dispute"
	}
	if at, late := c.limit(); late && !m.Captured && m.Received.UnixMicro() > at {
		return "no recorder has covered it in time"
	}
	if m.Position > c.fresh && c.stale() != nil {
		c.veil = true
		return "nobody has vouched for the log since it came"
	}
	return ""
}
