package adversary

import (
	"bytes"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Edits and deletes by people without the right are placed. They stand in the
// channel and change nothing that is shown.
func TestAttack31ChangedByOthers(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "hers")
		post := d.past().last()
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		by := func(kind envelope.MessageKind, text string) {
			d.place(d.message(d.bob, d.key(d.bob, 1), text, func(h *envelope.Header) {
				h.Kind, h.Target = kind, envelope.Ref{Position: post.Position, Hash: post.Hash()}
			}))
		}
		switch d.lie {
		case "edit":
			by(envelope.Edit, "forged")
		case "delete":
			by(envelope.Delete, "")
		case "delete by an ex-moderator":
			d.must(c.SetRank(d.t.Context(), d.bob.Me.Chain, envelope.RankModerator))
			d.must(c.SetRank(d.t.Context(), d.bob.Me.Chain, envelope.RankMember))
			by(envelope.Delete, "")
		case "edit of another message by its hash":
			d.say(d.bob, "his")
			his := d.past().last()
			d.place(d.message(d.bob, d.key(d.bob, 1), "forged", func(h *envelope.Header) {
				h.Kind, h.Target = envelope.Edit, envelope.Ref{Position: post.Position, Hash: his.Hash()}
			}))
			d.shows(d.carol, "hers his")
			return
		default:
			d.must(d.ann.draft(d.id, session.Draft{Kind: envelope.Edit, Target: envelope.Ref{Position: post.Position, Hash: post.Hash()}, Text: "better"}))
			d.want(nil, "better", d.carol)
			d.must(c.SetRank(d.t.Context(), d.bob.Me.Chain, envelope.RankModerator))
			d.must(d.bob.draft(d.id, session.Draft{Kind: envelope.Delete, Target: envelope.Ref{Position: post.Position, Hash: post.Hash()}}))
			d.shows(d.carol, "- on")
			return
		}
		d.shows(d.carol, "hers")
		d.shows(d.ann, "hers")
		d.say(d.carol, "on")
	}, "edit", "delete", "delete by an ex-moderator", "edit of another message by its hash")
}

// What is not sealed, or not as the members' key says, is placed by a member
// and the server. It is shown to nobody, changes nothing for what follows, and
// the recorder excepts it.
func TestAttack40Unsealed(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "sealed")
		if d.attacked {
			d.place(d.unsealed(d.bob))
		} else {
			d.say(d.bob, "sealed too")
		}
		d.diverges("sealed -", "sealed sealed too", envelope.BadCommit)
	})
}

// unsealed is a message in the clear, of a size that a sealed one could have,
// with whatever change makes of its header.
func (d *desk) unsealed(p *person, change ...func(*envelope.Header)) wire.NewEntry {
	d.t.Helper()
	h, salt := d.header(p), make([]byte, 32)
	h.SaltCommit = envelope.SaltCommit(salt)
	for _, c := range change {
		c(&h)
	}
	e := &envelope.Entry{Kind: envelope.KindMessage, Header: envelope.Marshal(&h), Payload: bytes.Repeat([]byte("in the clear "), 100)}
	seal.SignEntry(e, p.key())
	return newEntry(e, salt)
}

// diverges holds that members and recorder agree on what follows something that
// does not open: the texts, and that it is excepted under the code.
func (d *desk) diverges(attacked, control string, code envelope.ExceptionCode) {
	d.t.Helper()
	texts := map[bool]string{true: attacked, false: control}[d.attacked]
	d.say(d.carol, "after")
	d.must(d.record())
	d.shows(d.ann, texts+" after")
	d.shows(d.bob, texts+" after")
	d.say(d.ann, "on")
	past := d.past().placed
	c, err := envelope.ParseCoverage(&past[find(past, envelope.KindCoverage)].Entry)
	d.must(err)
	if d.attacked != (len(c.Exceptions) == 1 && c.Exceptions[0].Code == code) {
		d.t.Errorf("the recorder excepts %v", c.Exceptions)
	}
}

// A member writes what is valid for everybody who can't open it and for nobody
// who can: junk under the right commitment.
func TestAttack52ContentInvalid(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "good")
		code := envelope.BadCommit
		switch in := d.message(d.bob, d.key(d.bob, 1), "junk"); d.lie {
		case "commitment":
			e, err := envelope.ParseEntry(in.Entry)
			d.must(err)
			e.Payload[0] ^= 1
			d.place(d.resigned(e, in.Salt))
		case "ciphertext":
			code = envelope.Undecryptable
			e, err := envelope.ParseEntry(in.Entry)
			d.must(err)
			e.Payload[len(e.Payload)-1] ^= 1
			d.place(d.resigned(e, in.Salt))
		default:
			d.say(d.bob, "good too")
		}
		d.diverges("good -", "good good too", code)
	}, "commitment", "ciphertext")
}

func (d *desk) resigned(e *envelope.Entry, salt []byte) wire.NewEntry {
	e.Signatures = nil
	seal.SignEntry(e, d.bob.key())
	return newEntry(e, salt)
}

// Answers that are larger, deeper or wider than anything honest are refused by
// their shape.
func TestAttack36Oversized(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "small")
		huge := map[string]envelope.Placed{
			"header":     {Position: 9, Entry: envelope.Entry{Kind: envelope.KindLink, Header: make([]byte, envelope.MaxHeader+1), Payload: []byte{}}},
			"payload":    {Position: 9, Entry: envelope.Entry{Kind: envelope.KindMessage, Header: []byte{}, Payload: make([]byte, envelope.MaxPayload+1)}},
			"signatures": {Position: 9, Entry: envelope.Entry{Kind: envelope.KindLink, Header: []byte{}, Payload: []byte{}, Signatures: make([]envelope.Signature, 20_000)}},
		}
		if p, ok := huge[d.lie]; ok {
			d.entries("bob", func(page *wire.Entries) { page.Entries = [][]byte{envelope.Marshal(&p)} })
		}
		if d.lie == "list" { // a list that says it has 2^40 elements
			d.entries("bob", func(page *wire.Entries) { page.Entries = [][]byte{{0x9b, 0, 0, 1, 0, 0, 0, 0, 0}} })
		}
		d.want(envelope.ErrFormat, "small", d.bob)
	}, "header", "payload", "signatures", "list")
}
