package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
)

// placing is one entry on its way: parsed, permitted, then judged and queued.
type placing struct {
	s     *Service
	p     identity.Principal
	room  *room
	entry *envelope.Entry
	in    wire.NewEntry

	link   *envelope.Link   // of a link
	header *envelope.Header // of a message
	ack    *envelope.Acknowledgement
	cover  *envelope.Coverage

	draft   *Draft
	refused *Error // that was queued instead of the draft
}

// Place takes one entry into a channel and answers with a signed receipt. The
// same bytes again get the same receipt. A final refusal travels in the Error.
func (s *Service) Place(ctx context.Context, p identity.Principal, id envelope.ChannelID, in wire.NewEntry) (receipt []byte, err error) {
	const op = "entry.place"
	entry, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return nil, invalid(op, "entry", err)
	}
	x := &placing{s: s, p: p, entry: entry, in: in}
	if err := x.parse(); err != nil {
		return nil, invalid(op, "entry", err)
	}
	if err := x.permit(ctx, id); err != nil {
		return nil, err
	}
	if known, err := x.known(ctx); known != nil || err != nil {
		return known, err // also when a file of it is bound: to itself
	}
	if err := x.checkParts(ctx); err != nil {
		return nil, err
	}
	return x.commit(ctx)
}

// parse decodes the header, so that policy can be asked about what it says.
func (x *placing) parse() (err error) {
	switch x.entry.Kind {
	case envelope.KindLink:
		x.link, err = envelope.ParseLink(x.entry)
	case envelope.KindMessage:
		x.header, err = envelope.ParseHeader(x.entry)
	case envelope.KindAcknowledgement:
		x.ack, err = envelope.ParseAcknowledgement(x.entry)
	case envelope.KindCoverage:
		x.cover, err = envelope.ParseCoverage(x.entry)
	}
	return err
}

// tries of an entry whose position somebody else took. Each reads the channel
// anew and judges again.
const tries = 3

// pause before the next try: the time of a commit.
const pause = 20 * time.Millisecond

func (x *placing) commit(ctx context.Context) ([]byte, error) {
	const op = "entry.place"
	for range tries {
		done, err := x.queue(ctx)
		if err == nil {
			select {
			case err = <-done:
			case <-ctx.Done():
				return nil, unavailable(op, "the outcome is not known; send the same entry again", ctx.Err())
			}
		}
		switch {
		case err == nil && x.refused != nil:
			return nil, x.refused
		case err == nil:
			return x.s.receipt(x.room.row.ID, x.draft)
		case errors.Is(err, ErrTaken) || errors.Is(err, errSuperseded):
			// The other who took the place may have been this very entry: sent
			// twice, or stored although the answer was lost.
			if known, err := x.known(ctx); known != nil || err != nil {
				return known, err
			}
			time.Sleep(pause)
		case KindOf(err) != Internal:
			return nil, err
		case errors.Is(err, ErrBlobBound):
			return nil, conflict(op, "file.bound", "one of the files belongs to another message already")
		default:
			return nil, unavailable(op, "the entry could not be stored; send it again", err)
		}
	}
	return nil, unavailable(op, "the channel is busy; send the entry again", nil)
}

// ErrTaken tells that another writer gave the position or the device number.
var ErrTaken = errors.New("position or device number is taken")

// ErrBlobBound tells that a file does not wait for a message of this channel any
// more.
var ErrBlobBound = errors.New("a file is bound to another message, or was dropped")

// queue judges the entry at the next position and hands it to the writer. The
// room assumes from then on that it stands.
func (x *placing) queue(ctx context.Context) (chan error, error) {
	const op = "entry.place"
	r := x.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := x.s.rooms.load(ctx, r); err != nil {
		return nil, unavailable(op, "the channel can't be read at the moment; try again", err)
	}
	if x.answered() {
		return nil, ErrTaken
	}
	x.refused = nil
	received := max(x.s.Now().UnixMicro(), r.state.Received)
	if err := r.state.Judge(x.entry, received); err != nil {
		return x.refuse(err)
	}
	if err := x.complete(place(r.state.Top, r.state.Position+1, received, x.entry)); err != nil {
		return nil, err
	}
	done, err := x.put(&pending{draft: x.draft})
	if err != nil {
		return nil, err
	}
	if err := r.state.Apply(&x.draft.Placed); err != nil {
		r.state = nil
		return nil, internal(op, fmt.Errorf("judged an entry that does not apply: %w", err))
	}
	return done, nil
}

