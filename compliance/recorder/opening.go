package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// openingRecord is what is known of the entry at its number's position: nothing
// for one that is not a message, else the sealed secret, the reason why it does
// not open, or that it was disposed of.
type openingRecord struct {
	_         struct{} `cbor:",toarray"`
	Secret    []byte   // X under the position's leaf; empty once disposed of
	Exception envelope.ExceptionCode
	Disposed  bool
	Leaf      envelope.Hash // the message's in coverage; it outlasts the secret, and nothing opens by it
}

// opened is the last position whose opening is kept.
func (f *follower) opened() uint64 { return f.openings.Len() }

// reveal opens the entries of a page that follow on from the last opened one,
// and keeps what opens them. It stops at the first that it can't settle.
func (f *follower) reveal(ctx context.Context, page []*envelope.Placed) error {
	var stuck error
	for _, p := range page {
		if p.Position != f.opened()+1 {
			continue
		}
		rec, err := f.openEntry(ctx, p, p.Salt)
		if err != nil {
			stuck = fmt.Errorf("opening entry %d: %w", p.Position, err)
			break
		}
		if err := f.openings.Append(envelope.Marshal(rec)); err != nil {
			return err
		}
	}
	return errors.Join(f.openings.Sync(), stuck)
}

// settle opens entries that are kept and were not opened when they came: of the
// server's pages only the salts are taken.
func (f *follower) settle(ctx context.Context) error {
	for f.opened() < f.position() {
		page, err := f.Server.Entries(ctx, f.id, f.opened())
		if err != nil {
			return fmt.Errorf("fetching salts after %d: %w", f.opened(), err)
		}
		before := f.opened()
		if err := f.settlePage(ctx, page.Entries); err != nil {
			return err
		}
		if f.opened() == before {
			return alarm(RolledBack, "no entry %d on the server", before+1)
		}
	}
	return nil
}

func (f *follower) settlePage(ctx context.Context, page []*envelope.Placed) error {
	own := make([]*envelope.Placed, 0, len(page))
	for i, p := range page {
		want := f.opened() + 1 + uint64(i)
		if p.Position != want || want > f.position() {
			break
		}
		kept, err := f.at(want)
		if err != nil {
			return err
		}
		kept.Salt = p.Salt
		own = append(own, kept)
	}
	return f.reveal(ctx, own)
}

// openEntry opens one entry whose place and signature were verified.
func (f *follower) openEntry(ctx context.Context, p *envelope.Placed, salt []byte) (*openingRecord, error) {
	if p.Entry.Kind != envelope.KindMessage || !f.mine(p.Position) {
		return &openingRecord{}, nil
	}
	h, err := parseHeader(p)
	if err != nil {
		return nil, err
	}
	if p.Disposed() {
		return nil, alarm(PayloadGone, "payload of a message that was never opened")
	}
	key, ok := f.keys[h.Epoch]
	if !ok {
		return nil, alarm(WrapBad, "no seed of epoch %d", h.Epoch)
	}
	opened, err := seal.Open(key, &p.Entry, salt)
	code, excepted := seal.Exception(err)
	if errors.Is(err, seal.ErrSalt) {
		return nil, alarm(SaltBad, "%w", err)
	}
	if err != nil && !excepted {
		return nil, err
	}
	for _, a := range h.Attachments {
		if err := f.fetchFile(ctx, a); err != nil {
			return nil, fmt.Errorf("attachment %s: %w", a.ID, err)
		}
	}
	rec := &openingRecord{Exception: code}
	if opened != nil {
		rec.Leaf = envelope.Hash(coverLeaf(p, opened.Secret))
		rec.Secret, err = f.vault.seal(p.Position, opened.Secret)
		return rec, err
	}
	return rec, nil
}

// lookUp visits the kept entries from..to, each with its opening.
func (f *follower) lookUp(from, to uint64, visit func(*envelope.Placed, *openingRecord) error) error {
	r := f.openings.From(from)
	defer r.Close()
	return f.walk(from, to, func(p *envelope.Placed) error {
		raw, err := r.Next()
		if err == io.EOF {
			return fmt.Errorf("%w: entry %d is not opened", errDamaged, p.Position)
		}
		var rec openingRecord
		if err == nil {
			err = envelope.Unmarshal(raw, &rec)
		}
		if err != nil {
			return err
		}
		return visit(p, &rec)
	})
}
