package record

import (
	"fmt"

	"chancery/crypto/tlog"
)

// Tree is the state of the log.
type Tree struct {
	Size   int64 // number of leaves; the next record gets this index
	Root   tlog.Hash
	LastID int64 // greatest record id in the log
}

// Placement is a record's place in the log.
type Placement struct {
	ID    int64
	Index int64 // from 0
	Leaf  tlog.Hash
}

// Batch is what one append writes: places, and the tree hashes they complete.
type Batch struct {
	Records   []Placement
	FirstHash int64 // storage index of Hashes[0], see tlog.StoredIndex
	Hashes    []tlog.Hash
	Before    Tree
	After     Tree
	Open      []Range // ids passed over that may still commit; kept for the next lead
}

// Place gives records, in the order of their ids, the next places in the log.
// It reads the at most 64 peaks of the present tree from r, all at once.
func Place(tree Tree, r tlog.HashReader, records []Record) (*Batch, error) {
	b := &Batch{FirstHash: tlog.StoredCount(tree.Size), Before: tree, After: tree}
	grown, err := newOverlay(tree.Size, b.FirstHash, r)
	if err != nil {
		return nil, fmt.Errorf("placing records: reading peaks: %w", err)
	}
	for i := range records {
		if err := records[i].Check(); err != nil {
			return nil, fmt.Errorf("placing records: %w", err)
		}
		leaf := records[i].LeafHash()
		hashes, err := tlog.StoredHashes(b.After.Size, leaf, grown)
		if err != nil {
			return nil, fmt.Errorf("placing records: %w", err)
		}
		grown.added = append(grown.added, hashes...)
		b.Records = append(b.Records, Placement{records[i].ID, b.After.Size, leaf})
		b.After.Size++
		b.After.LastID = max(b.After.LastID, records[i].ID)
	}
	b.Hashes = grown.added
	if b.After.Root, err = tlog.TreeRoot(b.After.Size, grown); err != nil {
		return nil, fmt.Errorf("placing records: %w", err)
	}
	return b, nil
}

// overlay reads the peaks of a stored tree and what was added after it. Adding
// leaves asks for nothing else.
type overlay struct {
	peaks map[int64]tlog.Hash
	first int64 // storage index of added[0]
	added []tlog.Hash
}

func newOverlay(size, first int64, r tlog.HashReader) (*overlay, error) {
	indexes := peakIndexes(size)
	o := &overlay{peaks: make(map[int64]tlog.Hash, len(indexes)), first: first}
	if len(indexes) == 0 {
		return o, nil
	}
	hashes, err := r.ReadHashes(indexes)
	if err != nil {
		return nil, err
	}
	for i, h := range hashes {
		o.peaks[indexes[i]] = h
	}
	return o, nil
}

// peakIndexes are the storage indexes of the roots of a tree's complete
// subtrees: one for each one bit of its size.
func peakIndexes(size int64) []int64 {
	var indexes []int64
	start := int64(0)
	for level := 62; level >= 0; level-- {
		if width := int64(1) << level; size&width != 0 {
			indexes = append(indexes, tlog.StoredIndex(level, start>>level))
			start += width
		}
	}
	return indexes
}

func (o *overlay) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		peak, ok := o.peaks[x]
		switch at := x - o.first; {
		case ok:
			hashes[i] = peak
		case at >= 0 && at < int64(len(o.added)):
			hashes[i] = o.added[at]
		default:
			return nil, fmt.Errorf("hash %d is neither a peak nor new", x)
		}
	}
	return hashes, nil
}
