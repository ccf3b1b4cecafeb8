package coretest

import (
	"time"

	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Joining is a device that asks to be one of a person's, with its proposal.
type Joining struct {
	Person  *Person
	Key     *seal.SigningKey
	Body    envelope.DeviceBody
	Wrap    []byte
	Opening approval.Opening
}

// NewDevice makes a device of the person that has not asked yet.
func (p *Person) NewDevice(name string) *Joining {
	p.s.T.Helper()
	key, body, wrap := p.device(name, p.s.Org().ID())
	return (&Joining{Person: p, Key: key, Body: body, Wrap: wrap}).Again()
}

// Again makes another proposal for the same device.
func (j *Joining) Again() *Joining {
	claims := approval.Claims{Name: j.Body.Name, Key: j.Body.Key, Recipient: j.Body.Recipient}
	next := *j
	next.Opening = approval.Opening{Org: j.Person.s.Org().ID(), User: j.Person.User, Claims: claims.Hash(), Nonce: approval.NewNonce()}
	return &next
}

// ID names the proposal.
func (j *Joining) ID() envelope.Hash { return j.Opening.Commitment() }

// Asking is how the device asks, in the person's session.
func (j *Joining) Asking() wire.NewDevice {
	s := j.Person.s
	s.T.Helper()
	claim := s.Claim(s.T.Context(), j.Key.ID(), j.Person.P.Session)
	statement, err := seal.SignStatement(wire.LabelEnrol, &claim, j.Key)
	s.Must(err)
	return wire.NewDevice{Name: j.Body.Name, Public: j.Body.Key, Recipient: j.Body.Recipient, Commitment: j.ID(), Statement: statement}
}

// Ask enters the proposal.
func (j *Joining) Ask() *Joining {
	s := j.Person.s
	s.T.Helper()
	s.Must(s.AskForDevice(s.T.Context(), j.Person.P, j.Asking()))
	return j
}

// Answer is how the person's device takes the proposal on.
func (j *Joining) Answer() wire.DeviceAnswer {
	nonce, p := approval.NewNonce(), j.Person
	return wire.DeviceAnswer{Approver: p.Key.ID(), Seq: p.Chain.Seq(), Head: p.Chain.Head(), Nonce: nonce[:]}
}

// Reveal goes on until the new device has told its nonce.
func (j *Joining) Reveal() *Joining {
	s, p := j.Person.s, j.Person.P
	s.T.Helper()
	s.Must(s.AnswerDevice(s.T.Context(), p, j.ID(), j.Answer()))
	s.Must(s.RevealDevice(s.T.Context(), p, j.ID(), wire.DeviceReveal{Nonce: j.Opening.Nonce[:]}))
	return j
}

// Link is the link that the person's device signs, without the new device's
// signature.
func (j *Joining) Link() wire.NewLink {
	p := j.Person
	e := p.link(&envelope.Link{
		Version: envelope.Version, Org: p.s.Org().ID(), Chain: envelope.Hash(p.User), Seq: p.Chain.Seq() + 1, Prev: p.Chain.Head(),
		Type: envelope.DeviceAdd, Body: envelope.Marshal(&j.Body), Time: time.Now().UnixMicro(),
	})
	return wire.NewLink{Entry: envelope.Marshal(e), Wrap: j.Wrap}
}

// Signed is the link that both devices signed.
func (j *Joining) Signed() wire.NewLink {
	j.Person.s.T.Helper()
	l := j.Link()
	e, err := envelope.ParseEntry(l.Entry)
	j.Person.s.Must(err)
	seal.SignEntry(e, j.Key)
	return wire.NewLink{Entry: envelope.Marshal(e)}
}

// SecondDevice has another device of the person taken in, up to the link that
// both sign.
func (p *Person) SecondDevice() wire.NewLink {
	s := p.s
	s.T.Helper()
	j := p.NewDevice("phone").Ask().Reveal()
	s.Must(s.LinkDevice(s.T.Context(), p.P, j.ID(), j.Link()))
	return j.Signed()
}
