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
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		stale := d.message(d.carol, d.key(d.carol, 1), "stale")
		d.must(c.Add(d.t.Context(), d.ghost().Me.Chain, envelope.RankMember))
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

// answer has the server say something of its own on the next messages of one
// client, one after the other. It may place them, and may not.
func (d *desk) answer(to *person, say ...func(wire.NewEntry) wire.Answer) {
	requests(d.server, postEntry, func(r asked, in *wire.NewEntry) any {
		e, err := envelope.ParseEntry(in.Entry)
		if len(say) == 0 || err != nil || r.by != to.name || e.Kind != envelope.KindMessage {
			return nil
		}
		next := say[0]
		say = say[1:]
		return next(*in)
	})
}

// refuses signs a final refusal of what is perfectly good.
func (d *desk) refuses(in wire.NewEntry) wire.Answer {
	e, err := envelope.ParseEntry(in.Entry)
	d.must(err)
	return wire.Answer{Refusal: d.refusal(e, string(chain.EpochNotCurrent))}
}

// A message was refused for good, which the server signed, and stands in the
// channel all the same: before its sender has given the number up, and after.
func TestAttack45PublishedAfterRefused(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "first")
		var refused wire.NewEntry
		switch d.lie {
		case "before it is voided":
			d.answer(d.bob, func(in wire.NewEntry) wire.Answer { d.place(in); return d.refuses(in) })
			d.says("bob posting", d.bob.post(d.id, "refused"), session.ErrTwoAnswers)
			d.want(session.ErrTwoAnswers, "", d.bob)
			d.must(d.bob.again(true))
			d.want(session.ErrTwoAnswers, "", d.bob)
			return
		case "after it was voided":
			d.answer(d.bob, func(in wire.NewEntry) wire.Answer { refused = in; return d.refuses(in) })
		}
		d.must(d.bob.post(d.id, "second"))
		if d.attacked {
			d.place(refused)
		}
		d.want(chain.CounterBad, "first second", d.carol, d.bob)
	}, "before it is voided", "after it was voided")
}

// A placed message is called refused and hidden from its sender, whose next one
// gives its number up; or one message gets two receipts.
func TestAttack58AnsweredTwice(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "first")
		switch d.lie {
		case "void of a placed one":
			hidden := d.past().last().Position
			d.tell("bob", func(p []envelope.Placed) []envelope.Placed { return p[:hidden] })
			d.answer(d.bob,
				func(in wire.NewEntry) wire.Answer { d.place(in); return d.refuses(in) },
				func(in wire.NewEntry) wire.Answer { return wire.Answer{Receipt: d.place(in)} })
			d.must(d.bob.post(d.id, "second"))
		case "two receipts":
			d.answer(d.bob, func(in wire.NewEntry) wire.Answer {
				d.place(in)
				p := *d.past().last()
				p.Head[0] ^= 1
				return wire.Answer{Receipt: d.receipt(&p)}
			})
			d.says("bob posting", d.bob.post(d.id, "second"), chain.BrokenOrder)
			d.want(session.ErrRollback, "", d.bob)
			return
		default:
			d.must(d.bob.post(d.id, "second"))
		}
		d.want(chain.CounterBad, "first second", d.carol)
	}, "void of a placed one", "two receipts")
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
