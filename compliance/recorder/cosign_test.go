package recorder

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// publicLog is the log that the world's server publishes, and what came back.
type publicLog struct {
	signer *sign.Key
	leaves [][]byte
	signed int // how many of them are under the newest checkpoint
	lines  []string
	hides  bool
}

// logs begins the log: the organisation lists its signer.
func (w *world) logs() {
	w.log.signer = suitetest.SignerKey(w.t)
	w.list(envelope.Party{Role: envelope.RoleSigner, Name: "signer", Key: w.log.signer.Public()})
}

// record adds an entry to the log.
func (w *world) record(p *envelope.Placed) {
	r := record.Record{
		Version: envelope.Version, ID: int64(len(w.log.leaves) + 1), Op: record.MessageCreate, Outcome: record.OK,
		At: p.Received, Org: w.org.ID(),
	}
	r.SetEntry(w.channel.ID(), p.Position, p.Head, &p.Entry)
	w.log.leaves = append(w.log.leaves, r.Leaf())
}

// publish records what is not in the log yet, and has it signed.
func (w *world) publish(from uint64) {
	for _, p := range w.placed[from:] {
		w.record(p)
	}
	w.log.signed = len(w.log.leaves)
}

func (w *world) logRoot(size int) tlog.Hash { return tlog.Root(w.log.leaves[:size]) }

// Checkpoint, Leaves and Cosign are the server's.
func (w *world) Checkpoint(context.Context) ([]byte, error) {
	if w.log.signed == 0 {
		return nil, nil
	}
	origin := witness.Origin(w.org.ID())
	text, err := tlog.Checkpoint{Origin: origin, Size: int64(w.log.signed), Root: w.logRoot(w.log.signed)}.MarshalText()
	if err != nil {
		return nil, err
	}
	return sign.SignNote(string(text), origin, w.log.signer)
}

func (w *world) Leaves(_ context.Context, from int64) ([][]byte, error) {
	if w.log.hides {
		return nil, nil
	}
	return w.log.leaves[from:min(from+7, int64(len(w.log.leaves)))], nil
}

func (w *world) Cosign(ctx context.Context, size int64, line string) error {
	note, err := w.Checkpoint(ctx)
	if err != nil {
		return err
	}
	if _, _, err := witness.ReadCosignature(w.org, note, line); err != nil || size != int64(w.log.signed) {
		return fmt.Errorf("cosignature of %d: %w", size, err)
	}
	w.log.lines = append(w.log.lines, line)
	return nil
}

// cosign has the recorder look at the log once.
func (d *desk) cosign() Reason {
	d.w.t.Helper()
	before := len(d.w.log.lines)
	_, err := d.Cosign(d.w.t.Context())
	if err != nil && ReasonOf(err) == "" {
		d.w.t.Fatal(err)
	}
	if cosigned := len(d.w.log.lines) == before+1; cosigned != (err == nil) {
		d.w.t.Fatalf("cosigned %v: %v", cosigned, err)
	}
	return ReasonOf(err)
}

// logged is a recorded channel whose log the recorder has cosigned.
func newLogged(t *testing.T) (*world, *desk, *person) {
	w, d, ann, _ := recorded(t)
	w.logs()
	w.say(ann, "first")
	d.settled()
	w.publish(0)
	d.want(d.cosign(), "")
	return w, d, ann
}

func TestCosign(t *testing.T) {
	t.Parallel()
	w, d, ann := newLogged(t)
	d.want(d.cosign(), "") // the same, at another time
	for range 20 {
		w.say(ann, "more")
	}
	before := uint64(len(w.log.leaves))
	w.publish(before) // before the recorder has seen them
	d.want(d.cosign(), "")
	d.kill()
	at := w.say(ann, "and more").Position
	w.publish(at - 1)
	d.want(d.cosign(), "")
}

