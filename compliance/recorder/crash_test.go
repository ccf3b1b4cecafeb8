package recorder

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"chancery/crypto/envelope"
)

// Whatever the recorder tells the server, a copy of its disk of that very
// moment bears it out: it may be killed at any time.
func TestDiskBearsOutWhatIsPosted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.enrol()
	w.found(ann)
	d := newDesk(t, w)
	checked := map[envelope.Kind]int{}
	w.onPost = func(e *envelope.Entry) {
		checked[e.Kind]++
		f := d.afterCrash(t)
		switch e.Kind {
		case envelope.KindAcknowledgement:
			if a := must(envelope.ParseAcknowledgement(e)); !f.hasKey(a.N) {
				t.Errorf("epoch %d is acknowledged, and its seed is not on disk", a.N)
			}
		case envelope.KindCoverage:
			f.checkCovered(t, must(envelope.ParseCoverage(e)))
		}
	}
	d.settled()
	for range 3 {
		w.say(ann, "something")
		w.now = w.now.Add(3 * time.Second)
		d.settled()
		w.rotate(ann, envelope.CauseDemand)
		d.settled()
	}
	if checked[envelope.KindAcknowledgement] != 4 || checked[envelope.KindCoverage] != 3 {
		t.Fatalf("checked %v", checked)
	}
}

// afterCrash opens the channel from a copy of the recorder's disk.
func (d *desk) afterCrash(t *testing.T) *follower {
	t.Helper()
	dir := t.TempDir()
	c := d.config
	c.Copy, c.VaultKeys = filepath.Join(dir, "copy"), filepath.Join(dir, "keys")
	for from, to := range map[string]string{d.Copy: c.Copy, d.VaultKeys: c.VaultKeys} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	f, ok := r.known(d.w.channel.ID())
	if !ok {
		t.Fatal("the channel is not on disk")
	}
	return f
}

// checkCovered opens every message of a range from the disk alone.
func (f *follower) checkCovered(t *testing.T, c *envelope.Coverage) {
	t.Helper()
	if f.opened() < c.To {
		t.Errorf("covered to %d, on disk are %d", c.To, f.opened())
		return
	}
	err := f.lookUp(c.From, c.To, func(p *envelope.Placed, rec *openingRecord) error {
		if p.Entry.Kind != envelope.KindMessage {
			return nil
		}
		if len(p.Entry.Payload) == 0 || len(p.Entry.Signatures) == 0 {
			t.Errorf("message %d is not whole", p.Position)
		}
		_, err := f.vault.unseal(p.Position, rec.Secret)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// The loop that the command runs: nobody calls Follow.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = time.Now()
	ann := w.enrol()
	id := w.found(ann)
	d := newDesk(t, w)
	d.config.Now = time.Now
	d.kill()
	ctx, stop := testContext(t)
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	d.Wake(id)
	w.waitFor("acknowledgement", func() bool { _, ok := w.channel.Current(); return ok })
	w.mu.Lock()
	w.now = time.Now()
	said := w.say(ann, "hello").Position
	w.mu.Unlock()
	d.Wake(id)
	w.waitFor("coverage", func() bool { return w.channel.Covered(d.ID()) >= said })
	stop()
	<-done
}
