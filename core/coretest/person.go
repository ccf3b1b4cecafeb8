package coretest

import (
	"context"
	"crypto/rand"
	"time"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
	"chancery/identity"
)

// Person is someone with a session and a device of their own.
type Person struct {
	s     *Server
	Token string
	P     identity.Principal
	Key   *seal.SigningKey
	User  envelope.UserID
	Chain *chain.User
	Seed  seal.UserSeed
}

// Found starts the organisation, by an administrator who is returned: ann,
// unless the directory has another. Capture is the least that channels may have.
func (s *Server) Found(capture envelope.Capture, administrator ...string) *Person {
	s.T.Helper()
	admin := s.SignIn(append(administrator, "admins.ann")[0])
	s.Must(s.StartOrg(s.T.Context(), admin.P, s.orgGenesis(capture)))
	s.List(admin, envelope.Party{Role: envelope.RoleReceipt, Name: "server", Key: s.Receipt.Public()})
	s.List(admin, envelope.Party{Role: envelope.RoleRemoval, Name: "server", Key: s.Removal.Public()})
	return admin
}

// OrgGenesis is a genesis of an organisation, each time another.
func (s *Server) OrgGenesis() []byte { return s.orgGenesis(envelope.CaptureOff) }

func (s *Server) orgGenesis(capture envelope.Capture) []byte {
	return s.RootLink(envelope.OrgGenesis, &envelope.OrgGenesisBody{
		Name: "Test", Suite: suitetest.Suite(), Roots: [][]byte{s.Root.Public()}, Threshold: 1, Capture: capture, Nonce: nonce(),
	})
}

// List has the root list a party.
func (s *Server) List(admin *Person, p envelope.Party) {
	s.T.Helper()
	s.Must(s.AddOrgLink(s.T.Context(), admin.P, s.RootLink(envelope.OrgList, &p)))
}

// RootLink is the next link of the organisation's chain, signed by the root.
func (s *Server) RootLink(t envelope.LinkType, body any) []byte {
	s.T.Helper()
	l := envelope.Link{Version: envelope.Version, Type: t, Body: envelope.Marshal(body), Key: envelope.KeyOf(s.Root.Public()), Time: time.Now().UnixMicro()}
	if t != envelope.OrgGenesis {
		org := s.Org()
		l.Org, l.Chain, l.Seq, l.Prev = org.ID(), envelope.Hash(org.ID()), org.Seq()+1, org.Head()
	}
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&l), Payload: []byte{}}
	sig, err := s.Root.Sign(envelope.SigningInput(e.Kind, envelope.SumBytes(e.Header), envelope.SumBytes(nil)))
	s.Must(err)
	e.Attach(envelope.Signature{Key: l.Key, Bytes: sig})
	return envelope.Marshal(e)
}

// Org is the organisation's chain as the database has it.
func (s *Server) Org() *chain.Org {
	s.T.Helper()
	links, err := s.DB.OrgLinks(s.T.Context())
	s.Must(err)
	var org *chain.Org
	for i, b := range links {
		e, err := envelope.ParseEntry(b)
		s.Must(err)
		if i == 0 {
			org, err = chain.NewOrg(e)
		} else {
			err = org.Apply(e)
		}
		s.Must(err)
	}
	return org
}

// SignIn signs someone in. The part of the name before a dot is their group.
func (s *Server) SignIn(name string) *Person {
	s.T.Helper()
	session, err := s.Login(s.T.Context(), wire.Login{Username: name, Password: "right"})
	s.Must(err)
	p := &Person{s: s, Token: session.Token}
	p.refresh()
	return p
}

func (p *Person) refresh() {
	p.s.T.Helper()
	var err error
	p.P, err = p.s.Authenticate(p.s.T.Context(), p.Token)
	p.s.Must(err)
}

// Join signs someone in and makes the session a first device of theirs.
func (s *Server) Join(name string) *Person {
	s.T.Helper()
	p := s.SignIn(name)
	p.Enrol()
	return p
}

// Enrol starts the person's chain with a first device and binds the session.
func (p *Person) Enrol() {
	s := p.s
	s.T.Helper()
	s.Must(s.StartUser(s.T.Context(), p.P, p.Genesis()))
	p.refresh()
	s.Must(s.BindDevice(s.T.Context(), p.P, wire.BindDevice{Statement: p.Proof(s.T.Context())}))
	p.refresh()
}

// Genesis makes the person's keys and the start of their chain.
func (p *Person) Genesis() wire.NewChain { return p.GenesisNamed("laptop") }

// GenesisNamed is Genesis with a name for the first device.
func (p *Person) GenesisNamed(device string) wire.NewChain {
	s := p.s
	s.T.Helper()
	p.Seed = seal.NewUserSeed()
	user, err := seal.UserIdentity(suitetest.Suite(), p.Seed)
	s.Must(err)
	org := s.Org()
	var first envelope.DeviceBody
	var wrap []byte
	p.Key, first, wrap = p.device(device, org.ID())
	body := envelope.UserGenesisBody{Suite: suitetest.Suite(), Recipient: user.Recipient(), Nonce: nonce(), Device: first}
	e := p.link(&envelope.Link{Version: envelope.Version, Org: org.ID(), Type: envelope.UserGenesis, Body: envelope.Marshal(&body)})
	p.Chain, err = chain.NewUser(org, e)
	s.Must(err)
	p.User = p.Chain.ID()
	return wire.NewChain{Entry: envelope.Marshal(e), Wrap: wrap}
}

// device makes a device's keys, with the person's seed sealed to it.
func (p *Person) device(name string, org envelope.OrgID) (*seal.SigningKey, envelope.DeviceBody, []byte) {
	s := p.s
	s.T.Helper()
	key, err := seal.GenerateSigningKey(rand.Reader)
	s.Must(err)
	identity, err := seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	s.Must(err)
	wrap, err := seal.WrapUserSeed(suitetest.Suite(), p.Seed, seal.UserSeedContext{Org: org, Device: key.ID(), Generation: p.generation()}, identity.Recipient())
	s.Must(err)
	return key, envelope.DeviceBody{Name: name, Key: key.Public(), Recipient: identity.Recipient(), Wrap: envelope.SumBytes(wrap)}, wrap
}

// Proof binds a session to the person's device.
func (p *Person) Proof(ctx context.Context) []byte {
	claim := p.s.Claim(ctx, p.Key.ID(), p.P.Session)
	b, err := seal.SignStatement(wire.LabelDevice, &claim, p.Key)
	p.s.Must(err)
	return b
}

// Claim is what a key signs to prove itself to this server in a session, or to
// sign in.
func (s *Server) Claim(ctx context.Context, key envelope.KeyID, session identity.SessionID) wire.LoginStatement {
	n, err := s.Nonce(ctx)
	s.Must(err)
	return wire.LoginStatement{Org: n.Org, Nonce: n.Nonce, Key: key, Host: Host, Session: int64(session)}
}

// link signs a link by the person's device.
func (p *Person) link(l *envelope.Link) *envelope.Entry {
	l.User, l.Key, l.Time = p.User, p.Key.ID(), time.Now().UnixMicro()
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l), Payload: []byte{}}
	seal.SignEntry(e, p.Key)
	return e
}

func nonce() []byte {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return b
}

// generation is the newest of the person's key; the first is made before there is
// a chain.
func (p *Person) generation() uint64 {
	if p.Chain == nil {
		return 1
	}
	return p.Chain.Generation()
}
