package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

const insertAccount = `
INSERT INTO accounts (username, display_name, roles, groups, source, fresh_at, created_at, last_login)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id`

const insertExternalIdentity = `INSERT INTO external_identities (connector, issuer, subject, kind, account_id) VALUES ($1, $2, $3, $4, $5)`

const refreshAccount = `
UPDATE accounts SET username = $2, display_name = $3, roles = $4, groups = $5, source = $6, fresh_at = $7, last_login = $8
WHERE id = $1 AND disabled_at IS NULL`

const insertSession = `
INSERT INTO sessions (token_hash, account_id, connector, amr, created_at, auth_time, active_at)
VALUES ($1, $2, $3, $4, $5, $6, $5) RETURNING id`

// SignIn makes the session, and the account at a first sign-in. What the
// directory says of the person now replaces what it said before.
func (db *DB) SignIn(ctx context.Context, g policy.Grant, e core.Event, s core.SignIn) (a core.Account, id identity.SessionID, err error) {
	subject := "newcomer"
	if s.Account != 0 {
		subject = core.SubjectID(s.Account)
	}
	if err := g.Covers(policy.SessionLogin, policy.UserResource, subject); err != nil {
		return a, 0, err
	}
	err = inTx(ctx, db.app, func(tx pgx.Tx) error {
		account, err := saveAccount(ctx, tx, e, s)
		if err != nil {
			return err
		}
		c := s.Claims
		if err := tx.QueryRow(ctx, insertSession, s.Token[:], int64(account), c.Connector, orEmpty(c.AMR), s.Now, c.AuthTime).Scan(&id); err != nil {
			return err
		}
		e.Actor, e.Object = account, fmt.Sprintf("session:%d", id)
		if err := addRecord(ctx, tx, e); err != nil {
			return err
		}
		a, _, err = one(ctx, tx, scanAccount, selectAccount, int64(account))
		return err
	})
	return a, id, err
}

func saveAccount(ctx context.Context, tx pgx.Tx, e core.Event, s core.SignIn) (identity.UserID, error) {
	c, name := s.Claims, identity.Normalize(s.Claims.Username)
	source, groups := c.Connector, groupIDs(c.Groups)
	if s.Account != 0 {
		tag, err := tx.Exec(ctx, refreshAccount, int64(s.Account), name, c.DisplayName, s.Roles, groups, source, c.FreshAt, s.Now)
		if err == nil && tag.RowsAffected() == 0 {
			return 0, fmt.Errorf("account %d was disabled", s.Account) // between the question and now
		}
		return s.Account, err
	}
	var id identity.UserID
	if err := tx.QueryRow(ctx, insertAccount, name, c.DisplayName, s.Roles, groups, source, c.FreshAt, s.Now).Scan(&id); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, insertExternalIdentity, c.Connector, c.Issuer, c.Subject, string(c.Kind), int64(id)); err != nil {
		return 0, err
	}
	e.Op, e.Actor, e.Object = record.AccountCreate, id, "user:"+core.SubjectID(id)
	return id, addRecord(ctx, tx, e)
}

func groupIDs(groups []identity.Group) []string {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = g.ID
	}
	return ids
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

const insertServiceSession = `
INSERT INTO sessions (token_hash, service_role, service_key, connector, amr, created_at, auth_time, active_at)
VALUES ($1, $2, $3, 'key', '{key}', $4, $4, $4) RETURNING id`

// SignInService makes the session of a listed key.
func (db *DB) SignInService(ctx context.Context, g policy.Grant, e core.Event, s core.ServiceSignIn) (id identity.SessionID, err error) {
	what := on{policy.SessionLogin, policy.UserResource, s.Key.String()}
	err = db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, insertServiceSession, s.Token[:], string(s.Role), s.Key[:], s.Now).Scan(&id)
	})
	return id, err
}

