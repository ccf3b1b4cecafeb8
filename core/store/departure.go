package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/identity"
	"chancery/policy"
)

// The row is locked from here to the commit. A sign-in locks it too before it
// adds a session: it either finds the account disabled, or its session is seen
// and ended below.
const disableAccount = `UPDATE accounts SET disabled_at = coalesce(disabled_at, $3), disabled_by = coalesce(disabled_by, $2) WHERE id = $1`

const endAccountSessions = `UPDATE sessions SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL RETURNING id`

// DisableAccount ends an account and tells which sessions went with it.
func (db *DB) DisableAccount(ctx context.Context, g policy.Grant, e core.Event, id identity.UserID, by string, now time.Time) (ended []identity.SessionID, err error) {
	what := on{policy.UserDisable, policy.UserResource, core.SubjectID(id)}
	err = db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, disableAccount, int64(id), by, now); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, endAccountSessions, int64(id), now)
		if err != nil {
			return err
		}
		ended, err = pgx.CollectRows(rows, pgx.RowTo[identity.SessionID])
		return err
	})
	return ended, err
}

const enableAccount = `UPDATE accounts SET disabled_at = NULL, disabled_by = NULL WHERE id = $1`

// EnableAccount lets somebody sign in again. Sessions and memberships that
// ended stay ended.
func (db *DB) EnableAccount(ctx context.Context, g policy.Grant, e core.Event, id identity.UserID) error {
	what := on{policy.UserEnable, policy.UserResource, core.SubjectID(id)}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, enableAccount, int64(id))
		return err
	})
}

const sessionStands = `SELECT EXISTS (SELECT FROM sessions WHERE id = $1 AND revoked_at IS NULL)`

// SessionStands tells whether nobody has ended a session.
func (db *DB) SessionStands(ctx context.Context, id identity.SessionID) (stands bool, err error) {
	err = db.app.QueryRow(ctx, sessionStands, int64(id)).Scan(&stands)
	return stands, err
}

const selectDepartures = `SELECT ` + accountColumns + `, a.disabled_at, ` + channelColumns + `, m.rank
FROM accounts a JOIN channel_members m ON m.account_id = a.id AND m.left_seq IS NULL JOIN channels c ON c.id = m.channel_id
WHERE a.disabled_at IS NOT NULL AND a.chain IS NOT NULL ORDER BY a.disabled_at, a.id, c.id`

// Departures are the memberships of disabled accounts, the longest disabled
// first.
func (db *DB) Departures(ctx context.Context) ([]core.Departure, error) {
	rows, err := db.app.Query(ctx, selectDepartures)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d core.Departure, err error) {
		var user, chain []byte
		var recorders [][]byte
		a, c := &d.Account, &d.Channel
		err = row.Scan(&a.ID, &a.Username, &a.Name, &a.Roles, &a.Groups, &user, &a.Disabled, &a.LastLogin, &d.Since,
			&c.Number, &chain, &c.Team, &c.Name, &c.Access, &c.Capture, &recorders, &c.Archived, &c.Rank)
		copy(a.Chain[:], user)
		copy(c.ID[:], chain)
		c.Recorders = keyIDs(recorders)
		return d, err
	})
}

func scanAcquaintance(row pgx.CollectableRow) (a core.Acquaintance, err error) {
	x := &a.External
	err = row.Scan(&a.Account, &x.Connector, &x.Issuer, &x.Subject, &x.Kind)
	return a, err
}

const acquaintances = `SELECT a.id, x.connector, x.issuer, x.subject, x.kind
FROM accounts a JOIN external_identities x ON x.account_id = a.id AND x.connector = $1 WHERE a.disabled_at IS NULL `

const selectAcquainted = acquaintances + `AND ($2 = '' OR a.username = $2) ORDER BY a.last_login DESC NULLS LAST, a.id LIMIT 20`

// Acquainted are people whom a directory has vouched for, the latest first, at
// most 20: those with a user name, or anyone when it is empty.
func (db *DB) Acquainted(ctx context.Context, connector, username string) ([]core.Acquaintance, error) {
	rows, err := db.app.Query(ctx, selectAcquainted, connector, username)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanAcquaintance)
}

const selectSignedIn = acquaintances + `AND EXISTS (SELECT FROM sessions s
    WHERE s.account_id = a.id AND s.revoked_at IS NULL AND s.active_at > $2 AND s.created_at > $3) ORDER BY a.id`

// SignedIn are a directory's people with a session that was active and made
// after the given times.
func (db *DB) SignedIn(ctx context.Context, connector string, active, created time.Time) ([]core.Acquaintance, error) {
	rows, err := db.app.Query(ctx, selectSignedIn, connector, active, created)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanAcquaintance)
}

const countDisabled = `SELECT count(*) FILTER (WHERE disabled_by = $1 AND disabled_at > $2), count(*) FILTER (WHERE disabled_at IS NULL) FROM accounts`

// Disabled counts accounts that were disabled by someone since, and those that
// are not disabled.
func (db *DB) Disabled(ctx context.Context, by string, since time.Time) (disabled, accounts int, err error) {
	err = db.app.QueryRow(ctx, countDisabled, by, since).Scan(&disabled, &accounts)
	return disabled, accounts, err
}
