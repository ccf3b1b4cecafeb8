package postgrestest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core/postgres"
	"chancery/migrations"
)

const (
	template = "template_chancery"
	deadline = 2 * time.Minute // for any one step; a busy machine is slow, a hung one must fail
)

// shared is the cluster of this test process. Guarded by once, and by Main running before and after all tests.
var shared struct {
	running bool // Main is there to stop the cluster
	once    sync.Once
	dir     string
	cluster *postgres.Cluster
	err     error
	count   atomic.Int64
}

// Main runs the tests and then stops the cluster: func TestMain(m *testing.M) { postgrestest.Main(m) }.
func Main(m *testing.M) {
	shared.running = true
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test cluster:", err)
		code = 1
	}
	os.Exit(code)
}

// Cluster is the one that the databases of this process are in.
func Cluster(t testing.TB) *postgres.Cluster {
	t.Helper()
	if !shared.running {
		t.Fatal("add to this package: func TestMain(m *testing.M) { postgrestest.Main(m) }")
	}
	shared.once.Do(func() { shared.err = start() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.cluster
}

// URL is the address of a new migrated database, which is dropped after the test. Its login is a member of every
// role of roles.sql; add "&role=chancery_app" to be held to that role's rights.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, "TEMPLATE "+template)
}

// EmptyURL is the address of a new database without any migration.
func EmptyURL(t testing.TB) string {
	t.Helper()
	return create(t, "")
}

func create(t testing.TB, clause string) string {
	t.Helper()
	c := Cluster(t)
	name := fmt.Sprintf("test_%d", shared.count.Add(1))
	if err := administer(c, "CREATE DATABASE "+name+" "+clause); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(c, name); err != nil {
			t.Error(err)
		}
	})
	return c.URL(name)
}

// drop tries again while autovacuum is in the database: only a superuser may end that.
func drop(c *postgres.Cluster, name string) error {
	for end := time.Now().Add(deadline); ; time.Sleep(100 * time.Millisecond) {
		err := administer(c, "DROP DATABASE "+name+" WITH (FORCE)")
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

func start() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	// Not the system's temporary directory: that path may be closed to the account that runs PostgreSQL.
	if shared.dir, err = os.MkdirTemp("/tmp", "pgtest-"); err != nil {
		return err
	}
	if err := os.Chmod(shared.dir, 0o711); err != nil {
		return err
	}
	shared.cluster, err = postgres.Start(ctx, postgres.Config{
		Dir: filepath.Join(shared.dir, "pg"), Ephemeral: true, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := administer(shared.cluster, "CREATE DATABASE "+template); err != nil {
		return err
	}
	return migrations.Apply(ctx, shared.cluster.URL(template))
}

func stop() error {
	if shared.dir == "" {
		return nil
	}
	defer os.RemoveAll(shared.dir)
	if shared.cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	return shared.cluster.Stop(ctx)
}

// administer runs one statement from the database that is always there.
func administer(c *postgres.Cluster, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("chancery"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
