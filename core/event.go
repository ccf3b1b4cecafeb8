package core

import (
	"fmt"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/identity"
)

// Event is one line of the append-only record, as it is written with the
// change it tells of. It holds ids and codes, never content.
type Event struct {
	Op       record.Op
	Outcome  record.Outcome
	At       int64 // µs since 1970, UTC
	Actor    identity.UserID
	Service  [32]byte // key id of a service principal; zero for a person
	Device   [32]byte
	Channel  int64  // the channel's number; 0 for none
	Seq      uint64 // position in the channel; 0 for none
	Object   string // type:id
	Decision string
	Policy   uint64 // generation
	Detail   string // canonical JSON, or empty
}

// of completes an event with what was done.
func (e Event) of(op record.Op) Event {
	e.Op = op
	return e
}

func (e Event) on(object string) Event {
	e.Object = object
	return e
}

func (e Event) at(channel int64, seq uint64) Event {
	e.Channel, e.Seq = channel, seq
	return e
}

func (e Event) denied(code string) Event {
	e.Outcome, e.Detail = record.Denied, fmt.Sprintf(`{"code":%q}`, code)
	return e
}

// link names a link of an organisation's or a user's chain by its hash.
func (e Event) link(l *envelope.Entry) Event {
	e.Detail = fmt.Sprintf(`{"link":%q}`, l.Hash())
	return e
}