// put queues what follows from the room's state. The caller holds the room.
func (x *placing) put(p *pending) (chan error, error) {
	p.room, p.life, p.done = x.room, x.room.lives, make(chan error, 1)
	if err := x.s.writer.put(p); err != nil {
		return nil, &Error{Op: "entry.place", Kind: Limited, Code: "server.busy", Public: "the server is busy; send the entry again in a moment", Err: err}
	}
	return p.done, nil
}

// complete fills in what depends on the position.
func (x *placing) complete(at envelope.Placed) error {
	d := x.draft
	d.Placed = at
	d.Event = d.Event.at(x.room.row.Number, at.Position)
	d.Messages = x.room.state.Messages
	if x.header == nil {
		return nil
	}
	d.Messages++
	d.Placed.Salt = x.in.Salt
	sealed, err := x.s.Vault.SealSalt(x.room.row.ID, at.Position, [32]byte(x.in.Salt))
	if err != nil {
		return unavailable("entry.place", "the vault does not keep this channel's tree in every copy, so nothing can be posted; its operator must bring the copy back or restart the server", err)
	}
	d.SealedSalt = sealed
	return nil
}

// known answers an entry that was answered before. The device's number is the
// key: a placed number is never refused later, a refused one never placed.
func (x *placing) known(ctx context.Context) ([]byte, error) {
	const op = "entry.place"
	if x.header == nil {
		return x.knownByHash(ctx)
	}
	channel, h := x.room.row.Number, x.header
	if x.fresh() {
		return nil, nil
	}
	entry, statement, refused, err := x.s.Store.Refusal(ctx, channel, h.Device, h.DeviceSeq)
	if err != nil {
		return nil, unavailable(op, "the channel can't be read at the moment; try again", err)
	}
	if refused {
		if entry != x.entry.Hash() {
			return nil, conflict(op, string(chain.CounterBad), "this device number was refused for another entry")
		}
		return nil, &Error{Op: op, Kind: Stale, Code: string(chain.CounterBad), Public: "this entry was refused before", Refusal: statement}
	}
	kept, placed, err := x.s.Store.EntryByCounter(ctx, channel, h.Device, h.DeviceSeq)
	if err != nil {
		return nil, unavailable(op, "the channel can't be read at the moment; try again", err)
	}
	if !placed {
		return nil, nil
	}
	if kept.Hash() != x.entry.Hash() {
		return nil, conflict(op, string(chain.CounterBad), "this device number was placed with another entry")
	}
	return x.s.receipt(x.room.row.ID, &Draft{Placed: kept.Placed, Message: h})
}

// answered tells that the message's number was placed or refused since known
// looked. The caller holds the room.
func (x *placing) answered() bool {
	if x.header == nil {
		return false
	}
	_, refused := x.room.refused[counterKey{x.header.Device, x.header.DeviceSeq}]
	return refused || x.header.DeviceSeq <= x.room.state.Counter(x.header.Device).Seq
}

// fresh tells that the message can't have been answered before: it follows the
// device's last placed one directly and none of its numbers was refused. It
// spares the usual post two queries.
func (x *placing) fresh() bool {
	x.room.mu.Lock()
	defer x.room.mu.Unlock()
	if x.room.state == nil {
		return false
	}
	_, refused := x.room.refused[counterKey{x.header.Device, x.header.DeviceSeq}]
	return x.header.DeviceSeq > x.room.state.Counter(x.header.Device).Seq && !refused
}

func (x *placing) knownByHash(ctx context.Context) ([]byte, error) {
	kept, found, err := x.s.Store.EntryByHash(ctx, x.room.row.Number, x.entry.Hash())
	if err != nil {
		return nil, unavailable("entry.place", "the channel can't be read at the moment; try again", err)
	}
	if !found {
		return nil, nil
	}
	return x.s.receipt(x.room.row.ID, &Draft{Placed: kept.Placed})
}

// receipt is the server's promise about a stored entry.
func (s *Service) receipt(id envelope.ChannelID, d *Draft) ([]byte, error) {
	at := &d.Placed
	r := envelope.Receipt{
		Version: envelope.Version, Org: s.dir.Org().ID(), Channel: id, Entry: at.Hash(),
		Position: at.Position, Head: at.Head, Received: at.Received,
	}
	if d.Message != nil {
		r.Device, r.DeviceSeq = d.Message.Device, d.Message.DeviceSeq
	}
	b, err := s.statement(envelope.LabelReceipt, &r)
	if err != nil {
		return nil, internal("entry.place", err)
	}
	return b, nil
}