// TestAttack09InconsistentCheckpoint: a log that was cosigned is never cosigned
// as another, also after a restart.
func TestAttack09InconsistentCheckpoint(t *testing.T) {
	t.Parallel()
	for name, fork := range map[string]func(w *world){
		"shorter":          func(w *world) { w.log.signed-- },
		"a record swapped": func(w *world) { l := w.log.leaves; l[2], l[3] = l[3], l[2] },
		"another signer":   func(w *world) { w.log.signer = suitetest.SignerKey(w.t) },
		"records hidden": func(w *world) {
			w.log.leaves = append(w.log.leaves, w.log.leaves[0])
			w.log.signed, w.log.hides = len(w.log.leaves), true
		},
		"not a record": func(w *world) {
			w.log.leaves = append(w.log.leaves, []byte("leaf"))
			w.log.signed = len(w.log.leaves)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, _ := newLogged(t)
			honest := w.log
			w.log.leaves = slices.Clone(honest.leaves)
			fork(w)
			d.want(d.cosign(), LogForked)
			d.kill()
			d.want(d.cosign(), LogForked)
			w.log = honest
			d.want(d.cosign(), "")
		})
	}
}

// TestAttack07TwoHistoriesInTheLog: whatever the log says of a channel that is not
// what this recorder followed, keeps it from cosigning.
func TestAttack07TwoHistoriesInTheLog(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		attack func(w *world, ann *person)
		want   Reason
	}{
		"another head": {func(w *world, ann *person) {
			p := *w.say(ann, "to the recorder")
			p.Head[0] ^= 1
			w.record(&p)
		}, LogDiffers},
		"another entry": {func(w *world, ann *person) {
			p := *w.say(ann, "to the recorder")
			p.Entry.Header = append([]byte{0}, p.Entry.Header...)
			w.record(&p)
		}, LogDiffers},
		"both": {func(w *world, ann *person) {
			p := w.say(ann, "to the recorder")
			other := *p
			other.Head[0] ^= 1
			w.record(p)
			w.record(&other)
		}, LogDiffers},
		"one that is not shown": {func(w *world, ann *person) {
			p := *w.placed[len(w.placed)-1]
			p.Position++
			w.record(&p)
		}, LogDiffers},
		"one left out": {func(w *world, ann *person) {
			w.say(ann, "left out")
			at := w.say(ann, "logged")
			w.record(at)
		}, NotLogged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, ann := newLogged(t)
			x.attack(w, ann)
			w.log.signed = len(w.log.leaves)
			if x.want == NotLogged {
				d.want(d.cosign(), "")
				w.now = w.now.Add(2 * logWithin)
			}
			d.want(d.cosign(), x.want)
			d.kill()
			d.want(d.cosign(), x.want)
		})
	}
}

// TestRestoredLog: a log that came back from an older copy is cosigned by the
// root's word alone, once, and is read again from its start.
func TestAttack55RestoredLog(t *testing.T) {
	t.Parallel()
	w, d, ann := newLogged(t)
	kept, old := w.log.signed, uint64(len(w.placed))
	w.say(ann, "lost")
	d.settled()
	w.publish(old)
	d.want(d.cosign(), "")
	lost := envelope.LogRestoreBody{
		OldSize: uint64(w.log.signed), OldRoot: envelope.Hash(w.logRoot(w.log.signed)),
		NewSize: uint64(kept), NewRoot: envelope.Hash(w.logRoot(kept)), Reason: "the disk was lost",
	}
	back := func() {
		at, head := w.goBack(old)
		w.log.leaves, w.log.signed = w.log.leaves[:kept:kept], kept
		d.want(d.cosign(), LogForked)
		w.restore(w.root, at, head)
	}
	back()
	w.extendOrg(envelope.OrgRestore, &lost)
	w.publish(old)
	d.want(d.cosign(), LogDiffers) // the channel's own restore is not taken yet
	w.now = w.now.Add(time.Minute)
	d.want(d.follow(), Restored)
	d.want(d.cosign(), "")
	d.kill()
	d.want(d.cosign(), "")
	back() // the same word excuses nothing more
	w.publish(old)
	d.want(d.cosign(), LogForked)
}
