package envelope

import (
	"cmp"
	"fmt"
	"slices"
)

// Acknowledgement is a recorder's signed "I can open this epoch".
type Acknowledgement struct {
	_          struct{} `cbor:",toarray"`
	Version    uint
	Org        OrgID
	Channel    ChannelID
	N          uint64
	EpochLink  Hash
	SeedCommit Hash
	Recorder   KeyID
	Time       int64 // the recorder's clock, µs since 1970, UTC
}

// Coverage is a recorder's signed proof that it opened every message From..To.
type Coverage struct {
	_          struct{} `cbor:",toarray"`
	Version    uint
	Org        OrgID
	Channel    ChannelID
	From       uint64 // the recorder's own last To + 1
	To         uint64
	HeadTo     Hash
	Root       Hash // RFC 6962 root over CoverLeaf of every message in From..To that is not excepted
	Exceptions []Exception
	Recorder   KeyID
	Time       int64
}

// Exception is a message that can't be opened, for a reason that follows from
// its signed bytes, the epoch seed and the right salt.
type Exception struct {
	_        struct{} `cbor:",toarray"`
	Position uint64
	Code     ExceptionCode
}

// ExceptionCode says why a placed message can't be opened.
type ExceptionCode string

const (
	BadCommit     ExceptionCode = "bad_commit"
	Undecryptable ExceptionCode = "undecryptable"
	MalformedBody ExceptionCode = "malformed"
)

func (c ExceptionCode) known() bool {
	return c == BadCommit || c == Undecryptable || c == MalformedBody
}

// CoverLeaf proves the opening of one message: cov can't be known without it.
func CoverLeaf(position uint64, entry Hash, cov []byte) []byte {
	return Frame("cover-leaf", position, entry, cov)
}

// ParseAcknowledgement decodes the header of an acknowledgement entry.
func ParseAcknowledgement(e *Entry) (*Acknowledgement, error) {
	var a Acknowledgement
	if e.Kind != KindAcknowledgement {
		return nil, fmt.Errorf("%w: entry of kind %d is not an acknowledgement", ErrFormat, e.Kind)
	}
	if err := Unmarshal(e.Header, &a); err != nil {
		return nil, err
	}
	if a.Version != Version {
		return nil, fmt.Errorf("%w: acknowledgement version %d", ErrFormat, a.Version)
	}
	return &a, nil
}

// ParseCoverage decodes the header of a coverage entry.
func ParseCoverage(e *Entry) (*Coverage, error) {
	var c Coverage
	if e.Kind != KindCoverage {
		return nil, fmt.Errorf("%w: entry of kind %d is not coverage", ErrFormat, e.Kind)
	}
	if err := Unmarshal(e.Header, &c); err != nil {
		return nil, err
	}
	if c.Version != Version || c.From == 0 || c.From > c.To {
		return nil, fmt.Errorf("%w: coverage version %d of %d..%d", ErrFormat, c.Version, c.From, c.To)
	}
	byPosition := func(a, b Exception) int { return cmp.Compare(a.Position, b.Position) }
	wrong := func(x Exception) bool { return x.Position < c.From || x.Position > c.To || !x.Code.known() }
	if !sorted(c.Exceptions, byPosition) || slices.ContainsFunc(c.Exceptions, wrong) {
		return nil, fmt.Errorf("%w: coverage exceptions out of order or range, or of no known code", ErrFormat)
	}
	return &c, nil
}
