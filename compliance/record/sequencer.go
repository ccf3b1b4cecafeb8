package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"chancery/crypto/tlog"
)

// Config is what a sequencer needs.
type Config struct {
	Log    Log
	Signer CheckpointSigner
	Origin string           // see Origin
	Every  time.Duration    // between ticks; 0 is a second
	Batch  int              // records in one append; 0 is 4096
	Now    func() time.Time // nil is time.Now
	Logger *slog.Logger     // nil is slog.Default()
}

// Sequencer gives records their places and has the log's state signed.
type Sequencer struct{ Config }

// New makes a sequencer; Run starts it.
func New(c Config) *Sequencer {
	c.Every = cmp.Or(c.Every, time.Second)
	c.Batch = cmp.Or(c.Batch, 4096)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Sequencer{c}
}

// Run places records until ctx ends, and then returns nil. It takes the lead
// again whenever it loses it, so one sequencer of many servers is at work.
func (s *Sequencer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.lead(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("sequencing records stopped; trying again", "err", err)
			sleep(ctx, s.Every)
		}
	}
	return nil
}

func (s *Sequencer) lead(ctx context.Context) (err error) {
	lead, err := s.Log.Lead(ctx)
	if err != nil {
		return fmt.Errorf("taking the lead: %w", err)
	}
	defer func() { err = errors.Join(err, lead.Close()) }()
	t := &term{Sequencer: s, lead: lead}
	if err := t.start(ctx); err != nil {
		return err
	}
	for {
		if err := t.tick(ctx); err != nil {
			return err
		}
		if !sleep(ctx, s.Every) {
			return nil
		}
	}
}

// sleep waits, and tells whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// term is the work of one lead.
type term struct {
	*Sequencer
	lead    Lead
	tree    Tree
	after   int64 // greatest id that was read
	holes   holes
	scanned bool  // records that an earlier lead gave up were looked for
	signed  int64 // tree size that was signed last; -1 when the signer must be asked
	failing bool  // the signer did not answer the last time
}

func (t *term) start(ctx context.Context) error {
	tree, open, err := t.lead.State(ctx)
	if err != nil {
		return fmt.Errorf("reading the log's state: %w", err)
	}
	t.tree, t.after, t.signed = tree, tree.LastID, -1
	t.holes.reopen(open, t.Now())
	return nil
}

// tick places what is new and has the new state signed.
func (t *term) tick(ctx context.Context) error {
	for {
		full, err := t.placeNew(ctx)
		if err != nil {
			return err
		}
		if !full {
			break
		}
	}
	return t.sign(ctx)
}

// placeNew places one batch, and tells whether there may be more. New ids are
// read before holes: were it the other way round, an entry could get its place
// before the one that its channel has it follow.
func (t *term) placeNew(ctx context.Context) (full bool, err error) {
	now := t.Now()
	records, err := t.lead.After(ctx, t.after, t.Batch)
	if err != nil {
		return false, fmt.Errorf("reading records after %d: %w", t.after, err)
	}
	full = len(records) == t.Batch
	t.holes.note(t.after, records, now)
	late, err := t.late(ctx, now)
	if err != nil {
		return false, err
	}
	t.holes.fill(late)
	if len(records) > 0 {
		t.after = records[len(records)-1].ID
	}
	return full, t.append(ctx, merge(records, late), now)
}

// late finds records whose ids were passed over before.
func (t *term) late(ctx context.Context, now time.Time) ([]Record, error) {
	var late []Record
	if ranges := t.holes.ranges(now); len(ranges) > 0 {
		found, err := t.lead.Find(ctx, ranges)
		if err != nil {
			return nil, fmt.Errorf("looking for late records: %w", err)
		}
		late = found
	}
	if t.scanned {
		return late, nil
	}
	t.scanned = true
	lost, err := t.scan(ctx)
	return merge(late, lost), err
}

// scan lists records at or below the watermark that have no place.
func (t *term) scan(ctx context.Context) ([]Record, error) {
	var out []Record
	for id := int64(0); ; {
		page, err := t.lead.Unplaced(ctx, id, t.Batch)
		if err != nil {
			return nil, fmt.Errorf("scanning for records without a place: %w", err)
		}
		for _, r := range page {
			if r.ID > t.after {
				return out, nil
			}
			out = append(out, r)
			id = r.ID
		}
		if len(page) < t.Batch {
			return out, nil
		}
	}
}

// merge joins two lists into one in the order of ids, each id once.
func merge(a, b []Record) []Record {
	if len(b) == 0 {
		return a
	}
	byID := func(x, y Record) int { return cmp.Compare(x.ID, y.ID) }
	all := slices.Concat(a, b)
	slices.SortFunc(all, byID)
	return slices.CompactFunc(all, func(x, y Record) bool { return x.ID == y.ID })
}

func (t *term) append(ctx context.Context, records []Record, now time.Time) error {
	if len(records) == 0 {
		return nil
	}
	b, err := Place(t.tree, t.lead, records)
	if err != nil {
		return err
	}
	b.Open = t.holes.ranges(now)
	if err := t.lead.Append(ctx, b); err != nil {
		return fmt.Errorf("appending %d records at %d: %w", len(records), t.tree.Size, err)
	}
	t.tree = b.After
	return nil
}

// sign has the present tree signed if it is new. A signer that does not answer
// never stops the placing; the age of the last checkpoint tells.
func (t *term) sign(ctx context.Context) error {
	if t.tree.Size == t.signed || t.tree.Size == 0 {
		return nil
	}
	note, err := t.checkpoint(ctx)
	if err != nil {
		t.signed = -1
		if !t.failing && ctx.Err() == nil {
			t.Logger.Error("signing the log's checkpoint failed; trying each tick", "size", t.tree.Size, "err", err)
		}
		t.failing = true
		return nil
	}
	if err := t.lead.SaveCheckpoint(ctx, t.tree.Size, note); err != nil {
		return fmt.Errorf("saving checkpoint of %d: %w", t.tree.Size, err)
	}
	t.signed, t.failing = t.tree.Size, false
	return nil
}

// checkpoint asks for a signature over the present tree. The signer says from
// which size it wants the proof: it may have signed one whose note was lost.
func (t *term) checkpoint(ctx context.Context) ([]byte, error) {
	last := t.signed
	if last < 0 {
		var err error
		if last, err = t.Signer.LastCheckpoint(ctx, t.Origin); err != nil {
			return nil, err
		}
	}
	if last > t.tree.Size {
		return nil, fmt.Errorf("the signer has signed a log of %d records, there are %d: records were lost", last, t.tree.Size)
	}
	var proof []tlog.Hash
	if last > 0 {
		var err error
		if proof, err = tlog.ProveConsistency(last, t.tree.Size, t.lead); err != nil {
			return nil, err
		}
	}
	return t.Signer.SignCheckpoint(ctx, tlog.Checkpoint{Origin: t.Origin, Size: t.tree.Size, Root: t.tree.Root}, proof)
}
