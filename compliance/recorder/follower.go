package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// follower keeps one channel: its verified state, its copy on disk and the keys
// to it.
type follower struct {
	*Recorder
	id  envelope.ChannelID
	dir string

	mu       sync.Mutex
	channel  *chain.Channel // nil before the genesis
	entries  *tape          // record i: the placed entry i, without its salt
	openings *tape          // record i: the opening of entry i
	seeds    *tape          // epoch seeds, sealed under the recorder's master key
	vault    vault
	keys     map[uint64]seal.EpochKey // by epoch
	stays    []stay                   // who was a member from when to when
	arrived  time.Time                // of the newest message
	looked   time.Time                // for a restore
	posted   map[string]*post         // own entries on their way
	sight    sight                    // of the channel's end
	ears     ears                     // what was heard beside the channel
	failing  atomic.Bool              // the last look at the channel failed
}

// openFollower opens what is kept of a channel and rebuilds its state from it.
func (r *Recorder) openFollower(id envelope.ChannelID) (*follower, error) {
	f := &follower{
		Recorder: r, id: id, dir: filepath.Join(r.Copy, "channels", id.String()),
		keys: map[uint64]seal.EpochKey{}, posted: map[string]*post{}, ears: newEars(),
		vault: vault{
			trees: filepath.Join(r.Copy, "trees"), keys: r.VaultKeys, org: r.Org, channel: id, random: r.Random,
		},
	}
	if err := f.openTapes(); err != nil {
		return nil, fmt.Errorf("opening channel %s: %w", id, errors.Join(err, f.Close()))
	}
	for _, load := range []func() error{f.openVault, f.replay, f.loadSeeds} {
		if err := load(); err != nil {
			return nil, fmt.Errorf("opening channel %s: %w", id, errors.Join(err, f.Close()))
		}
	}
	return f, nil
}

func (f *follower) openTapes() (err error) {
	if f.entries, err = openTape(filepath.Join(f.dir, "entries")); err != nil {
		return err
	}
	if f.openings, err = openTape(filepath.Join(f.dir, "openings")); err != nil {
		return err
	}
	if f.seeds, err = openTape(filepath.Join(f.dir, "seeds")); err != nil {
		return err
	}
	if f.openings.Len() > f.entries.Len() {
		return fmt.Errorf("%w: %d openings of %d entries", errDamaged, f.openings.Len(), f.entries.Len())
	}
	return nil
}

func (f *follower) openVault() error { return f.vault.open(f.openings.Len() == 0) }

// Close lets go of the files.
func (f *follower) Close() error {
	var errs []error
	for _, t := range []*tape{f.entries, f.openings, f.seeds} {
		if t != nil {
			errs = append(errs, t.Close())
		}
	}
	return errors.Join(errs...)
}

// position is that of the newest entry kept.
func (f *follower) position() uint64 { return f.entries.Len() }

// follow takes what is new, also from a server that was restored.
func (f *follower) follow(ctx context.Context) error {
	err := f.followOn(ctx)
	if reason := ReasonOf(err); reason != RolledBack && reason != EntryRefused {
		return err
	}
	if back, rerr := f.restored(ctx); !back {
		return errors.Join(err, rerr)
	}
	return f.followOn(ctx)
}

// followOn takes everything that the server has after the newest entry kept,
// acknowledges new epochs and opens what it can.
func (f *follower) followOn(ctx context.Context) error {
	for {
		asked := f.Now()
		page, err := f.Server.Entries(ctx, f.id, f.position())
		if err != nil {
			return fmt.Errorf("fetching entries after %d: %w", f.position(), err)
		}
		if err := f.checkTop(&page); err != nil {
			return err
		}
		if len(page.Entries) == 0 {
			f.saw(page.Position, asked)
			break
		}
		if err := f.take(ctx, page.Entries); err != nil {
			return err
		}
		if f.saw(page.Position, asked); f.position() >= page.Position {
			break
		}
	}
	if !f.records() {
		return alarm(NotRecorder, "channel names other recorders")
	}
	f.takeSeeds(ctx) // those that could not be had when their epochs came
	f.acknowledge(ctx)
	return f.settle(ctx)
}

// records tells whether this recorder has any part in the channel, also one that
// has ended.
func (f *follower) records() bool {
	return f.channel != nil && slices.ContainsFunc(f.channel.Duties(), f.own)
}

func (f *follower) own(d chain.Duty) bool { return d.Recorder == f.ID() }

// mine tells whether what stands at a position was this recorder's to open. Of
// what is not, only what proves the order is kept.
func (f *follower) mine(position uint64) bool {
	return slices.ContainsFunc(f.channel.Duties(), func(d chain.Duty) bool {
		return f.own(d) && d.Since < position && (d.Until == 0 || position <= d.Until)
	})
}

