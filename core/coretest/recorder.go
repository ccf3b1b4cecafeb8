package coretest

import (
	"crypto/rand"
	"time"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
	"chancery/identity"
)

// Recorder is a listed recorder at work.
type Recorder struct {
	s   *Server
	Key *seal.SigningKey
	P   identity.Principal
}

// Recorder has the root list a recorder, and signs it in.
func (s *Server) Recorder(admin *Person) *Recorder {
	s.T.Helper()
	key, err := seal.GenerateSigningKey(rand.Reader)
	s.Must(err)
	id, err := seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	s.Must(err)
	s.List(admin, envelope.Party{Role: envelope.RoleRecorder, Name: "rec", Key: key.Public(), Recipient: id.Recipient()})
	r := &Recorder{s: s, Key: key}
	session, err := s.LoginKey(s.T.Context(), r.Proof())
	s.Must(err)
	r.P, err = s.Authenticate(s.T.Context(), session.Token)
	s.Must(err)
	return r
}

// Proof is what the recorder signs in with.
func (r *Recorder) Proof() wire.KeyLogin {
	r.s.T.Helper()
	claim := r.s.Claim(r.s.T.Context(), r.Key.ID(), 0)
	claim.Role = envelope.RoleRecorder
	statement, err := seal.SignStatement(wire.LabelLogin, &claim, r.Key)
	r.s.Must(err)
	return wire.KeyLogin{Statement: statement}
}

// Acknowledge says that the recorder can open the channel's newest epoch.
func (r *Recorder) Acknowledge(c *Channel) {
	r.s.T.Helper()
	epoch, _ := c.State.Newest()
	e := &envelope.Entry{Kind: envelope.KindAcknowledgement, Payload: []byte{}, Header: envelope.Marshal(&envelope.Acknowledgement{
		Version: envelope.Version, Org: c.State.Org(), Channel: c.ID, N: epoch.N, EpochLink: epoch.Link, SeedCommit: epoch.Body.SeedCommit,
		Recorder: r.Key.ID(), Time: time.Now().UnixMicro(),
	})}
	seal.SignEntry(e, r.Key)
	c.Place(&Person{P: r.P}, wire.NewEntry{Entry: envelope.Marshal(e)})
}
