package tlog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"chancery/crypto/p384"
)

// ErrNote reports a signed note that is malformed, not canonical, or carries no
// good signature of a trusted key.
var ErrNote = errors.New("note not signed by a trusted key")

// Verifier checks the signatures of one named key. Names and key hashes follow
// C2SP signed-note; this package makes verifiers of Ed25519 keys (type 0x01), of
// P-384 keys (type 0xff with the identifier below), and of cosigners' Ed25519 keys
// (type 0x04).
type Verifier = note.Verifier

// p384Type is the signature type of P-384 keys: 0xff leaves it to a name that
// nobody else uses.
const p384Type = "\xffchancery/v1/ecdsa-p384-sha384"

// NewVerifier returns the verifier of a public key, whose size tells its
// algorithm, under a name without white space or plus sign. An Ed25519 key must
// already be accepted as a canonical point of prime order; see
// envelope.CheckPublicKey.
func NewVerifier(name string, pub []byte) (Verifier, error) {
	if !validName(name) {
		return nil, fmt.Errorf("making verifier %q: bad name", name)
	}
	switch len(pub) {
	case p384.PublicSize:
		if err := p384.CheckPublic(pub); err != nil {
			return nil, fmt.Errorf("making verifier %q: %w", name, err)
		}
		return p384Verifier{name, pub}, nil
	case ed25519.PublicKeySize:
		text, err := note.NewEd25519VerifierKey(name, pub)
		if err != nil {
			return nil, fmt.Errorf("making verifier %q: %w", name, err)
		}
		return note.NewVerifier(text)
	}
	return nil, fmt.Errorf("making verifier %q: no key has %d bytes", name, len(pub))
}

type p384Verifier struct {
	name   string
	public []byte
}

func (v p384Verifier) Name() string { return v.name }

func (v p384Verifier) KeyHash() uint32 {
	h := sha256.Sum256(append([]byte(v.name+"\n"+p384Type), v.public...))
	return binary.BigEndian.Uint32(h[:])
}

func (v p384Verifier) Verify(msg, sig []byte) bool { return p384.Verify(v.public, msg, sig) == nil }

// Note is a signed text whose signatures were checked.
type Note struct {
	Text    string   // ends in a newline
	Signers []string // names of the trusted keys that signed, each once
	Unknown int      // signature lines of other keys, not checked
	// Cosigned are the signatures of NewCosigner's keys, which are in Signers too.
	Cosigned []Cosignature
}

// OpenNote checks a signed note. Every signature that claims a trusted key must
// be good, at least one must be there, and no line may have a second spelling;
// otherwise the error is ErrNote, wrapped. A reader who expects no strangers
// also demands Unknown == 0.
func OpenNote(msg []byte, trusted ...Verifier) (*Note, error) {
	opened, err := note.Open(msg, note.VerifierList(trusted...))
	if err != nil {
		return nil, fmt.Errorf("opening note: %w: %w", ErrNote, err)
	}
	lines, err := signatureLines(strings.TrimPrefix(string(msg), opened.Text+"\n"))
	if err != nil {
		return nil, fmt.Errorf("opening note: %w", err)
	}
	n := &Note{Text: opened.Text, Unknown: lines - len(opened.Sigs)}
	for _, sig := range opened.Sigs {
		n.Signers = append(n.Signers, sig.Name)
		if at, ok := cosignatureTime(sig, trusted); ok {
			n.Cosigned = append(n.Cosigned, Cosignature{sig.Name, at})
		}
	}
	return n, nil
}

// cosignatureTime is the time in a good signature, if it is a cosigner's.
func cosignatureTime(sig note.Signature, trusted []Verifier) (at int64, ok bool) {
	for _, v := range trusted {
		if c, is := v.(cosigner); is && c.name == sig.Name && c.KeyHash() == sig.Hash {
			raw, err := base64.StdEncoding.DecodeString(sig.Base64)
			if err != nil || len(raw) < 4 {
				return 0, false
			}
			return cosignedAt(raw[4:])
		}
	}
	return 0, false
}

// signatureLines counts the lines of a signature block that the library found
// well-formed. The library forgives repeated keys and stray bits at the end of
// base64, so that a note could be changed and still open; this does not.
func signatureLines(block string) (int, error) {
	seen := make(map[string]bool)
	for line := range strings.Lines(block) {
		key, sig, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "— "), "\n"), " ")
		raw, err := base64.StdEncoding.Strict().DecodeString(sig)
		if err != nil || len(raw) < 4 {
			return 0, fmt.Errorf("signature of %q is not canonical: %w", key, ErrNote)
		}
		id := key + " " + string(raw[:4])
		if seen[id] {
			return 0, fmt.Errorf("signature of %q is there twice: %w", key, ErrNote)
		}
		seen[id] = true
	}
	return len(seen), nil
}

// OpenCheckpoint opens a signed note that holds a checkpoint of the named log.
// The log's own key must be among the signers; others (witnesses) may be too.
func OpenCheckpoint(msg []byte, origin string, trusted ...Verifier) (Checkpoint, *Note, error) {
	n, err := OpenNote(msg, trusted...)
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("opening checkpoint: %w", err)
	}
	var c Checkpoint
	if err := c.UnmarshalText([]byte(n.Text)); err != nil {
		return Checkpoint{}, nil, fmt.Errorf("opening checkpoint: %w", err)
	}
	if c.Origin != origin {
		return Checkpoint{}, nil, fmt.Errorf("opening checkpoint: it is of log %q, not %q: %w", c.Origin, origin, ErrCheckpoint)
	}
	for _, name := range n.Signers {
		if name == origin {
			return c, n, nil
		}
	}
	return Checkpoint{}, nil, fmt.Errorf("opening checkpoint: log %q did not sign it: %w", origin, ErrNote)
}
