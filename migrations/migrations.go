package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

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
