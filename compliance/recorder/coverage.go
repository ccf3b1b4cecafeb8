package recorder

import (
	"context"
	"errors"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/keytree"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

// Coverage comes after so many messages, or when the channel has been quiet for
// so long.
const (
	coverMessages = 200
	coverQuiet    = 2 * time.Second
)

// errEnough ends a walk early.
var errEnough = errors.New("enough")

// cover posts coverage if it is due; the last of a duty that ended at once, also
// when there is no message in it. It returns how long until it may be, 0 when
// nothing is uncovered.
func (f *follower) cover(ctx context.Context) (time.Duration, error) {
	if f.channel == nil {
		return 0, nil
	}
	covered, end := f.channel.Covered(f.ID()), f.channel.DutyEnd(f.ID())
	ends := f.opened() >= end
	if min(f.opened(), end) <= covered {
		return 0, nil
	}
	c, messages, err := f.coverage(covered+1, min(f.opened(), end))
	if err != nil || messages == 0 && !ends {
		return 0, err
	}
	if ends {
		return repost, f.post(ctx, "coverage", func() *envelope.Entry { return f.sign(envelope.KindCoverage, c) })
	}
	if wait := coverQuiet - f.Now().Sub(f.arrived); messages < coverMessages && wait > 0 {
		return wait, nil
	}
	err = f.post(ctx, "coverage", func() *envelope.Entry { return f.sign(envelope.KindCoverage, c) })
	return repost, err
}

// coverage proves the opening of the messages from..to, as many as one entry may
// cover. Everything that it is made of is read back from disk.
func (f *follower) coverage(from, to uint64) (*envelope.Coverage, int, error) {
	c := &envelope.Coverage{
		Version: envelope.Version, Org: f.Org, Channel: f.id, From: from,
		Recorder: f.ID(), Time: f.Now().UnixMicro(),
	}
	var root tlog.RootBuilder
	messages := 0
	err := f.lookUp(from, to, func(p *envelope.Placed, rec *openingRecord) error {
		if messages == coverMessages {
			return errEnough
		}
		c.To, c.HeadTo = p.Position, p.Head
		if p.Entry.Kind != envelope.KindMessage {
			return nil
		}
		messages++
		if rec.Exception != "" {
			c.Exceptions = append(c.Exceptions, envelope.Exception{Position: p.Position, Code: rec.Exception})
			return nil
		}
		leaf, err := f.leaf(p, rec)
		if err != nil {
			return err
		}
		root.Append(leaf)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, 0, err
	}
	c.Root = envelope.Hash(root.Root())
	return c, messages, nil
}

// leaf proves the opening of a kept message: by its secret while that is there,
// and by the leaf made of it once it was disposed of. Only what was covered is
// disposed of, so the latter is asked for when a restored server lost coverage.
func (f *follower) leaf(p *envelope.Placed, rec *openingRecord) (tlog.Hash, error) {
	x, err := f.vault.unseal(p.Position, rec.Secret)
	if errors.Is(err, keytree.ErrPunctured) {
		return tlog.Hash(rec.Leaf), nil
	}
	if err != nil {
		return tlog.Hash{}, err
	}
	return coverLeaf(p, x), nil
}

func coverLeaf(p *envelope.Placed, x seal.Secret) tlog.Hash {
	return tlog.LeafHash(envelope.CoverLeaf(p.Position, p.Hash(), x.Cov()))
}
