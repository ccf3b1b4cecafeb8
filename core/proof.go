package core

import (
	"context"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
)

// proof is what a statement must be by which a key proves itself.
type proof struct {
	op      string
	label   string
	key     []byte // public
	org     envelope.OrgID
	session identity.SessionID // that the key speaks for; 0 when it signs in
}

// proven verifies a statement. It counts here only, for this session only, and
// once: one that was signed for a server that looks like this one says so.
func (s *Service) proven(ctx context.Context, statement []byte, want proof) (*wire.LoginStatement, error) {
	claim, err := envelope.OpenStatement[wire.LoginStatement](statement, want.label, want.key)
	switch {
	case err != nil:
		return nil, want.refuse(string(chain.BadSignature), "the statement is not signed by that key", err)
	case claim.Key != envelope.KeyOf(want.key):
		return nil, want.refuse(string(chain.BadSignature), "the statement names another key", nil)
	case s.Names == nil || !s.Names(claim.Host):
		return nil, want.refuse("login.other_host", "the statement is for another host: ask your administrator whether the address you use is this server's", nil)
	case identity.SessionID(claim.Session) != want.session:
		return nil, want.refuse("login.other_session", "the statement is for another session", nil)
	}
	return claim, s.spend(ctx, claim, want)
}

// spend takes the statement's nonce, so that it works once.
func (s *Service) spend(ctx context.Context, claim *wire.LoginStatement, want proof) error {
	fresh, err := s.Store.TakeNonce(ctx, claim.Nonce, s.Now())
	if err != nil {
		return internal(want.op, err)
	}
	if !fresh || claim.Org != want.org {
		return want.refuse("login.replayed", "the statement is for another organisation, too old, or was used before", nil)
	}
	return nil
}

// refuse is Unauthorized at a sign-in. Later it is not: the session stands.
func (p proof) refuse(code, text string, err error) error {
	kind := Denied
	if p.session == 0 {
		kind = Unauthorized
	}
	return &Error{Op: p.op, Kind: kind, Code: code, Public: text, Err: err}
}

// provenParty finds the listed key that signs in.
func (s *Service) provenParty(ctx context.Context, statement []byte) (*wire.LoginStatement, *envelope.Party, error) {
	const op = "session.login"
	org := s.dir.Org()
	if org == nil {
		return nil, nil, notFound(op, "the organisation")
	}
	unverified, err := peekLogin(statement, wire.LabelLogin)
	if err != nil {
		return nil, nil, invalid(op, "statement", err)
	}
	party, ok := org.Party(unverified.Role, unverified.Key)
	if !ok || unverified.Role != envelope.RoleRecorder {
		return nil, nil, proof{op: op}.refuse(string(chain.NotListed), "the organisation lists no recorder with this key", nil)
	}
	claim, err := s.proven(ctx, statement, proof{op: op, label: wire.LabelLogin, key: party.Key, org: org.ID()})
	return claim, party, err
}

// peekLogin reads a statement before it is known which key must have signed it.
func peekLogin(raw []byte, label string) (*wire.LoginStatement, error) {
	signed, err := envelope.ParseSigned(raw)
	if err != nil {
		return nil, err
	}
	if signed.Label != label {
		return nil, envelope.ErrFormat
	}
	var claim wire.LoginStatement
	return &claim, envelope.Unmarshal(signed.Bytes, &claim)
}
