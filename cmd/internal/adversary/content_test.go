package adversary

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Each field of a header is changed on its way to one reader, one after the
// other. Places and heads are made to fit, so only the header's own checks stand.
func TestAttack25ChangedHeader(t *testing.T) {
	fields := []struct {
		name   string
		reason chain.Reason
		change func(*envelope.Header)
	}{
		{"version", chain.Malformed, func(h *envelope.Header) { h.Version++ }},
		{"salt commitment", chain.BadSignature, func(h *envelope.Header) { h.SaltCommit[0] ^= 1 }},
		{"organisation", chain.WrongChain, func(h *envelope.Header) { h.Org[0] ^= 1 }},
		{"channel", chain.WrongChain, func(h *envelope.Header) { h.Channel[0] ^= 1 }},
		{"epoch", chain.BadSignature, func(h *envelope.Header) { h.Epoch++ }},
		{"epoch link", chain.BadSignature, func(h *envelope.Header) { h.EpochLink[0] ^= 1 }},
		{"user", chain.NotMember, func(h *envelope.Header) { h.User[0] ^= 1 }},
		{"device", chain.DeviceUnknown, func(h *envelope.Header) { h.Device[0] ^= 1 }},
		{"number", chain.BadSignature, func(h *envelope.Header) { h.DeviceSeq++ }},
		{"previous", chain.BadSignature, func(h *envelope.Header) { h.DevicePrev[0] ^= 1 }},
		{"void", chain.BadSignature, func(h *envelope.Header) { h.DeviceSeq, h.Void = h.DeviceSeq+1, []uint64{h.DeviceSeq} }},
		{"seen", chain.BadSignature, func(h *envelope.Header) { h.Seen.Hash[0] ^= 1 }},
		{"id", chain.BadSignature, func(h *envelope.Header) { h.ID[0] ^= 1 }},
		{"kind", chain.BadSignature, func(h *envelope.Header) { h.Kind, h.Target = envelope.Delete, h.Seen }},
	}
	lies := make([]string, len(fields))
	for i, f := range fields {
		lies[i] = f.name
	}
	siege(t, func(d *desk) {
		d.say(d.ann, "as typed")
		var reason any
		if i := slices.Index(lies, d.lie); i >= 0 {
			reason = fields[i].reason
			d.tell("bob", d.rewritten(fields[i].change))
		}
		d.want(reason, "as typed", d.bob)
	}, lies...)
}

// rewritten changes the header of ann's message and leaves the rest as it is.
func (d *desk) rewritten(change func(*envelope.Header)) func([]envelope.Placed) []envelope.Placed {
	return func(placed []envelope.Placed) []envelope.Placed {
		p := &placed[find(placed, envelope.KindMessage)]
		h, err := envelope.ParseHeader(&p.Entry)
		d.must(err)
		change(h)
		p.Entry.Header = envelope.Marshal(h)
		return placed
	}
}

func TestAttack26CiphertextsSwapped(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "yes")
		d.say(d.ann, "no")
		if d.attacked {
			d.tell("bob", func(p []envelope.Placed) []envelope.Placed {
				last := len(p) - 1
				p[last].Entry.Payload, p[last-1].Entry.Payload = p[last-1].Entry.Payload, p[last].Entry.Payload
				return p
			})
		}
		d.want(chain.BadSignature, "yes no", d.bob)
	})
}

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

// A sealed file is cut, extended, reordered, or is another one.
func TestAttack32ForeignFile(t *testing.T) {
	siege(t, func(d *desk) {
		first, own := d.attach(d.ann, "contract", 200<<10)
		_, second := d.attach(d.ann, "invoice", 200<<10)
		elsewhere := *d
		elsewhere.id = d.channel("elsewhere " + d.lie)
		_, foreign := elsewhere.attach(d.ann, "contract", 200<<10)
		switch d.lie {
		case "cut":
			d.files("bob", func([]byte) []byte { return own[:len(own)-1] })
		case "cut at a chunk":
			d.files("bob", func([]byte) []byte { return own[:len(own)/2/65564*65564] })
		case "extended":
			d.files("bob", func([]byte) []byte { return append(slices.Clone(own), 0) })
		case "reordered":
			d.files("bob", func([]byte) []byte {
				return append(append(slices.Clone(own[65564:2*65564]), own[:65564]...), own[2*65564:]...)
			})
		case "another":
			d.files("bob", func([]byte) []byte { return second })
		case "of another channel":
			d.files("bob", func([]byte) []byte { return foreign })
		}
		to := filepath.Join(d.t.TempDir(), "file")
		c, err := d.bob.hold(d.t.Context(), d.id)
		d.must(err)
		_, err = c.Download(d.t.Context(), first, 0, func(string) string { return to })
		if !d.attacked {
			d.must(err)
			return
		}
		d.says("bob downloading", err, seal.ErrFile)
		if _, err := os.Stat(to); err == nil {
			d.t.Error("bob has a file")
		}
	}, "cut", "cut at a chunk", "extended", "reordered", "another", "of another channel")
}

