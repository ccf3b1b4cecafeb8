package adversary

import (
	"errors"
	"testing"
	"time"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
)

// desk is a channel of ann, who owns it, bob and carol. The control and the
// attack each have one, on one server, and one life of the people.
type desk struct {
	*server
	t               *testing.T
	attacked        bool
	ann, bob, carol *person
	id              envelope.ChannelID
	capture         envelope.Capture
}

// siege runs steps without the lie and with it, in the suite of the process.
func siege(t *testing.T, steps func(*desk)) {
	t.Helper()
	t.Parallel()
	besiege(t, suitetest.Suite(), envelope.CaptureOff, steps)
}

// siegeCapture is siege of a recorded channel.
func siegeCapture(t *testing.T, steps func(*desk)) {
	t.Helper()
	t.Parallel()
	besiege(t, suitetest.Suite(), envelope.CaptureRequired, steps)
}

// siegeSuites is siegeCapture in every suite, for what is wrapped.
func siegeSuites(t *testing.T, steps func(*desk)) {
	t.Helper()
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, suite envelope.Suite) { besiege(t, suite, envelope.CaptureRequired, steps) })
}

func besiege(t *testing.T, suite envelope.Suite, capture envelope.Capture, steps func(*desk)) {
	t.Helper()
	s := start(t, suite)
	d := desk{server: s, ann: s.join("ann"), bob: s.join("bob"), carol: s.join("carol"), capture: capture}
	for _, attacked := range []bool{false, true} {
		t.Run(map[bool]string{false: "control", true: "attacked"}[attacked], func(t *testing.T) {
			d := d
			d.t, d.attacked = t, attacked
			d.id = d.channel(d.name(attacked))
			for _, p := range []*person{d.ann, d.bob, d.carol} {
				_, err := p.hold(t.Context(), d.id)
				d.must(err)
			}
			steps(&d)
			d.heal()
		})
	}
}

func (d *desk) name(attacked bool) string {
	return map[bool]string{false: "quiet", true: "besieged"}[attacked]
}

// channel is another of the same three people.
func (d *desk) channel(name string) envelope.ChannelID {
	d.t.Helper()
	in := session.NewChannel{Team: d.team, Name: name, Access: envelope.AccessPrivate, Capture: d.capture, Lifetime: time.Hour}
	if d.capture == envelope.CaptureRequired {
		in.Recorders = []envelope.KeyID{d.recorder.key.ID()}
	}
	c, err := d.ann.CreateChannel(d.t.Context(), in)
	d.must(err)
	for _, p := range []*person{d.bob, d.carol} {
		d.must(c.Add(d.t.Context(), p.Me.Chain, envelope.RankMember))
	}
	return c.ID()
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// say posts as somebody honest. The recorder is at work when the channel has one.
func (d *desk) say(p *person, text string) {
	d.t.Helper()
	err := p.post(d.id, text)
	if errors.Is(err, session.ErrNoAcknowledgement) {
		d.must(d.record())
		err = p.post(d.id, text)
	}
	d.must(err)
}

// want judges clients after the steps. Without the lie they read the texts and
// go on; with it each shows nothing and sends nothing, for the reason: a
// chain.Reason or an error to be found in what it says.
func (d *desk) want(reason any, texts string, people ...*person) {
	d.t.Helper()
	for _, p := range people {
		if d.attacked {
			d.stops(p, reason)
		} else {
			d.shows(p, texts)
		}
	}
	if !d.attacked {
		d.say(people[0], "on")
	}
}

// stops tells that a client found the lie out.
func (d *desk) stops(p *person, reason any) {
	d.t.Helper()
	before := len(d.sent(p.name, d.id, envelope.KindMessage))
	got, err := p.read(d.id)
	d.says(p.name+" reading", err, reason)
	if got != "" {
		d.t.Errorf("%s is shown %q", p.name, got)
	}
	d.says(p.name+" posting", p.post(d.id, "never"), reason)
	if sent := d.sent(p.name, d.id, envelope.KindMessage); len(sent) != before {
		d.t.Errorf("%s sent %d messages to a server that was found lying", p.name, len(sent)-before)
	}
}

// shows holds what somebody reads against what was said.
func (d *desk) shows(p *person, texts string) {
	d.t.Helper()
	if got, err := p.read(d.id); err != nil || got != texts {
		d.t.Errorf("%s reads %q, want %q: %v", p.name, got, texts, err)
	}
}

// says holds an error against the reason that it must name.
func (d *desk) says(who string, err error, reason any) {
	d.t.Helper()
	var ok bool
	switch r := reason.(type) {
	case chain.Reason:
		ok = chain.ReasonOf(err) == r
	case error:
		ok = errors.Is(err, r)
	}
	if !ok {
		d.t.Errorf("%s: %v, want %v", who, err, reason)
	}
}
