package compliancetest

import (
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
	"chancery/identity"
	"chancery/policy"
)

// Person has an account, a chain and one device.
type Person struct {
	org       *Org
	ID        envelope.UserID
	Key       *sign.Key
	DeviceNo  int64 // of the store
	Principal identity.Principal
}

// Person makes someone with roles in policy, listed in roles by the organisation.
func (o *Org) Person(name string, roles []string, listed ...envelope.Role) *Person {
	o.T.Helper()
	p := &Person{org: o, Key: Key(o.T)}
	u := o.genesis(name, p.Key)
	p.ID = u.ID()
	o.users[p.ID] = u
	account := o.Number(`INSERT INTO accounts (username, display_name, roles, chain, source, fresh_at, created_at)
		VALUES ($1, $1, coalesce($2, '{}'::text[]), $3, 'test', now(), now()) RETURNING id`, name, roles, p.ID[:])
	device := envelope.KeyOf(p.Key.Public())
	p.DeviceNo = o.Number(`INSERT INTO devices (key, account_id, name, public, recipient, wrap, created_at)
		VALUES ($1, $2, 'laptop', $3, 'r', 'w', now()) RETURNING id`, device[:], account, []byte(p.Key.Public()))
	p.Principal = identity.Principal{
		User: identity.UserID(account), Session: 1, Kind: identity.Person, Name: name, UserChain: p.ID, Device: device,
		Roles: append([]string{policy.RoleMember}, roles...), AuthTime: o.Clock, Expires: o.Clock.Add(time.Hour),
	}
	for _, role := range listed {
		o.List(envelope.Party{Role: role, Name: name, User: p.ID})
	}
	return p
}

// Officer makes someone who may ask, and Legal someone who may approve.
func (o *Org) Officer(name string) *Person {
	o.T.Helper()
	return o.Person(name, []string{policy.RoleOfficer}, envelope.RoleCompliance)
}

// Legal makes someone who may approve.
func (o *Org) Legal(name string) *Person {
	o.T.Helper()
	return o.Person(name, []string{policy.RoleLegal}, envelope.RoleLegal)
}

func (o *Org) genesis(name string, key *sign.Key) *chain.User {
	body := envelope.UserGenesisBody{
		Suite: suitetest.Suite(), Recipient: []byte(name), Nonce: make([]byte, 16),
		Device: envelope.DeviceBody{Name: "laptop", Key: key.Public(), Recipient: []byte("device " + name)},
	}
	l := envelope.Link{
		Version: envelope.Version, Org: o.chain.ID(), Type: envelope.UserGenesis, Body: envelope.Marshal(&body),
		Key: envelope.KeyOf(key.Public()), Time: o.Clock.UnixMicro(),
	}
	e := Sign(envelope.KindLink, envelope.Marshal(&l), nil, key)
	u, err := chain.NewUser(o.chain, e)
	o.must(err)
	o.keep(envelope.Hash(u.ID()), 0, e)
	return u
}

// Approve signs consent to an order now.
func (p *Person) Approve(action policy.Action, object envelope.Hash) []byte {
	return p.ApproveAt(action, object, p.org.Clock)
}

// ApproveAt signs consent at some time.
func (p *Person) ApproveAt(action policy.Action, object envelope.Hash, at time.Time) []byte {
	return Statement(envelope.LabelApproval, &envelope.Approval{
		Version: envelope.Version, Org: p.org.chain.ID(), Action: string(action), Object: object,
		User: p.ID, Device: envelope.KeyOf(p.Key.Public()), Time: at.UnixMicro(),
	}, p.Key)
}
