package recorder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// restored looks whether a server that shows another history than the one kept
// came back from an older copy with the root's word for it: where both histories
// part, the server's next entry is a restore link that the validator takes. Then
// the copy goes back to there, and what the server lost is set aside, not lost.
func (f *follower) restored(ctx context.Context) (bool, error) {
	if now := f.Now(); f.channel == nil || now.Sub(f.looked) < repost {
		return false, nil
	} else {
		f.looked = now
	}
	fork, next, err := f.fork(ctx)
	if err != nil || next == nil || fork == 0 || fork == f.position() {
		return false, err
	}
	if l, err := envelope.ParseLink(&next.Entry); err != nil || l.Type != envelope.Restore {
		return false, nil
	}
	then := &follower{Recorder: f.Recorder, id: f.id, entries: f.entries}
	if err := then.replayTo(fork); err != nil {
		return false, err
	}
	if err := then.apply(ctx, next); err != nil {
		return false, err
	}
	lost := f.position()
	if err := f.goBack(fork); err != nil {
		return false, fmt.Errorf("going back to %d: %w", fork, err)
	}
	f.report(inChannel(f.id, alarm(Restored, "the server lost entries %d to %d; they are set aside", fork+1, lost)))
	return true, nil
}

// fork finds the last position at which the server's history is the one kept,
// and the server's entry after it.
func (f *follower) fork(ctx context.Context) (position uint64, next *envelope.Placed, err error) {
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
	if err != nil {
		return 0, nil, err
	}
	next, err = f.theirs(ctx, uint64(differs)+1)
	return uint64(differs), next, err
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