const selectSession = `
SELECT s.id, s.device, s.connector, s.amr, s.created_at, s.auth_time, s.active_at, coalesce(s.revoked_at, 'epoch'),
    coalesce(s.service_role, ''), s.service_key,
    coalesce(a.id, 0), coalesce(a.username, ''), coalesce(a.display_name, ''), coalesce(a.roles, '{}'), coalesce(a.groups, '{}'), a.chain,
    a.disabled_at IS NOT NULL
FROM sessions s LEFT JOIN accounts a ON a.id = s.account_id WHERE s.token_hash = $1`

// Session finds a session by the hash of its token.
func (db *DB) Session(ctx context.Context, token identity.TokenHash) (core.Session, bool, error) {
	return one(ctx, db.app, func(row pgx.CollectableRow) (core.Session, error) {
		var x core.Session
		var device, key, chain []byte
		err := row.Scan(&x.ID, &device, &x.Connector, &x.AMR, &x.CreatedAt, &x.AuthTime, &x.ActiveAt, &x.RevokedAt, &x.Role, &key,
			&x.Account.ID, &x.Account.Username, &x.Account.Name, &x.Account.Roles, &x.Account.Groups, &chain, &x.Account.Disabled)
		copy(x.Device[:], device)
		copy(x.Key[:], key)
		copy(x.Account.Chain[:], chain)
		x.User = x.Account.ID
		if x.RevokedAt.Unix() == 0 {
			x.RevokedAt = time.Time{}
		}
		return x, err
	}, selectSession, token[:])
}

const touchSession = `UPDATE sessions SET active_at = greatest(active_at, $2) WHERE id = $1`

// TouchSession notes that the person was active. It is no event: the record of
// what they did is.
func (db *DB) TouchSession(ctx context.Context, id identity.SessionID, now time.Time) error {
	_, err := db.app.Exec(ctx, touchSession, int64(id), now)
	return err
}

// The device's row is locked until the commit: who revokes it either comes before,
// or finds this session.
const bindSession = `
UPDATE sessions SET device = d.key FROM (SELECT key FROM devices WHERE key = $2 AND revoked_at IS NULL FOR SHARE) d
WHERE id = $1 AND revoked_at IS NULL`

// BindSession ties a session to a live device.
func (db *DB) BindSession(ctx context.Context, g policy.Grant, e core.Event, id identity.SessionID, device envelope.KeyID) error {
	what := on{policy.SessionRefresh, policy.SessionResource, core.SubjectID(identity.UserID(id))}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, bindSession, int64(id), device[:])
		if err == nil && tag.RowsAffected() == 0 {
			return &core.Error{Op: string(what.action), Kind: core.Conflict, Code: "device.not_approved", Public: "the device was revoked, or the session has ended"}
		}
		return err
	})
}

const endSession = `UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL`

// EndSession revokes a session.
func (db *DB) EndSession(ctx context.Context, g policy.Grant, e core.Event, id identity.SessionID) error {
	what := on{policy.SessionRevoke, policy.SessionResource, core.SubjectID(identity.UserID(id))}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, endSession, int64(id), time.UnixMicro(e.At))
		return err
	})
}

const insertNonce = `INSERT INTO nonces (nonce, expires_at) VALUES ($1, $2)`

const dropOldNonces = `DELETE FROM nonces WHERE expires_at < now() - interval '1 minute'`

// AddNonce keeps a nonce until it is taken or expires.
func (db *DB) AddNonce(ctx context.Context, nonce []byte, expires time.Time) error {
	if _, err := db.app.Exec(ctx, dropOldNonces); err != nil {
		return err
	}
	_, err := db.app.Exec(ctx, insertNonce, nonce, expires)
	return err
}

// A DELETE, and not a read and a mark: of two that bring one nonce, one finds it.
const takeNonce = `DELETE FROM nonces WHERE nonce = $1 AND expires_at > $2`

// TakeNonce spends a nonce, and tells whether it was there.
func (db *DB) TakeNonce(ctx context.Context, nonce []byte, now time.Time) (bool, error) {
	tag, err := db.app.Exec(ctx, takeNonce, nonce, now)
	return tag.RowsAffected() == 1, err
}
