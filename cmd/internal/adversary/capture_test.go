package adversary

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chancery/cmd/internal/client/session"
	"chancery/compliance/recorder"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// A member gives the recorder junk, or nothing, and the server takes it: nobody
// acknowledges, so what is written in that epoch is refused by those who get it.
func TestAttack14JunkWrap(t *testing.T) {
	siegeSuites(t, func(d *desk) {
		junk := []byte("no wrap at all")
		if d.lie == "omitted" {
			junk = []byte{}
		}
		if d.attacked {
			d.place(d.rotation(d.bob, nil, func(_ *envelope.EpochBody, wraps [][]byte) { wraps[len(wraps)-1] = junk }))
			d.says("the recorder", d.record(), recorder.WrapBad)
			d.place(d.message(d.bob, d.key(d.bob, 1), "off the record"))
		} else {
			d.say(d.bob, "on the record")
		}
		d.want(chain.EpochNone, "on the record", d.ann, d.carol)
	}, "junk", "omitted")
}

// A wrap that opens, to another seed than the one that people use.
func TestAttack15OtherSeed(t *testing.T) {
	siegeSuites(t, func(d *desk) {
		if d.attacked {
			d.place(d.rotation(d.bob, nil, func(_ *envelope.EpochBody, wraps [][]byte) {
				other, err := seal.WrapSeed(d.suite, seal.NewSeed(), seal.Epoch{Org: d.Org().ID(), Channel: d.id, N: 1}, d.recorder.identity.Recipient())
				d.must(err)
				wraps[len(wraps)-1] = other
			}))
			err := d.record()
			d.says("the recorder", err, recorder.WrapBad)
			d.says("the recorder", err, seal.ErrContext)
			d.place(d.message(d.bob, d.key(d.bob, 1), "off the record"))
		} else {
			d.say(d.bob, "on the record")
		}
		d.want(chain.EpochNone, "on the record", d.ann)
	})
}

// An acknowledgement that is not the recorder's, not of this channel, or said
// before.
func TestAttack16Acknowledgement(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "recorded")
		reason := map[string]chain.Reason{
			"forged": chain.BadSignature, "foreign": chain.WrongChain, "replayed": chain.Duplicate, "unlisted": chain.NotListed,
		}[d.lie]
		switch d.lie {
		case "forged":
			d.place(d.rotation(d.bob, nil, nil))
			d.place(d.acknowledgement(d.recorder.key.ID(), signingKey(d.t)))
		case "unlisted":
			d.place(d.rotation(d.bob, nil, nil))
			own := signingKey(d.t)
			d.place(d.acknowledgement(own.ID(), own))
		case "foreign":
			other := *d
			other.id = d.channel("another")
			other.say(d.ann, "elsewhere")
			past := other.past().placed
			d.place(newEntry(&past[find(past, envelope.KindAcknowledgement)].Entry, nil))
		case "replayed":
			past := d.past().placed
			d.place(newEntry(&past[find(past, envelope.KindAcknowledgement)].Entry, nil))
		}
		d.want(reason, "recorded", d.bob)
	}, "forged", "unlisted", "foreign", "replayed")
}

// acknowledgement of the newest epoch, in the name of a recorder and by a key.
func (d *desk) acknowledgement(name envelope.KeyID, key *seal.SigningKey) (in wire.NewEntry) {
	d.t.Helper()
	past := d.past()
	e := past.epochs[past.newest]
	entry := signed(envelope.KindAcknowledgement, &envelope.Acknowledgement{
		Version: envelope.Version, Org: d.Org().ID(), Channel: d.id, N: past.newest, EpochLink: e.link,
		SeedCommit: e.body.SeedCommit, Recorder: name, Time: time.Now().UnixMicro(),
	}, key)
	entry.Signatures[0].Key = name
	return newEntry(entry, nil)
}

