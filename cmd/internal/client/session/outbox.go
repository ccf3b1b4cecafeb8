package session

import (
	"errors"
	"fmt"
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
)

// outbox is what this device must never forget of a channel. It is on disk,
// with one flush, before a message leaves; the answer is written with the next
// message, because losing it costs nothing: the same bytes get the same answer.
type outbox struct {
	_       struct{}     `cbor:",toarray"`
	Used    uint64       // the highest device number ever used
	Placed  placed       // the device's last message with a receipt
	Highest envelope.Ref // the newest position that a receipt or our own reading confirmed, and its head
	Pending []sealed     // at most one: sent, perhaps, and without an answer
	// Restored are the restore links that were taken: none of them excuses
	// another loss.
	Restored []envelope.Hash
	// Refused are the messages since Placed that the server refused for good.
	// Once a later one is placed, its number keeps them out.
	Refused []envelope.Hash
	// Owed are receipts that the log has to show, at most two.
	Owed []promise
}

// placed is a message of this device that has a verified receipt.
type placed struct {
	_        struct{} `cbor:",toarray"`
	Seq      uint64
	Entry    envelope.Hash
	Position uint64
}

// sealed is a message ready to go: always these very bytes.
type sealed struct {
	_     struct{} `cbor:",toarray"`
	Seq   uint64
	Entry []byte
	Salt  []byte
}

func outboxName(id envelope.ChannelID) string { return "outbox." + id.String() }

func readOutbox(ring *keyring.Ring, id envelope.ChannelID) (*outbox, error) {
	b, err := ring.GetDurable(outboxName(id))
	if errors.Is(err, keyring.ErrNotFound) {
		return &outbox{}, nil
	}
	if err != nil {
		return nil, err
	}
	var o outbox
	if err := envelope.Unmarshal(b, &o); err != nil {
		return nil, fmt.Errorf("reading outbox: %w", err)
	}
	return &o, nil
}

func (o *outbox) save(ring *keyring.Ring, id envelope.ChannelID) error {
	return ring.PutDurable(outboxName(id), envelope.Marshal(o))
}

// put makes a message the pending one.
func (o *outbox) put(s sealed) { o.Used, o.Pending = s.Seq, []sealed{s} }

// receive takes the receipt of the pending message.
func (o *outbox) receive(r *envelope.Receipt) {
	o.Placed, o.Pending, o.Refused = placed{Seq: r.DeviceSeq, Entry: r.Entry, Position: r.Position}, nil, nil
	o.confirm(envelope.Ref{Position: r.Position, Hash: r.Head})
}

// refuse gives the pending message's number up, after a final refusal.
func (o *outbox) refuse(e envelope.Hash) {
	o.Refused = append(o.Refused, e)
	o.void()
}

// void gives the pending message's number up.
func (o *outbox) void() { o.Pending = nil }

// forgive takes back what was confirmed of the range that a restore link declares
// lost. Device numbers of that range stay used: the next message voids them.
func (o *outbox) forgive(b *envelope.RestoreBody) {
	lost := func(position uint64) bool { return position > b.NewPosition && position <= b.OldPosition }
	if lost(o.Highest.Position) {
		o.Highest = envelope.Ref{Position: b.NewPosition, Hash: b.NewHead}
	}
	if lost(o.Placed.Position) {
		o.Placed = placed{} // the chain says which is the last
	}
	o.Owed = slices.DeleteFunc(o.Owed, func(p promise) bool { return lost(p.Position) })
}

func (o *outbox) confirm(at envelope.Ref) {
	if at.Position > o.Highest.Position {
		o.Highest = at
	}
}
