package adversary

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

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
			d.says("bob starting", d.bob.again(true), seal.ErrWrap) // his chain names the wrap
			d.heal()
		}
		d.must(d.bob.again(false))
		d.shows(d.bob, "for bob")
	})
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
			d.handOver(d.bob, late)
		}
		d.shows(late, "- after")
		if log, err := late.log(d.id); d.attacked && (err != nil || !strings.Contains(log[0].Why, "not for you")) {
			d.t.Errorf("what was said before is not readable for another reason: %+v, %v", log, err)
		}
		d.say(late, "on")
	}, "everything", "history in the link")
}

// handOver answers with one member's wraps where another has none.
func (d *desk) handOver(from, to *person) {
	d.t.Helper()
	theirs, err := from.API.EpochWrap(d.t.Context(), d.id, 1)
	d.must(err)
	d.lay(seam{getWrap, func(w http.ResponseWriter, r asked, next http.Handler) {
		got := ask(next, r.Request)
		if r.by == to.name && got.Code >= 300 {
			got.Code = http.StatusOK
			give(w, got, jsonOf(theirs))
			return
		}
		give(w, got, got.Body.Bytes())
	}})
}
