package signer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"chancery/crypto/tlog"
)

// PayloadType of every DSSE envelope that the signer makes.
const PayloadType = "application/vnd.in-toto+json"

// Predicate types of the statements inside. The signer makes no others.
const (
	ArchivePredicate  = "chancery/archive/v1"
	DisposalPredicate = "chancery/disposal/v1"
)

// ErrRequest reports a request that no signer would take: malformed fields.
var ErrRequest = errors.New("malformed request")

// Digest is a SHA-256 value. Its text form is 64 lower-case hex digits.
type Digest [32]byte

func (d Digest) String() string               { return hex.EncodeToString(d[:]) }
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Archive says what an archive is: its place in the chain of its schedule's
// archives and the hashes of its two tag manifests, which cover all the rest.
type Archive struct {
	_        struct{} `cbor:",toarray"`
	ID       Digest
	Org      Digest
	Schedule string // lower-case letters, digits and hyphens
	Ordinal  int64  // 1, 2, 3, … within the schedule
	From, To int64  // places in the log, To not included
	Previous Digest // Manifest256 of the archive before; zero for the first
	Manifest Digest // SHA-256 of tagmanifest-sha256.txt: the archive's name in the chain
	Other    Digest // SHA-256 of tagmanifest-sha384.txt
}

var scheduleName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Check tells whether the fields can be those of an archive.
func (a *Archive) Check() error {
	switch {
	case !scheduleName.MatchString(a.Schedule):
		return fmt.Errorf("%w: schedule %q", ErrRequest, a.Schedule)
	case a.Ordinal < 1 || (a.Ordinal == 1) != (a.Previous == Digest{}):
		return fmt.Errorf("%w: ordinal %d with previous archive %s", ErrRequest, a.Ordinal, a.Previous)
	case a.From < 0 || a.From > a.To:
		return fmt.Errorf("%w: period [%d, %d)", ErrRequest, a.From, a.To)
	}
	return nil
}

// Origin names the chain of archives that this one belongs to.
func (a *Archive) Origin() string { return "chancery/" + a.Org.String() + "/archive/" + a.Schedule }

// Note is the text of archive.note: the archive's ordinal as size and its
// manifest as root.
func (a *Archive) Note() ([]byte, error) {
	return tlog.Checkpoint{Origin: a.Origin(), Size: a.Ordinal, Root: tlog.Hash(a.Manifest)}.MarshalText()
}

// Members are in alphabetical order, which makes the encoding canonical.
type statement struct {
	Type          string    `json:"_type"`
	Predicate     any       `json:"predicate"`
	PredicateType string    `json:"predicateType"`
	Subject       []subject `json:"subject"`
}

type subject struct {
	Digest map[string]Digest `json:"digest"`
	Name   string            `json:"name"`
}

type archivePredicate struct {
	From     int64  `json:"from"`
	ID       Digest `json:"id"`
	Ordinal  int64  `json:"ordinal"`
	Org      Digest `json:"org"`
	Previous Digest `json:"previous"`
	Schedule string `json:"schedule"`
	To       int64  `json:"to"`
}

// Statement is the in-toto statement that archive.dsse carries, as canonical
// JSON.
func (a *Archive) Statement() ([]byte, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	return encode(ArchivePredicate, archivePredicate{
		From: a.From, ID: a.ID, Ordinal: a.Ordinal, Org: a.Org, Previous: a.Previous, Schedule: a.Schedule, To: a.To,
	}, subject{sha256Of(a.Manifest), "tagmanifest-sha256.txt"}, subject{sha256Of(a.Other), "tagmanifest-sha384.txt"})
}

// Certificate says that something was done: a disposal, so far.
type Certificate struct {
	_         struct{} `cbor:",toarray"`
	Predicate string   // DisposalPredicate
	Org       Digest
	Subject   Digest // OrderHash of the plan
	Body      []byte // canonical JSON of the predicate
	Evidence  Evidence
}

// Evidence is what the signer checks a certificate by: an envelope.Entry for
// each link of chains, the genesis first. It is in no document.
type Evidence struct {
	_        struct{}   `cbor:",toarray"`
	Org      [][]byte   // the organisation's chain
	Users    [][][]byte // chains of those who approved
	Channels [][]byte   // the genesis of each channel that lost something, then its handover links, in their order
}

// Statement is the in-toto statement that the certificate's DSSE carries.
func (c *Certificate) Statement() ([]byte, error) {
	if c.Predicate != DisposalPredicate {
		return nil, fmt.Errorf("%w: predicate type %q", ErrRequest, c.Predicate)
	}
	var compact bytes.Buffer
	if json.Compact(&compact, c.Body) != nil || !bytes.Equal(compact.Bytes(), c.Body) || !bytes.HasPrefix(c.Body, []byte("{")) {
		return nil, fmt.Errorf("%w: body is not a compact JSON object", ErrRequest)
	}
	return encode(c.Predicate, json.RawMessage(c.Body),
		subject{sha256Of(c.Org), "organisation"}, subject{sha256Of(c.Subject), "plan"})
}

func sha256Of(d Digest) map[string]Digest { return map[string]Digest{"sha256": d} }

func encode(predicateType string, predicate any, subjects ...subject) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(statement{"https://in-toto.io/Statement/v1", predicate, predicateType, subjects})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRequest, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
