package chain

import (
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/evidence"
)

// proof is evidence that a link brought.
type proof struct {
	grade  uint
	holder evidence.Holder
}

// Grade is how well it is known who holds the chain, and whom the best evidence
// names: 3 a smart card, 2 an identity provider, 1 an officer, 0 nobody.
func (u *User) Grade() (grade uint, holder evidence.Holder) {
	for _, p := range u.proofs {
		if p.grade > grade {
			grade, holder = p.grade, p.holder
		}
	}
	return grade, holder
}

// Named are all whom evidence names.
func (u *User) Named() []evidence.Holder {
	out := make([]evidence.Holder, len(u.proofs))
	for i, p := range u.proofs {
		out[i] = p.holder
	}
	return out
}

func (u *User) judgeEvidence(l *envelope.Link, e *envelope.Entry) (func(), error) {
	b, err := body[envelope.EvidenceBody](l)
	if err != nil {
		return nil, err
	}
	if err := checkFields(b); err != nil {
		return nil, err
	}
	holder, signer, err := u.holder(l, b)
	if err != nil {
		return nil, err
	}
	for _, p := range u.proofs {
		if p.holder.Source == holder.Source && p.holder != holder {
			return nil, refuse(EvidenceBad, "%s names another person than before", holder.Source)
		}
	}
	if err := verifyOnly(e, signer); err != nil {
		return nil, err
	}
	return func() { u.proofs = append(u.proofs, proof{b.Grade, holder}) }, nil
}

// checkFields demands the fields of the grade, and no other.
func checkFields(b *envelope.EvidenceBody) error {
	officer := b.Subject != "" && len(b.Subject) <= 255 && b.Source.IsZero()
	token := len(b.Token) > 0 && len(b.Keys) > 0
	card := len(b.Certificates) > 0 && len(b.Signature) > 0
	none := b.Subject == "" && !b.Source.IsZero()
	switch {
	case b.Grade == 1 && officer && len(b.Token)+len(b.Keys)+len(b.Certificates)+len(b.Signature) == 0:
	case b.Grade == 2 && token && none && len(b.Certificates)+len(b.Signature) == 0:
	case b.Grade == 3 && card && none && len(b.Token)+len(b.Keys) == 0:
	default:
		return refuse(Malformed, "evidence of grade %d without its fields, or with another's", b.Grade)
	}
	return nil
}

// holder verifies what the link brings. It gives the key that must have signed
// the link: the officer's, or that of a device of the chain.
func (u *User) holder(l *envelope.Link, b *envelope.EvidenceBody) (who evidence.Holder, signer []byte, err error) {
	if b.Grade == 1 {
		if !l.User.IsZero() {
			return who, nil, refuse(Malformed, "an officer's word signed by a person")
		}
		signer, err = u.officer(l.Key, b.OrgSeq, b.OrgHead)
		return evidence.Holder{Source: "officer", Subject: b.Subject}, signer, err
	}
	device, err := u.signer(l)
	if err != nil {
		return who, nil, err
	}
	if !u.org.HasHead(b.OrgSeq, b.OrgHead) {
		return who, nil, refuse(HeadUnknown, "organisation's head at link %d", b.OrgSeq)
	}
	from, ok := u.org.SourceAt(b.Source, b.OrgSeq)
	if !ok {
		return who, nil, refuse(NotListed, "source %s", b.Source)
	}
	who, err = u.verifyEvidence(from, b, time.UnixMicro(l.Time))
	return who, device.Key, err
}

func (u *User) verifyEvidence(from *envelope.SourceBody, b *envelope.EvidenceBody, at time.Time) (who evidence.Holder, err error) {
	binding := envelope.EvidenceBinding(u.spine.org, u.ID())
	switch {
	case b.Grade == 2 && from.Kind == envelope.SourceOIDC:
		keys, err := u.snapshot(from, b)
		if err != nil {
			return who, err
		}
		who, err = evidence.VerifyToken(string(b.Token), evidence.Client{Issuer: from.Issuer, ID: from.Client}, keys, binding[:], at)
		return who, proven(err)
	case b.Grade == 3 && from.Kind == envelope.SourceX509:
		who, err = evidence.VerifyCertificate(b.Certificates, from.Anchors, binding[:], b.Signature, at)
		return who, proven(err)
	}
	return who, refuse(EvidenceBad, "a source of kind %q for grade %d", from.Kind, b.Grade)
}

// snapshot opens the provider's keys, for which an officer or a recorder stands.
func (u *User) snapshot(from *envelope.SourceBody, b *envelope.EvidenceBody) (keys evidence.KeySet, err error) {
	signed, err := envelope.ParseSigned(b.Keys)
	if err != nil {
		return keys, &Refused{Malformed, err}
	}
	witness, ok := u.org.PartyAt(envelope.RoleOfficer, signed.Signature.Key, b.OrgSeq)
	if !ok {
		witness, ok = u.org.PartyAt(envelope.RoleRecorder, signed.Signature.Key, b.OrgSeq)
	}
	if !ok {
		return keys, refuse(NotListed, "who fetched the keys of %q", from.Issuer)
	}
	s, err := envelope.OpenStatement[envelope.KeySnapshot](b.Keys, envelope.LabelKeySnapshot, witness.Key)
	if err != nil {
		return keys, &Refused{EvidenceBad, err}
	}
	if s.Version != envelope.Version || s.Org != u.spine.org || s.Source != b.Source {
		return keys, refuse(EvidenceBad, "keys of another source or organisation")
	}
	return evidence.KeySet{Issuer: from.Issuer, JWKS: s.JWKS, Fetched: time.UnixMicro(s.Fetched)}, nil
}

func proven(err error) error {
	if err != nil {
		return &Refused{EvidenceBad, err}
	}
	return nil
}

// Subjects holds that whoever a source names has one chain: another one is a
// reset, or somebody else's.
type Subjects struct {
	of map[evidence.Holder]envelope.UserID
}

// Take remembers whom evidence names as the holder of a verified chain. It
// refuses a chain whose holder has another already, unless an officer let this
// one replace that.
func (s *Subjects) Take(u *User) error {
	for _, h := range u.Named() {
		other, known := s.of[h]
		if known && other != u.ID() && (u.replaces == nil || u.replaces.User != other) {
			return refuse(Duplicate, "%s %q holds chain %s and chain %s", h.Source, h.Subject, other, u.ID())
		}
	}
	if s.of == nil {
		s.of = map[evidence.Holder]envelope.UserID{}
	}
	for _, h := range u.Named() {
		s.of[h] = u.ID()
	}
	return nil
}
