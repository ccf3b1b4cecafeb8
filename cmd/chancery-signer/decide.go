package main

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
)

// Kinds of what the state keeps.
const (
	kindLog         = "log"
	kindArchive     = "archive"
	kindCertificate = "certificate"
	kindOrg         = "organisation"
)

// ownOrg is the only name of kindOrg.
const ownOrg = "own"

// refuse is an answer that grants nothing.
func refuse(code signer.Code, format string, args ...any) *signer.Answer {
	return &signer.Answer{Code: code, Text: fmt.Sprintf(format, args...)}
}

// grant is an answer with what was made, or Failed when making it did not work.
func grant(body []byte, err error) *signer.Answer {
	if err != nil {
		return refuse(signer.Failed, "signing: %v", err)
	}
	return &signer.Answer{Body: body}
}

// answer decides one request.
func (s *state) answer(r *signer.Request) *signer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Kind {
	case signer.PublicKey:
		return grant(s.key.Public(), nil)
	case signer.LastCheckpoint:
		return s.last(kindLog, string(r.Body))
	case signer.LastArchive:
		return s.last(kindArchive, string(r.Body))
	case signer.SignCheckpoint:
		return decode(r.Body, s.checkpoint)
	case signer.SignArchive:
		return decode(r.Body, s.archive)
	case signer.SignCert:
		return decode(r.Body, s.certificate)
	}
	return refuse(signer.Malformed, "request of kind %d", r.Kind)
}

func decode[T any](body []byte, decide func(*T) *signer.Answer) *signer.Answer {
	var v T
	if err := envelope.Unmarshal(body, &v); err != nil {
		return refuse(signer.Malformed, "%v", err)
	}
	return decide(&v)
}

func (s *state) last(kind, name string) *signer.Answer {
	k, _, err := s.load(kind, name)
	return grant(envelope.Marshal(&signer.Last{Size: k.Size, Root: signer.Digest(k.Root)}), err)
}

// belongs refuses what is of another organisation than the signer's. The first
// one that something is signed for is its own, unless init named it.
func (s *state) belongs(org envelope.OrgID) *signer.Answer {
	own, any, err := s.load(kindOrg, ownOrg)
	switch {
	case err != nil:
		return refuse(signer.Failed, "%v", err)
	case any && own.Root != envelope.Hash(org):
		return refuse(signer.Foreign, "this signer signs for organisation %s alone", own.Root)
	case any:
		return nil
	}
	if err := s.pin(org); err != nil {
		return refuse(signer.Failed, "keeping state: %v", err)
	}
	return nil
}

// pin makes an organisation the signer's own.
func (s *state) pin(org envelope.OrgID) error {
	return s.save(kindOrg, kept{Name: ownOrg, Root: envelope.Hash(org)})
}

// isLog tells whether an origin is an organisation's log. An archive's note has
// the same form under another origin, and must not come out of here past the
// rules for archives.
func isLog(origin string) bool {
	org := orgOf(origin)
	return !org.IsZero() && origin == "chancery/"+org.String()+"/log"
}

// orgOf is the organisation that a log's origin names, zero when it names none.
func orgOf(origin string) envelope.OrgID {
	text := strings.TrimSuffix(strings.TrimPrefix(origin, "chancery/"), "/log")
	org, _ := envelope.ID[envelope.OrgID](text)
	return org
}

// checkpoint signs a log only as an extension of what was signed last.
func (s *state) checkpoint(c *signer.Checkpoint) *signer.Answer {
	if !isLog(c.Origin) {
		return refuse(signer.Malformed, "%q is not the origin of an organisation's log", c.Origin)
	}
	if text, err := c.State().MarshalText(); err != nil || c.Size < 1 {
		return refuse(signer.Malformed, "checkpoint %q: %v", text, err)
	}
	last, any, err := s.load(kindLog, c.Origin)
	if err != nil {
		return refuse(signer.Failed, "%v", err)
	}
	switch {
	case !any:
	case c.Size < last.Size:
		return refuse(signer.Forked, "a log of %d was signed, this one has %d", last.Size, c.Size)
	case c.Size == last.Size && envelope.Hash(c.Root) != last.Root:
		return refuse(signer.Forked, "another log of %d was signed", last.Size)
	case tlog.VerifyConsistency(last.Size, tlog.Hash(last.Root), c.Size, tlog.Hash(c.Root), c.Proof) != nil:
		return refuse(signer.Unproven, "the proof does not lead from the log of %d that was signed", last.Size)
	}
	if a := s.belongs(orgOf(c.Origin)); a != nil {
		return a
	}
	if err := s.save(kindLog, kept{Name: c.Origin, Size: c.Size, Root: envelope.Hash(c.Root)}); err != nil {
		return refuse(signer.Failed, "keeping state: %v", err)
	}
	return grant(c.Sign(s.key))
}

// archive signs an ordinal for one content only, on top of the archive that was
// signed last.
func (s *state) archive(a *signer.Archive) *signer.Answer {
	statement, err := a.Statement()
	if err != nil {
		return refuse(signer.Malformed, "%v", err)
	}
	last, any, err := s.load(kindArchive, a.Origin())
	if err != nil {
		return refuse(signer.Failed, "%v", err)
	}
	signed := envelope.Hash(sha256.Sum256(statement))
	if any && a.Ordinal == last.Size && last.Signed == signed {
		return grant(encoded(a.Sign(s.key)))
	}
	switch {
	case a.Ordinal != last.Size+1:
		return refuse(signer.Forked, "archive %d was signed last, this one is %d, with other content", last.Size, a.Ordinal)
	case envelope.Hash(a.Previous) != last.Root:
		return refuse(signer.Forked, "archive %d has manifest %s, this one follows %s", last.Size, last.Root, a.Previous)
	}
	if a := s.belongs(envelope.OrgID(a.Org)); a != nil {
		return a
	}
	if err := s.save(kindArchive, kept{a.Origin(), a.Ordinal, envelope.Hash(a.Manifest), signed}); err != nil {
		return refuse(signer.Failed, "keeping state: %v", err)
	}
	return grant(encoded(a.Sign(s.key)))
}

func encoded(signed *signer.SignedArchive, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return envelope.Marshal(signed), nil
}

// certificate signs one statement about each subject, if the evidence beside it
// shows what it says.
func (s *state) certificate(c *signer.Certificate) *signer.Answer {
	statement, err := c.Statement()
	if err != nil {
		return refuse(signer.Malformed, "%v", err)
	}
	if err := judge(c); err != nil {
		return refuse(signer.Unproven, "%v", err)
	}
	if a := s.belongs(envelope.OrgID(c.Org)); a != nil {
		return a
	}
	name := c.Predicate + " " + c.Org.String() + " " + c.Subject.String()
	signed := envelope.Hash(sha256.Sum256(statement))
	last, any, err := s.load(kindCertificate, name)
	switch {
	case err != nil:
		return refuse(signer.Failed, "%v", err)
	case any && last.Signed != signed:
		return refuse(signer.Forked, "another certificate about %s was signed", c.Subject)
	case !any:
		if err := s.save(kindCertificate, kept{Name: name, Signed: signed}); err != nil {
			return refuse(signer.Failed, "keeping state: %v", err)
		}
	}
	return grant(c.Sign(s.key))
}
