package main

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestAttackWeakDatabaseLogin(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://u:p%40ss@db.example/c":                                 "!password,!md5",
		"postgresql://u@db.example:5433/c?sslmode=verify-full":             "!password,!md5",
		"host=db.example user=u password=p dbname=c":                       "!password,!md5",
		"postgres://u@db.example/c?require_auth=scram-sha-256":             "scram-sha-256",
		"host=db.example user=u dbname=c require_auth=none":                "none",
		"postgres:///c?host=/run/postgresql&user=chancery&sslmode=disable": "!password,!md5",
	} {
		c, err := pgx.ParseConfig(strictAuth(dsn))
		if err != nil {
			t.Fatalf("%s: %v", dsn, err)
		}
		plain, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if c.RequireAuth != want || c.Host != plain.Host || c.User != plain.User || c.Password != plain.Password || c.Database != plain.Database {
			t.Errorf("%s: rule %q, host %s, user %s", dsn, c.RequireAuth, c.Host, c.User)
		}
	}
}
