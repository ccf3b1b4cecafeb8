package coretest

import (
	"slices"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

// next is the next link of the person's chain, by their device.
func (p *Person) next(t envelope.LinkType, body any) *envelope.Entry {
	return p.link(&envelope.Link{
		Version: envelope.Version, Org: p.s.Org().ID(), Chain: envelope.Hash(p.User), Seq: p.Chain.Seq() + 1, Prev: p.Chain.Head(),
		Type: t, Body: envelope.Marshal(body),
	})
}

// Extend publishes a link of the person's chain, and follows it.
func (p *Person) Extend(in wire.NewLink) error {
	if err := p.s.ExtendUser(p.s.T.Context(), p.P, in); err != nil {
		return err
	}
	e, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return err
	}
	return p.Chain.Apply(e)
}

// Phone is a second device of the person's, with a session that is bound to it.
func (p *Person) Phone(username string) *Person {
	s := p.s
	s.T.Helper()
	j := p.NewDevice("phone").Ask().Reveal()
	s.Must(s.LinkDevice(s.T.Context(), p.P, j.ID(), j.Link()))
	s.Must(p.Extend(j.Signed()))
	phone := s.SignIn(username)
	phone.Key, phone.User, phone.Chain, phone.Seed = j.Key, p.User, p.Chain, p.Seed
	s.Must(s.BindDevice(s.T.Context(), phone.P, wire.BindDevice{Statement: phone.Proof(s.T.Context())}))
	phone.refresh()
	return phone
}

// Revocation ends another device of the person's by a key that it never had.
func (p *Person) Revocation(device envelope.KeyID) wire.NewLink {
	left := slices.DeleteFunc(p.Chain.Devices(), func(d envelope.DeviceBody) bool { return envelope.KeyOf(d.Key) == device })
	key, wraps := p.turn(chain.Holders(left, p.Chain.Recovery()))
	return wire.NewLink{Entry: envelope.Marshal(p.next(envelope.DeviceEnd, &envelope.DeviceEndBody{Device: device, Key: key})), Wraps: wraps}
}

// Renewal is a new key for the devices that there are.
func (p *Person) Renewal() wire.NewLink {
	key, wraps := p.turn(chain.Holders(p.Chain.Devices(), p.Chain.Recovery()))
	return wire.NewLink{Entry: envelope.Marshal(p.next(envelope.UserKey, &key)), Wraps: wraps}
}

// turn makes the next generation of the person's key.
func (p *Person) turn(holders []chain.Holder) (envelope.KeyBody, [][]byte) {
	s, suite := p.s, suitetest.Suite()
	s.T.Helper()
	before := p.Seed
	p.Seed = seal.NewUserSeed()
	user, err := seal.UserIdentity(suite, p.Seed)
	s.Must(err)
	l := seal.Lineage{Org: s.Org().ID(), User: p.User, Generation: p.Chain.Generation() + 1}
	k := envelope.KeyBody{Generation: l.Generation, Recipient: user.Recipient(), Previous: seal.SealPrevious(p.Seed, l, before)}
	var wraps [][]byte
	for _, h := range holders {
		wrap, err := seal.WrapUserSeed(suite, p.Seed, seal.UserSeedContext{Org: l.Org, Device: h.ID, Generation: l.Generation}, h.Recipient)
		s.Must(err)
		k.Wraps, wraps = append(k.Wraps, envelope.SumBytes(wrap)), append(wraps, wrap)
	}
	return k, wraps
}
