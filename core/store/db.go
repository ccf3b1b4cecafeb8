package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"chancery/core"
	"chancery/policy"
)

// DB is the database in its three roles.
type DB struct {
	app       *pgxpool.Pool // adds; never rewrites or removes what is kept
	retention *pgxpool.Pool // the only one that drops payloads
	export    *pgxpool.Pool // reads
}

// Open connects to a migrated database. The login of url must be a member of
// every role.
func Open(ctx context.Context, url string) (*DB, error) {
	db := new(DB)
	for _, p := range []struct {
		role  string
		conns int32
		into  **pgxpool.Pool
	}{{"chancery_app", 16, &db.app}, {"chancery_retention", 2, &db.retention}, {"chancery_export", 4, &db.export}} {
		pool, err := open(ctx, url, p.role, p.conns)
		if err != nil {
			db.Close()
			return nil, fmt.Errorf("opening the database as %s: %w", p.role, err)
		}
		*p.into = pool
	}
	return db, nil
}

func open(ctx context.Context, url, role string, conns int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = conns
	config.ConnConfig.RuntimeParams["role"] = role
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	config.ConnConfig.RuntimeParams["statement_timeout"] = "60s"
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// Close ends all connections.
func (db *DB) Close() {
	for _, pool := range []*pgxpool.Pool{db.app, db.retention, db.export} {
		if pool != nil {
			pool.Close()
		}
	}
}

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.app.Ping(ctx) }

// App is the pool in the server's role, for the job queue.
func (db *DB) App() *pgxpool.Pool { return db.app }

const retries = 5

// inTx runs fn in a transaction of pool. It is the only place that tries again
// after a serialization failure or a deadlock, so fn may run more than once.
func inTx(ctx context.Context, pool *pgxpool.Pool, fn func(pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, pool, fn)
		if err == nil || try == retries || !mayRetry(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * 5 * time.Millisecond):
		}
	}
}

func mayRetry(err error) bool {
	code := sqlState(err)
	return code == "40001" || code == "40P01"
}

// sqlState is the PostgreSQL code of an error, or "".
func sqlState(err error) string {
	if e, ok := asPgError(err); ok {
		return e.Code
	}
	return ""
}

func asPgError(err error) (*pgconn.PgError, bool) { return errors.AsType[*pgconn.PgError](err) }

// violates tells whether err is a breach of the named constraint.
func violates(err error, constraint string) bool {
	e, ok := asPgError(err)
	return ok && e.ConstraintName == constraint
}

// on is what a Grant must cover for a change.
type on struct {
	action   policy.Action
	resource policy.ResourceType
	id       string
}

// mutate makes a change in the server's role: the grant must cover it, and the
// record is written in the same transaction.
func (db *DB) mutate(ctx context.Context, g policy.Grant, what on, e core.Event, change func(pgx.Tx) error) error {
	if err := g.Covers(what.action, what.resource, what.id); err != nil {
		return err
	}
	return inTx(ctx, db.app, func(tx pgx.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		return addRecord(ctx, tx, e)
	})
}
