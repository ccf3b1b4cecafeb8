package envelope

import "fmt"

// Labels of notices: signed words about a channel that stand beside its chain,
// because they must not change what others make of it.
const (
	LabelTail    = "tail"    // a device: how far it has written
	LabelAlarm   = "alarm"   // a device or recorder: capture does not work
	LabelDispute = "dispute" // a device: coverage is wrong
	LabelRuling  = "ruling"  // a person: whose fault it was
)

// Notice is what all of them have in common. Body is the CBOR of what the label
// names: Tail, Alarm, Dispute or Ruling.
type Notice struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Org     OrgID
	Channel ChannelID
	User    UserID // whose device signs; zero for a recorder
	Key     KeyID  // the signing key
	Body    []byte
	Time    int64 // the signer's clock, µs since 1970, UTC
}

func (n *Notice) version() uint { return n.Version }

// Tail is a device's word on the last message that it has a receipt for.
type Tail struct {
	_     struct{} `cbor:",toarray"`
	Seq   uint64   // its device number
	Entry Hash
	Seen  Ref // the newest entry that the device knows to stand, and the head there
}

// AlarmCode says what is wrong.
type AlarmCode string

const (
	AlarmUncovered AlarmCode = "uncovered"    // a device: a message has waited too long for its recorders
	AlarmDropped   AlarmCode = "tail_dropped" // a recorder: a device wrote what the server does not show
	AlarmForked    AlarmCode = "tail_forked"  // a recorder: a device was shown another history
	AlarmSilent    AlarmCode = "tail_missing" // a recorder: a device that wrote says nothing; of a lower grade
)

// Alarm tells that capture does not work.
type Alarm struct {
	_      struct{} `cbor:",toarray"`
	Code   AlarmCode
	Device KeyID  // whose word is missing or not borne out; zero for uncovered
	Number uint64 // of uncovered and tail_forked the position, else the device number
	Hash   Hash   // the entry's, of tail_forked the head that the device was shown
}

// Dispute tells that a recorder's coverage is not what the signer's own openings
// give.
type Dispute struct {
	_        struct{} `cbor:",toarray"`
	Coverage Ref      // position and entry hash of the coverage
	Recorder KeyID    // who signed it
	Position uint64   // of a message that it excepts and that opens; 0: its root is another
	Evidence Hash     // SHA-256 of the sealed evidence beside the notice; zero: there is none
}

// Fault says who was wrong.
type Fault string

const (
	FaultRecorder Fault = "recorder"
	FaultDisputer Fault = "disputer"
)

// Ruling is one person's finding on the disputes about one coverage. Two people
// in their two roles, who find the same, settle them.
type Ruling struct {
	_        struct{} `cbor:",toarray"`
	Coverage Ref
	Fault    Fault
}

// ParseNotice decodes a notice without checking its signature. Body is a *Tail,
// *Alarm, *Dispute or *Ruling.
func ParseNotice(raw []byte) (label string, n *Notice, body any, err error) {
	s, err := ParseSigned(raw)
	if err != nil {
		return "", nil, nil, err
	}
	n = new(Notice)
	if err := Unmarshal(s.Bytes, n); err != nil {
		return "", nil, nil, err
	}
	if n.Version != Version || n.Key != s.Signature.Key {
		return "", nil, nil, fmt.Errorf("%w: notice of version %d by key %s, signed by %s", ErrFormat, n.Version, n.Key, s.Signature.Key)
	}
	body, err = parseNoticeBody(s.Label, n)
	return s.Label, n, body, err
}

// OpenNotice checks that raw is a notice of the given label signed by public,
// and decodes it and its body.
func OpenNotice(raw []byte, label string, public []byte) (*Notice, any, error) {
	n, err := OpenStatement[Notice](raw, label, public)
	if err != nil {
		return nil, nil, err
	}
	if n.Key != KeyOf(public) {
		return nil, nil, fmt.Errorf("%w: notice names key %s", ErrFormat, n.Key)
	}
	body, err := parseNoticeBody(label, n)
	return n, body, err
}

func parseNoticeBody(label string, n *Notice) (any, error) {
	recorder := n.User.IsZero()
	switch label {
	case LabelTail:
		b := new(Tail)
		return b, noticeOf(n, b, !recorder, b.whole)
	case LabelAlarm:
		b := new(Alarm)
		return b, noticeOf(n, b, true, func() bool { return b.by(recorder) })
	case LabelDispute:
		b := new(Dispute)
		return b, noticeOf(n, b, !recorder, func() bool { return b.Coverage.Position > 0 })
	case LabelRuling:
		b := new(Ruling)
		return b, noticeOf(n, b, !recorder, func() bool { return b.Fault == FaultRecorder || b.Fault == FaultDisputer })
	}
	return nil, fmt.Errorf("%w: %q is no notice", ErrFormat, label)
}

func noticeOf(n *Notice, body any, signer bool, whole func() bool) error {
	if err := Unmarshal(n.Body, body); err != nil {
		return err
	}
	if !signer || !whole() {
		return fmt.Errorf("%w: %T of impossible content or by another kind of signer", ErrFormat, body)
	}
	return nil
}

func (t *Tail) whole() bool { return t.Seq > 0 && t.Seen.Position > 0 }

// by tells whether a signer of that kind may raise the alarm.
func (a *Alarm) by(recorder bool) bool {
	switch a.Code {
	case AlarmUncovered:
		return !recorder && a.Device.IsZero() && a.Number > 0
	case AlarmDropped, AlarmForked, AlarmSilent:
		return recorder && !a.Device.IsZero() && a.Number > 0
	}
	return false
}
