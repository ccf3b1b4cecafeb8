package recorder

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// logWithin is how long an entry that was followed may be missing in the log.
const logWithin = time.Minute

// Cosign vouches for the newest checkpoint, once the whole log under it was read
// and agrees with every cosignature before and with every channel that this
// recorder follows. It tells whether there was one to vouch for.
func (r *Recorder) Cosign(ctx context.Context) (bool, error) {
	if err := r.people.refresh(ctx); err != nil {
		return false, err
	}
	raw, err := r.Server.Checkpoint(ctx)
	if err != nil || raw == nil {
		return false, err
	}
	note, err := witness.Read(r.people.Org(), raw)
	if err != nil {
		return false, alarm(LogForked, "%w", err)
	}
	x, err := r.readLog(ctx, note)
	if err != nil {
		return false, err
	}
	// On disk first: what was cosigned must not be forgotten.
	if err := x.save(r.Copy); err != nil {
		return false, err
	}
	r.log = &x.ledgerOfLog
	line := seal.Cosign(note.Text, witness.CosignerName(r.Org, r.ID()), r.Now().Unix(), r.Key)
	return true, r.Server.Cosign(ctx, note.Size, line)
}

// reading is one reading of the log up to a checkpoint.
type reading struct {
	*Recorder
	ledgerOfLog
	root *tlog.RootBuilder
}

// readLog reads what is new under a checkpoint: all of it, after the root has
// said that the log came back from an older copy.
func (r *Recorder) readLog(ctx context.Context, note *witness.Note) (*reading, error) {
	x := &reading{Recorder: r, ledgerOfLog: r.log.clone()}
	if x.Cosigned.Restore(r.people.Org()) {
		x.forget()
	}
	if note.Size < x.Cosigned.Size {
		return nil, alarm(LogForked, "signed is a log of %d, cosigned was %d:%s", note.Size, x.Cosigned.Size, x.Cosigned.Root)
	}
	var err error
	if x.root, err = tlog.ResumeRoot(x.Read, x.peaks()); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	for x.root.Size() < note.Size {
		leaves, err := r.Server.Leaves(ctx, x.root.Size())
		if err != nil {
			return nil, fmt.Errorf("fetching records from %d on: %w", x.root.Size(), err)
		}
		if len(leaves) == 0 {
			return nil, alarm(LogForked, "signed is a log of %d, shown are %d records", note.Size, x.root.Size())
		}
		if err := x.page(ctx, leaves[:min(int64(len(leaves)), note.Size-x.root.Size())]); err != nil {
			return nil, err
		}
	}
	if x.root.Root() != note.Root {
		return nil, alarm(LogForked, "signed is %d:%s, the records shown have root %s", note.Size, envelope.Hash(note.Root), envelope.Hash(x.root.Root()))
	}
	if err := x.whole(); err != nil {
		return nil, err
	}
	x.Cosigned.Size, x.Cosigned.Root = note.Size, envelope.Hash(note.Root)
	x.Read, x.Peaks = note.Size, nil
	for _, h := range x.root.Peaks() {
		x.Peaks = append(x.Peaks, envelope.Hash(h))
	}
	return x, nil
}

// page takes the next records.
func (x *reading) page(ctx context.Context, leaves [][]byte) error {
	found := map[envelope.ChannelID][]*record.Record{}
	for _, leaf := range leaves {
		rec, err := record.Parse(leaf)
		if err != nil {
			return alarm(LogForked, "record %d: %w", x.root.Size(), err)
		}
		x.root.Append(tlog.LeafHash(leaf))
		if was := x.Cosigned; x.root.Size() == was.Size && x.root.Root() != tlog.Hash(was.Root) {
			return alarm(LogForked, "cosigned was %d:%s, shown is %d:%s", was.Size, was.Root, was.Size, envelope.Hash(x.root.Root()))
		}
		if rec.Position != 0 {
			found[rec.Channel] = append(found[rec.Channel], rec)
		}
	}
	for id, records := range found {
		for _, rec := range records {
			x.note(rec)
		}
		if err := x.compare(ctx, id, records); err != nil {
			return inChannel(id, err)
		}
	}
	return nil
}

// compare holds records of a channel against the own copy of it, if there is one.
func (x *reading) compare(ctx context.Context, id envelope.ChannelID, records []*record.Record) error {
	f, known := x.known(id)
	if !known {
		return nil
	}
	said := map[uint64]*record.Record{}
	from, to := records[0].Position, records[0].Position
	for _, rec := range records {
		if other, twice := said[rec.Position]; twice && other.Head != rec.Head {
			return alarm(LogDiffers, "the log has two entries %d", rec.Position)
		}
		said[rec.Position] = rec
		from, to = min(from, rec.Position), max(to, rec.Position)
	}
	if err := x.reach(ctx, f, to); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.records() {
		return nil
	}
	return f.walk(from, min(to, f.position()), func(p *envelope.Placed) error {
		if rec := said[p.Position]; rec != nil && (rec.Head != p.Head || rec.Entry != p.Hash()) {
			return alarm(LogDiffers, "entry %d has head %s in the log, %s is kept", p.Position, rec.Head, p.Head)
		}
		return nil
	})
}

// reach follows a channel as far as the log says that it goes.
func (x *reading) reach(ctx context.Context, f *follower, position uint64) error {
	if !f.recorded() || f.standing().Position >= position {
		return nil
	}
	_, err := x.Follow(ctx, f.id)
	if at := f.standing(); at.Position < position {
		return alarm(LogDiffers, "the log has entry %d, shown are %d: %w", position, at.Position, err)
	}
	return nil
}

func (f *follower) recorded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.records()
}

// whole finds entries that were followed some time ago and are not in the log. A
// channel that can't be followed has its own alarm and stops no other.
func (x *reading) whole() error {
	for _, s := range x.Standings() {
		f, _ := x.known(s.Channel)
		if !f.recorded() || f.failing.Load() {
			continue
		}
		l := x.of(s.Channel)
		if err := errors.Join(f.agrees(l.Newest), l.owe(s.Position, x.Now())); err != nil {
			return inChannel(s.Channel, err)
		}
	}
	return nil
}

// agrees compares the newest entry in the log, which vouches for all before it:
// the log may have had them when the channel was not followed yet.
func (f *follower) agrees(newest envelope.Ref) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if head, known := f.channel.HeadAt(newest.Position); known && head != newest.Hash {
		return alarm(LogDiffers, "entry %d has head %s in the log, %s is kept", newest.Position, newest.Hash, head)
	}
	return nil
}
