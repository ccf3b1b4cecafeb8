package record

import (
	"context"

	"chancery/crypto/tlog"
)

// Log is where records and their places are kept.
type Log interface {
	// Lead waits until this process is the only one that places records, or
	// ctx ends. The store holds an advisory lock for as long as the lead lasts,
	// and raises a fencing number that every write of an older lead then fails.
	Lead(ctx context.Context) (Lead, error)
}

// Lead is the right to place records. Its methods fail once another process
// has it; the sequencer then closes it and asks for a new one.
//
// Places follow the order of ids, and ids of one channel must follow its
// positions: whoever writes entries of a channel takes their ids in that order
// and commits in that order.
type Lead interface {
	tlog.HashReader // of stored hashes, by storage index

	// State is the present tree and what the last batch had in Open.
	State(ctx context.Context) (Tree, []Range, error)
	// After lists records with an id greater than the given one, in the order
	// of ids, at most limit of them.
	After(ctx context.Context, id int64, limit int) ([]Record, error)
	// Find lists records without a place in any of the ranges of ids, in the
	// order of ids.
	Find(ctx context.Context, ranges []Range) ([]Record, error)
	// Unplaced lists records without a place with an id greater than the given
	// one, in the order of ids, at most limit of them. It may cost a scan.
	Unplaced(ctx context.Context, id int64, limit int) ([]Record, error)
	// Append writes a batch in one transaction, which asserts the fencing
	// number, that the tree is still Before, and that no record has a place yet.
	Append(ctx context.Context, b *Batch) error
	// SaveCheckpoint keeps the signed note of a tree that Append made.
	SaveCheckpoint(ctx context.Context, size int64, note []byte) error
	// Close gives the lead up.
	Close() error
}

// Range is the ids From to To, both included.
type Range struct{ From, To int64 }

// CheckpointSigner signs the state of the log. The process behind it refuses a
// tree that does not extend the last one that it signed.
type CheckpointSigner interface {
	// LastCheckpoint is the tree size that was signed last, 0 before the first.
	LastCheckpoint(ctx context.Context, origin string) (int64, error)
	// SignCheckpoint returns a signed note over c. The proof shows that c
	// extends the tree that was signed last; it is empty for the first.
	SignCheckpoint(ctx context.Context, c tlog.Checkpoint, proof []tlog.Hash) ([]byte, error)
}
