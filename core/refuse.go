package core

import (
	"context"
	"slices"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// refusing is a final refusal on its way. It queues behind the entries that it
// was judged with: if one of them is not stored after all, the message may be
// good, and nothing is refused.
type refusing struct {
	event     Event
	position  uint64 // that the channel had when it was judged
	refusal   envelope.Refusal
	statement []byte // the refusal, signed
}

// final are the reasons after which this very entry can never stand, whatever
// happens later. Anything else is "not now".
var final = []chain.Reason{chain.EpochNotCurrent, chain.EpochExpired, chain.RotationDue, chain.SeenBad}

// passed tells whether the message's epoch has been left behind. One that is
// placed and waits for its acknowledgement may still become current.
func (x *placing) passed() bool {
	newest, ok := x.room.state.Newest()
	current, open := x.room.state.Current()
	return ok && open && (x.header.Epoch < newest.N || x.header.Epoch == current.N)
}

// refuse answers an entry that the validator does not take. A message in its
// turn whose moment has passed is refused for good: its number is consumed
// first, by the writer, then the signed refusal is told. The caller holds the room.
func (x *placing) refuse(cause error) (chan error, error) {
	reason := chain.ReasonOf(cause)
	e := &Error{Op: "entry.place", Kind: Conflict, Code: string(reason), Public: cause.Error(), Err: cause}
	if x.header == nil || !slices.Contains(final, reason) || !x.passed() || !x.inTurn() {
		return nil, e
	}
	r := envelope.Refusal{
		Version: envelope.Version, Org: x.header.Org, Channel: x.header.Channel, Device: x.header.Device,
		DeviceSeq: x.header.DeviceSeq, Entry: x.entry.Hash(), Code: string(reason), Time: x.s.Now().UnixMicro(),
	}
	statement, err := x.s.statement(envelope.LabelRefusal, &r)
	if err != nil {
		return nil, internal(e.Op, err)
	}
	done, err := x.put(&pending{refusing: &refusing{
		event: x.draft.Event.at(x.room.row.Number, 0).denied(string(reason)), position: x.room.state.Position, refusal: r, statement: statement,
	}})
	if err != nil {
		return nil, err
	}
	x.room.refused[counterKey{r.Device, r.DeviceSeq}] = struct{}{}
	e.Kind, e.Refusal = Stale, statement
	x.refused = e
	return done, nil
}

// inTurn tells whether the message is its device's next one, so that refusing
// it can't overtake one that is still on its way.
func (x *placing) inTurn() bool {
	last := x.room.state.Counter(x.header.Device)
	return x.header.DeviceSeq == last.Seq+1+uint64(len(x.header.Void)) && x.header.DevicePrev == last.Hash
}

// consume uses up the number of a refused message. When that fails, or another
// server knows more of the channel, the room forgets all it assumed.
func (w *writers) consume(ctx context.Context, p *pending) {
	r := p.refusing
	if err := w.store.AddRefusal(ctx, r.event, p.room.row.Number, r.position, r.refusal, r.statement); err != nil {
		p.fail(err)
		return
	}
	p.done <- nil
}
