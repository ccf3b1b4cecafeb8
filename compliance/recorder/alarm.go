package recorder

import (
	"errors"
	"fmt"

	"chancery/crypto/envelope"
)

// Reason is the stable code of a refusal or alarm.
type Reason string

const (
	// About a channel.
	EntryRefused  Reason = "entry_refused"  // the validator does not take the next entry
	RolledBack    Reason = "rolled_back"    // the server shows less than it showed, or another head
	WrapBad       Reason = "wrap_bad"       // own wrap missing, junk, or of another seed
	SaltBad       Reason = "salt_bad"       // salt missing or not the committed one
	PayloadGone   Reason = "payload_gone"   // dropped before it was opened
	FileBad       Reason = "file_bad"       // attachment missing, cut or changed
	PostRefused   Reason = "post_refused"   // own entry was refused
	CoverageAhead Reason = "coverage_ahead" // own coverage names what is not on this disk
	Restored      Reason = "restored"       // the server came back from an older copy, by the root's word
	ChainBad      Reason = "chain_bad"      // an organisation or user chain is not an extension
	TailDropped   Reason = "tail_dropped"   // a device wrote what the server does not show
	TailForked    Reason = "tail_forked"    // a device was shown another history
	TailMissing   Reason = "tail_missing"   // a device that wrote says nothing of it; of a lower grade
	MemberAlarm   Reason = "member_alarm"   // a device is alarmed: a message is not covered in time
	Disputed      Reason = "disputed"       // a device disputes a coverage
	ClockBad      Reason = "clock_bad"      // the server's time of a new entry is not this host's
	NoticeBad     Reason = "notice_bad"     // the server gives a word as somebody's that is not
	// About the log.
	LogForked  Reason = "log_forked"  // not an extension of what was cosigned, or not what is shown
	LogDiffers Reason = "log_differs" // has another entry than the one that was followed
	NotLogged  Reason = "not_logged"  // lacks an entry that was followed
	// About an order.
	OrderMalformed  Reason = "order_malformed"  // not the shape, or of another organisation
	NotApproved     Reason = "not_approved"     // two persons in their two roles did not sign it
	UnderHold       Reason = "under_hold"       // a hold that this recorder knows keeps a message
	HoldVanished    Reason = "hold_vanished"    // the server no longer lists a hold that nobody released
	HoldUnverified  Reason = "hold_unverified"  // listed as active, its approvals do not verify
	TooEarly        Reason = "too_early"        // retention does not end it yet, by this recorder's clock
	RuleUnknown     Reason = "rule_unknown"     // the plan rests on a rule that is not verified or outdated
	RuleShortened   Reason = "rule_shortened"   // a locked rule's new revision keeps for less
	NotCovered      Reason = "not_covered"      // not yet covered by this recorder
	RangeMismatch   Reason = "range_mismatch"   // the range's messages are not those that the order names
	NotRecorder     Reason = "not_recorder"     // a channel that this recorder does not record
	AuditorUnlisted Reason = "auditor_unlisted" // not listed, or its listing has ended
	OutOfScope      Reason = "out_of_scope"     // a channel outside the auditor's or the order's scope
	Expired         Reason = "expired"          // past the order's end
	ExportChanged   Reason = "export_changed"   // the same export, for another order or range
)

// ErrRefused tells that the server will never place an entry.
var ErrRefused = errors.New("refused for good")

// Alarm is something that a person must look at. Detail holds ids and
// positions, never content.
type Alarm struct {
	Reason  Reason
	Channel envelope.ChannelID // zero when it is about no one channel
	Object  envelope.Hash      // of an order or export, else zero
	Err     error
}

func (a *Alarm) Error() string { return string(a.Reason) + ": " + a.Err.Error() }
func (a *Alarm) Unwrap() error { return a.Err }

func alarm(reason Reason, format string, args ...any) error {
	return &Alarm{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// ReasonOf finds the code of an alarm, or "" when err is none.
func ReasonOf(err error) Reason {
	if a, ok := errors.AsType[*Alarm](err); ok {
		return a.Reason
	}
	return ""
}
