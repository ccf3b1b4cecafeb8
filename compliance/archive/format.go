package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
)

// Format of archive.json.
const Format = "chancery/archive/v1"

// Paths in the bag. Payload lies under data/; the rest are BagIt tag files.
const (
	bagitPath   = "bagit.txt"
	aboutPath   = "archive.json"
	readmePath  = "README.txt"
	dssePath    = "archive.dsse"
	notePath    = "archive.note"
	tilePrefix  = "log/"
	pointPath   = "log/checkpoint"
	proofPath   = "log/consistency.json"
	orgPath     = "data/identity/org.jsonl"
	usersPath   = "data/identity/users.jsonl"
	peoplePath  = "data/identity/people.jsonl"
	channelPath = "data/index/channels.jsonl"
	historyPath = "data/index/history.jsonl.zst"
	missPath    = "data/index/exceptions.jsonl"
	recordsDir  = "data/records/"
	filesDir    = "data/files/"
	policyDir   = "data/policy/"
	certsDir    = "data/certs/"
	keysDir     = "data/keys/"
)

// bagit is the whole of bagit.txt.
const bagit = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

// Sizes, in bytes. A segment ends with the record that reaches MaxSegment.
const (
	MaxSegment  = 64 << 20 // plain
	maxLine     = 512 << 10
	maxAbout    = 16 << 20
	maxRatio    = 1000 // plain to compressed
	sealedChunk = 64<<10 + 28
)

// ID names an archive. It is known as soon as the period is cut, and is the
// same however often the archive is written.
func ID(org envelope.OrgID, schedule string, from, to int64, previous envelope.Hash) envelope.Hash {
	return envelope.Sum("archive", org, schedule, from, to, previous)
}

// Header is what is known of an archive when its period is cut.
type Header struct {
	Build      string         `json:"build"` // of the server that writes it
	Checkpoint Point          `json:"checkpoint"`
	From       int64          `json:"from"`  // place in the log
	Holds      uint64         `json:"holds"` // generation
	Marking    string         `json:"marking"`
	Order      []byte         `json:"order"` // envelope.ExportOrder, base64
	Ordinal    int64          `json:"ordinal"`
	Org        envelope.OrgID `json:"org"`
	Previous   *Previous      `json:"previous"` // null for the first
	Schedule   string         `json:"schedule"`
	Suite      envelope.Suite `json:"suite"`
	To         int64          `json:"to"` // not included
}

// ID names the archive.
func (h *Header) ID() envelope.Hash {
	return ID(h.Org, h.Schedule, h.From, h.To, h.previousManifest())
}

// About is archive.json.
type About struct {
	Header
	Counts      map[string]int `json:"counts"`     // records by class
	Exceptions  int            `json:"exceptions"` // lines of data/index/exceptions.jsonl
	Files       int            `json:"files"`
	Format      string         `json:"format"`
	ID          envelope.Hash  `json:"id"`
	Messages    int            `json:"messages"`
	Openings    *OpeningsAbout `json:"openings"` // null when no recorder takes part
	PayloadRoot envelope.Hash  `json:"payload_root"`
	Policies    []string       `json:"policies"` // names in data/policy, sorted
	Segments    []Segment      `json:"segments"`
	Status      Status         `json:"status"`
	Withheld    int            `json:"withheld"` // records out of the order's scope
}

// OpeningsAbout describes the openings file.
type OpeningsAbout struct {
	Count     uint64        `json:"count"`
	KeyCommit envelope.Hash `json:"key_commit"`
}

// Point is a state of the log.
type Point struct {
	Root envelope.Hash `json:"root"`
	Size int64         `json:"size"`
}

// Previous names the archive before: by id, manifest and its checkpoint.
type Previous struct {
	Checkpoint Point         `json:"checkpoint"`
	ID         envelope.Hash `json:"id"`
	Manifest   envelope.Hash `json:"manifest"` // SHA-256 of its tagmanifest-sha256.txt
}

// Segment is one file of records.
type Segment struct {
	First       int64         `json:"first"`
	Last        int64         `json:"last"`
	Path        string        `json:"path"`
	PlainSHA256 envelope.Hash `json:"plain_sha256"`
	PlainSize   int64         `json:"plain_size"`
}

// Status says whether something that belongs in the archive is not there.
type Status string

const (
	Complete       Status = "complete"
	WithExceptions Status = "complete-with-exceptions"
)

// Line is one line of data/records. Either Leaf is set or the record is out of
// the order's scope and only its place is told.
type Line struct {
	Entry    []byte `json:"entry,omitempty"` // envelope.Placed without salt, base64
	Index    int64  `json:"index"`
	Leaf     []byte `json:"leaf,omitempty"` // record.Record, base64
	Withheld bool   `json:"withheld,omitempty"`
}

