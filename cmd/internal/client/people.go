package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Nonce gets a fresh challenge and the organisation's id as the server says it.
func (t *Transport) Nonce(ctx context.Context) (*wire.Nonce, error) {
	return postAgain[wire.Nonce](ctx, t, "v1/session/nonce", nil)
}

// SignIn starts a person's session by password.
func (t *Transport) SignIn(ctx context.Context, in wire.Login) (*wire.Session, error) {
	return post[wire.Session](ctx, t, "v1/session", in)
}

// SignInKey starts the session of a party that org lists in role, by its key.
// Org is the organisation that the caller trusts, not what the server says.
func (t *Transport) SignInKey(ctx context.Context, org envelope.OrgID, role envelope.Role, key *seal.SigningKey) (*wire.Session, error) {
	statement, err := t.prove(ctx, wire.LabelLogin, wire.LoginStatement{Org: org, Role: role}, key)
	if err != nil {
		return nil, err
	}
	return post[wire.Session](ctx, t, "v1/session/key", wire.KeyLogin{Statement: statement})
}

// BindDevice proves that this session belongs to the device that holds key.
func (t *Transport) BindDevice(ctx context.Context, org envelope.OrgID, key *seal.SigningKey) error {
	_, err := repeat(ctx, true, func() (*none, error) { // each time with a nonce of its own, which works once
		statement, err := t.proveHere(ctx, wire.LabelDevice, org, key)
		if err != nil {
			return nil, err
		}
		return call[none](ctx, t, http.MethodPut, "v1/session/device", nil, wire.BindDevice{Statement: statement})
	})
	return err
}

// proveHere signs for this very session.
func (t *Transport) proveHere(ctx context.Context, label string, org envelope.OrgID, key *seal.SigningKey) ([]byte, error) {
	me, err := t.Me(ctx)
	if err != nil {
		return nil, err
	}
	return t.prove(ctx, label, wire.LoginStatement{Org: org, Session: me.Session}, key)
}

// prove completes and signs a claim for the server that this client verified,
// and for no other that hands it on.
func (t *Transport) prove(ctx context.Context, label string, claim wire.LoginStatement, key *seal.SigningKey) ([]byte, error) {
	nonce, err := t.Nonce(ctx)
	if err != nil {
		return nil, err
	}
	claim.Nonce, claim.Key, claim.Host = nonce.Nonce, key.ID(), strings.ToLower(t.base.Hostname())
	return seal.SignStatement(label, &claim, key)
}

// Me is whom this session belongs to.
func (t *Transport) Me(ctx context.Context) (*wire.Person, error) {
	return get[wire.Person](ctx, t, "v1/session", nil)
}

// SignOut ends the session.
func (t *Transport) SignOut(ctx context.Context) error {
	_, err := call[none](ctx, t, http.MethodDelete, "v1/session", nil, nil)
	return err
}

// CreateOrg publishes an organisation's genesis.
func (t *Transport) CreateOrg(ctx context.Context, genesis []byte) error {
	_, err := post[none](ctx, t, "v1/org", wire.NewChain{Entry: genesis})
	return err
}

// Org is the organisation's chain.
func (t *Transport) Org(ctx context.Context) (*wire.Chain, error) {
	return get[wire.Chain](ctx, t, "v1/org", nil)
}

// ExtendOrg publishes the next link of the organisation's chain.
func (t *Transport) ExtendOrg(ctx context.Context, link []byte) error {
	_, err := post[none](ctx, t, "v1/org/links", wire.NewLink{Entry: link})
	return err
}

// People finds people by a part of their name.
func (t *Transport) People(ctx context.Context, q string) (*wire.People, error) {
	return get[wire.People](ctx, t, "v1/people", url.Values{"q": {q}})
}

// Disable ends an account's use at once.
func (t *Transport) Disable(ctx context.Context, username, reason string) error {
	_, err := post[none](ctx, t, "v1/accounts/"+url.PathEscape(username)+"/disable", wire.Disable{Reason: reason})
	return err
}