// checkTop finds a server that went back or shows another history.
func (f *follower) checkTop(page *Page) error {
	switch at := f.position(); {
	case page.Position < at:
		return alarm(RolledBack, "server is at %d, kept is %d:%s", page.Position, at, f.channel.Top)
	case at > 0 && page.Position == at && page.Head != f.channel.Top:
		return alarm(RolledBack, "the server has another head at %d, kept is %d:%s", at, at, f.channel.Top)
	}
	return nil
}

// take verifies a page of entries, keeps it, and opens its messages. What comes
// before an entry that is refused stays.
func (f *follower) take(ctx context.Context, page []*envelope.Placed) error {
	var refused error
	for _, p := range page {
		if refused = f.apply(ctx, p); refused != nil {
			break
		}
		if err := f.entries.Append(f.kept(p)); err != nil {
			return err
		}
	}
	if err := f.entries.Sync(); err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	f.takeSeeds(ctx)
	return f.reveal(ctx, page)
}

// kept is how an entry stands in the copy. The salt stays out: with it, a seed
// would open what the vault has shredded.
func (f *follower) kept(p *envelope.Placed) []byte {
	q := bare(p)
	if p.Entry.Kind == envelope.KindMessage && !f.mine(p.Position) {
		q.Entry.Payload = nil
	}
	return envelope.Marshal(q)
}

func bare(p *envelope.Placed) *envelope.Placed {
	q := *p
	q.Salt = nil
	return &q
}

// apply judges the next entry, with newer chains where it names any.
func (f *follower) apply(ctx context.Context, p *envelope.Placed) error {
	if err := f.timely(p); err != nil {
		return err
	}
	err := f.judge(p)
	if chain.ReasonOf(err) == chain.HeadUnknown {
		if err := f.people.refresh(ctx, named(&p.Entry)...); err != nil {
			return err
		}
		err = f.judge(p)
	}
	if err != nil {
		return alarm(EntryRefused, "entry %d: %w", p.Position, err)
	}
	f.note(p)
	return nil
}

// judge takes the next entry without its salt, whose faults are the server's and
// hold up its opening only.
func (f *follower) judge(p *envelope.Placed) error {
	p = bare(p)
	if f.channel != nil {
		return f.channel.Apply(p)
	}
	c, err := chain.NewChannel(f.people, p)
	if err != nil {
		return err
	}
	if c.ID() != f.id {
		return fmt.Errorf("genesis of channel %s", c.ID())
	}
	f.channel = c
	return nil
}

// note remembers what the validator does not: past memberships, when the newest
// message came, and which own entries have arrived.
func (f *follower) note(p *envelope.Placed) {
	f.track(p)
	switch p.Entry.Kind {
	case envelope.KindMessage:
		f.arrived = f.Now()
	case envelope.KindLink:
		f.stays = trackStays(f.stays, p)
	default:
		f.seen(p)
	}
}

// named are the people whose chains an entry speaks of.
func named(e *envelope.Entry) []envelope.UserID {
	l, err := envelope.ParseLink(e)
	if err != nil {
		return nil
	}
	out := []envelope.UserID{l.User}
	switch l.Type {
	case envelope.MemberAdd:
		if b, err := envelope.ParseBody[envelope.AddBody](l); err == nil {
			out = append(out, b.User)
		}
	case envelope.Sync:
		if b, err := envelope.ParseBody[envelope.SyncBody](l); err == nil {
			out = append(out, envelope.UserID(b.Chain))
		}
	case envelope.Handover:
		if b, err := envelope.ParseBody[envelope.HandoverBody](l); err == nil {
			if asked, err := b.AskedBy(); err == nil {
				out = append(out, asked.User)
			}
		}
	}
	return out
}

// at reads one kept entry.
func (f *follower) at(position uint64) (*envelope.Placed, error) {
	raw, err := f.entries.At(position)
	if err != nil {
		return nil, err
	}
	return parseKept(raw)
}

func parseKept(raw []byte) (*envelope.Placed, error) {
	p, err := envelope.ParsePlaced(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return p, nil
}

// walk visits kept entries from..to in order.
func (f *follower) walk(from, to uint64, visit func(*envelope.Placed) error) error {
	r := f.entries.From(from)
	defer r.Close()
	for n := from; n <= to; n++ {
		raw, err := r.Next()
		if err == io.EOF {
			return fmt.Errorf("%w: entry %d is missing", errDamaged, n)
		}
		if err != nil {
			return err
		}
		p, err := parseKept(raw)
		if err != nil {
			return err
		}
		if err := visit(p); err != nil {
			return err
		}
	}
	return nil
}