// ChainLine is one line of data/identity/org.jsonl and users.jsonl. Chains are
// whole and follow one another by id.
type ChainLine struct {
	Chain envelope.Hash `json:"chain"`
	Entry []byte        `json:"entry"` // envelope.Entry, base64
}

// Person is one line of data/identity/people.jsonl: whom an account and a user
// chain belong to. Names are valid as of the archive's period.
type Person struct {
	Account  int64           `json:"account"`
	Chain    envelope.UserID `json:"chain"`
	Name     string          `json:"name"`
	Username string          `json:"username"`
}

// Channel is one line of data/index/channels.jsonl: where a channel stood
// before the period. Position 0 means that it starts in it.
type Channel struct {
	Channel  envelope.ChannelID `json:"channel"`
	Head     envelope.Hash      `json:"head"`
	Name     string             `json:"name"`
	Position uint64             `json:"position"`
	Received int64              `json:"received"` // of the entry there, µs since 1970, UTC
}

// HistoryLine is one line of data/index/history.jsonl.zst: an entry of a
// channel before the period that is not a message.
type HistoryLine struct {
	Channel envelope.ChannelID `json:"channel"`
	Entry   []byte             `json:"entry"` // envelope.Placed, base64
}

// Exception is one line of data/index/exceptions.jsonl: what belongs in the
// archive and is not there, and why.
type Exception struct {
	Channel  envelope.ChannelID `json:"channel"`
	Code     ExceptionCode      `json:"code"`
	Object   string             `json:"object"` // blob id, or empty
	Position uint64             `json:"position"`
	Text     string             `json:"text"`
}

// ExceptionCode says what is not there.
type ExceptionCode string

const (
	FileMissing ExceptionCode = "file_missing" // the blob store doesn't have it, or not whole
	NotCovered  ExceptionCode = "not_covered"  // no recorder opened it before the cut
)

// Consistency is log/consistency.json: the proof that the archive's checkpoint
// extends that of the archive before.
type Consistency struct {
	Proof []envelope.Hash `json:"proof"`
}

// statement gives the fields that the signer signs.
func (a *Header) statement(manifest, other envelope.Hash) *signer.Archive {
	s := &signer.Archive{
		ID: signer.Digest(a.ID()), Org: signer.Digest(a.Org), Schedule: a.Schedule, Ordinal: a.Ordinal,
		From: a.From, To: a.To, Manifest: signer.Digest(manifest), Other: signer.Digest(other),
	}
	if a.Previous != nil {
		s.Previous = signer.Digest(a.Previous.Manifest)
	}
	return s
}

func (a *Header) previousManifest() envelope.Hash {
	if a.Previous == nil {
		return envelope.Hash{}
	}
	return a.Previous.Manifest
}

// payloadLeaf is one leaf of the payload root: a payload file by its path
// without ".zst" and the SHA-256 of its plain bytes. Files follow one another by
// path. The openings are left out: sealing them again gives other bytes.
func payloadLeaf(path string, plain envelope.Hash) tlog.Hash {
	return tlog.LeafHash(envelope.Frame("archive-payload", strings.TrimSuffix(path, ".zst"), plain))
}

// encodeLine is the one encoding of a line, without its newline.
func encodeLine(v any) ([]byte, error) {
	if l, ok := v.(*Line); ok {
		return json.Marshal(l) // base64 and numbers only: canonical as it is, and there are millions
	}
	return record.JSON(v)
}

// decodeLine accepts only what encodeLine gives.
func decodeLine(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %v", envelope.ErrFormat, err)
	}
	again, err := encodeLine(v)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%w: %T is not canonical JSON", envelope.ErrFormat, v)
	}
	return nil
}

// safePath is every path that a bag may have. There are no upper-case letters,
// so no two paths differ by case alone, and no component can be "..".
var safePath = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*(/[a-z0-9_][a-z0-9_-]*(\.[a-z0-9_-]+)*)*$`)

const readme = `This is an archive of a Chancery organisation: a BagIt bag (RFC 8493).

To check that no file was changed, with tools that every system has:

    sha256sum -c --strict manifest-sha256.txt
    sha256sum -c --strict tagmanifest-sha256.txt

and likewise sha384sum with the -sha384 files. The tag manifests cover the
manifests, archive.json, the log and this file; nothing covers archive.dsse and
archive.note but their own signatures.

archive.dsse is a DSSE envelope: its payload, in base64, is an in-toto statement
that names the SHA-256 of both tag manifests. The signed bytes are

    "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload

and the signature is Ed25519 under a key that the organisation's chain in
data/identity/org.jsonl lists as signer. With these bytes in the file pae, the
signature in sig and the key in PEM form in key.pem:

    openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in pae -sigfile sig

data/records holds the log's records in their order, one JSON object a line,
compressed with zstd. Messages are there as their senders sealed them. Reading
them needs the key slip, which is not in the bag, and an auditor's key:

    chancery-audit verify DIR --org ID
    chancery-audit open DIR --org ID --slip FILE --identity FILE --out DIR
`
