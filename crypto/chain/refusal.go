package chain

import (
	"errors"
	"fmt"
)

// Reason is the stable code of a refusal.
type Reason string

const (
	Malformed       Reason = "malformed"         // not the shape of such an entry
	WrongChain      Reason = "wrong_chain"       // belongs to another organisation or channel
	Broken          Reason = "broken_link"       // seq or prev does not follow
	BrokenOrder     Reason = "broken_order"      // position, time or head does not follow
	BadSignature    Reason = "bad_signature"     // missing, wrong or by another key
	NotListed       Reason = "not_listed"        // the key is not listed in that role here
	NotMember       Reason = "not_member"        // not a member at this position
	NotAllowed      Reason = "not_allowed"       // a member, without this right
	DeviceUnknown   Reason = "device_unknown"    // not a live device of the user at the synced head
	HeadUnknown     Reason = "head_unknown"      // names a chain head that does not exist
	EpochNone       Reason = "epoch_none"        // no epoch can be written in yet
	EpochNotCurrent Reason = "epoch_not_current" // sealed in another epoch
	EpochExpired    Reason = "epoch_expired"     // past its not_after
	EpochBad        Reason = "epoch_bad"         // number, roots or commitment do not follow
	RotationDue     Reason = "rotation_due"      // a new epoch must be placed first
	CounterBad      Reason = "counter_bad"       // dev_seq, dev_prev or void does not follow
	SeenBad         Reason = "seen_bad"          // refers to an entry that is not there
	SuiteBad        Reason = "suite_bad"         // lower than or other than the organisation's
	CaptureBad      Reason = "capture_bad"       // capture lowered or without recorder
	Duplicate       Reason = "duplicate"         // said already
	CoverageBad     Reason = "coverage_bad"      // does not continue, or of what is not placed
	KeyBad          Reason = "key_bad"           // a person's key generation does not follow
	EvidenceBad     Reason = "evidence_bad"      // does not say that this person holds this chain
	RestoreBad      Reason = "restore_bad"       // does not fit what is known
	HandoverBad     Reason = "handover_bad"      // of another history, outdated, or of a recorder that still owes coverage
)

// Refused says why an entry is not valid at its place.
type Refused struct {
	Reason Reason
	Err    error
}

func (r *Refused) Error() string { return string(r.Reason) + ": " + r.Err.Error() }
func (r *Refused) Unwrap() error { return r.Err }

// ReasonOf finds the code of a refusal, or "" when err is none.
func ReasonOf(err error) Reason {
	if r, ok := errors.AsType[*Refused](err); ok {
		return r.Reason
	}
	return ""
}

func refuse(reason Reason, format string, args ...any) error {
	return &Refused{reason, fmt.Errorf(format, args...)}
}
