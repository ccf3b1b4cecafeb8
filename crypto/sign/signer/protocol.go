package signer

import (
	"encoding/binary"
	"fmt"
	"io"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// MaxFrame bounds one request or answer, in bytes.
const MaxFrame = 16 << 20

// Kind says what a request asks for; the body is the CBOR of that type.
type Kind uint8

const (
	LastCheckpoint Kind = 1 // body: the log's origin, as text; answers Last
	SignCheckpoint Kind = 2 // body: Checkpoint; answers a signed note
	SignArchive    Kind = 3 // body: Archive; answers SignedArchive
	SignCert       Kind = 4 // body: Certificate; answers a DSSE envelope
	PublicKey      Kind = 5 // empty body; answers the public key
	LastArchive    Kind = 6 // body: the chain's origin, as text; answers Last
)

// Request is one frame from the server.
type Request struct {
	_    struct{} `cbor:",toarray"`
	Kind Kind
	Body []byte
}

// Code says why a request was refused. It is empty in an answer that grants.
type Code string

const (
	Malformed Code = "malformed" // not a request
	Forked    Code = "forked"    // contradicts what was signed before
	Foreign   Code = "foreign"   // of another organisation than the signer's
	Unproven  Code = "unproven"  // the proof does not lead from what was signed last, or the evidence does not show what a certificate says
	Failed    Code = "failed"    // state could not be kept, so nothing was signed
)

// Answer is one frame from the signer.
type Answer struct {
	_    struct{} `cbor:",toarray"`
	Code Code
	Text string // of a refusal, for people
	Body []byte
}

// Checkpoint asks for a signed note over a state of the log.
type Checkpoint struct {
	_      struct{} `cbor:",toarray"`
	Origin string
	Size   int64
	Root   Digest
	Proof  []tlog.Hash // that it extends what was signed last; empty for the first
}

// Last is what was signed last under an origin, zero before the first.
type Last struct {
	_    struct{} `cbor:",toarray"`
	Size int64    // tree size, or ordinal
	Root Digest
}

// SignedArchive is archive.dsse and archive.note.
type SignedArchive struct {
	_    struct{} `cbor:",toarray"`
	DSSE []byte
	Note []byte
}

// WriteFrame writes v as CBOR behind its length: 4 bytes, big-endian.
func WriteFrame(w io.Writer, v any) error {
	b := envelope.Marshal(v)
	if len(b) > MaxFrame {
		return fmt.Errorf("%w: frame of %d bytes", ErrRequest, len(b))
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// ReadFrame reads what WriteFrame wrote. It fails with io.EOF between frames.
func ReadFrame(r io.Reader, v any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > MaxFrame {
		return fmt.Errorf("%w: frame of %d bytes", ErrRequest, n)
	}
	// Memory follows what arrives, not what four bytes promise.
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(b) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("reading frame: %w", err)
	}
	return envelope.Unmarshal(b, v)
}
