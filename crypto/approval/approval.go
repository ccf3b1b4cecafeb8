package approval

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"chancery/crypto/envelope"
)

var (
	// ErrCommitment: what was revealed is not what was committed to.
	ErrCommitment = errors.New("not what the new device committed to")
	// ErrProof: the answer was made by somebody who has not seen the ticket.
	ErrProof = errors.New("not made by a device that has seen the ticket")
)

// Nonce is 32 random bytes, used in one proposal.
type Nonce [32]byte

// NewNonce makes a nonce.
func NewNonce() Nonce {
	var n Nonce
	rand.Read(n[:]) // never fails: the runtime ends the process instead
	return n
}

// ParseNonce takes the 32 bytes of a nonce. It fails with envelope.ErrFormat.
func ParseNonce(b []byte) (Nonce, error) {
	if len(b) != len(Nonce{}) {
		return Nonce{}, fmt.Errorf("%w: nonce of %d bytes, want 32", envelope.ErrFormat, len(b))
	}
	return Nonce(b), nil
}

// Claims are what a new device says of itself.
type Claims struct {
	Name      string
	Key       []byte // Ed25519 public key
	Recipient []byte
}

// Hash stands for the claims everywhere else.
func (c Claims) Hash() envelope.Hash {
	return envelope.Sum("device-claims", c.Name, c.Key, c.Recipient)
}

// Opening is what a commitment hides: the claims, for one person, and a nonce.
type Opening struct {
	Org    envelope.OrgID
	User   envelope.UserID
	Claims envelope.Hash
	Nonce  Nonce // secret until the approving device has answered
}

// Commitment names the proposal.
func (o Opening) Commitment() envelope.Hash {
	return envelope.Sum("device-commit", o.Org, o.User, o.Claims, o.Nonce[:])
}

// Check fails with ErrCommitment unless o is what commitment hides.
func (o Opening) Check(commitment envelope.Hash) error {
	if o.Commitment() != commitment {
		return ErrCommitment
	}
	return nil
}

// Answer is what the approving device says: who it is, on which chain it stands,
// and its own nonce.
type Answer struct {
	Approver envelope.KeyID
	Seq      uint64 // of the newest link of the user's chain
	Head     envelope.Hash
	Nonce    Nonce
}

// Transcript is everything that the two devices must agree on. Each computes it
// from what it knows by itself, and from the other only the nonce.
type Transcript struct {
	Opening
	Answer Answer
}

// Sum is the transcript's hash.
func (t Transcript) Sum() envelope.Hash {
	return envelope.Sum("device-approval", t.Commitment(), t.Opening.Nonce[:],
		t.Answer.Approver, t.Answer.Seq, t.Answer.Head, t.Answer.Nonce[:])
}

// Proof shows that who answered has seen the new device's nonce, which a ticket
// carries past the server. It shows nothing once that nonce was revealed.
func (t Transcript) Proof() []byte {
	sum, nonce := t.Sum(), t.Opening.Nonce
	proof, err := hkdf.Key(sha256.New, nonce[:], nil, string(envelope.Frame("device-proof", sum)), 32)
	if err != nil {
		panic(fmt.Sprintf("deriving 32 bytes from 32: %v", err)) // lengths are fixed
	}
	return proof
}

// CheckProof fails with ErrProof unless proof is the transcript's.
func (t Transcript) CheckProof(proof []byte) error {
	if subtle.ConstantTimeCompare(t.Proof(), proof) != 1 {
		return ErrProof
	}
	return nil
}
