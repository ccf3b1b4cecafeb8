package adversary

import (
	"errors"
	"testing"
	"time"

	"chancery/cmd/internal/client/session"
	"chancery/compliance/recorder"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
)

// desk is a channel of ann, who owns it, bob and carol. The control and each lie
// have one of their own, on one server and in one life of the people.
type desk struct {
	*server
	t               *testing.T
	lie             string // "" in the control
	attacked        bool
	ann, bob, carol *person
	id              envelope.ChannelID
	capture         envelope.Capture
}

// siege runs steps without a lie and then with each of the lies, in the suite of
// the process. An attack with one lie need not name it.
func siege(t *testing.T, steps func(*desk), lies ...string) {
	t.Helper()
	t.Parallel()
	besiege(t, suitetest.Suite(), envelope.CaptureOff, steps, lies)
}

// siegeCapture is siege of recorded channels.
func siegeCapture(t *testing.T, steps func(*desk), lies ...string) {
	t.Helper()
	t.Parallel()
	besiege(t, suitetest.Suite(), envelope.CaptureRequired, steps, lies)
}

// siegeSuites is siegeCapture in every suite, for what is wrapped.
func siegeSuites(t *testing.T, steps func(*desk), lies ...string) {
	t.Helper()
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, suite envelope.Suite) { besiege(t, suite, envelope.CaptureRequired, steps, lies) })
}

func besiege(t *testing.T, suite envelope.Suite, capture envelope.Capture, steps func(*desk), lies []string) {
	t.Helper()
	s := start(t, suite, capture)
	all := desk{server: s, ann: s.join("ann"), bob: s.join("bob"), carol: s.join("carol"), capture: capture}
	if len(lies) == 0 {
		lies = []string{"attacked"}
	}
	t.Run("control", func(t *testing.T) { all.run(t, "", steps) })
	for _, lie := range lies {
		t.Run(lie, func(t *testing.T) { all.run(t, lie, steps) })
	}
}

// run plays the steps at a desk of their own, which everybody follows.
func (d desk) run(t *testing.T, lie string, steps func(*desk)) {
	d.t, d.lie, d.attacked = t, lie, lie != ""
	d.id = d.channel("about " + lie)
	for _, p := range []*person{d.ann, d.bob, d.carol} {
		_, err := p.hold(t.Context(), d.id)
		d.must(err)
	}
	steps(&d)
	d.heal()
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
// chain.Reason, a recorder.Reason or an error to be found in what it says.
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
	case recorder.Reason:
		ok = alarmed(err, r)
	case error:
		ok = errors.Is(err, r)
	}
	if !ok {
		d.t.Errorf("%s: %v, want %v", who, err, reason)
	}
}
