package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

var (
	// ErrForked: the log is not the one that this device has followed.
	ErrForked = witness.ErrFork
	// ErrStale: nobody but the server has vouched for the log lately, so nothing
	// new is sent or shown.
	ErrStale = errors.New("the log is not vouched for")
)

// How long the log may go without a recorder's word, by a device's clock.
const (
	FreshWithin = 15 * time.Minute
	OpenWithin  = 24 * time.Hour // in channels that nobody records; they need attention before
)

// How often a device asks for the log's newest checkpoints.
const (
	followEvery = time.Minute
	againEvery  = 2 * time.Second // while somebody waits for them
)

// logbook is what a device believes of the organisation's log.
type logbook struct {
	api   *client.Transport
	dir   *Directory
	store Store
	now   func() time.Time

	mu     sync.Mutex
	kept   keptLog
	asked  time.Time // in this run
	tried  int64     // the same by the device's clock; of an earlier run, what was believed
	failed bool      // the server could not be asked
	err    error     // why the last look was not believed
}

// keptLog is what is remembered of the log between runs. Times are in seconds
// since 1970.
type keptLog struct {
	Last     witness.Last             `json:"last"`
	Cosigned map[envelope.KeyID]int64 `json:"cosigned"` // by their clocks
	Since    int64                    `json:"since"`    // when this device first looked
	Looked   int64                    `json:"looked"`
}

func openLogbook(s *Session) (*logbook, error) {
	b := &logbook{api: s.API, dir: s.Dir, store: s.Ring, now: s.Now}
	if err := load(b.store, "log", &b.kept); err != nil {
		return nil, err
	}
	b.tried = b.kept.Looked
	if b.kept.Cosigned == nil {
		b.kept.Cosigned = map[envelope.KeyID]int64{}
	}
	return b, nil
}

// look asks for the newest checkpoints, once a minute, and sooner if the caller
// waits for one. A server that can't be reached changes nothing but the age of
// what is known.
func (b *logbook) look(ctx context.Context, waits bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.dir.Org().Parties(envelope.RoleSigner)) == 0 {
		return nil
	}
	now := b.now()
	if !b.due(now, waits) {
		return b.err
	}
	b.asked, b.tried = time.Now(), now.Unix()
	err := b.follow(ctx)
	if b.failed = client.NotNow(err) || ctx.Err() != nil; b.failed {
		return b.err
	}
	if b.err = err; err == nil {
		b.kept.Looked = now.Unix()
	}
	if b.kept.Since == 0 {
		b.kept.Since = now.Unix()
	}
	return errors.Join(err, save(b.store, "log", &b.kept))
}

func (b *logbook) due(now time.Time, waits bool) bool {
	again := time.Since(b.asked) >= againEvery // by the monotonic clock
	age := now.Unix() - b.tried
	late := age < 0 || age >= int64(followEvery/time.Second)
	if waits || b.failed || b.err != nil {
		return again || late && !b.failed
	}
	return late
}

// follow takes the newest checkpoints. One that it does not believe may be of a
// log that was restored, or signed by a key that was listed since.
func (b *logbook) follow(ctx context.Context) error {
	err := b.take(ctx)
	if !errors.Is(err, witness.ErrFork) && !errors.Is(err, tlog.ErrNote) {
		return err
	}
	if err := b.dir.RefreshOrg(ctx); err != nil {
		return err
	}
	if b.kept.Last.Restore(b.dir.Org()) {
		clear(b.kept.Cosigned) // those were of the log that is lost
	}
	return b.take(ctx)
}

// take believes the largest checkpoint if it extends the log that was followed,
// and then every other one if the largest extends it. So what two cosigners vouch
// for is one log.
func (b *logbook) take(ctx context.Context) error {
	for range 4 {
		known := b.kept.Last.Size
		said, err := b.api.Witnessed(ctx, known)
		if err != nil {
			return fmt.Errorf("fetching the log's checkpoints: %w", err)
		}
		for i := len(said.Checkpoints) - 1; i >= 0; i-- {
			if err := b.believe(said.Checkpoints[i]); err != nil {
				return err
			}
			if b.kept.Last.Size != known { // the other proofs are from where it was
				break
			}
		}
		if b.kept.Last.Size == known || len(said.Checkpoints) == 1 {
			return nil
		}
	}
	return nil // it grows faster than it is read; the age of what was read tells
}

func (b *logbook) believe(p wire.LogPoint) error {
	org := b.dir.Org()
	n, err := witness.Read(org, []byte(p.Note))
	if err != nil {
		return fmt.Errorf("reading the log's checkpoint: %w", err)
	}
	if err := b.kept.Last.Extend(org, n.Checkpoint, treeHashes(p.Proof)); err != nil {
		return err
	}
	for key, at := range n.Cosigned {
		b.hear(key, at.Unix())
	}
	return nil
}

// hear keeps a cosigner's newest word. One that was of the future gives way to any
// other, and takes the place of none: else one minute of a clock that is years ahead
// would make all later words count for nothing.
func (b *logbook) hear(key envelope.KeyID, at int64) {
	last, latest := b.kept.Cosigned[key], b.now().Add(FreshWithin).Unix()
	if last == 0 || last > latest || last < at && at <= latest {
		b.kept.Cosigned[key] = at
	}
}

func treeHashes(in []envelope.Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, h := range in {
		out[i] = tlog.Hash(h)
	}
	return out
}

// state is what is known now: the log, and when each cosigner vouched for it last.
func (b *logbook) state() (last witness.Last, cosigned map[envelope.KeyID]time.Time, since time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	cosigned = map[envelope.KeyID]time.Time{}
	for key, at := range b.kept.Cosigned {
		cosigned[key] = time.Unix(at, 0).UTC()
	}
	return b.kept.Last, cosigned, time.Unix(b.kept.Since, 0).UTC(), b.err
}