// A recorder that the root has de-listed acknowledges on, after the channel was
// told.
func TestAttack08DelistedRecorder(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "recorded")
		d.submit(d.bob, d.rotation(d.bob, nil, nil))
		if d.attacked {
			d.delist(envelope.RoleRecorder, d.recorder.key.ID())
			org := d.Org()
			d.submit(d.bob, d.byMember(d.bob, envelope.Sync, &envelope.SyncBody{Chain: envelope.Hash(org.ID()), Seq: org.Seq(), Head: org.Head()}))
			d.place(d.acknowledgement(d.recorder.key.ID(), d.recorder.key))
		} else {
			d.must(d.record())
		}
		d.want(chain.NotListed, "recorded", d.carol, d.ann)
	})
}

// Entries are kept from the recorder, or shown to it in another order: with a
// gap; with places and heads made to fit, until somebody says what they saw; as
// the last ones, where coverage is of another history or stays out.
func TestAttack17HiddenFromRecorder(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "first")
		d.must(d.record())
		d.shows(d.bob, "first")
		d.must(d.carol.post(d.id, "aside")) // which bob does not know of when he writes
		d.must(d.bob.post(d.id, "hidden"))
		bobs := d.positionOf(d.bob)
		drop := func(placed []envelope.Placed) []envelope.Placed {
			return slices.DeleteFunc(placed, func(p envelope.Placed) bool { return p.Position == bobs })
		}
		swap := func(placed []envelope.Placed) []envelope.Placed {
			placed[bobs-1], placed[bobs-2] = placed[bobs-2], placed[bobs-1]
			return placed
		}
		cut := func(placed []envelope.Placed) []envelope.Placed { return placed[:bobs-2] }
		switch d.lie {
		case "gap":
			d.say(d.ann, "last")
			d.pages("recorder", drop)
			d.entryRefused(chain.BrokenOrder)
		case "recomputed":
			d.shows(d.ann, "first aside hidden")
			d.say(d.ann, "last")
			d.tell("recorder", drop)
			d.entryRefused(chain.SeenBad)
		case "swapped":
			d.tell("recorder", swap)
			d.says("the recorder", d.record(), recorder.PostRefused)
			said := d.sent("recorder", d.id, envelope.KindCoverage)
			d.place(said[len(said)-1].entry)
			d.stops(d.ann, chain.CoverageBad)
		case "last":
			d.tell("recorder", cut)
			d.must(d.record())
			d.uncovered("first aside hidden")
		default:
			d.must(d.record())
			d.want(nil, "first aside hidden", d.bob)
		}
	}, "gap", "recomputed", "swapped", "last")
}

func (d *desk) entryRefused(reason chain.Reason) {
	d.t.Helper()
	err := d.record()
	d.says("the recorder", err, recorder.EntryRefused)
	d.says("the recorder", err, reason)
}

// positionOf is where somebody's first message stands.
func (d *desk) positionOf(p *person) uint64 {
	for _, e := range d.past().placed {
		if h, err := envelope.ParseHeader(&envelope.Entry{Kind: e.Entry.Kind, Header: e.Entry.Header}); err == nil && h.User == p.Me.Chain {
			return e.Position
		}
	}
	return 0
}

// A salt is wrong or missing for one reader. A person is shown nothing, the
// recorder covers nothing, and nobody calls it the sender's fault.
func TestAttack18Salt(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "salted")
		spoil := func(salt []byte) func([]envelope.Placed) []envelope.Placed {
			return func(placed []envelope.Placed) []envelope.Placed {
				for i := range placed {
					if len(placed[i].Salt) > 0 {
						placed[i].Salt = salt
					}
				}
				return placed
			}
		}
		wrong := make([]byte, 32)
		switch d.lie {
		case "wrong for carol":
			d.pages("carol", spoil(wrong))
		case "withheld from carol":
			d.pages("carol", spoil(nil))
		case "wrong for the recorder":
			d.pages("recorder", spoil(wrong))
		case "withheld from the recorder":
			d.pages("recorder", spoil(nil))
		}
		err := d.record()
		switch d.lie {
		case "":
			d.must(err)
			d.want(nil, "salted", d.carol)
		case "wrong for carol", "withheld from carol":
			d.must(err)
			d.shows(d.ann, "salted")
			d.unreadable(d.carol, seal.ErrSalt)
		default:
			d.says("the recorder", err, recorder.SaltBad)
			d.uncovered("salted")
			if find(d.past().placed, envelope.KindCoverage) >= 0 {
				d.t.Error("the recorder has covered, perhaps with an exception")
			}
		}
	}, "wrong for carol", "withheld from carol", "wrong for the recorder", "withheld from the recorder")
}

