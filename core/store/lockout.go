package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/identity"
)

const startLockout = `INSERT INTO lockouts (name, failures) VALUES ($1, '{}') ON CONFLICT (name) DO NOTHING`

// The row's lock puts the guesses of one name in a row, whichever server they
// come to.
const lockLockout = `SELECT failures, coalesce(locked_at, 'epoch') FROM lockouts WHERE name = $1 FOR UPDATE`

const saveLockout = `UPDATE lockouts SET failures = $2, locked_at = $3 WHERE name = $1`

// TakeGuess counts a guess before it is made.
func (db *DB) TakeGuess(ctx context.Context, name string, rule identity.LockoutRule, at time.Time) (before identity.Lockout, ok bool, err error) {
	err = inTx(ctx, db.app, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, startLockout, name); err != nil {
			return err
		}
		if before, _, err = one(ctx, tx, scanLockout, lockLockout, name); err != nil {
			return err
		}
		if ok = !rule.Locked(before, at); !ok {
			return nil
		}
		after := rule.Fail(before, at)
		_, err := tx.Exec(ctx, saveLockout, name, orEmpty(after.Failures), orNull(after.LockedAt))
		return err
	})
	return before, ok, err
}

// The guess that locked a name is the last one that was counted, so the state
// before it can be put back. Any other is taken out of the count.
const returnGuess = `
UPDATE lockouts SET failures = CASE WHEN locked_at = $2 THEN $3 ELSE array_remove(failures, $2) END, locked_at = nullif(locked_at, $2)
WHERE name = $1`

// ReturnGuess takes a guess back that did not fail.
func (db *DB) ReturnGuess(ctx context.Context, name string, before identity.Lockout, at time.Time) error {
	_, err := db.app.Exec(ctx, returnGuess, name, at, orEmpty(before.Failures))
	return err
}

func scanLockout(row pgx.CollectableRow) (l identity.Lockout, err error) {
	err = row.Scan(&l.Failures, &l.LockedAt)
	if l.LockedAt.Unix() == 0 {
		l.LockedAt = time.Time{}
	}
	return l, err
}
