package adversary

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chancery/cmd/internal/client/session"
	"chancery/compliance/dispute"
	"chancery/compliance/recorder"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// words are what a member hears beside the channel.
func (d *desk) words(p *person) []session.Word {
	d.t.Helper()
	c, err := p.hold(d.t.Context(), d.id)
	d.must(err)
	st, err := c.State(d.t.Context())
	d.must(err)
	return st.Words
}

// hears tells whether a member hears a word of a label that says so.
func (d *desk) hears(p *person, label, text string) bool {
	return slices.ContainsFunc(d.words(p), func(w session.Word) bool { return w.Label == label && strings.Contains(w.Text, text) })
}

// catch has a client read what is new.
func (d *desk) catch(p *person) {
	d.t.Helper()
	_, err := p.Channel(d.t.Context(), d.id)
	d.must(err)
}

// The server confirms a message and keeps it from the recorder, and all that
// comes later. The sender's statement gives it away.
func TestAttack21DroppedTailFoundByStatement(t *testing.T) {
	siegeCapture(t, func(d *desk) {
		d.say(d.ann, "kept")
		d.must(d.record())
		if last := *d.past().last(); d.attacked {
			d.entries("recorder", func(page *wire.Entries) {
				shown := slices.DeleteFunc(decode(d.server, page.Entries), func(p envelope.Placed) bool { return p.Position > last.Position })
				page.Entries, page.Position, page.Head = encode(shown), last.Position, last.Head
			})
		}
		d.say(d.ann, "dropped")
		d.must(d.ann.Goodbye(t.Context()))
		d.recorder.later(70 * time.Second) // it asks for notices each minute
		defer d.recorder.later(-70 * time.Second)
		err := d.record()
		want := recorder.Reason("")
		if d.attacked {
			want = recorder.TailDropped
		}
		if got := recorder.ReasonOf(err); got != want {
			t.Errorf("the recorder: %v, want %q", err, want)
		}
		if d.hears(d.bob, envelope.LabelAlarm, "drops entries") != d.attacked {
			t.Errorf("bob hears %+v", d.words(d.bob))
		}
	})
}

// A recorder signs coverage without opening, or excepts what opens: whoever
// opened it stops and disputes it, and an auditor finds who was wrong.
func TestAttack44CoverageDisputed(t *testing.T) {
	for name, bend := range map[string]func(*envelope.Coverage){
		"without opening": func(c *envelope.Coverage) { c.Root[0] ^= 1 },
		"excepted": func(c *envelope.Coverage) {
			c.Exceptions = []envelope.Exception{{Position: c.To, Code: envelope.Undecryptable}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			siegeCapture(t, func(d *desk) {
				auditor, err := seal.GenerateIdentity(d.suite, rand.Reader)
				d.must(err)
				if d.attacked {
					d.list(envelope.Party{Role: envelope.RoleAuditor, Name: "auditor", Recipient: auditor.Recipient()})
				}
				d.say(d.ann, "opened")
				if !d.attacked {
					d.must(d.record())
					d.say(d.ann, "on")
					return
				}
				d.coverage(bend)
				d.catch(d.ann)
				before := len(d.sent("ann", d.id, envelope.KindMessage))
				d.says("ann posting", d.ann.post(d.id, "never"), session.ErrCoverage)
				if sent := d.sent("ann", d.id, envelope.KindMessage); len(sent) != before {
					t.Error("ann sent a message after a coverage that she disputes")
				}
				d.settles(auditor)
				d.say(d.bob, "bob stops too once he has read it")
				d.catch(d.bob)
				d.says("bob posting", d.bob.post(d.id, "never"), session.ErrCoverage)
			})
		})
	}
}

// coverage is a lying recorder's for the newest message.
func (d *desk) coverage(bend func(*envelope.Coverage)) {
	d.t.Helper()
	last := d.past().last()
	c := &envelope.Coverage{
		Version: envelope.Version, Org: d.Org().ID(), Channel: d.id, From: 1, To: last.Position, HeadTo: last.Head, Recorder: d.recorder.key.ID(),
	}
	bend(c)
	d.place(newEntry(signed(envelope.KindCoverage, c, d.recorder.key), nil))
}

// settles has the auditor judge the one dispute about the channel.
func (d *desk) settles(auditor *seal.Identity) {
	d.t.Helper()
	list, err := d.carol.API.Notices(d.t.Context(), d.id, 0)
	d.must(err)
	if len(list.Notices) != 1 {
		d.t.Fatalf("%d notices", len(list.Notices))
	}
	_, n, body, err := envelope.ParseNotice(list.Notices[0].Statement)
	d.must(err)
	said, ok := body.(*envelope.Dispute)
	if !ok {
		d.t.Fatalf("%+v is no dispute", body)
	}
	ctx := d.t.Context()
	org, err := d.carol.API.Org(ctx)
	d.must(err)
	user, err := d.carol.API.UserChain(ctx, n.User)
	d.must(err)
	sealed, err := d.carol.API.Evidence(ctx, d.id, envelope.SumBytes(list.Notices[0].Statement))
	d.must(err)
	file := dispute.Case{Org: org.Entries, User: user.Entries, Statement: list.Notices[0].Statement, Evidence: sealed.Sealed}
	found, err := file.Judge(n.Org, auditor)
	if err != nil || found.Fault != envelope.FaultRecorder || found.Coverage != said.Coverage || found.Name != "rec-1" {
		d.t.Errorf("the auditor finds %+v, %v", found, err)
	}
	other, err := d.carol.API.UserChain(ctx, d.bob.Me.Chain)
	d.must(err)
	for name, x := range map[string]struct {
		bend func(*dispute.Case)
		pin  envelope.OrgID
		id   *seal.Identity
		want error
	}{
		"another organisation": {pin: envelope.OrgID{1}, want: dispute.ErrCase},
		"somebody else":        {id: d.carol.identity(), want: seal.ErrWrap},
		"another disputer":     {bend: func(c *dispute.Case) { c.User = other.Entries }, want: dispute.ErrCase},
		"other evidence":       {bend: func(c *dispute.Case) { c.Evidence = []byte("sealed") }, want: dispute.ErrCase},
		"recorder not listed":  {bend: func(c *dispute.Case) { c.Org = c.Org[:1] }, want: dispute.ErrCase},
		"signature changed": {bend: func(c *dispute.Case) {
			c.Statement = slices.Clone(c.Statement)
			c.Statement[len(c.Statement)-1] ^= 1
		}, want: dispute.ErrCase},
	} {
		changed, pin, id := file, n.Org, auditor
		if x.bend != nil {
			x.bend(&changed)
		}
		if !x.pin.IsZero() {
			pin = x.pin
		}
		if x.id != nil {
			id = x.id
		}
		if v, err := changed.Judge(pin, id); !errors.Is(err, x.want) {
			d.t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// later moves the recorder's clock.
func (r *recording) later(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
}