// unreadable tells that somebody is shown every message as one that can't be
// read, for the reason, and goes on all the same.
func (d *desk) unreadable(p *person, reason error) {
	d.t.Helper()
	all, err := p.log(d.id)
	d.must(err)
	for _, m := range all {
		if m.State != "unreadable" || m.Text != "" || !strings.Contains(m.Why, reason.Error()) {
			d.t.Errorf("%s is shown %q (%s: %s), want %v", p.name, m.Text, m.State, m.Why, reason)
		}
	}
	if len(all) == 0 {
		d.t.Errorf("%s is shown no message at all", p.name)
	}
}

// uncovered tells that people who read the texts stop once one of them has
// waited too long for its recorder.
func (d *desk) uncovered(texts string) {
	d.t.Helper()
	d.shows(d.ann, texts)
	d.ann.later(session.CoverWithin + time.Second)
	defer d.ann.later(-session.CoverWithin - time.Second)
	d.says("ann posting", d.ann.post(d.id, "never"), session.ErrUncovered)
}

// A message is read and then destroyed before the recorder has opened it.
func TestAttack43DestroyedBeforeCoverage(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "first")
		d.must(d.record())
		d.say(d.bob, "seen and gone")
		d.shows(d.ann, "first seen and gone")
		if d.attacked {
			d.exec(`UPDATE entries SET body = NULL, sealed_salt = NULL WHERE channel_id = $1 AND seq = $2`, d.number(), int64(d.positionOf(d.bob)))
		}
		err := d.record()
		if !d.attacked {
			d.must(err)
			d.want(nil, "first seen and gone", d.bob)
			return
		}
		d.says("the recorder", err, recorder.PayloadGone)
		d.uncovered("first -")
	})
}

// The server, or a member with its help, starts a channel that promises less
// capture than the organisation demands.
func TestAttack47CaptureLowered(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "recorded")
		reason := chain.CaptureBad
		body := d.genesis()
		switch d.lie {
		case "off":
			body.Capture, body.Recorders = envelope.CaptureOff, nil
		case "by nobody":
			body.Recorders = nil
		case "by a stranger":
			body.Recorders, reason = []envelope.KeyID{signingKey(d.t).ID()}, chain.NotListed
		}
		if d.attacked {
			d.invent(d.carol, body)
		}
		d.want(reason, "recorded", d.carol)
	}, "off", "by nobody", "by a stranger")
}

// genesis is what the desk's channel began with.
func (d *desk) genesis() *envelope.ChannelGenesisBody {
	d.t.Helper()
	l, err := envelope.ParseLink(&d.past().placed[0].Entry)
	d.must(err)
	b, err := envelope.ParseBody[envelope.ChannelGenesisBody](l)
	d.must(err)
	return b
}

// invent shows somebody a channel that ann's device signed and no gate has seen,
// and goes on there.
func (d *desk) invent(to *person, body *envelope.ChannelGenesisBody) {
	d.t.Helper()
	l := &envelope.Link{
		Version: envelope.Version, Org: d.Org().ID(), Type: envelope.ChannelGenesis, Body: envelope.Marshal(body),
		User: d.ann.Me.Chain, Key: d.ann.Device(), Time: time.Now().UnixMicro(),
	}
	e := signed(envelope.KindLink, l, d.ann.key())
	d.id = envelope.ChannelID(envelope.ChainOf(e.Header))
	d.serves(to.name, func() []envelope.Placed { return []envelope.Placed{{Received: time.Now().UnixMicro(), Entry: *e}} })
}
