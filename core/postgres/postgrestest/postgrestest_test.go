package postgrestest_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	postgrestest.Cluster(t)
	begin := time.Now()
	one, two := connect(t, postgrestest.URL(t)), connect(t, postgrestest.URL(t))
	t.Logf("two databases: %v", time.Since(begin).Round(time.Millisecond))
	if _, err := one.Exec(t.Context(), "CREATE TABLE here ()"); err != nil {
		t.Fatal(err)
	}
	var exists bool
	for table, want := range map[string]bool{"here": false, "river_job": true} {
		if err := two.QueryRow(t.Context(), "SELECT to_regclass($1) IS NOT NULL", table).Scan(&exists); err != nil {
			t.Fatal(err)
		}
		if exists != want {
			t.Errorf("table %s in the other database: %v, want %v", table, exists, want)
		}
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}
