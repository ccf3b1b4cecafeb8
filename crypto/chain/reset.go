package chain

import (
	"chancery/crypto/envelope"
)

// Replaces is the chain that this one was started in place of, nil for a
// person's first.
func (u *User) Replaces() *envelope.Replaced { return u.replaces }

// Successor is who goes on in place of this chain, once it has ended.
func (u *User) Successor() (envelope.UserID, bool) { return u.successor, u.reset != 0 }

// EndedAt tells whether the chain had ended with its link seq.
func (u *User) EndedAt(seq uint64) bool { return u.reset != 0 && u.reset <= seq }

// officer finds an enrolment officer's key at a link of the organisation's chain.
func (u *User) officer(id envelope.KeyID, seq uint64, head envelope.Hash) ([]byte, error) {
	if !u.org.HasHead(seq, head) {
		return nil, refuse(HeadUnknown, "organisation's head at link %d", seq)
	}
	party, ok := u.org.PartyAt(envelope.RoleOfficer, id, seq)
	if !ok {
		return nil, refuse(NotListed, "officer %s", id)
	}
	return party.Key, nil
}

// verifyReplaces checks the signatures of a genesis that an officer vouches for.
func (u *User) verifyReplaces(genesis *envelope.Entry) error {
	r := u.replaces
	officer, err := u.officer(r.Officer, r.OrgSeq, r.OrgHead)
	if err != nil {
		return err
	}
	return verifyAll(genesis, u.devices[0].body.Key, officer)
}

// judgeReset ends the chain, for somebody who lost every device and starts
// again. No device of the chain is asked, so an officer answers for it.
func (u *User) judgeReset(l *envelope.Link, e *envelope.Entry) (func(), error) {
	b, err := body[envelope.ResetBody](l)
	if err != nil {
		return nil, err
	}
	if b.Successor.IsZero() || b.Successor == u.ID() || !l.User.IsZero() {
		return nil, refuse(Malformed, "reset without another chain to go on with, or signed by a person")
	}
	officer, err := u.officer(l.Key, b.OrgSeq, b.OrgHead)
	if err != nil {
		return nil, err
	}
	if err := verifyOnly(e, officer); err != nil {
		return nil, err
	}
	return func() {
		for _, d := range u.Devices() {
			u.end(envelope.KeyOf(d.Key), l.Seq)
		}
		u.endRecovery(l.Seq)
		u.reset, u.successor = l.Seq, b.Successor
	}, nil
}
