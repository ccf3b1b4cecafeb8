package wire

import (
	"time"

	"chancery/crypto/envelope"
)

// NewDevice is POST /v1/devices: a device asks to be taken in, proves that it
// has the key, and commits to a nonce.
type NewDevice struct {
	Name       string        `json:"name" maxLength:"100" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters"`
	Public     []byte        `json:"public" doc:"Ed25519 public key"`
	Recipient  []byte        `json:"recipient"`
	Commitment envelope.Hash `json:"commitment" doc:"names the proposal from now on"`
	Statement  []byte        `json:"statement" doc:"envelope.Signed with label enrol over LoginStatement"`
}

// States of a proposal. It goes through them in this order and never back; by a
// ticket it is linked without having been revealed.
const (
	ProposalWaiting  = "waiting"
	ProposalAnswered = "answered"
	ProposalRevealed = "revealed"
	ProposalLinked   = "linked"
	ProposalAdded    = "added"
	ProposalRefused  = "refused"
)

// Why a proposal was refused.
const (
	RefusedByPerson = "unwanted"   // a person said no, or gave up
	RefusedCodes    = "codes"      // the two devices' codes differ
	RefusedReplaced = "replaced"   // the same device asked again
	RefusedBroken   = "mismatch"   // a commitment, a proof or a chain was not what it must be
	RefusedChain    = "chain_grew" // the person's chain has another link by now
)

// Proposal is a device that asks to be taken in, and how far that is.
type Proposal struct {
	ID        envelope.Hash `json:"id" doc:"the commitment"`
	Name      string        `json:"name"`
	Public    []byte        `json:"public"`
	Recipient []byte        `json:"recipient"`
	State     string        `json:"state"`
	Expires   time.Time     `json:"expires"`
	Answer    *DeviceAnswer `json:"answer,omitempty"`
	Reveal    []byte        `json:"reveal,omitempty" doc:"the new device's nonce"`
	Entry     []byte        `json:"entry,omitempty" doc:"the device_add entry that the approver signed"`
	Wrap      []byte        `json:"wrap,omitempty" doc:"the user seed sealed to the new device"`
	Why       string        `json:"why,omitempty" doc:"it was refused"`
}

// DeviceAnswer is PUT /v1/proposals/{id}/answer: an approved device takes the
// proposal on.
type DeviceAnswer struct {
	Approver envelope.KeyID `json:"approver" doc:"the session's device"`
	Seq      uint64         `json:"seq,string" doc:"newest link of the person's chain, as the approver knows it"`
	Head     envelope.Hash  `json:"head"`
	Nonce    []byte         `json:"nonce"`
	Proof    []byte         `json:"proof,omitempty" doc:"that the approver has seen the ticket; else the new device reveals"`
}

// DeviceReveal is PUT /v1/proposals/{id}/reveal.
type DeviceReveal struct {
	Nonce []byte `json:"nonce"`
}

// DeviceRefusal is PUT /v1/proposals/{id}/refusal: either device ends it.
type DeviceRefusal struct {
	Why string `json:"why" enum:"unwanted,codes,mismatch,chain_grew"`
}
