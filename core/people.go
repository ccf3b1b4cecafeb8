package core

import (
	"context"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

func person(a Account) wire.Person {
	return wire.Person{
		Account: int64(a.ID), Username: a.Username, Name: a.Name, Chain: a.Chain, Roles: a.Roles, Disabled: a.Disabled,
	}
}

func self(p identity.Principal) policy.Resource {
	id := SubjectID(p.User)
	return policy.Resource{Type: policy.UserResource, ID: id, Owner: id}
}

func sessionResource(p identity.Principal) policy.Resource {
	id := subject(p).ID
	return policy.Resource{Type: policy.SessionResource, ID: SubjectID(identity.UserID(p.Session)), Owner: id}
}

// orgResource is the organisation, also before it has a genesis.
func orgResource() policy.Resource { return policy.Resource{Type: policy.OrgResource, ID: "org"} }

// Whoami tells who the session belongs to.
func (s *Service) Whoami(ctx context.Context, p identity.Principal) (wire.Person, error) {
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.SessionList, selfOrService(p)); err != nil {
		return wire.Person{}, err
	}
	if p.Kind != identity.Person {
		return wire.Person{Name: p.Name, Roles: []string{string(p.Kind)}, Session: int64(p.Session)}, nil
	}
	a, _, err := s.Store.Account(ctx, p.User)
	if err != nil {
		return wire.Person{}, internal("session.list", err)
	}
	out := person(a)
	out.Device, out.Session = p.Device, int64(p.Session)
	return out, nil
}

func selfOrService(p identity.Principal) policy.Resource {
	id := subject(p).ID
	return policy.Resource{Type: policy.UserResource, ID: id, Owner: id}
}

// People finds accounts whose user or display name starts with match.
func (s *Service) People(ctx context.Context, p identity.Principal, match string) (wire.People, error) {
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.UserList, orgResource()); err != nil {
		return wire.People{}, err
	}
	accounts, err := s.Store.Accounts(ctx, match, 200)
	if err != nil {
		return wire.People{}, internal("user.list", err)
	}
	out := wire.People{People: make([]wire.Person, len(accounts))}
	for i, a := range accounts {
		out.People[i] = person(a)
	}
	return out, nil
}

// OrgChain is the organisation's chain, for everyone who is signed in.
func (s *Service) OrgChain(ctx context.Context, p identity.Principal) (wire.Chain, error) {
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.OrgRead, orgResource()); err != nil {
		return wire.Chain{}, err
	}
	links, err := s.Store.OrgLinks(ctx)
	if err != nil {
		return wire.Chain{}, internal("org.read", err)
	}
	if len(links) == 0 {
		return wire.Chain{}, notFound("org.read", "the organisation")
	}
	return wire.Chain{Entries: links}, nil
}

// StartOrg takes the organisation's genesis, once.
func (s *Service) StartOrg(ctx context.Context, p identity.Principal, raw []byte) error {
	const op = "org.publish"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.OrgPublish, orgResource())
	if err != nil {
		return err
	}
	entry, err := envelope.ParseEntry(raw)
	if err != nil {
		return invalid(op, "entry", err)
	}
	org, err := chain.NewOrg(entry)
	if err != nil {
		return refusedLink(op, err)
	}
	if s.dir.Org() != nil {
		return conflict(op, "org.exists", "the organisation has a genesis already")
	}
	link := ChainLink{Chain: envelope.Hash(org.ID()), Entry: raw}
	if err := s.Store.AddOrgLink(ctx, grant, e.of(record.OrgCreate).link(entry), link); err != nil {
		return internal(op, err)
	}
	_, err = s.dir.reloadOrg(ctx)
	return err
}

// AddOrgLink takes the next link, which the roots have signed.
func (s *Service) AddOrgLink(ctx context.Context, p identity.Principal, raw []byte) error {
	const op = "org.publish"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.OrgPublish, orgResource())
	if err != nil {
		return err
	}
	entry, err := envelope.ParseEntry(raw)
	if err != nil {
		return invalid(op, "entry", err)
	}
	org, err := s.dir.reloadOrg(ctx) // a fresh copy: the one in use never changes
	if err != nil {
		return internal(op, err)
	}
	if org == nil {
		return notFound(op, "the organisation")
	}
	if err := org.Try(entry); err != nil {
		return refusedLink(op, err)
	}
	link := ChainLink{Chain: envelope.Hash(org.ID()), Seq: org.Seq() + 1, Entry: raw}
	if err := s.Store.AddOrgLink(ctx, grant, e.of(record.OrgLink).link(entry), link); err != nil {
		return internal(op, err)
	}
	_, err = s.dir.reloadOrg(ctx)
	return err
}

// refusedLink tells why the validator refused.
func refusedLink(op string, err error) error {
	return &Error{Op: op, Kind: Invalid, Code: string(chain.ReasonOf(err)), Field: "entry", Public: err.Error(), Err: err}
}

// UserChain is anyone's chain of devices.
func (s *Service) UserChain(ctx context.Context, p identity.Principal, id envelope.UserID) (wire.Chain, error) {
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.UserRead, policy.Resource{Type: policy.UserResource, ID: id.String()}); err != nil {
		return wire.Chain{}, err
	}
	links, err := s.Store.UserLinks(ctx, id)
	if err != nil {
		return wire.Chain{}, internal("user.read", err)
	}
	if len(links) == 0 {
		return wire.Chain{}, notFound("user.read", "that user's chain")
	}
	return wire.Chain{Entries: links}, nil
}
