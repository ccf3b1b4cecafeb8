package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/identity"
)

const accountColumns = `a.id, a.username, a.display_name, a.roles, a.groups, a.chain, a.disabled_at IS NOT NULL, coalesce(a.last_login, 'epoch')`

func scanAccount(row pgx.CollectableRow) (core.Account, error) {
	var a core.Account
	var chain []byte
	err := row.Scan(&a.ID, &a.Username, &a.Name, &a.Roles, &a.Groups, &chain, &a.Disabled, &a.LastLogin)
	copy(a.Chain[:], chain)
	if a.LastLogin.Unix() == 0 {
		a.LastLogin = time.Time{}
	}
	return a, err
}

// one reads at most one row.
func one[T any](ctx context.Context, q interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, scan pgx.RowToFunc[T], sql string, args ...any) (T, bool, error) {
	var none T
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return none, false, err
	}
	v, err := pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return none, false, nil
	}
	return v, err == nil, err
}

const selectAccountBySubject = `SELECT ` + accountColumns + ` FROM accounts a JOIN external_identities x ON x.account_id = a.id
WHERE x.connector = $1 AND x.issuer = $2 AND x.subject = $3 AND x.kind = $4`

// AccountBySubject finds who a directory's subject is here.
func (db *DB) AccountBySubject(ctx context.Context, x identity.ExternalID) (core.Account, bool, error) {
	return one(ctx, db.app, scanAccount, selectAccountBySubject, x.Connector, x.Issuer, x.Subject, string(x.Kind))
}

const selectAccount = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.id = $1`

// Account finds an account by its number.
func (db *DB) Account(ctx context.Context, id identity.UserID) (core.Account, bool, error) {
	return one(ctx, db.app, scanAccount, selectAccount, int64(id))
}

const selectAccountByName = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.username = $1 ORDER BY a.disabled_at IS NOT NULL, a.id DESC LIMIT 1`

// AccountByName finds the account that has a user name now.
func (db *DB) AccountByName(ctx context.Context, username string) (core.Account, bool, error) {
	return one(ctx, db.app, scanAccount, selectAccountByName, username)
}

const selectAccountByChain = `SELECT ` + accountColumns + ` FROM accounts a WHERE a.chain = $1`

// AccountByChain finds whose chain of devices it is.
func (db *DB) AccountByChain(ctx context.Context, u envelope.UserID) (core.Account, bool, error) {
	return one(ctx, db.app, scanAccount, selectAccountByChain, u[:])
}

const selectAccounts = `SELECT ` + accountColumns + ` FROM accounts a
WHERE a.disabled_at IS NULL AND (a.username LIKE $1 OR lower(a.display_name) LIKE $1) ORDER BY a.username LIMIT $2`

// Accounts finds people whose names start with match.
func (db *DB) Accounts(ctx context.Context, match string, limit int) ([]core.Account, error) {
	rows, err := db.app.Query(ctx, selectAccounts, likePrefix(match), limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanAccount)
}

// likePrefix keeps what a person typed from being a pattern.
func likePrefix(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(s)) + "%"
}