// Enable lets somebody sign in again.
func (t *Transport) Enable(ctx context.Context, username string) error {
	_, err := post[none](ctx, t, "v1/accounts/"+url.PathEscape(username)+"/enable", none{})
	return err
}

// Departures are memberships of disabled people.
func (t *Transport) Departures(ctx context.Context) (*wire.Departures, error) {
	return get[wire.Departures](ctx, t, "v1/departures", nil)
}

// Countersign brings a removal that two removal keys have signed.
func (t *Transport) Countersign(ctx context.Context, entry []byte) (*wire.Answer, error) {
	return post[wire.Answer](ctx, t, "v1/departures", wire.Countersigned{Entry: entry})
}

// UserChain is a person's chain.
func (t *Transport) UserChain(ctx context.Context, user envelope.UserID) (*wire.Chain, error) {
	return get[wire.Chain](ctx, t, "v1/people/"+user.String()+"/chain", nil)
}

// CreateChain publishes the caller's own genesis.
func (t *Transport) CreateChain(ctx context.Context, in wire.NewChain) error {
	_, err := put[none](ctx, t, "v1/people/me/chain", in)
	return err
}

// ExtendChain publishes the next link of the caller's own chain.
func (t *Transport) ExtendChain(ctx context.Context, in wire.NewLink) error {
	_, err := post[none](ctx, t, "v1/people/me/chain", in)
	return err
}

// Devices are the caller's own, approved and waiting.
func (t *Transport) Devices(ctx context.Context) (*wire.Devices, error) {
	return get[wire.Devices](ctx, t, "v1/devices", nil)
}

// AskForDevice asks that the caller's other devices take the one in that holds
// key. In is complete but for the proof.
func (t *Transport) AskForDevice(ctx context.Context, org envelope.OrgID, in wire.NewDevice, key *seal.SigningKey) (err error) {
	if in.Statement, err = t.proveHere(ctx, wire.LabelEnrol, org, key); err != nil {
		return err
	}
	_, err = post[none](ctx, t, "v1/devices", in)
	return err
}

// Proposal is how far a proposal of the caller's is.
func (t *Transport) Proposal(ctx context.Context, id envelope.Hash) (*wire.Proposal, error) {
	return get[wire.Proposal](ctx, t, "v1/proposals/"+id.String(), nil)
}

// AnswerDevice takes a proposal on.
func (t *Transport) AnswerDevice(ctx context.Context, id envelope.Hash, in wire.DeviceAnswer) error {
	return t.step(ctx, id, "answer", in)
}

// RevealDevice tells what the new device committed to.
func (t *Transport) RevealDevice(ctx context.Context, id envelope.Hash, nonce []byte) error {
	return t.step(ctx, id, "reveal", wire.DeviceReveal{Nonce: nonce})
}

// LinkDevice hands a waiting device its half-signed link and its wrap.
func (t *Transport) LinkDevice(ctx context.Context, id envelope.Hash, in wire.NewLink) error {
	return t.step(ctx, id, "link", in)
}

// RefuseDevice ends a proposal.
func (t *Transport) RefuseDevice(ctx context.Context, id envelope.Hash, why string) error {
	return t.step(ctx, id, "refusal", wire.DeviceRefusal{Why: why})
}

func (t *Transport) step(ctx context.Context, id envelope.Hash, step string, in any) error {
	_, err := put[none](ctx, t, "v1/proposals/"+id.String()+"/"+step, in)
	return err
}

// RecoveryWrap is the caller's newest user seed, sealed to their recovery key.
func (t *Transport) RecoveryWrap(ctx context.Context) (*wire.Recovery, error) {
	return get[wire.Recovery](ctx, t, "v1/devices/recovery", nil)
}

// DeviceWrap is the caller's user seed, sealed to one of their devices.
func (t *Transport) DeviceWrap(ctx context.Context, key envelope.KeyID) ([]byte, error) {
	w, err := get[wire.Wrap](ctx, t, "v1/devices/"+key.String()+"/wrap", nil)
	if err != nil {
		return nil, err
	}
	return w.Wrap, nil
}
