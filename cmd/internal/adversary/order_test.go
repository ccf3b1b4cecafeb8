package adversary

import (
	"slices"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// A message is placed twice, or two that one device gave the same number.
func TestAttack19Replay(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.bob, "once")
		switch first := d.history()[d.positionOf(d.bob)-1]; d.lie {
		case "same bytes":
			d.place(newEntry(&first.Entry, first.Salt))
		case "same number":
			h := d.header(d.bob)
			h.DeviceSeq, h.DevicePrev = 1, envelope.Hash{}
			d.place(d.messageBy(d.bob.key(), h, d.key(d.bob, 1), "twice"))
		}
		d.want(chain.CounterBad, "once", d.carol, d.ann)
	}, "same bytes", "same number")
}

// A message is placed where it was not written for.
func TestAttack20OtherPlace(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "here")
		reason := chain.WrongChain
		switch d.lie {
		case "channel":
			other := *d
			other.id = d.channel("elsewhere")
			other.say(d.bob, "there")
			theirs := other.history()
			last := theirs[find(theirs, envelope.KindMessage)]
			d.place(newEntry(&last.Entry, last.Salt))
		case "organisation":
			d.place(d.unsealed(d.bob, func(h *envelope.Header) { h.Org = envelope.OrgID{1} }))
		case "epoch":
			reason = chain.EpochNotCurrent
			old := d.message(d.bob, d.key(d.bob, 1), "late")
			d.submit(d.carol, d.rotation(d.carol, nil, nil))
			d.place(old)
		}
		d.want(reason, "here", d.carol)
	}, "channel", "organisation", "epoch")
}

// What one reader is told is reordered, dropped, doubled, or cut off behind what
// was promised.
func TestAttack21ReorderDropDuplicate(t *testing.T) {
	siege(t, func(d *desk) {
		for _, text := range []string{"one", "two", "three"} {
			d.say(d.ann, text)
		}
		first := int(d.positionOf(d.ann)) - 1
		swap := func(p []envelope.Placed) []envelope.Placed { p[first], p[first+1] = p[first+1], p[first]; return p }
		drop := func(p []envelope.Placed) []envelope.Placed { return slices.Delete(p, first, first+1) }
		double := func(p []envelope.Placed) []envelope.Placed { return slices.Insert(p, first, p[first]) }
		cut := func(p []envelope.Placed) []envelope.Placed { return p[:len(p)-1] }
		inPage := func(bend func([]envelope.Placed) []envelope.Placed) func([]envelope.Placed) []envelope.Placed {
			return func(p []envelope.Placed) []envelope.Placed {
				first = slices.IndexFunc(p, func(e envelope.Placed) bool { return e.Entry.Kind == envelope.KindMessage })
				if first < 0 {
					return p // a page of links
				}
				return bend(p)
			}
		}
		reader, reason := d.bob, any(chain.BrokenOrder)
		switch d.lie {
		case "reordered":
			d.pages("bob", inPage(swap))
		case "dropped":
			d.pages("bob", inPage(drop))
		case "doubled":
			d.pages("bob", inPage(double))
		case "reordered to fit":
			reason = chain.CounterBad
			d.tell("bob", swap)
		case "dropped to fit":
			reason = chain.CounterBad
			d.tell("bob", drop)
		case "doubled to fit":
			reason = chain.CounterBad
			d.tell("bob", double)
		case "tail":
			reader, reason = d.ann, session.ErrRollback
			d.tell("ann", cut)
		}
		d.want(reason, "one two three", reader)
	}, "reordered", "dropped", "doubled", "reordered to fit", "dropped to fit", "doubled to fit", "tail")
}

// A writer who has not heard of the newest member writes on in the old epoch,
// and the server takes it.
func TestAttack24StaleWriter(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "all three")
		stale := d.message(d.carol, d.key(d.carol, 1), "stale")
		d.grow()
		reason := chain.RotationDue
		if d.lie == "rotated" {
			reason = chain.EpochNotCurrent
			d.must(d.ann.post(d.id, "all four"))
		}
		if d.attacked {
			d.place(stale)
			d.want(reason, "", d.bob, d.ann)
			return
		}
		d.must(d.carol.post(d.id, "sealed anew"))
		d.want(reason, "all three sealed anew", d.bob)
	}, "due", "rotated")
}
