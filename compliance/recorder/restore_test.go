package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// goBack makes the server one that was restored from an older backup.
func (w *world) goBack(to uint64) (oldPosition uint64, oldHead envelope.Hash) {
	w.t.Helper()
	oldPosition, oldHead = w.channel.Position, w.channel.Top
	w.placed = w.placed[:to:to]
	w.channel = must(chain.NewChannel(w, w.placed[0]))
	for _, p := range w.placed[1:] {
		if err := w.channel.Apply(p); err != nil {
			w.t.Fatal(err)
		}
	}
	return oldPosition, oldHead
}

// restore places the root's word for it.
func (w *world) restore(by *seal.SigningKey, oldPosition uint64, oldHead envelope.Hash) *envelope.Placed {
	w.t.Helper()
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&envelope.Link{
		Version: envelope.Version, Org: w.org.ID(), Chain: envelope.Hash(w.channel.ID()), Seq: w.channel.Seq() + 1,
		Prev: w.channel.Head(), Type: envelope.Restore, Key: by.ID(), Body: envelope.Marshal(&envelope.RestoreBody{
			OldPosition: oldPosition, OldHead: oldHead, NewPosition: w.channel.Position, NewHead: w.channel.Top, Reason: "disk lost",
		}),
	})}
	seal.SignEntry(e, by)
	p := w.at(w.channel.Position+1, w.channel.Top, e, nil)
	w.placed = append(w.placed, p)
	if by == w.root {
		if err := w.channel.Apply(p); err != nil {
			w.t.Fatal(err)
		}
	}
	return p
}

func TestAttackRestoredServer(t *testing.T) {
	t.Parallel()
	w, d, ann, bob := recorded(t)
	w.say(ann, "in the backup")
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	survives := w.channel.Position
	for range 5 {
		w.say(ann, "lost with the disk")
	}
	w.rotate(ann, envelope.CauseDemand)
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	kept := d.Standings()[0].Position

	at, head := w.goBack(survives)
	d.want(d.follow(), RolledBack)
	forged := w.restore(newParty(t).key, at, head)
	w.now = w.now.Add(time.Minute)
	d.follow()
	if got := d.Standings()[0].Position; got != kept {
		t.Fatalf("went back to %d without the root", got)
	}
	w.placed = w.placed[:forged.Position-1]

	w.restore(w.root, at, head)
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), Restored)
	if got := d.Standings()[0].Position; got != survives+1 {
		t.Fatalf("kept %d entries, want %d", got, survives+1)
	}
	d.kill()
	// The number of the lost epoch is given again. Its old seed must not do.
	w.rotate(bob, envelope.CauseRestore)
	w.spoilWrap = func(_ uint64, wrap []byte, h []envelope.Hash) ([]byte, []envelope.Hash) { return wrap[1:], h }
	d.want(d.follow(), WrapBad)
	d.kill()
	w.spoilWrap = nil
	d.settled()
	said := w.say(bob, "after the restore").Position
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	if got := w.channel.Covered(d.ID()); got < said {
		t.Fatalf("covered to %d, want %d", got, said)
	}
	if list := w.coverages(); len(list[len(list)-1].Exceptions) != 0 {
		t.Fatal("a message of the new epoch was excepted")
	}
	aside := must(openTape(filepath.Join(d.Copy, "channels", w.channel.ID().String(), "lost", fmt.Sprintf("%d-%d", survives+1, kept), "entries")))
	defer aside.Close()
	if aside.Len() != kept {
		t.Fatalf("set aside are %d entries, want %d", aside.Len(), kept)
	}
}

// What was disposed of is covered again after a restore that lost its coverage,
// though nothing opens it any more, and may be disposed of once more. Coverage
// that was partly of lost messages is made anew for those that survived.
func TestRestoreLosesCoverageOfDisposed(t *testing.T) {
	t.Parallel()
	for survive := 1; survive <= 3; survive++ {
		t.Run(fmt.Sprintf("%d of 3 messages survive", survive), func(t *testing.T) {
			t.Parallel()
			c := newCourt(t)
			c.dispose()
			c.messages = c.messages[:survive]
			last := c.messages[survive-1].Position
			want := c.coverRoot(&envelope.Coverage{From: 1, To: last})
			at, head := c.goBack(last)
			c.restore(c.root, at, head)
			c.loseSalts()
			c.world.now = c.world.now.Add(time.Minute)
			c.want(c.follow(), Restored)
			c.kill()
			c.settled()
			got := c.coverages()
			if len(got) != 1 || got[0].From != 1 || got[0].To < last || got[0].Root != want || len(got[0].Exceptions) != 0 {
				t.Fatalf("coverage is %+v, want all to %d under root %s", got, last, want)
			}
			c.rotate(c.bob, envelope.CauseRestore)
			c.settled()
			said := c.say(c.bob, "after the restore").Position
			c.world.now = c.world.now.Add(3 * time.Second)
			c.settled()
			if got := c.channel.Covered(c.ID()); got < said {
				t.Fatalf("covered to %d, want %d", got, said)
			}
			c.dispose()
		})
	}
}

