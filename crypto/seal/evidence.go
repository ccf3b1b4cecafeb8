package seal

import (
	"errors"
	"fmt"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// ErrEvidence reports evidence that shows nothing: it is not of the coverage in
// dispute, or lacks what would decide.
var ErrEvidence = errors.New("evidence decides nothing")

// Evidence lets a third person see who was wrong about a coverage. Items are the
// channel from the disputed position on, or from the start of the range, to its
// end: their heads lead to the one that the recorder signed.
type Evidence struct {
	_        struct{}      `cbor:",toarray"`
	Coverage []byte        // the coverage in dispute: an encoded envelope.Entry
	Before   envelope.Hash // the head before the first item
	Items    []EvidenceItem
}

// EvidenceItem is one position.
type EvidenceItem struct {
	_        struct{} `cbor:",toarray"`
	Received int64
	Hash     envelope.Hash // of the entry
	Entry    []byte        // encoded; empty where its place alone matters
	Secret   []byte        // X of a message that the dispute is about, else empty
}

// evidenceKey is what each auditor's copy of the slip holds.
type evidenceKey struct {
	_        struct{} `cbor:",toarray"`
	Type     string
	Org      envelope.OrgID
	Coverage envelope.Hash
	Key      DataKey
}

type sealedEvidence struct {
	_     struct{} `cbor:",toarray"`
	Slip  []Copy
	Bytes []byte
}

func evidencePurpose(org envelope.OrgID, coverage envelope.Hash) Purpose {
	return Purpose{Type: "chancery/v1/evidence", Org: org, About: coverage}
}

// SealEvidence seals e to auditors, whose public keys are of suite s. Coverage
// is the entry hash of the coverage in dispute.
func SealEvidence(s envelope.Suite, org envelope.OrgID, coverage envelope.Hash, auditors [][]byte, e *Evidence) ([]byte, error) {
	p, key := evidencePurpose(org, coverage), NewDataKey()
	slip, err := SealTo(s, p, auditors, envelope.Marshal(&evidenceKey{Type: p.Type, Org: org, Coverage: coverage, Key: key}))
	if err != nil {
		return nil, fmt.Errorf("sealing evidence: %w", err)
	}
	return envelope.Marshal(&sealedEvidence{Slip: slip, Bytes: SealBytes(key, coverage[:], envelope.Marshal(e))}), nil
}

// OpenEvidence opens what was sealed to id for that coverage.
func OpenEvidence(id *Identity, org envelope.OrgID, coverage envelope.Hash, sealed []byte) (*Evidence, error) {
	var s sealedEvidence
	if err := envelope.Unmarshal(sealed, &s); err != nil {
		return nil, fmt.Errorf("opening evidence: %w", err)
	}
	p := evidencePurpose(org, coverage)
	inside, err := OpenSlip(id, p, s.Slip)
	if err != nil {
		return nil, fmt.Errorf("opening evidence: %w", err)
	}
	var k evidenceKey
	if err := envelope.Unmarshal(inside, &k); err != nil {
		return nil, fmt.Errorf("opening evidence: %w", err)
	}
	if k.Type != p.Type || k.Org != org || k.Coverage != coverage {
		return nil, fmt.Errorf("opening evidence: %w: of another dispute", ErrContext)
	}
	plain, err := OpenBytes(k.Key, coverage[:], s.Bytes)
	if err != nil {
		return nil, fmt.Errorf("opening evidence: %w", err)
	}
	var e Evidence
	return &e, envelope.Unmarshal(plain, &e)
}

// Finding is who was wrong, and why in plain words.
type Finding struct {
	Fault envelope.Fault
	Why   string
}

// Judge says who was wrong. Whoever signed the dispute was verified before;
// recorder is the public key of the one that it names. ErrEvidence: this
// evidence does not tell.
func (e *Evidence) Judge(d *envelope.Dispute, recorder []byte) (Finding, error) {
	c, err := e.coverage(d, recorder)
	if err != nil {
		return Finding{}, err
	}
	var code envelope.ExceptionCode
	first, ok := c.From, false
	if d.Position > 0 {
		first = d.Position
		if code, ok = excepted(c, first); !ok {
			return Finding{envelope.FaultDisputer, fmt.Sprintf("the coverage does not except message %d", first)}, nil
		}
	}
	entries, err := e.entries(first, c)
	if err != nil {
		return Finding{}, err
	}
	if d.Position > 0 {
		return e.judgeException(d.Position, code, entries[0])
	}
	return e.judgeRoot(entries, c)
}

// coverage is the one that the dispute names, signed by the recorder.
func (e *Evidence) coverage(d *envelope.Dispute, recorder []byte) (*envelope.Coverage, error) {
	entry, err := envelope.ParseEntry(e.Coverage)
	if err != nil || entry.Hash() != d.Coverage.Hash {
		return nil, fmt.Errorf("%w: it holds another coverage than the disputed one", ErrEvidence)
	}
	c, err := envelope.ParseCoverage(entry)
	if err == nil {
		err = entry.Verify(recorder)
	}
	if err != nil || envelope.KeyOf(recorder) != d.Recorder || c.Recorder != d.Recorder {
		return nil, fmt.Errorf("%w: recorder %s did not sign the coverage", ErrEvidence, d.Recorder)
	}
	return c, nil
}

// entries holds the items against the head that the recorder signed. It gives
// nil where only the place of an entry is told.
func (e *Evidence) entries(first uint64, c *envelope.Coverage) ([]*envelope.Entry, error) {
	if first < c.From || first > c.To || uint64(len(e.Items)) != c.To-first+1 {
		return nil, fmt.Errorf("%w: %d positions from %d, the coverage is of %d to %d", ErrEvidence, len(e.Items), first, c.From, c.To)
	}
	out, head := make([]*envelope.Entry, len(e.Items)), e.Before
	for i, x := range e.Items {
		head = envelope.NextHead(head, first+uint64(i), x.Received, x.Hash)
		if len(x.Entry) == 0 {
			continue
		}
		entry, err := envelope.ParseEntry(x.Entry)
		if err != nil || entry.Hash() != x.Hash {
			return nil, fmt.Errorf("%w: entry %d is not the one of that hash", ErrEvidence, first+uint64(i))
		}
		out[i] = entry
	}
	if head != c.HeadTo {
		return nil, fmt.Errorf("%w: it does not lead to the head that the recorder signed", ErrEvidence)
	}
	return out, nil
}

func excepted(c *envelope.Coverage, position uint64) (envelope.ExceptionCode, bool) {
	for _, x := range c.Exceptions {
		if x.Position == position {
			return x.Code, true
		}
	}
	return "", false
}

// judgeException says whether a message opens that the recorder excepted. One that
// the recorder could not open at all proves nothing by opening: a sender may have
// sealed it under a key of their own, not the epoch's. The other codes say that the
// recorder's key was the one committed to, and there is no second.
func (e *Evidence) judgeException(position uint64, code envelope.ExceptionCode, entry *envelope.Entry) (Finding, error) {
	if entry == nil {
		return Finding{}, fmt.Errorf("%w: message %d is missing", ErrEvidence, position)
	}
	if _, err := open(e.Items[0].Secret, entry); err != nil {
		return Finding{envelope.FaultDisputer, fmt.Sprintf("message %d does not open: %v", position, err)}, nil
	}
	if code == envelope.BadCommit {
		return Finding{}, fmt.Errorf("%w: message %d opens, but whether by the key that follows from its epoch only the seed tells", ErrEvidence, position)
	}
	return Finding{envelope.FaultRecorder, fmt.Sprintf("message %d opens, the recorder excepted it", position)}, nil
}

// open needs the secret that the entry commits to: there is no other.
func open(secret []byte, entry *envelope.Entry) (Secret, error) {
	if len(secret) != len(Secret{}) {
		return Secret{}, fmt.Errorf("%w: secret of %d bytes", envelope.ErrFormat, len(secret))
	}
	x := Secret(secret)
	_, err := OpenSecret(x, entry)
	return x, err
}

// judgeRoot computes the root again. A secret that is not the one committed to may
// be the disputer's fault or the sender's: it decides nothing.
func (e *Evidence) judgeRoot(entries []*envelope.Entry, c *envelope.Coverage) (Finding, error) {
	var root tlog.RootBuilder
	for i, entry := range entries {
		at := c.From + uint64(i)
		switch {
		case entry == nil:
			return Finding{}, fmt.Errorf("%w: entry %d is missing", ErrEvidence, at)
		case entry.Kind != envelope.KindMessage:
			continue
		}
		if _, ok := excepted(c, at); ok {
			continue
		}
		x, err := open(e.Items[i].Secret, entry)
		switch {
		case errors.Is(err, ErrUndecryptable), errors.Is(err, ErrBody):
			return Finding{envelope.FaultRecorder, fmt.Sprintf("message %d can't be opened, the recorder does not except it: %v", at, err)}, nil
		case err != nil:
			return Finding{}, fmt.Errorf("%w: the secret of message %d: %w", ErrEvidence, at, err)
		}
		root.Append(tlog.LeafHash(envelope.CoverLeaf(at, e.Items[i].Hash, x.Cov())))
	}
	if envelope.Hash(root.Root()) == c.Root {
		return Finding{envelope.FaultDisputer, "the recorder's root is the one that the messages give"}, nil
	}
	return Finding{envelope.FaultRecorder, "the messages give another root than the recorder signed"}, nil
}
