package adversary

import (
	"slices"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// The server goes back to what it was before the last messages: in a running
// client, in one that was started again, and in one that crashed.
func TestAttack06ChannelRollback(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "kept")
		d.shows(d.bob, "kept")
		kept := d.past().last().Position
		d.say(d.ann, "lost")
		d.shows(d.bob, "kept lost")
		if d.attacked {
			d.lose(kept)
		}
		d.want(session.ErrRollback, "kept lost", d.bob)
		for _, clean := range []bool{true, false} {
			d.must(d.ann.again(clean))
			if d.attacked {
				d.stops(d.ann, session.ErrRollback)
			}
		}
	})
}

// A server comes back from an older copy. Only the root may say so.
func TestAttack55YesterdaysBackup(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "kept")
		kept := d.past().last()
		d.say(d.ann, "lost")
		lost := d.past().last()
		d.shows(d.bob, "kept lost")
		body := &envelope.RestoreBody{
			OldPosition: lost.Position, OldHead: lost.Head, NewPosition: kept.Position, NewHead: kept.Head, Reason: "backup",
		}
		var reason any = session.ErrRollback
		if d.attacked {
			d.lose(kept.Position)
		}
		switch d.lie {
		case "by the server's key":
			reason = chain.BadSignature
			d.place(d.byServer(envelope.Restore, body, nil, d.Receipt))
		case "of less than was lost":
			body.OldPosition--
			d.place(newEntry(d.byRoot(envelope.Restore, body), nil))
		case "by the root":
			d.place(newEntry(d.byRoot(envelope.Restore, body), nil))
			d.shows(d.bob, "kept")
			d.say(d.bob, "on")
			return
		}
		d.want(reason, "kept lost", d.bob)
	}, "in silence", "by the server's key", "of less than was lost", "by the root")
}

// byRoot is the channel's next link, signed by the organisation's root.
func (d *desk) byRoot(t envelope.LinkType, body any) *envelope.Entry {
	d.t.Helper()
	l := d.link(t, body)
	l.Key = d.root.ID()
	return signed(envelope.KindLink, l, d.root)
}

// One half of the channel is shown another history than the other half. They
// find out as soon as something crosses: what somebody saw, a coverage, or an
// acknowledgement that is missing.
func TestAttack56TwoHistories(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "first")
		d.must(d.record())
		d.shows(d.carol, "first")
		d.must(d.bob.post(d.id, "not for carol"))
		hidden := d.positionOf(d.bob)
		without := func(p []envelope.Placed) []envelope.Placed { return slices.Delete(p, int(hidden)-1, int(hidden)) }
		reason := chain.SeenBad
		switch d.lie {
		case "seen":
			d.shows(d.ann, "first not for carol")
			d.must(d.ann.post(d.id, "second"))
			d.tell("carol", without)
		case "covered":
			reason = chain.CoverageBad
			d.must(d.record())
			d.tell("carol", without)
		case "unacknowledged":
			reason = chain.EpochNotCurrent
			d.submit(d.bob, d.rotation(d.bob, nil, nil))
			d.must(d.record())
			d.must(d.bob.post(d.id, "in the new epoch"))
			d.tell("carol", func(p []envelope.Placed) []envelope.Placed {
				at := find(p, envelope.KindAcknowledgement)
				return append(p[:at:at], p[find(p, envelope.KindMessage)])
			})
		}
		d.want(reason, "first not for carol", d.carol)
	}, "seen", "covered", "unacknowledged")
}

// A device that starts again is given its links without the newest, which it
// had verified before: a removal, and the epoch that keeps the removed one out.
func TestAttack06LinksHiddenAtStart(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "all three")
		before := d.past().last().Position
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		d.must(c.Remove(d.t.Context(), d.bob.Me.Chain, "left"))
		d.say(d.ann, "without bob")
		if d.attacked {
			answers(d.server, getEntries, func(r asked, page *wire.Entries) {
				if r.by != "ann" || r.channel != d.id || r.URL.Query().Get("kind") == "" {
					return
				}
				page.Entries = encode(slices.DeleteFunc(decode(d.server, page.Entries), func(p envelope.Placed) bool { return p.Position > before }))
			})
		}
		d.must(d.ann.again(true))
		d.want(session.ErrRollback, "all three without bob", d.ann)
	})
}

// A channel is said to hold nothing at all, to somebody who asks for the first
// time.
func TestAttack06NothingThere(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "here")
		d.must(d.bob.again(false))
		if d.attacked {
			d.bob.forget(d.id)
			d.entries("bob", func(page *wire.Entries) { *page = wire.Entries{Entries: [][]byte{}} })
		}
		d.want(session.ErrRollback, "here", d.bob)
	})
}
