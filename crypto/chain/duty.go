package chain

import (
	"math"
	"slices"

	"chancery/crypto/envelope"
)

// Duty is one recorder's part of a channel: what stands after Since and, unless
// it lasts (0), up to Until.
type Duty struct {
	Recorder     envelope.KeyID
	Since, Until uint64 // positions
}

// Recorders are those who record the channel now, sorted.
func (c *Channel) Recorders() []envelope.KeyID {
	var out []envelope.KeyID
	for _, d := range c.duties {
		if d.Until == 0 {
			out = append(out, d.Recorder)
		}
	}
	slices.SortFunc(out, envelope.CompareKey)
	return out
}

// Duties are those that last and those that ended, but for recorders whose
// copies were declared lost.
func (c *Channel) Duties() []Duty { return slices.Clone(c.duties) }

// Keepers are the recorders whose duty touches from..to: each holds openings of
// it, and confirms when they are disposed of.
func Keepers(duties []Duty, from, to uint64) []envelope.KeyID {
	var out []envelope.KeyID
	for _, d := range duties {
		if d.Since < to && (d.Until == 0 || from <= d.Until) && !slices.Contains(out, d.Recorder) {
			out = append(out, d.Recorder)
		}
	}
	return out
}

// Captured is the last position up to which every recorder has covered what was
// its duty; the newest of all where nobody records.
func (c *Channel) Captured() uint64 { return min(c.Position, Captured(c.duties, c.covered)) }

// Captured is the last position up to which duties are done by what each recorder
// has covered; the highest number where there is none.
func Captured(duties []Duty, covered map[envelope.KeyID]uint64) uint64 {
	low := uint64(math.MaxUint64)
	for _, d := range duties {
		if at := max(covered[d.Recorder], d.Since); d.Until == 0 || at < d.Until {
			low = min(low, at)
		}
	}
	return low
}

// owes tells whether a recorder that went has yet to cover the end of its duty.
func (c *Channel) owes(r envelope.KeyID) bool {
	return slices.ContainsFunc(c.duties, func(d Duty) bool {
		return d.Recorder == r && d.Until != 0 && c.covered[r] < d.Until
	})
}

// DutyEnd is the last position that a recorder may cover now: 0 when none, the
// highest number while its duty lasts.
func (c *Channel) DutyEnd(r envelope.KeyID) uint64 {
	for _, d := range c.duties {
		switch {
		case d.Recorder != r:
		case d.Until == 0:
			return math.MaxUint64
		case c.covered[r] < d.Until:
			return d.Until
		}
	}
	return 0
}

// endDuty ends a recorder's duty at a position, and forgets one that is lost.
func (c *Channel) endDuty(r envelope.KeyID, at uint64, lost bool) {
	if lost {
		c.duties = slices.DeleteFunc(c.duties, func(d Duty) bool { return d.Recorder == r })
	}
	for i := range c.duties {
		if d := &c.duties[i]; d.Recorder == r && d.Until == 0 {
			d.Until = at
		}
	}
}