// dispose carries out a plan of the messages.
func (c *court) dispose() {
	c.t.Helper()
	before := len(c.confirmations)
	c.submit(c.plan())
	c.want(c.judge(), "")
	if len(c.confirmations) != before+1 {
		c.t.Fatal("the disposal was not confirmed")
	}
}

// loseSalts makes the server one whose vault has punctured the messages' leaves.
func (c *court) loseSalts() {
	c.spoilPage = func(page *Page) {
		for _, p := range page.Entries {
			if slices.ContainsFunc(c.messages, func(m *envelope.Placed) bool { return m.Position == p.Position }) {
				p.Salt = nil
			}
		}
	}
}

// With the root's word for a loss, a server shows another message in the place of
// one that was disposed of. What the recorder has kept of the old one must not
// speak for the new one.
func TestAttackRestoreCoversAnother(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	c.dispose()
	at, head := c.rewrite()
	c.restore(c.root, at, head)
	for range 4 {
		c.world.now = c.world.now.Add(time.Minute)
		_, _ = c.Follow(t.Context(), c.channel.ID())
	}
	first := c.messages[0].Position
	want := c.coverRoot(&envelope.Coverage{From: 1, To: first})
	if got := c.coverages(); len(got) != 1 || got[0].To != first || got[0].Root != want {
		t.Fatalf("coverage is %+v, want what survived, to %d under root %s", got, first, want)
	}
}

// The same server places the recorder's own old coverage there, as it was signed.
func TestAttackRestoreReplaysCoverage(t *testing.T) {
	t.Parallel()
	c := newCourt(t)
	i := slices.IndexFunc(c.placed, func(p *envelope.Placed) bool { return p.Entry.Kind == envelope.KindCoverage })
	old := c.placed[i].Entry
	c.dispose()
	kept := c.Standings()[0]
	at, head := c.rewrite()
	p := c.world.at(c.channel.Position+1, c.channel.Top, &old, nil)
	if err := c.channel.Apply(p); chain.ReasonOf(err) != chain.CoverageBad {
		t.Fatalf("its head is of the old messages, and a validator says: %v", err)
	}
	c.placed = append(c.placed, p)
	c.channel.StartAt(p.Position, p.Head, p.Received) // this server does not judge
	c.restore(c.root, max(at, p.Position), head)
	for range 4 {
		c.world.now = c.world.now.Add(time.Minute)
		_, _ = c.Follow(t.Context(), c.channel.ID())
	}
	if got := c.Standings()[0]; got != kept {
		t.Fatalf("standing went from %+v to %+v", kept, got)
	}
}

// rewrite takes the server back to the first message and has ann say others in
// the place of the rest, at the same time of day.
func (c *court) rewrite() (oldPosition uint64, oldHead envelope.Hash) {
	c.t.Helper()
	oldPosition, oldHead = c.goBack(c.messages[0].Position)
	now := c.world.now
	c.world.now = time.UnixMicro(c.messages[2].Received)
	c.say(c.ann, "this was said")
	c.say(c.ann, "and agreed")
	c.world.now = now
	return oldPosition, oldHead
}

// Epochs whose acknowledgement was lost are acknowledged again, by the seeds on
// disk: the server need not show their wraps any more.
func TestRestoreLosesAcknowledgements(t *testing.T) {
	t.Parallel()
	w, d, _, bob := recorded(t)
	epoch, _ := w.channel.Newest()
	at, head := w.goBack(epoch.Position)
	w.restore(w.root, at, head)
	w.spoilWrap = func(_ uint64, wrap []byte, h []envelope.Hash) ([]byte, []envelope.Hash) { return nil, nil }
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), Restored)
	d.kill()
	d.settled()
	if e, ok := w.channel.Current(); !ok || e.N != epoch.N {
		t.Fatalf("epoch %d is not acknowledged again", epoch.N)
	}
	w.spoilWrap = nil
	w.rotate(bob, envelope.CauseRestore)
	d.settled()
	said := w.say(bob, "after the restore").Position
	d.settled()
	if got := w.channel.Covered(d.ID()); got < said {
		t.Fatalf("covered to %d, want %d", got, said)
	}
}

