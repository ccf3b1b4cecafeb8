package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed [0-9]*.sql
var files embed.FS

//go:embed roles.sql
var roles string

// Owner is the role that owns every table. Nobody logs in as it.
const Owner = "chancery_owner"

// Apply makes the roles and brings the database at url up to the newest migration. The login must own the database
// and be able to make roles, unless an administrator ran roles.sql before. Several servers may call it at once: one
// migrates, the others wait.
func Apply(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("migrating: reading the database URL: %w", err)
	}
	if err := applyRoles(ctx, config); err != nil {
		return fmt.Errorf("migrating: making roles: %w", err)
	}
	config.RuntimeParams["role"] = Owner
	db := stdlib.OpenDB(*config)
	defer db.Close()
	if err := applyFiles(ctx, db); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// ErrOutdated reports a database that has not reached this binary's migration.
var ErrOutdated = errors.New("the schema is not this version's")

// Check looks whether the database at url is at the newest migration, and changes nothing. It fails with ErrOutdated when
// it is not.
func Check(ctx context.Context, url string) error {
	want, err := newest()
	if err != nil {
		return fmt.Errorf("checking migrations: %w", err)
	}
	have, err := applied(ctx, url)
	if err != nil {
		return fmt.Errorf("checking migrations: %w", err)
	}
	if have > want {
		return fmt.Errorf("the schema is at %d, newer than this version's %d: start the version that ran last", have, want)
	}
	if have != want {
		return fmt.Errorf("%w: it is at %d, this version wants %d", ErrOutdated, have, want)
	}
	return nil
}

// newest is the number of the last migration.
func newest() (int64, error) {
	names, err := fs.Glob(files, "[0-9]*.sql")
	if err != nil {
		return 0, err
	}
	return goose.NumericComponent(slices.Max(names))
}

// applied is the number of the last migration that ran, 0 for none. Goose's own question would make its table.
func applied(ctx context.Context, url string) (n int64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var any bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&any); err != nil || !any {
		return 0, err
	}
	if _, err := conn.Exec(ctx, "SET ROLE "+Owner); err != nil {
		return 0, err
	}
	return n, conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&n)
}

func applyRoles(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, roles)
	return err
}

func applyFiles(ctx context.Context, db *sql.DB) error {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // tries each second for five minutes
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
