package witness

import (
	"errors"
	"fmt"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// ErrFork reports a log that does not extend the one that was followed, and no
// word of the root for it.
var ErrFork = errors.New("the log is not the one that was followed")

// Last is what a follower must not forget: the newest state that it believed.
// The zero value has seen nothing.
type Last struct {
	Size     int64         `json:"size"`
	Root     envelope.Hash `json:"root"`
	Restores int           `json:"restores"` // links of the root that were taken: each counts once
}

// Extend believes a newer state if the proof leads to it, or an older one if the
// proof leads from it; then nothing changes. Of the first state there is nothing
// to prove. It fails with ErrFork.
func (l *Last) Extend(org *chain.Org, c tlog.Checkpoint, proof []tlog.Hash) error {
	next := *l
	next.Restore(org)
	from, to := tlog.Checkpoint{Size: next.Size, Root: tlog.Hash(next.Root)}, c
	if c.Size < next.Size {
		from, to = to, from
	}
	if next.Size > 0 {
		if err := tlog.VerifyConsistency(from.Size, from.Root, to.Size, to.Root, proof); err != nil {
			return fmt.Errorf("%w: signed are %d:%s and %d:%s: %w",
				ErrFork, next.Size, next.Root, c.Size, envelope.Hash(c.Root), err)
		}
	}
	*l = Last{Size: to.Size, Root: envelope.Hash(to.Root), Restores: next.Restores}
	return nil
}

// Restore takes the root's word, newer than any that was taken, that the log
// lost records which this follower has seen. It tells whether there was such a
// word; the log goes on from what it says survived.
func (l *Last) Restore(org *chain.Org) bool {
	back := false
	for ; l.Restores < len(org.Restores); l.Restores++ {
		r := org.Restores[l.Restores]
		another := l.Size == int64(r.OldSize) && l.Root != r.OldRoot
		if l.Size > int64(r.NewSize) && l.Size <= int64(r.OldSize) && !another {
			l.Size, l.Root, back = int64(r.NewSize), r.NewRoot, true
		}
	}
	return back
}