// The root's word for one loss must not excuse the next: neither as it stands nor
// placed anew at another time, and none that names less than what is kept.
func TestAttackRestoreLinkTwice(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	survives := w.channel.Position
	for range 5 {
		w.say(ann, "lost")
	}
	d.settled()
	at, head := w.goBack(survives)
	w.restore(w.root, at-1, head)
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), RolledBack) // one entry more is kept than the root declared
	w.goBack(survives)
	link := w.restore(w.root, at, head)
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), Restored)
	w.rotate(ann, envelope.CauseRestore)
	d.settled()
	kept := d.Standings()[0].Position

	w.goBack(survives)
	again := w.at(survives+1, w.channel.Top, &link.Entry, nil)
	again.Received++
	again.Head = envelope.NextHead(w.channel.Top, again.Position, again.Received, again.Hash())
	w.placed = append(w.placed, again)
	if err := w.channel.Apply(again); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), RolledBack)
	if got := d.Standings()[0].Position; got != kept {
		t.Fatalf("went back to %d under an old link", got)
	}
}

// A link that was taken in a history that was left, by the root's word again,
// excuses no return to it.
func TestAttackLeftHistoryShownAgain(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	survives := w.channel.Position
	for range 9 {
		w.say(ann, "lost")
	}
	d.settled()
	at, head := w.goBack(survives)
	w.restore(w.root, at, head)
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), Restored)
	w.rotate(ann, envelope.CauseRestore)
	d.settled()
	for range 3 {
		w.say(ann, "here first")
	}
	d.settled()
	left := slices.Clone(w.placed)

	at, head = w.goBack(survives)
	w.restore(w.root, at, head)
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), Restored)
	w.rotate(ann, envelope.CauseRestore)
	d.settled()
	kept := d.Standings()[0].Position

	w.placed = left
	w.now = w.now.Add(time.Minute)
	if got := d.follow(); got != RolledBack && got != EntryRefused {
		t.Errorf("a history that was left: %q", got)
	}
	if got := d.Standings()[0].Position; got != kept {
		t.Errorf("went from %d to %d under an old link", kept, got)
	}
}

// People who had nothing to lose may have gone on before the root signed.
func TestRestoreAfterOthersWentOn(t *testing.T) {
	t.Parallel()
	w, d, ann, bob := recorded(t)
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	survives := w.channel.Position
	w.say(ann, "lost")
	d.settled()
	at, head := w.goBack(survives)
	w.say(bob, "bob never saw it")
	w.say(bob, "nor that")
	w.restore(w.root, at+2, head)
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), Restored)
	if got := d.Standings()[0].Position; got != w.channel.Position {
		t.Fatalf("kept %d entries, the server has %d", got, w.channel.Position)
	}
}

// An older copy of the recorder's own disk is put back: it says so, and makes
// the rest again from what the server still has.
func TestOwnCopyPutBack(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(d.Copy)); err != nil {
		t.Fatal(err)
	}
	said := w.say(ann, "after the copy was made").Position
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	d.Recorder.Close()
	d.config.Copy = old
	d.open()
	d.want(d.follow(), CoverageAhead)
	d.settled()
	if got := d.Standings()[0].Opened; got < said {
		t.Fatalf("opened to %d, want %d", got, said)
	}
}

func TestTapeCut(t *testing.T) {
	t.Parallel()
	for _, to := range []int{0, 5, segmentRecords - 1, segmentRecords, segmentRecords + 1, 2*segmentRecords + 3} {
		dir := t.TempDir()
		tp := fillTape(t, dir, 2*segmentRecords+3)
		if err := errors.Join(tp.Cut(uint64(to)), tp.Append([]byte("after")), tp.Sync()); err != nil {
			t.Fatal(err)
		}
		tp.Close()
		tp = must(openTape(dir))
		got := readTape(t, tp, 1)
		if len(got) != to+1 || got[to] != "after" || to > 0 && got[to-1] != fmt.Sprintf("record %d", to) {
			t.Fatalf("cut to %d: %d records, the last is %q", to, len(got), got[len(got)-1])
		}
		tp.Close()
	}
}