// attach posts a file of random bytes. It gives the message's place and the
// sealed bytes.
func (d *desk) attach(p *person, name string, size int) (position uint64, sealed []byte) {
	d.t.Helper()
	c, err := p.hold(d.t.Context(), d.id)
	d.must(err)
	path := filepath.Join(d.t.TempDir(), name)
	d.must(os.WriteFile(path, bytes.Repeat([]byte(name), size/len(name)), 0o600))
	u, err := c.Upload(d.t.Context(), path)
	d.must(err)
	sent, err := c.Post(d.t.Context(), session.Draft{Kind: envelope.Post, Text: name, Files: []session.Upload{*u}})
	d.must(err)
	r, err := p.API.File(d.t.Context(), d.id, u.Attachment.ID)
	d.must(err)
	defer r.Close()
	sealed, err = io.ReadAll(r)
	d.must(err)
	return sent.Position, sealed
}

// files bends the sealed bytes that one client downloads.
func (d *desk) files(to string, bend func([]byte) []byte) {
	d.lay(seam{getFile, func(w http.ResponseWriter, r asked, next http.Handler) {
		got := ask(next, r.Request)
		if r.by != to || got.Code >= 300 {
			give(w, got, got.Body.Bytes())
			return
		}
		give(w, got, bend(got.Body.Bytes()))
	}})
}

// Somebody who joined later is handed what was said before, with salts and with
// another member's wraps.
func TestAttack33HistoryBeforeJoining(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "before")
		late := d.ghost()
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		if d.lie == "history in the link" {
			u, err := d.ann.Dir.RefreshUser(d.t.Context(), late.Me.Chain)
			d.must(err)
			d.believe(late)
			d.place(d.byMember(d.ann, envelope.MemberAdd, &envelope.AddBody{User: late.Me.Chain, UserHead: u.Head(), Rank: envelope.RankMember, HistoryFrom: 1}))
			d.want(chain.NotAllowed, "", d.bob, late)
			return
		}
		d.must(c.Add(d.t.Context(), late.Me.Chain, envelope.RankMember))
		d.say(d.ann, "after")
		if d.lie == "everything" {
			d.tell(late.name, func(p []envelope.Placed) []envelope.Placed { return p })
			var bobs wire.EpochWrap
			w, err := d.bob.API.EpochWrap(d.t.Context(), d.id, 1)
			d.must(err)
			bobs = *w
			d.lay(seam{getWrap, func(w http.ResponseWriter, r asked, next http.Handler) {
				got := ask(next, r.Request)
				if r.by == late.name && got.Code >= 300 {
					got.Code = http.StatusOK
					give(w, got, jsonOf(bobs))
					return
				}
				give(w, got, got.Body.Bytes())
			}})
		}
		d.shows(late, "- after")
		d.say(late, "on")
	}, "everything", "history in the link")
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

// A reader is given the wrap of another channel or epoch, or bytes that would
// cost much to open. It gets nothing to read, and quickly.
func TestAttack20WrapOfAnotherPlace(t *testing.T) {
	siegeSuites(t, func(d *desk) {
		d.say(d.ann, "sealed")
		other := *d
		other.id = d.channel("elsewhere " + d.lie)
		other.say(d.ann, "there")
		d.must(d.carol.again(true)) // a key that was opened is not asked for again
		if d.lie == "channel" {
			theirs, err := d.carol.API.EpochWrap(d.t.Context(), other.id, 1)
			d.must(err)
			answers(d.server, getWrap, func(r asked, w *wire.EpochWrap) {
				if r.by == "carol" && r.channel == d.id {
					*w = *theirs
				}
			})
		}
		if d.lie == "bomb" {
			answers(d.server, getWrap, func(r asked, w *wire.EpochWrap) { w.Wrap = bytes.Repeat([]byte{1}, 1<<20) })
		}
		if d.attacked {
			d.unreadable(d.carol, seal.ErrWrap)
			return
		}
		d.want(nil, "sealed", d.carol)
	}, "channel", "bomb")
}

// The server hands a device a user key of its own making.
func TestAttack50ForeignUserKey(t *testing.T) {
	siegeSuites(t, func(d *desk) {
		d.say(d.ann, "for bob")
		device, err := session.Identity(d.bob.Ring, "device.identity")
		d.must(err)
		foreign, err := seal.WrapUserSeed(d.suite, seal.NewUserSeed(),
			seal.UserSeedContext{Org: d.Org().ID(), Device: d.bob.Device(), Generation: 1}, device.Recipient())
		d.must(err)
		if d.attacked {
			answers(d.server, getOwnWrap, func(r asked, w *wire.Wrap) { w.Wrap = foreign })
			d.says("bob starting", d.bob.again(true), seal.ErrContext)
			d.heal()
		}
		d.must(d.bob.again(false))
		d.shows(d.bob, "for bob")
	})
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
