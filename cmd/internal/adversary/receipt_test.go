package adversary

import (
	"testing"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

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

// The server's word is signed by a key that nobody lists, or is about another
// message. Nothing is taken as said, and the same bytes go again.
func TestAttack58ForgedAnswers(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "first")
		d.shows(d.bob, "first")
		texts := "first second third"
		switch first := d.past().last(); d.lie {
		case "receipt by a strange key":
			answers(d.server, postEntry, func(_ asked, a *wire.Answer) { a.Receipt = d.strange(a.Receipt) })
		case "receipt of another message":
			answers(d.server, postEntry, func(_ asked, a *wire.Answer) { a.Receipt = d.receipt(first) })
		case "refusal by a strange key":
			texts = "first third"
			d.grow()
			refusals(d.server, postEntry, func(_ asked, p *client.Problem) { p.Refusal = d.strange(p.Refusal) })
		case "refusal of another message":
			texts = "first third"
			d.grow()
			refusals(d.server, postEntry, func(_ asked, p *client.Problem) { p.Refusal = d.refusal(&first.Entry, string(chain.RotationDue)) })
		}
		if d.attacked {
			d.says("bob posting", d.bob.post(d.id, "second"), session.ErrAnswer)
			d.says("bob posting again", d.bob.post(d.id, "never"), session.ErrAnswer)
			if n := len(d.sent("bob", d.id, envelope.KindMessage)); n != 1 {
				d.t.Errorf("bob has sealed %d messages while one had no answer", n)
			}
			d.heal()
		} else {
			d.must(d.bob.post(d.id, "second"))
		}
		d.must(d.bob.post(d.id, "third"))
		d.shows(d.carol, texts)
	}, "receipt by a strange key", "receipt of another message", "refusal by a strange key", "refusal of another message")
}

// grow has ann take somebody in, so that what others seal before they hear of it
// is refused for good.
func (d *desk) grow() {
	d.t.Helper()
	c, err := d.ann.hold(d.t.Context(), d.id)
	d.must(err)
	d.must(c.Add(d.t.Context(), d.ghost().Me.Chain, envelope.RankMember))
}

// The server promises a place, in due form, and does not keep what it was given:
// not a message, and not a removal, which its author must not believe in.
func TestAttack58ReceiptWithoutPlace(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "first")
		at := *d.past().last()
		if d.lie == "a removal, at a place to come" {
			at.Position, at.Head = at.Position+1, envelope.Hash{1}
		}
		if d.attacked {
			requests(d.server, postEntry, func(_ asked, in *wire.NewEntry) any { return wire.Answer{Receipt: d.promise(in, at)} })
		}
		if d.lie == "a message" {
			d.says("ann posting", d.ann.post(d.id, "second"), session.ErrAnswer)
			d.heal()
			d.must(d.ann.post(d.id, "third"))
			d.shows(d.ann, "first second third")
			return
		}
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		err = c.Remove(d.t.Context(), d.bob.Me.Chain, "left")
		if d.attacked {
			d.says("ann removing bob", err, session.ErrAnswer)
			return
		}
		d.must(err)
		d.want(nil, "first", d.ann)
	}, "a message", "a removal", "a removal, at a place to come")
}

// promise is a receipt for an entry at a place where it does not stand.
func (d *desk) promise(in *wire.NewEntry, at envelope.Placed) []byte {
	e, err := envelope.ParseEntry(in.Entry)
	d.must(err)
	at.Entry, at.Payload = *e, envelope.SumBytes(e.Payload)
	return d.receipt(&at)
}

// strange is a statement as it was, signed by a key that nobody lists.
func (d *desk) strange(raw []byte) []byte {
	s, err := envelope.ParseSigned(raw)
	d.must(err)
	k := d.NewKey()
	sig, err := k.Sign(envelope.StatementInput(s.Label, s.Bytes))
	d.must(err)
	s.Signature = envelope.Signature{Key: envelope.KeyOf(k.Public()), Bytes: sig}
	return envelope.Marshal(s)
}
