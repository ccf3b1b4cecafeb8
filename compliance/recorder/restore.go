package recorder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// restored looks whether a server that shows another history than the one kept
// came back from an older copy with the root's word for it: after the place where
// both histories part stands a restore link that covers all that is kept, and the
// validator takes everything up to it. Then the copy goes back to where they part,
// and what the server lost is set aside, not lost.
func (f *follower) restored(ctx context.Context) (bool, error) {
	if now := f.Now(); f.channel == nil || now.Sub(f.looked) < repost {
		return false, nil
	} else {
		f.looked = now
	}
	fork, err := f.fork(ctx)
	if err != nil || fork == 0 || fork == f.position() {
		return false, err
	}
	last, err := f.excuse(ctx, fork)
	if err != nil || last == 0 {
		return false, err
	}
	then := &follower{Recorder: f.Recorder, id: f.id, entries: f.entries, openings: f.openings, ears: newEars()}
	if err := then.replayTo(fork); err != nil {
		return false, err
	}
	judged := fork
	err = f.shown(ctx, fork, func(p *envelope.Placed) (bool, error) {
		judged = p.Position
		return judged == last, then.apply(ctx, p)
	})
	if err != nil || judged != last {
		return false, err
	}
	lost := f.position()
	if err := f.goBack(fork); err != nil {
		return false, fmt.Errorf("going back to %d: %w", fork, err)
	}
	f.report(inChannel(f.id, alarm(Restored, "the server lost entries %d to %d; they are set aside", fork+1, lost)))
	return true, nil
}

// excuse finds, after a position, the restore link that covers all that is kept;
// 0 when there is none. One that was taken before was for another loss.
func (f *follower) excuse(ctx context.Context, fork uint64) (last uint64, err error) {
	taken, err := f.taken()
	if err != nil {
		return 0, err
	}
	err = f.shown(ctx, fork, func(p *envelope.Placed) (bool, error) {
		b, ok := restoreOf(p)
		if !ok || b.OldPosition < f.position() || slices.Contains(taken, p.Hash()) {
			return false, nil
		}
		if own, err := f.at(p.Position); err == nil && own.Hash() == p.Hash() {
			return false, nil
		}
		last = p.Position
		return true, nil
	})
	return last, err
}

// shown has do see what the server shows after a position, entry by entry, until
// it has seen enough. Nothing is kept: how much there is, the server decides.
func (f *follower) shown(ctx context.Context, after uint64, do func(*envelope.Placed) (enough bool, err error)) error {
	for {
		page, err := f.Server.Entries(ctx, f.id, after)
		if err != nil || len(page.Entries) == 0 {
			return err
		}
		for _, p := range page.Entries {
			if p.Position != after+1 {
				return alarm(RolledBack, "entry %d is shown after %d", p.Position, after)
			}
			after = p.Position
			if enough, err := do(p); enough || err != nil {
				return err
			}
		}
	}
}

func (f *follower) takenFile() string { return filepath.Join(f.dir, "restored") }

