package witness

import (
	"errors"
	"fmt"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// ErrCosigned reports a cosignature that no listed recorder or witness made.
var ErrCosigned = errors.New("no cosignature by a listed recorder or witness")

// Origin names an organisation's log, in its checkpoints and as its key's name.
func Origin(org envelope.OrgID) string { return "chancery/" + org.String() + "/log" }

// CosignerName is the name under which a recorder's or witness's key cosigns.
func CosignerName(org envelope.OrgID, key envelope.KeyID) string {
	return "chancery/" + org.String() + "/cosigner/" + key.String()
}

// Note is a state of the log that a listed signer signed.
type Note struct {
	tlog.Checkpoint
	Text     string // what was signed
	Unknown  int    // signatures of keys that the organisation does not list
	Cosigned map[envelope.KeyID]time.Time
}

// cosigners are the listed keys whose word on the log is somebody else's than
// the server's.
func cosigners(org *chain.Org) []envelope.Party {
	return append(org.Parties(envelope.RoleRecorder), org.Parties(envelope.RoleWitness)...)
}

// Read opens a published note. A cosigner's time is what the cosigner's clock
// said. It fails with tlog.ErrNote or tlog.ErrCheckpoint, wrapped.
func Read(org *chain.Org, note []byte) (*Note, error) {
	trusted, names, err := keys(org)
	if err != nil {
		return nil, err
	}
	point, opened, err := tlog.OpenCheckpoint(note, Origin(org.ID()), trusted...)
	if err != nil {
		return nil, err
	}
	n := &Note{Checkpoint: point, Text: opened.Text, Unknown: opened.Unknown, Cosigned: map[envelope.KeyID]time.Time{}}
	for _, c := range opened.Cosigned {
		n.Cosigned[names[c.Name]] = time.Unix(c.Time, 0).UTC()
	}
	return n, nil
}

// Verifiers are the keys that may sign a note of the log: its signers', and its
// cosigners'.
func Verifiers(org *chain.Org) ([]tlog.Verifier, error) {
	trusted, _, err := keys(org)
	return trusted, err
}

func keys(org *chain.Org) (trusted []tlog.Verifier, names map[string]envelope.KeyID, err error) {
	for _, p := range org.Parties(envelope.RoleSigner) {
		v, err := tlog.NewVerifier(Origin(org.ID()), p.Key)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the organisation's signers: %w", err)
		}
		trusted = append(trusted, v)
	}
	names = map[string]envelope.KeyID{}
	for _, p := range cosigners(org) {
		name := CosignerName(org.ID(), p.ID())
		if _, twice := names[name]; twice { // a recorder that is listed as a witness too
			continue
		}
		v, err := tlog.NewCosigner(name, p.Key)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the organisation's cosigners: %w", err)
		}
		trusted, names[name] = append(trusted, v), p.ID()
	}
	return trusted, names, nil
}

// ReadCosignature opens a published note with one line more, and tells whose the
// line is and of when. It fails with ErrCosigned unless it is the good signature
// of a listed cosigner that the note does not carry yet.
func ReadCosignature(org *chain.Org, note []byte, line string) (by envelope.KeyID, at time.Time, err error) {
	before, err := Read(org, note)
	if err != nil {
		return by, at, err
	}
	after, err := Read(org, append(note[:len(note):len(note)], line...))
	if err != nil {
		return by, at, fmt.Errorf("%w: %w", ErrCosigned, err)
	}
	if after.Text != before.Text || len(after.Cosigned) != len(before.Cosigned)+1 {
		return by, at, ErrCosigned
	}
	for by, at = range after.Cosigned {
		if _, old := before.Cosigned[by]; !old {
			break
		}
	}
	return by, at, nil
}
