package vault

import (
	"context"
	"fmt"
	"slices"

	"chancery/crypto/keytree"
)

// Result tells what a run destroyed, for its certificate.
type Result struct {
	Generation uint64 // current after the run; every KEK before it is destroyed
	Channels   int    // channels with punctured leaves
	Leaves     int    // distinct leaves asked for, those gone before included
	Copies     int    // copies that were read back
}

// Puncture destroys leaves of channels, in every copy. Only when it returns
// without error are they gone; after an error the run counts as pending, and the
// same call may be made again. A cancelled context stops it only before the
// first pointer moves. A channel without a tree is ErrMissingTree, wrapped, and
// nothing is changed. With no leaves it just replaces the KEK.
func (v *Vault) Puncture(ctx context.Context, leaves map[Channel][]uint64) (Result, error) {
	result := Result{Channels: len(leaves), Copies: len(v.copies)}
	plan := make(map[Channel][]span, len(leaves))
	for channel, indexes := range leaves {
		if !v.Has(channel) {
			return Result{}, fmt.Errorf("puncturing: channel %x: %w", channel, ErrMissingTree)
		}
		ranges, n, err := merge(indexes)
		if err != nil {
			return Result{}, fmt.Errorf("puncturing: channel %x: %w", channel, err)
		}
		plan[channel] = ranges
		result.Leaves += n
	}
	err := v.change(func() error { return v.run(ctx, plan) })
	if err != nil {
		return Result{}, fmt.Errorf("puncturing: %w", err)
	}
	result.Generation = v.Generation()
	return result, nil
}

// merge turns leaf indexes into runs of neighbours, and counts them without
// repetition: an old channel loses its first million in one cut.
func merge(indexes []uint64) (ranges []span, count int, err error) {
	sorted := slices.Compact(slices.Sorted(slices.Values(indexes)))
	for _, i := range sorted {
		if i >= keytree.Leaves {
			return nil, 0, fmt.Errorf("leaf %d: %w", i, keytree.ErrIndex)
		}
		if k := len(ranges) - 1; k >= 0 && ranges[k].offset+ranges[k].length == int64(i) {
			ranges[k].length++
			continue
		}
		ranges = append(ranges, span{int64(i), 1})
	}
	return ranges, len(sorted), nil
}

// run is one step after the other of what doc.go describes.
func (v *Vault) run(ctx context.Context, plan map[Channel][]span) error {
	old, data, err := v.best(v.gen.number, v.gen.aead)
	if err != nil {
		return err
	}
	next := &generation{number: old.number + 1, size: int64(genHeader), trees: make(map[Channel]span)}
	if next.aead, err = v.keys.make(next.number, v.random); err != nil {
		return err
	}
	fresh := header(next.number)
	for _, channel := range old.order {
		at := old.trees[channel]
		record, err := reseal(old, next, data[at.offset:at.offset+at.length], plan[channel], v.fence)
		if err != nil {
			return err
		}
		fresh = append(fresh, record...)
		next.add(channel, len(record))
	}
	for _, c := range v.copies {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.disk.replace(c.path(genName(next.number)), fresh); err != nil {
			return err
		}
	}
	return v.settle(next)
}

// reseal returns the record of a tree for the next generation, without the
// leaves of ranges.
func reseal(old, next *generation, record []byte, ranges []span, fence uint64) ([]byte, error) {
	tree, err := old.openTree(record)
	if err != nil {
		return nil, err
	}
	defer tree.Wipe()
	for _, r := range ranges {
		if err := tree.PunctureRange(uint64(r.offset), uint64(r.offset+r.length)); err != nil {
			return nil, err
		}
	}
	return next.sealTree(Channel(record), fence, tree)
}
