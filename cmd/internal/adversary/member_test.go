package adversary

import (
	"testing"
	"time"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// ghost is somebody of the organisation whom nobody takes into the channel.
func (d *desk) ghost() *person {
	d.t.Helper()
	return d.join("ghost-" + d.id.String()[:8])
}

func TestAttack01GhostMember(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "for us")
		if ghost := d.ghost(); d.attacked {
			d.believe(ghost)
			d.place(d.message(ghost, d.key(d.bob, 1), "boo"))
		}
		d.want(chain.NotMember, "for us", d.bob)
	})
}

// A device that the server adds to somebody's chain has nobody's approval, and
// one that it makes up without a link is not in the chain.
func TestAttack02GhostDevice(t *testing.T) {
	siege(t, func(d *desk) {
		ghost := signingKey(d.t)
		d.must(d.bob.again(true)) // a chain that was verified is not asked for again
		if d.lie == "link" {
			d.addDevice(d.ann, ghost)
		}
		d.say(d.ann, "from my laptop")
		if d.lie == "message" {
			d.place(d.messageBy(ghost, d.header(d.ann), d.key(d.carol, 1), "not mine"))
		}
		reason := map[string]chain.Reason{"link": chain.BadSignature, "message": chain.DeviceUnknown}[d.lie]
		d.want(reason, "from my laptop", d.bob)
	}, "link", "message")
}

// addDevice has the server give out somebody's chain with one more device, in
// their name, signed by that device twice over.
func (d *desk) addDevice(p *person, ghost *seal.SigningKey) {
	d.t.Helper()
	u, err := p.Dir.RefreshUser(d.t.Context(), p.Me.Chain)
	d.must(err)
	l := &envelope.Link{
		Version: envelope.Version, Org: d.Org().ID(), Chain: envelope.Hash(u.ID()), Seq: u.Seq() + 1, Prev: u.Head(), Type: envelope.DeviceAdd,
		Body: envelope.Marshal(&envelope.DeviceBody{Name: "phone", Key: ghost.Public(), Recipient: p.identity().Recipient()}), User: u.ID(), Key: p.Device(),
		Time: time.Now().UnixMicro(),
	}
	e := signed(envelope.KindLink, l, ghost)
	e.Attach(envelope.Signature{Key: p.Device(), Bytes: e.Signatures[0].Bytes})
	answers(d.server, getChain, func(r asked, c *wire.Chain) {
		if r.URL.Path == "/v1/people/"+u.ID().String()+"/chain" {
			c.Entries = append(c.Entries, envelope.Marshal(e))
		}
	})
}

// Neither key that the server holds may add anybody, in nobody's name or in
// the owner's.
func TestAttack03AddByServerKey(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "for us")
		ghost := d.ghost()
		u, err := d.ann.Dir.RefreshUser(d.t.Context(), ghost.Me.Chain)
		d.must(err)
		body := &envelope.AddBody{User: ghost.Me.Chain, UserHead: u.Head(), Rank: envelope.RankMember, HistoryFrom: 2}
		reason := chain.NotMember
		switch d.lie {
		case "removal key":
			d.place(d.byServer(envelope.MemberAdd, body, nil, d.Removal))
		case "receipt key in her name":
			reason = chain.DeviceUnknown
			d.place(d.byServer(envelope.MemberAdd, body, func(l *envelope.Link) { l.User = d.ann.Me.Chain }, d.Receipt))
		}
		d.want(reason, "for us", d.bob)
	}, "removal key", "receipt key in her name")
}

// A removed member's device goes on in the old epoch, and the server places it.
func TestAttack23RemovedMember(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "all three")
		old := d.key(d.bob, 1)
		c, err := d.ann.hold(d.t.Context(), d.id)
		d.must(err)
		d.must(c.Remove(d.t.Context(), d.bob.Me.Chain, "left"))
		if d.attacked {
			d.place(d.message(d.bob, old, "still here"))
		} else if err := d.bob.post(d.id, "still here"); err == nil {
			d.t.Error("the honest server placed a removed member's message")
		}
		d.want(chain.NotMember, "all three", d.carol, d.ann)
	})
}
