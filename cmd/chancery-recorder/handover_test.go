package main

import (
	"testing"
	"time"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// govern lists two people who may hand channels over, and tells the channel.
func (d *desk) govern(t *testing.T) (olga, leo *coretest.Person) {
	t.Helper()
	olga, leo = d.Join("compliance.olga"), d.Join("legal.leo")
	d.List(d.admin, envelope.Party{Role: envelope.RoleCompliance, Name: "olga", User: olga.User})
	d.List(d.admin, envelope.Party{Role: envelope.RoleLegal, Name: "leo", User: leo.User})
	return olga, leo
}

// handOver has two people put one recorder in the place of another. The first
// try only has the channel told of who is listed.
func (d *desk) handOver(t *testing.T, from, to *home, lost bool) {
	t.Helper()
	olga, leo := d.govern(t)
	order := func(o *envelope.HandoverOrder) { o.From, o.To, o.Lost = from.listed.ID(), to.listed.ID(), lost }
	if err := d.PlaceAs(d.Service, leo.P, d.Handover(olga, leo, order)); core.KindOf(err) != core.Conflict {
		t.Fatalf("a channel that knows no listing: %v", err)
	}
	d.See(d.Org())
	d.until(t, "news of the listings", func() bool { return d.State.OrgSeq == d.Org().Seq() })
	d.Must(d.PlaceAs(d.Service, leo.P, d.Handover(olga, leo, order)))
}

// A standby takes over: the one that goes covers what was said until then, the
// new one acknowledges a new epoch and covers what follows, and a message in
// between is refused.
func TestHandoverOnRealServer(t *testing.T) {
	d := newDesk(t)
	first := d.home
	stopFirst := first.serve(t)
	d.until(t, "acknowledgement", d.current)
	stopFirst()
	before := d.say(t, "to the old one")
	second := d.newHome(t, "rec-2")
	d.handOver(t, first, second, false)
	at := d.State.Position
	e, err := envelope.ParseEntry(d.Seal(d.ann, "in the old epoch").Entry)
	d.Must(err)
	if err := d.State.Judge(e, time.Now().UnixMicro()); chain.ReasonOf(err) != chain.RotationDue {
		t.Fatalf("a message before the new epoch: %v", err)
	}
	d.Rotate(d.ann, envelope.CauseRecorder)
	stopFirst, stopSecond := first.serve(t), second.serve(t)
	d.until(t, "the new one's acknowledgement", d.currentIs(2))
	d.until(t, "the end of the old one's duty", d.coveredTo(first, at))
	after := d.say(t, "to the new one")
	d.until(t, "the new one's coverage", d.coveredTo(second, after))
	if d.State.Captured() < before || d.State.Covered(first.listed.ID()) != at {
		t.Errorf("captured to %d, the old one covered to %d", d.State.Captured(), d.State.Covered(first.listed.ID()))
	}
	stopFirst()
	stopSecond()

	// Both open their copies again, and the new one goes on.
	defer first.serve(t)()
	defer second.serve(t)()
	after = d.say(t, "after a restart")
	d.until(t, "coverage after a restart", d.coveredTo(second, after))
}

// A recorder that is lost and not listed any more leaves a way on: two people
// write off what it had not covered.
func TestHandoverOfALostRecorder(t *testing.T) {
	d := newDesk(t)
	stop := d.home.serve(t)
	d.until(t, "acknowledgement", d.current)
	stop()
	said := d.say(t, "nobody will cover this")
	d.Must(d.AddOrgLink(t.Context(), d.admin.P, d.RootLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleRecorder, Party: d.home.listed.ID()})))
	second := d.newHome(t, "rec-2")
	d.handOver(t, d.home, second, true)
	if d.State.Captured() < said {
		t.Errorf("captured to %d", d.State.Captured())
	}
	d.Rotate(d.ann, envelope.CauseRecorder)
	defer second.serve(t)()
	d.until(t, "acknowledgement", d.currentIs(2))
	said = d.say(t, "to the new one")
	d.until(t, "coverage", d.coveredTo(second, said))
	if n := d.Number(`SELECT count(*) FROM records WHERE op = 'chn.handover' AND outcome = 'ok'`); n != 1 {
		t.Errorf("%d handovers on record", n)
	}
}

// Policy refuses one person, and who has no such role; the validator refuses a
// recorder that is not listed.
func TestAttack56HandoverOnRealServer(t *testing.T) {
	d := newDesk(t)
	olga, leo := d.govern(t)
	second := d.newHome(t, "rec-2")
	order := func(o *envelope.HandoverOrder) { o.From, o.To = d.home.listed.ID(), second.listed.ID() }
	if err := d.PlaceAs(d.Service, leo.P, d.Handover(olga, leo, order)); core.KindOf(err) != core.Conflict {
		t.Fatal(err)
	}
	d.See(d.Org())
	d.until(t, "news of the listings", func() bool { return d.State.OrgSeq == d.Org().Seq() })
	for name, try := range map[string]func() error{
		"one person":         func() error { return d.PlaceAs(d.Service, leo.P, d.Handover(leo, leo, order)) },
		"two for compliance": func() error { return d.PlaceAs(d.Service, olga.P, d.Handover(olga, olga, order)) },
		"a member":           func() error { return d.PlaceAs(d.Service, d.ann.P, d.Handover(olga, d.ann, order)) },
	} {
		if err := try(); core.KindOf(err) != core.Denied && core.KindOf(err) != core.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	unlisted := func(o *envelope.HandoverOrder) { order(o); o.To[0] ^= 1 }
	if err := d.PlaceAs(d.Service, leo.P, d.Handover(olga, leo, unlisted)); core.KindOf(err) != core.Conflict {
		t.Errorf("to a recorder that is not listed: %v", err)
	}
	if err := d.PlaceAs(d.Service, leo.P, d.Handover(d.ann, leo, order)); core.KindOf(err) != core.Conflict {
		t.Errorf("asked for by a member: %v", err)
	}
	if _, err := d.Entries(t.Context(), leo.P, d.ID, 0, 10, core.AllEntries); core.KindOf(err) != core.NotFound {
		t.Errorf("who may hand over reads messages: %v", err)
	}
	if n := d.Number(`SELECT count(*) FROM duties`); n != 1 {
		t.Errorf("%d duties", n)
	}
}
