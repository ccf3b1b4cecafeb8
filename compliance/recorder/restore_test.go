package recorder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