// taken are the hashes of restore links in histories that were left.
func (f *follower) taken() (links []envelope.Hash, err error) {
	b, err := os.ReadFile(f.takenFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil && len(b)%len(envelope.Hash{}) != 0 {
		err = fmt.Errorf("%w: %d bytes of restore links", errDamaged, len(b))
	}
	for part := range slices.Chunk(b, len(envelope.Hash{})) {
		links = append(links, envelope.Hash(part))
	}
	return links, err
}

// leave remembers the restore links after a position, which is about to be cut:
// the server may show that history again, and they were for earlier losses.
func (f *follower) leave(position uint64) error {
	taken, err := f.taken()
	if err != nil {
		return err
	}
	before := len(taken)
	err = f.walk(position+1, f.position(), func(p *envelope.Placed) error {
		if _, ok := restoreOf(p); ok && !slices.Contains(taken, p.Hash()) {
			taken = append(taken, p.Hash())
		}
		return nil
	})
	if err != nil || len(taken) == before {
		return err
	}
	var b []byte
	for _, h := range taken {
		b = append(b, h[:]...)
	}
	return writeFile(f.takenFile(), b)
}

func restoreOf(p *envelope.Placed) (*envelope.RestoreBody, bool) {
	if p.Entry.Kind != envelope.KindLink {
		return nil, false
	}
	l, err := envelope.ParseLink(&p.Entry)
	if err != nil || l.Type != envelope.Restore {
		return nil, false
	}
	b, err := envelope.ParseBody[envelope.RestoreBody](l)
	return b, err == nil
}

// fork finds the last position at which the server's history is the one kept.
func (f *follower) fork(ctx context.Context) (position uint64, err error) {
	differs := sort.Search(int(f.position()), func(i int) bool {
		if err != nil {
			return false
		}
		var theirs, own *envelope.Placed
		if theirs, err = f.theirs(ctx, uint64(i)+1); err != nil {
			return false
		}
		if theirs == nil {
			return true
		}
		own, err = f.at(uint64(i) + 1)
		return err == nil && own.Head != theirs.Head
	})
	return uint64(differs), err
}

// theirs is the server's entry at a position, nil when it shows none.
func (f *follower) theirs(ctx context.Context, position uint64) (*envelope.Placed, error) {
	page, err := f.Server.Entries(ctx, f.id, position-1)
	if err != nil || len(page.Entries) == 0 || page.Entries[0].Position != position {
		return nil, err
	}
	return page.Entries[0], nil
}

// goBack sets aside everything after a position and rebuilds the state there.
// Openings go first: there are never more of them than entries.
func (f *follower) goBack(position uint64) error {
	if err := f.leave(position); err != nil {
		return err
	}
	aside := filepath.Join(f.dir, "lost", fmt.Sprintf("%d-%d", position+1, f.position()))
	err := errors.Join(
		f.openings.SetAside(position, filepath.Join(aside, "openings")),
		f.entries.SetAside(position, filepath.Join(aside, "entries")),
	)
	if err != nil {
		return err
	}
	if err := errors.Join(f.openings.Cut(position), f.entries.Cut(position)); err != nil {
		return err
	}
	f.channel, f.stays, f.keys = nil, nil, map[uint64]seal.EpochKey{}
	f.sight, f.ears.lost = sight{}, nil
	clear(f.ears.unsaid)
	clear(f.posted)
	return errors.Join(f.replay(), f.loadSeeds())
}

// SetAside copies the segments that hold records after n to another directory.
func (t *tape) SetAside(n uint64, dir string) error {
	if err := t.Sync(); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for i := n / segmentRecords; i*segmentRecords < t.count; i++ {
		b, err := os.ReadFile(t.segment(i))
		if err == nil {
			err = writeFile(filepath.Join(dir, filepath.Base(t.segment(i))), b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Cut drops every record after n. A crash leaves some of them at the end.
func (t *tape) Cut(n uint64) error {
	if err := t.Sync(); err != nil || n >= t.count {
		return err
	}
	return t.keep(t.cut(n))
}

func (t *tape) cut(n uint64) error {
	var size int64
	r := t.From(n/segmentRecords*segmentRecords + 1)
	defer r.Close()
	for r.next <= n {
		record, err := r.Next()
		if err != nil {
			return err
		}
		size += frameHeader + int64(len(record))
	}
	if err := t.file.Close(); err != nil {
		return err
	}
	for i := (t.count - 1) / segmentRecords; i > n/segmentRecords; i-- {
		if err := errors.Join(os.Remove(t.segment(i)), syncDir(t.dir)); err != nil {
			return err
		}
	}
	if err := t.openSegment(n / segmentRecords); err != nil {
		return err
	}
	t.count, t.synced = n, n
	_, err := t.file.Seek(size, 0)
	return errors.Join(err, t.file.Truncate(size), t.file.Sync())
}
