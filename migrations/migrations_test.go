package migrations_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"chancery/core/postgres/postgrestest"
	"chancery/migrations"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { postgrestest.Main(m) }

// TestSchemaGolden compares what the migrations make with schema.golden.sql; with -update it writes the file.
func TestSchemaGolden(t *testing.T) {
	t.Parallel()
	database := postgrestest.URL(t)
	partitions := column(t, database, `
		SELECT c.oid::regclass::text FROM pg_class c
		WHERE c.relispartition AND c.relkind IN ('r', 'p') ORDER BY 1`)
	counts := column(t, database, `
		SELECT format('-- partitions of %s: %s', inhparent::regclass, count(*))
		FROM pg_inherits JOIN pg_class p ON p.oid = inhparent AND p.relkind = 'p' GROUP BY inhparent ORDER BY 1`)
	args := []string{"--schema-only", "--no-owner", "--dbname=" + database}
	for _, name := range partitions {
		args = append(args, "--exclude-table="+name)
	}
	out, err := exec.Command(filepath.Join(postgrestest.Cluster(t).BinDir(), "pg_dump"), args...).Output()
	if err != nil {
		t.Fatalf("dumping: %v: %s", err, err.(*exec.ExitError).Stderr)
	}
	golden(t, "schema.golden.sql", normalise(string(out))+strings.Join(append(counts, ""), "\n"))
}

var (
	noise  = regexp.MustCompile(`(?m)^(--.*|\\(un)?restrict .*|SET .*|SELECT pg_catalog\.set_config.*)\n`)
	blanks = regexp.MustCompile(`\n{3,}`)
)

// normalise drops what depends on the version of pg_dump and not on the schema.
func normalise(dump string) string {
	text := blanks.ReplaceAllString(noise.ReplaceAllString(dump, ""), "\n\n")
	return "-- What the migrations add up to. Written by TestSchemaGolden; do not edit.\n\n" + strings.TrimSpace(text) + "\n"
}

func TestOwner(t *testing.T) {
	t.Parallel()
	strays := column(t, postgrestest.URL(t), `
		SELECT relname::text FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relowner <> 'chancery_owner'::regrole ORDER BY 1`)
	if len(strays) > 0 {
		t.Errorf("not owned by %s: %v", migrations.Owner, strays)
	}
}

func TestApplyAgain(t *testing.T) {
	t.Parallel()
	if err := migrations.Apply(t.Context(), postgrestest.URL(t)); err != nil {
		t.Error(err)
	}
}

func TestApplyAtOnce(t *testing.T) {
	t.Parallel()
	database := postgrestest.EmptyURL(t)
	servers, ctx := errgroup.WithContext(t.Context())
	for range 3 {
		servers.Go(func() error { return migrations.Apply(ctx, database) })
	}
	if err := servers.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(column(t, database, "SELECT version_id::text FROM goose_db_version WHERE version_id = 1")); n != 1 {
		t.Errorf("migration 1 ran %d times", n)
	}
}

// TestCheck looks at a database that was migrated, and at an empty one, which it leaves empty.
func TestCheck(t *testing.T) {
	t.Parallel()
	if err := migrations.Check(t.Context(), postgrestest.URL(t)); err != nil {
		t.Error(err)
	}
	empty := postgrestest.EmptyURL(t)
	if err := migrations.Check(t.Context(), empty); !errors.Is(err, migrations.ErrOutdated) || !strings.Contains(err.Error(), "is at 0, this version wants 3") {
		t.Errorf("an empty database: %v", err)
	}
	if made := column(t, empty, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"); len(made) > 0 {
		t.Errorf("looking made %v", made)
	}
	newer := postgrestest.URL(t)
	column(t, newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, true) RETURNING 'done'")
	if err := migrations.Check(t.Context(), newer); err == nil || errors.Is(err, migrations.ErrOutdated) {
		t.Errorf("a database of a newer version: %v", err)
	}
}

func TestApplyUnreachable(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"not a url", "postgres:///none?host=" + t.TempDir()} {
		if err := migrations.Apply(t.Context(), url); err == nil || !strings.HasPrefix(err.Error(), "migrating: ") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestRoles tries each statement of testdata/forbidden.sql as its role.
func TestRoles(t *testing.T) {
	t.Parallel()
	database := postgrestest.URL(t)
	rows := forbidden(t)
	for _, row := range rows {
		if code := sqlState(tryAs(t, database, row.role, row.statement)); code != "42501" {
			t.Errorf("%s: %s: SQLSTATE %q, want 42501 (permission denied)", row.role, row.statement, code)
		}
	}
	if len(column(t, database, "SELECT 'yes' WHERE to_regclass('records') IS NOT NULL")) == 0 {
		return
	}
	for _, role := range []string{"chancery_app", "chancery_retention", "chancery_export"} {
		if !covers(rows, role, "records") {
			t.Errorf("testdata/forbidden.sql has nothing that %s may not do to records", role)
		}
	}
}

type forbiddenStatement struct{ role, statement string }

func forbidden(t *testing.T) (rows []forbiddenStatement) {
	t.Helper()
	text, err := os.ReadFile("testdata/forbidden.sql")
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "--") {
			continue
		}
		role, statement, found := strings.Cut(line, ":")
		if !found {
			t.Fatalf("testdata/forbidden.sql:%d: want \"role: statement\"", n+1)
		}
		rows = append(rows, forbiddenStatement{role, strings.TrimSpace(statement)})
	}
	return rows
}

func covers(rows []forbiddenStatement, role, table string) bool {
	word := regexp.MustCompile(`\b` + table + `\b`)
	for _, row := range rows {
		if row.role == role && word.MatchString(row.statement) {
			return true
		}
	}
	return false
}

// tryAs runs the statement in a session of the role and takes it back.
func tryAs(t *testing.T, database, role, statement string) error {
	t.Helper()
	conn := connect(t, database+"&role="+url.QueryEscape(role))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	_, err = tx.Exec(t.Context(), statement)
	return err
}

// sqlState is the code of a PostgreSQL error, "" for none, or the text of another error.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &coded):
		return coded.SQLState()
	}
	return err.Error()
}

func column(t *testing.T, database, sql string) []string {
	t.Helper()
	rows, err := connect(t, database).Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// golden compares got with a file of this directory, or writes it under -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it should be; \"make golden\" rewrites it\n%s", file, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n file: %s\n made: %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("the file has %d lines, %d were made", len(w), len(g))
}
