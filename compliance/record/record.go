package record

import (
	"encoding/json"
	"fmt"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Record is one thing that happened, without content. Its canonical CBOR is a
// leaf of the log.
type Record struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	ID      int64 // the store's number, so that one row can't stand in the log twice unseen
	Op      Op
	Outcome Outcome
	At      int64 // the server's clock, µs since 1970, UTC
	Org     envelope.OrgID

	// Where, for what happened in a channel.
	Channel  envelope.ChannelID
	Position uint64 // of Entry in the channel's total order; 0 when no entry is meant

	// Who. All are opaque; names live in the identity tables.
	Actor  int64 // account number; 0 is the server itself
	User   envelope.UserID
	Device envelope.KeyID

	// What. Object names a hold, plan, session, schedule …
	Object     string
	Entry      envelope.Hash // of the entry or link, with its signatures
	Header     envelope.Hash // SHA-256 of its header bytes
	Payload    envelope.Hash // SHA-256 of its payload bytes
	Head       envelope.Hash // of the channel at Position, so that no second history of it fits in the log; zero without one
	PayloadLen uint64        // bytes, before any disposal

	// Why it was allowed or denied.
	Decision   string        // decision id
	Generation uint64        // of the policy bundle
	Policy     envelope.Hash // SHA-256 of the policy bundle

	Detail []byte // canonical JSON of an object (see JSON), or empty; no content, no names
}

// Limits of a record, in bytes.
const (
	maxText   = 256
	MaxDetail = 16 << 10
	maxLeaf   = MaxDetail + 2048
)

// Check tells whether a record may be written: its operation is catalogued, and
// its parts have the shape that every reader relies on.
func (r *Record) Check() error {
	bad := func(what string, args ...any) error {
		return fmt.Errorf("%w: record %d: "+what, append([]any{envelope.ErrFormat, r.ID}, args...)...)
	}
	switch {
	case r.Version != envelope.Version:
		return bad("version %d", r.Version)
	case !r.Op.Known():
		return bad("operation %q is not in the catalogue", r.Op)
	case !r.Outcome.known():
		return bad("outcome %q", r.Outcome)
	case r.ID <= 0 || r.At < 0:
		return bad("id or time")
	case r.Position != 0 && (r.Channel.IsZero() || r.Entry.IsZero()):
		return bad("position %d without channel and entry", r.Position)
	case (r.Position != 0) != (r.Head != envelope.Hash{}):
		return bad("position %d and head %s", r.Position, r.Head)
	case len(r.Object) > maxText || len(r.Decision) > maxText:
		return bad("object of %d bytes, decision of %d, limit %d", len(r.Object), len(r.Decision), maxText)
	case len(r.Detail) > MaxDetail:
		return bad("detail of %d bytes, limit %d", len(r.Detail), MaxDetail)
	case len(r.Detail) > 0 && !canonicalObject(r.Detail):
		return bad("detail is not canonical JSON")
	}
	return nil
}

func canonicalObject(b []byte) bool {
	canonical, err := JSON(json.RawMessage(b))
	return err == nil && b[0] == '{' && string(canonical) == string(b)
}

// Leaf is the bytes that the log commits to.
func (r *Record) Leaf() []byte { return envelope.Marshal(r) }

// LeafHash is the record's hash in the log.
func (r *Record) LeafHash() tlog.Hash { return tlog.LeafHash(r.Leaf()) }

// SetEntry fills in the hashes of the entry that the record is about. Position
// and head are zero for a link of an organisation's or a user's chain.
func (r *Record) SetEntry(channel envelope.ChannelID, position uint64, head envelope.Hash, e *envelope.Entry) {
	r.Channel, r.Position, r.Head = channel, position, head
	r.Entry = e.Hash()
	r.Header = envelope.SumBytes(e.Header)
	r.Payload = envelope.SumBytes(e.Payload)
	r.PayloadLen = uint64(len(e.Payload))
}

// Parse decodes a leaf and checks it.
func Parse(leaf []byte) (*Record, error) {
	var r Record
	if len(leaf) > maxLeaf {
		return nil, fmt.Errorf("%w: record has %d bytes", envelope.ErrFormat, len(leaf))
	}
	if err := envelope.Unmarshal(leaf, &r); err != nil {
		return nil, err
	}
	return &r, r.Check()
}
