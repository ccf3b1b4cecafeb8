package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

const nonceLife = 2 * time.Minute

// Nonce gives a stranger what the next login statement must sign.
func (s *Service) Nonce(ctx context.Context) (wire.Nonce, error) {
	nonce := make([]byte, 32)
	if _, err := io.ReadFull(s.Random, nonce); err != nil {
		return wire.Nonce{}, internal("session.nonce", err)
	}
	if err := s.Store.AddNonce(ctx, nonce, s.Now().Add(nonceLife)); err != nil {
		return wire.Nonce{}, internal("session.nonce", err)
	}
	out := wire.Nonce{Nonce: nonce}
	if org := s.dir.Org(); org != nil {
		out.Org = org.ID()
	}
	return out, nil
}

// Login signs a person in through a directory.
func (s *Service) Login(ctx context.Context, in wire.Login) (wire.Session, error) {
	const op = "session.login"
	connector, err := s.connector(in.Connector)
	if err != nil {
		return wire.Session{}, err
	}
	name := connector.Name() + ":" + identity.Normalize(in.Username)
	claims, err := s.guess(ctx, connector, name, in)
	if errors.Is(err, identity.ErrUnavailable) {
		return wire.Session{}, &Error{Op: op, Kind: Unavailable, Code: "directory.away", Public: identity.PublicText(err), Err: err}
	}
	if err != nil {
		if !errors.Is(err, identity.ErrLocked) { // who knocks at a locked name has nobody looked up
			s.vigil.suspect(connector, in.Username)
		}
		return wire.Session{}, s.refuseLogin(ctx, err)
	}
	return s.startSession(ctx, claims)
}

// guess asks the directory if the name is not locked. The guess counts as
// failed while it is made, so that many at once are no more than one by one,
// and that it is counted even when the guesser hangs up.
func (s *Service) guess(ctx context.Context, c identity.PasswordConnector, name string, in wire.Login) (identity.Claims, error) {
	at := s.Now().Truncate(time.Microsecond) // as the store keeps it
	before, ok, err := s.Store.TakeGuess(ctx, name, s.Lockout, at)
	if err != nil {
		return identity.Claims{}, fmt.Errorf("counting guesses: %w: %w", identity.ErrUnavailable, err)
	}
	if !ok {
		return identity.Claims{}, identity.ErrLocked
	}
	claims, err := c.Authenticate(ctx, in.Username, in.Password)
	if err != nil && !errors.Is(err, identity.ErrUnavailable) {
		return identity.Claims{}, err
	}
	if err := s.Store.ReturnGuess(context.WithoutCancel(ctx), name, before, at); err != nil {
		return identity.Claims{}, fmt.Errorf("counting guesses: %w: %w", identity.ErrUnavailable, err)
	}
	return claims, err
}

