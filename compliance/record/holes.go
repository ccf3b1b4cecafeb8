package record

import "time"

// holePatience is how long a missing id is looked for again, and maxHoles how
// many are. What is given up is found by the next lead's scan.
const (
	holePatience = 10 * time.Minute
	maxHoles     = 16 << 10
)

// holes are ids that were not there when greater ids were: of transactions that
// have not committed yet, or never will.
type holes struct{ open []hole }

type hole struct {
	Range
	seen time.Time
}

// reopen takes over what an earlier lead left open.
func (h *holes) reopen(ranges []Range, now time.Time) {
	for _, r := range ranges {
		h.open = append(h.open, hole{r, now})
	}
}

// note adds the ids between after and the records, which are in the order of ids.
func (h *holes) note(after int64, records []Record, now time.Time) {
	for i := range records {
		if id := records[i].ID; id > after+1 {
			h.open = append(h.open, hole{Range{after + 1, id - 1}, now})
		}
		after = records[i].ID
	}
	if extra := len(h.open) - maxHoles; extra > 0 {
		h.open = h.open[extra:]
	}
}

// ranges are the ids to look for, after those that are too old were given up.
func (h *holes) ranges(now time.Time) []Range {
	keep := h.open[:0]
	var out []Range
	for _, x := range h.open {
		if now.Sub(x.seen) < holePatience {
			keep = append(keep, x)
			out = append(out, x.Range)
		}
	}
	h.open = keep
	return out
}

// fill takes out the ids of records that were found.
func (h *holes) fill(found []Record) {
	for i := range found {
		h.remove(found[i].ID)
	}
}

func (h *holes) remove(id int64) {
	for i, x := range h.open {
		if id < x.From || id > x.To {
			continue
		}
		parts := make([]hole, 0, 2)
		if x.From < id {
			parts = append(parts, hole{Range{x.From, id - 1}, x.seen})
		}
		if id < x.To {
			parts = append(parts, hole{Range{id + 1, x.To}, x.seen})
		}
		h.open = append(h.open[:i], append(parts, h.open[i+1:]...)...)
		return
	}
}
