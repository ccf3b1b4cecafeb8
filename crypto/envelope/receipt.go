package envelope

import "fmt"

// Receipt is the server's signed promise that an entry stands at a position.
type Receipt struct {
	_         struct{} `cbor:",toarray"`
	Version   uint
	Org       OrgID
	Channel   ChannelID
	Device    KeyID
	DeviceSeq uint64 // 0 for entries that are not messages
	Entry     Hash
	Position  uint64
	Head      Hash
	Received  int64 // µs since 1970, UTC
}

// Refusal is the server's signed and final "this device number will never be
// placed". The number is consumed before the refusal is given.
type Refusal struct {
	_         struct{} `cbor:",toarray"`
	Version   uint
	Org       OrgID
	Channel   ChannelID
	Device    KeyID
	DeviceSeq uint64
	Entry     Hash
	Code      string
	Time      int64 // µs since 1970, UTC
}

// Approval is a person's signed consent to one exact thing: a hold, a
// disposal plan, an export schedule. The recorder checks it by itself.
type Approval struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Org     OrgID
	Action  string // the policy action, such as hold.approve
	Object  Hash   // of the canonical bytes of what is approved
	User    UserID
	Device  KeyID
	Time    int64 // µs since 1970, UTC
}

// Signed is a statement outside every chain, with its one signature.
type Signed struct {
	_         struct{} `cbor:",toarray"`
	Label     string   // which statement Bytes is, such as "receipt"
	Bytes     []byte
	Signature Signature
}

// StatementInput is what the signature of a Signed signs.
func StatementInput(label string, b []byte) []byte { return Frame("statement", label, SumBytes(b)) }

// Labels of the statements that Signed carries.
const (
	LabelReceipt  = "receipt"
	LabelRefusal  = "refusal"
	LabelApproval = "approval"
)

// OpenStatement checks that raw is a statement of the given label signed by
// public, and decodes it.
func OpenStatement[T any](raw []byte, label string, public []byte) (*T, error) {
	s, err := ParseSigned(raw)
	if err != nil {
		return nil, err
	}
	if s.Label != label {
		return nil, fmt.Errorf("%w: statement %q, want %q", ErrFormat, s.Label, label)
	}
	if s.Signature.Key != KeyOf(public) {
		return nil, fmt.Errorf("%w: %s is signed by key %s", ErrSignature, label, s.Signature.Key)
	}
	if err := VerifySignature(public, StatementInput(label, s.Bytes), s.Signature.Bytes); err != nil {
		return nil, err
	}
	var v T
	if err := Unmarshal(s.Bytes, &v); err != nil {
		return nil, err
	}
	if x, ok := any(&v).(versioned); ok && x.version() != Version {
		return nil, fmt.Errorf("%w: %s version %d", ErrFormat, label, x.version())
	}
	return &v, nil
}

// versioned is what a statement that carries a version can tell.
type versioned interface{ version() uint }

func (r *Receipt) version() uint      { return r.Version }
func (r *Refusal) version() uint      { return r.Version }
func (a *Approval) version() uint     { return a.Version }
func (c *Confirmation) version() uint { return c.Version }

// ParseSigned decodes a statement without checking its signature.
func ParseSigned(raw []byte) (*Signed, error) {
	if len(raw) > MaxHeader {
		return nil, fmt.Errorf("%w: statement has %d bytes", ErrFormat, len(raw))
	}
	var s Signed
	return &s, Unmarshal(raw, &s)
}