func (s *Service) connector(name string) (identity.PasswordConnector, error) {
	if name == "" && len(s.Connectors) == 1 {
		return s.Connectors[0], nil
	}
	for _, c := range s.Connectors {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, &Error{Op: "session.login", Kind: Invalid, Code: "connector.unknown", Field: "connector", Public: "there is no directory of that name"}
}

// refuseLogin keeps the failure before it tells.
func (s *Service) refuseLogin(ctx context.Context, cause error) error {
	e := Event{Op: record.SessionRefuse, Outcome: record.Denied, At: s.Now().UnixMicro()}
	if err := s.Store.Record(context.WithoutCancel(ctx), e); err != nil {
		return internal("session.login", err)
	}
	return &Error{Op: "session.login", Kind: Unauthorized, Code: "login.refused", Public: identity.PublicText(cause), Err: cause}
}

// newcomer is the subject of a first sign-in, before there is an account.
const newcomer = "newcomer"

func (s *Service) startSession(ctx context.Context, claims identity.Claims) (wire.Session, error) {
	const op = "session.login"
	account, known, err := s.Store.AccountBySubject(ctx, claims.ExternalID())
	if err != nil {
		return wire.Session{}, internal(op, err)
	}
	roles := s.rolesOf(claims)
	p := identity.Principal{User: account.ID, Kind: identity.Person, Roles: roles, AuthTime: claims.AuthTime}
	id := newcomer
	if known {
		id = SubjectID(account.ID)
	}
	state := "active"
	if account.Disabled {
		state = "disabled"
	}
	_, grant, e, err := s.Gate.permitAs(ctx, p, policy.Subject{ID: id, Kind: policy.KindUser, State: state, Roles: roles},
		policy.SessionLogin, policy.Resource{Type: policy.UserResource, ID: id, Owner: id})
	if err != nil {
		return wire.Session{}, err
	}
	token, err := identity.NewToken(s.Random)
	if err != nil {
		return wire.Session{}, internal(op, err)
	}
	last := account.LastLogin
	account, session, err := s.Store.SignIn(ctx, grant, e.of(record.SessionCreate), SignIn{
		Claims: claims, Account: account.ID, Roles: roles, Token: token.Hash(), Now: s.Now(),
	})
	if err != nil {
		return wire.Session{}, internal(op, err)
	}
	s.Log.InfoContext(ctx, "signed in", "account", account.ID, "session", session)
	return wire.Session{Token: token.Reveal(), Expires: s.Now().Add(s.Profile.Idle), Person: person(account), LastLogin: last}, nil
}

// rolesOf maps directory groups to roles. Everyone with an account is a member.
func (s *Service) rolesOf(c identity.Claims) []string {
	roles := []string{policy.RoleMember}
	for _, g := range c.Groups {
		if r, ok := s.Roles[g.Name]; ok && !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	slices.Sort(roles)
	return roles
}

// LoginKey signs a service in that the organisation lists: it proves its key.
func (s *Service) LoginKey(ctx context.Context, in wire.KeyLogin) (wire.Session, error) {
	const op = "session.login"
	claim, party, err := s.provenParty(ctx, in.Statement)
	if err != nil {
		return wire.Session{}, err
	}
	p := identity.Principal{Kind: identity.Kind(claim.Role), Service: claim.Key, Name: party.Name, AuthTime: s.Now()}
	id := claim.Key.String()
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.SessionLogin, policy.Resource{Type: policy.UserResource, ID: id, Owner: id})
	if err != nil {
		return wire.Session{}, err
	}
	token, err := identity.NewToken(s.Random)
	if err != nil {
		return wire.Session{}, internal(op, err)
	}
	now := s.Now()
	if _, err := s.Store.SignInService(ctx, grant, e.of(record.SessionCreate), ServiceSignIn{Role: claim.Role, Key: claim.Key, Token: token.Hash(), Now: now}); err != nil {
		return wire.Session{}, internal(op, err)
	}
	return wire.Session{Token: token.Reveal(), Expires: now.Add(s.Profile.Idle), Person: wire.Person{Name: party.Name, Roles: []string{string(claim.Role)}}}, nil
}

// Authenticate turns a token into a principal. An ended session answers
// Unauthorized with the reason's code.
func (s *Service) Authenticate(ctx context.Context, token string) (identity.Principal, error) {
	t, err := identity.ParseToken(token)
	if err != nil {
		return identity.Principal{}, sessionEnded("session.missing")
	}
	x, found, err := s.Store.Session(ctx, t.Hash())
	if err != nil {
		return identity.Principal{}, unavailable("session", "the server can't look up sessions at the moment; try again", err)
	}
	now := s.Now()
	if !found || x.Account.Disabled || s.Profile.Check(x.Session, now) != nil || !s.listed(x, now) {
		return identity.Principal{}, sessionEnded("session.ended")
	}
	if now.Sub(x.ActiveAt) > time.Minute {
		if err := s.Store.TouchSession(ctx, x.ID, now); err != nil {
			return identity.Principal{}, internal("session", err)
		}
	}
	return principal(x, s.Profile.Deadline(x.Session)), nil
}

// listed tells whether a service's key is still listed. People's sessions do
// not depend on the organisation's chain.
func (s *Service) listed(x Session, now time.Time) bool {
	if x.Role == "" {
		return true
	}
	org := s.dir.Org()
	if org == nil {
		return false
	}
	party, ok := org.Party(x.Role, x.Key)
	return ok && (party.NotAfter == 0 || now.UnixMicro() <= party.NotAfter)
}

func principal(x Session, expires time.Time) identity.Principal {
	p := identity.Principal{
		User: x.Account.ID, Session: x.ID, Kind: identity.Person, Name: x.Account.Username, UserChain: x.Account.Chain,
		Device: x.Device, Service: x.Key, Roles: x.Account.Roles, Groups: x.Account.Groups,
		AuthTime: x.AuthTime, Expires: expires, AMR: x.AMR,
	}
	if x.Role != "" {
		p.Kind = identity.Kind(x.Role)
	}
	return p
}

// BindDevice ties the session to one of the person's devices, which proves its
// key. Content can't be asked for before.
func (s *Service) BindDevice(ctx context.Context, p identity.Principal, in wire.BindDevice) error {
	const op = "session.refresh"
	org, u, err := s.chainOf(op, p)
	if err != nil {
		return err
	}
	unverified, err := peekLogin(in.Statement, wire.LabelDevice)
	if err != nil {
		return invalid(op, "statement", err)
	}
	device, ok := u.DeviceAt(unverified.Key, u.Seq())
	if !ok {
		return &Error{Op: op, Kind: Denied, Code: string(chain.DeviceUnknown), Public: "this device is not one of yours, or not approved yet"}
	}
	claim, err := s.proven(ctx, in.Statement, proof{op: op, label: wire.LabelDevice, key: device.Key, org: org.ID(), session: p.Session})
	if err != nil {
		return err
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.SessionRefresh, sessionResource(p))
	if err != nil {
		return err
	}
	if err := s.Store.BindSession(ctx, grant, e.of(record.SessionBind), p.Session, claim.Key); err != nil {
		return internal(op, err)
	}
	return nil
}

func (s *Service) chainOf(op string, p identity.Principal) (*chain.Org, *chain.User, error) {
	org := s.dir.Org()
	if org == nil {
		return nil, nil, notFound(op, "the organisation")
	}
	u, ok := s.dir.User(envelope.UserID(p.UserChain))
	if !ok {
		return nil, nil, notFound(op, "your chain of devices")
	}
	return org, u, nil
}

// Logout ends the session and closes its sockets.
func (s *Service) Logout(ctx context.Context, p identity.Principal) error {
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.SessionRevoke, sessionResource(p))
	if err != nil {
		return err
	}
	if err := s.Store.EndSession(ctx, grant, e.of(record.SessionEnd), p.Session); err != nil {
		return internal("session.revoke", err)
	}
	s.Publisher.EndSessions([]identity.SessionID{p.Session})
	return nil
}
