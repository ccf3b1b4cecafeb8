package archive_test

import (
	"path/filepath"
	"testing"

	"os"

	"chancery/compliance/archive"
	"chancery/compliance/archive/archivetest"
	"chancery/crypto/envelope"
)

// A server that signs whatever it likes can't hide what it did to a channel.
func TestAttackServerLiesAboutAChannel(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		lie  func(c *archivetest.Channel, ada, eve *archivetest.Person)
		rung int
		exit int
	}{
		"message dropped before it was placed": {func(c *archivetest.Channel, ada, _ *archivetest.Person) {
			c.Lie(ada, func(h *envelope.Header) { h.DeviceSeq++ }, nil)
		}, 7, archive.ExitIncomplete},
		"message replayed": {func(c *archivetest.Channel, ada, _ *archivetest.Person) {
			c.Lie(ada, func(h *envelope.Header) { h.DeviceSeq-- }, nil)
		}, 7, archive.ExitIncomplete},
		"entry dropped": {func(c *archivetest.Channel, ada, _ *archivetest.Person) {
			c.Lie(ada, nil, func(p *envelope.Placed) {
				p.Position++
			})
		}, 6, archive.ExitIncomplete},
		"other head": {func(c *archivetest.Channel, ada, _ *archivetest.Person) {
			c.Lie(ada, nil, func(p *envelope.Placed) { p.Head[0] ^= 1 })
		}, 6, archive.ExitTampered},
		"received before": {func(c *archivetest.Channel, ada, _ *archivetest.Person) {
			c.Lie(ada, nil, func(p *envelope.Placed) {
				p.Received = 1
				p.Head = envelope.NextHead(c.Top, p.Position, 1, p.Hash())
			})
		}, 6, archive.ExitTampered},
		"not a member": {func(c *archivetest.Channel, _, eve *archivetest.Person) { c.Lie(eve, nil, nil) }, 8, archive.ExitTampered},
		"signed by another": {func(c *archivetest.Channel, ada, eve *archivetest.Person) {
			c.Lie(eve, func(h *envelope.Header) { h.User = ada.Chain.ID() }, nil)
		}, 7, archive.ExitTampered},
	} {
		w := archivetest.New(t)
		ada, eve := w.AddPerson("ada"), w.AddPerson("eve")
		desk := w.AddChannel(ada, envelope.CaptureRequired)
		desk.Post(ada, "one")
		desk.Post(ada, "two")
		x.lie(desk, ada, eve)
		cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk)
		r := verify(t, w, cut.Dir)
		if r.Exit != x.exit || r.Rungs[x.rung-1].Verdict != archive.Refused {
			t.Errorf("%s: exit %d, want %d on rung %d: %v", name, r.Exit, x.exit, x.rung, r.Err)
		}
	}
}

// A recorder can't pass off one message for another, leave one out, or have
// covered what it did not open.
func TestAttackRecorderLiesAboutOpenings(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		lie  func(c *archivetest.Channel)
		exit int
	}{
		"honest":         {func(c *archivetest.Channel) { c.Cover() }, archive.ExitOK},
		"left out":       {func(c *archivetest.Channel) { c.Cover(); c.Forget(c.Entries[3]) }, archive.ExitIncomplete},
		"swapped":        {func(c *archivetest.Channel) { c.Cover(); c.SwapSecrets(c.Entries[3], c.Entries[4]) }, archive.ExitTampered},
		"false coverage": {func(c *archivetest.Channel) { c.CoverFalsely() }, archive.ExitTampered},
	} {
		w := archivetest.New(t)
		ada := w.AddPerson("ada")
		desk := w.AddChannel(ada, envelope.CaptureRequired)
		desk.Post(ada, "one")
		desk.Post(ada, "two")
		x.lie(desk)
		cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk)
		v := archive.NewVerifier(archive.Trust{Org: w.Org().ID()})
		r := v.Verify(os.DirFS(cut.Dir), &archive.Reading{Opener: opener(t, w, cut)})
		if r.Exit != x.exit || x.exit != 0 && r.Rungs[8].Verdict != archive.Refused {
			t.Errorf("%s: exit %d, want %d: %v", name, r.Exit, x.exit, r.Err)
		}
	}
}

// A message that no recorder opened before the cut is an exception, not a hole.
func TestUncoveredMessageIsAnException(t *testing.T) {
	t.Parallel()
	w := archivetest.New(t)
	ada := w.AddPerson("ada")
	desk := w.AddChannel(ada, envelope.CaptureRequired)
	desk.Post(ada, "covered")
	desk.Cover()
	late := desk.Post(ada, "late")
	desk.Forget(late)
	w.Exceptions = append(w.Exceptions, archive.Exception{Channel: desk.ID(), Code: archive.NotCovered, Position: late.Position})
	cut := w.Cut(filepath.Join(t.TempDir(), "bag"), desk)
	var states []archive.Closed
	v := archive.NewVerifier(archive.Trust{Org: w.Org().ID()})
	r := v.Verify(os.DirFS(cut.Dir), &archive.Reading{Opener: opener(t, w, cut), Message: func(m *archive.Message) error {
		states = append(states, m.Closed)
		return nil
	}})
	wantExit(t, r, archive.ExitExceptions)
	if len(states) != 2 || states[0] != "" || states[1] != archive.ClosedUncovered {
		t.Errorf("%q", states)
	}
}
