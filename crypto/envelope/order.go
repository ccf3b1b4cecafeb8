package envelope

import "fmt"

// Orders are what people approve with their devices' signatures: an Approval
// names an order by its OrderHash. They are canonical bytes, so that the
// recorder, the signer and an auditor judge the very thing that was signed.

// HoldOrder keeps everything in its scope until it is released. An empty list
// is no restriction; To 0 is open-ended.
type HoldOrder struct {
	_        struct{} `cbor:",toarray"`
	Version  uint
	Org      OrgID
	Matter   string // the case it belongs to
	Name     string
	Users    []UserID    // custodians, sorted: their messages, and channels while they are members
	Channels []ChannelID // sorted
	From, To int64       // of receipt, µs since 1970, UTC
	Nonce    []byte      // 16 random bytes: two equal holds are two holds
}

// ReleaseOrder ends a hold.
type ReleaseOrder struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Org     OrgID
	Hold    Hash // OrderHash of the HoldOrder
	Reason  string
}

// RuleOrder sets a retention rule. Times are seconds since receipt; MaxRetain 0
// keeps for ever. A later revision may not shorten MinRetain when Lock is set.
type RuleOrder struct {
	_         struct{} `cbor:",toarray"`
	Version   uint
	Org       OrgID
	ID        string
	Revision  uint64    // 1, 2, 3, …
	Channel   ChannelID // zero: every channel
	MinRetain uint64
	MaxRetain uint64
	Lock      bool
}

// DisposalPlan is what one run will make unreadable, and on what grounds.
type DisposalPlan struct {
	_           struct{} `cbor:",toarray"`
	Version     uint
	Org         OrgID
	Rules       []Hash // OrderHash of each rule in force, sorted
	Holds       uint64 // holds generation that was looked at
	HoldsRoot   Hash   // RFC 6962 root over OrderHash of each active hold, sorted
	Size        uint64 // of the checkpoint that gave the time
	Horizon     int64  // µs since 1970, UTC: nothing received later is in the plan
	Ranges      []DisposalRange
	Blocked     uint64 // messages past their time that a hold keeps
	Unconfirmed uint64 // messages past their time that no recorder has covered yet
}

// DisposalRange is a run of positions of messages to dispose of. Positions
// between From and To that are not messages stay.
type DisposalRange struct {
	_        struct{} `cbor:",toarray"`
	Channel  ChannelID
	From, To uint64
	Messages uint64
	Root     Hash // RFC 6962 root over the entry hashes of those messages, in order
}

// ExportOrder is a schedule: what leaves, when, for whom, until when.
type ExportOrder struct {
	_        struct{} `cbor:",toarray"`
	Version  uint
	Org      OrgID
	Schedule string
	Revision uint64
	Channels []ChannelID // sorted; empty is every channel
	Cron     string      // five fields; empty: only when asked
	Zone     string      // IANA name
	Auditors []KeyID     // Party.ID of the listed auditors, sorted
	NotAfter int64       // µs since 1970, UTC
}

// Confirmation is a recorder's word that a plan has gone from its own vault
// and copies too.
type Confirmation struct {
	_        struct{} `cbor:",toarray"`
	Version  uint
	Org      OrgID
	Plan     Hash
	Recorder KeyID
	Disposed uint64 // messages
	Time     int64
}

// HandoverOrder changes who records a channel. Seen is the history that its
// signers looked at: the order is void in any other, and once the recorders
// have changed after it.
type HandoverOrder struct {
	_        struct{} `cbor:",toarray"`
	Version  uint
	Org      OrgID
	Channel  ChannelID
	Seen     Ref   // position, head there
	From     KeyID // the recorder that goes, or zero
	To       KeyID // the recorder that comes, or zero
	Lost     bool  // From's copy is lost: it owes no coverage and confirms no disposal any more
	Reason   string
	NotAfter int64 // µs since 1970, UTC: received earlier
}

// ActionHandover is the action of the Approval by who asks for a handover.
const ActionHandover = "capture.handover"

// Labels of signed statements about orders.
const LabelConfirmation = "confirmation"

// OrderHash names an order by its canonical bytes.
func OrderHash(order []byte) Hash { return Sum("order", order) }

func (o *HoldOrder) version() uint     { return o.Version }
func (o *ReleaseOrder) version() uint  { return o.Version }
func (o *RuleOrder) version() uint     { return o.Version }
func (o *DisposalPlan) version() uint  { return o.Version }
func (o *ExportOrder) version() uint   { return o.Version }
func (o *HandoverOrder) version() uint { return o.Version }

// ParseOrder decodes an order of this version of the format. Whether it is for
// this organisation the caller compares.
func ParseOrder[T HoldOrder | ReleaseOrder | RuleOrder | DisposalPlan | ExportOrder | HandoverOrder, P interface {
	*T
	version() uint
}](b []byte) (*T, error) {
	var v T
	if len(b) > 1<<20 {
		return nil, fmt.Errorf("%w: order has %d bytes", ErrFormat, len(b))
	}
	if err := Unmarshal(b, &v); err != nil {
		return nil, err
	}
	if n := P(&v).version(); n != Version {
		return nil, fmt.Errorf("%w: %T version %d", ErrFormat, v, n)
	}
	return &v, nil
}
