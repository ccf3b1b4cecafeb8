package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// seedRecord keeps an epoch's seed. Sealed is under the recorder's master key.
type seedRecord struct {
	_      struct{} `cbor:",toarray"`
	N      uint64
	Link   envelope.Hash
	Sealed []byte
}

func (f *follower) seedContext(n uint64, link envelope.Hash) []byte {
	return envelope.Frame("recorder-seed", f.Org, f.id, n, link)
}

func (f *follower) loadSeeds() error {
	r := f.seeds.From(1)
	defer r.Close()
	for {
		raw, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.loadSeed(raw); err != nil {
			return fmt.Errorf("reading epoch seeds: %w", err)
		}
	}
}

func (f *follower) loadSeed(raw []byte) error {
	var rec seedRecord
	if err := envelope.Unmarshal(raw, &rec); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	plain, err := seal.OpenBytes(f.Master, f.seedContext(rec.N, rec.Link), rec.Sealed)
	if err != nil || len(plain) != 32 {
		return fmt.Errorf("%w: seed of epoch %d does not open with this keyring", errDamaged, rec.N)
	}
	if f.channel == nil {
		return fmt.Errorf("%w: seed of epoch %d without a channel", errDamaged, rec.N)
	}
	epoch, ok := f.channel.Epoch(rec.N)
	if !ok || epoch.Link != rec.Link {
		return nil // the entry was cut off by a crash; it will be fetched again
	}
	f.keys[rec.N] = seal.Seed(plain).Key(f.epoch(epoch))
	return nil
}

func (f *follower) epoch(e *chain.Epoch) seal.Epoch {
	return seal.Epoch{Org: f.Org, Channel: f.id, N: e.N, Link: e.Link, Commit: e.Body.SeedCommit}
}

// open are the epochs, newest first, that this recorder holds no seed of or has
// not acknowledged. Those before a settled one were settled, or were passed over
// and can't be written in any more.
func (f *follower) open() []*chain.Epoch {
	if !f.records() {
		return nil
	}
	newest, ok := f.channel.Newest()
	if !ok {
		return nil
	}
	var out []*chain.Epoch
	for n := newest.N; n > 0; n-- {
		e, _ := f.channel.Epoch(n)
		if !e.Awaits(f.ID()) {
			continue // of another recorder's time
		}
		if e.Acknowledged(f.ID()) && f.hasKey(n) {
			break
		}
		out = append(out, e)
	}
	return out
}

func (f *follower) hasKey(n uint64) bool { _, ok := f.keys[n]; return ok }

// takeSeeds takes the seeds of epochs that are new. A bad wrap holds up its own
// epoch only.
func (f *follower) takeSeeds(ctx context.Context) {
	for _, e := range f.open() {
		if f.hasKey(e.N) {
			continue
		}
		if err := f.takeSeed(ctx, e); err != nil {
			f.report(fmt.Errorf("epoch %d: %w", e.N, err))
		}
	}
}

// acknowledge says of every epoch whose seed is on disk that it can be opened.
func (f *follower) acknowledge(ctx context.Context) {
	for _, e := range f.open() {
		if e.Acknowledged(f.ID()) || !f.hasKey(e.N) {
			continue
		}
		f.report(f.post(ctx, fmt.Sprintf("acknowledgement %d", e.N), func() *envelope.Entry {
			return f.sign(envelope.KindAcknowledgement, &envelope.Acknowledgement{
				Version: envelope.Version, Org: f.Org, Channel: f.id, N: e.N, EpochLink: e.Link,
				SeedCommit: e.Body.SeedCommit, Recorder: f.ID(), Time: f.Now().UnixMicro(),
			})
		}))
	}
}

// takeSeed fetches, checks and keeps the seed of an epoch. On return it is on
// disk.
func (f *follower) takeSeed(ctx context.Context, e *chain.Epoch) error {
	wrap, hashes, err := f.Server.Wrap(ctx, f.id, e.N)
	if err != nil {
		return fmt.Errorf("fetching wrap: %w", err)
	}
	if err := f.checkWrap(e, wrap, hashes); err != nil {
		return err
	}
	epoch := f.epoch(e)
	seed, err := seal.UnwrapSeed(f.Identity, wrap, epoch)
	if err != nil {
		return alarm(WrapBad, "%w", err)
	}
	rec := seedRecord{N: e.N, Link: e.Link, Sealed: seal.SealBytes(f.Master, f.seedContext(e.N, e.Link), seed[:])}
	if err := errors.Join(f.seeds.Append(envelope.Marshal(&rec)), f.seeds.Sync()); err != nil {
		return err
	}
	f.keys[e.N] = seed.Key(epoch)
	return nil
}

// checkWrap holds the wrap against what the epoch's creator signed: this very
// wrap, to this very recorder, among those of all recipients.
func (f *follower) checkWrap(e *chain.Epoch, wrap []byte, hashes []envelope.Hash) error {
	recipients := e.Recipients()
	own := slices.IndexFunc(recipients, func(r envelope.Recipient) bool {
		return r.Kind == envelope.RecipientRecorder && r.ID == envelope.Hash(f.ID())
	})
	switch {
	case own < 0:
		return alarm(WrapBad, "this recorder is no recipient")
	case len(hashes) != len(recipients):
		return alarm(WrapBad, "%d wrap hashes for %d recipients", len(hashes), len(recipients))
	case chain.WrapsRoot(recipients, hashes) != e.Body.WrapsRoot:
		return alarm(WrapBad, "wrap hashes do not lead to the signed root")
	case envelope.SumBytes(wrap) != hashes[own]:
		return alarm(WrapBad, "wrap is not the signed one")
	}
	return nil
}
