package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// stateDir is a directory that another account can walk to, unlike t.TempDir, with a path short enough for a socket.
func stateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "state")
}

func start(t *testing.T, dir string) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), config(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

func config(dir string) Config {
	return Config{Dir: dir, Ephemeral: true, Log: slog.New(slog.DiscardHandler)}
}

func stop(t *testing.T, c *Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// query returns the one text that sql yields, or nothing if it is not that kind of statement.
func query(t *testing.T, c *Cluster, sql string) string {
	t.Helper()
	got, err := tryQuery(c.URL("chancery"), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return got
}

func tryQuery(url, sql string) (got string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, sql).Scan(&got)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return got, err
}

func postmaster(t *testing.T, c *Cluster) int {
	t.Helper()
	text, err := os.ReadFile(c.path("data/postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestStartAndRestart(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	begin := time.Now()
	first := start(t, dir)
	t.Logf("first start: %v", time.Since(begin).Round(time.Millisecond))
	if !first.Healthy() {
		t.Error("a started cluster is not healthy")
	}
	for setting, want := range map[string]string{
		"listen_addresses": "", "data_checksums": "on", "log_min_error_statement": "panic", "server_encoding": "UTF8",
	} {
		if got := query(t, first, "SHOW "+setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	if got := query(t, first, "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user"); got != "false" {
		t.Error("the login role is a superuser")
	}
	query(t, first, "CREATE TABLE kept AS SELECT 'here' AS v")
	stop(t, first)
	if first.Healthy() || first.Err() != nil {
		t.Errorf("after Stop: healthy %v, error %v", first.Healthy(), first.Err())
	}

	begin = time.Now()
	second := start(t, dir)
	t.Logf("later start: %v", time.Since(begin).Round(time.Millisecond))
	if got := query(t, second, "SELECT v FROM kept"); got != "here" {
		t.Errorf("after a restart the table holds %q", got)
	}
}

func TestSecondServerRefused(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	first := start(t, dir)
	if _, err := Start(t.Context(), config(dir)); !errors.Is(err, ErrInUse) {
		t.Errorf("second start: %v, want ErrInUse", err)
	}
	query(t, first, "SELECT 'the first still answers'")
}

func TestKilledIsRestarted(t *testing.T) {
	t.Parallel()
	lasting := config(stateDir(t))
	lasting.Ephemeral = false
	c, err := Start(t.Context(), lasting)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	query(t, c, "CREATE TABLE kept AS SELECT 'here' AS v")
	old := postmaster(t, c)
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is unhealthy after the kill", func() bool { return !c.Healthy() })
	eventually(t, "it is healthy again", c.Healthy)
	if postmaster(t, c) == old {
		t.Error("the process is the old one")
	}
	if got := query(t, c, "SELECT v FROM kept"); got != "here" {
		t.Errorf("after the kill the table holds %q", got)
	}
}

func TestGivesUpAfterThreeRestarts(t *testing.T) {
	t.Parallel()
	c, err := Start(t.Context(), config(stateDir(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.path("data/global"), c.path("data/gone")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster(t, c), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Done():
	case <-time.After(30 * time.Second):
		t.Fatal("it still tries")
	}
	if c.Healthy() || c.Err() == nil || !strings.Contains(c.Err().Error(), "3 restarts") {
		t.Errorf("healthy %v, error %v", c.Healthy(), c.Err())
	}
}

func TestOtherMajorRefused(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	stop(t, start(t, dir))
	version := filepath.Join(dir, "data/PG_VERSION")
	if err := os.WriteFile(version, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), config(dir))
	if err == nil || !strings.Contains(err.Error(), "written by PostgreSQL 9") {
		t.Errorf("start on data of another major: %v", err)
	}
}

func TestHalfMadeClusterIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "data.new/base"), 0o711); err != nil {
		t.Fatal(err)
	}
	query(t, start(t, dir), "SELECT 'it works'")
}

func TestForeignDataKept(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	precious := filepath.Join(dir, "data/precious")
	if err := os.MkdirAll(precious, 0o711); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), config(dir)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("start over a directory that is not a cluster: %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	c := start(t, filepath.Join(stateDir(t), strings.Repeat("long", 30)))
	query(t, c, "SELECT 'connected'")
	sockets := c.sockets
	stop(t, c)
	if _, err := os.Stat(sockets); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left behind: %v", sockets, err)
	}
}

func TestAttackOtherAccountCannotConnect(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("not root: the account is the server's own, and there is no other to try")
		return
	}
	t.Parallel()
	c := start(t, stateDir(t))
	var owner syscall.Stat_t
	if err := syscall.Stat(fmt.Sprintf("/proc/%d", postmaster(t, c)), &owner); err != nil {
		t.Fatal(err)
	}
	if owner.Uid == 0 {
		t.Error("postgres runs as root")
	}
	for _, dir := range []string{c.sockets, c.path("data")} {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, error %v; want 0700", dir, info.Mode(), err)
		}
	}
	// Even with the directory opened, the kernel's word decides, not the directory's mode.
	if err := os.Chmod(c.sockets, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(c.sockets, ".s.PGSQL.5432"), 0o777); err != nil {
		t.Fatal(err)
	}
	psql := exec.Command(c.install.path("psql"), "-w", "-h", c.sockets, "-U", "chancery", "-c", "SELECT 1", "chancery")
	psql.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	psql.Dir = "/"
	out, err := psql.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Peer authentication failed") {
		t.Errorf("another account connects: %v: %s", err, out)
	}
}

func TestAttackUnmappedRole(t *testing.T) {
	t.Parallel()
	c := start(t, stateDir(t))
	query(t, c, "CREATE ROLE mallory LOGIN")
	url := strings.Replace(c.URL("chancery"), "chancery@", "mallory@", 1)
	if _, err := tryQuery(url, "SELECT ''"); err == nil {
		t.Error("a role that the ident map does not name can log in")
	}
}

// TestServerKilled kills a process that runs a cluster and expects the cluster to follow it, cleanly.
func TestServerKilled(t *testing.T) {
	const helper = "CHANCERY_TEST_CLUSTER_DIR"
	if dir := os.Getenv(helper); dir != "" {
		c, err := Start(context.Background(), config(dir))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("pid %d\n", postmaster(t, c))
		select {}
	}
	t.Parallel()
	dir := stateDir(t)
	server := exec.Command(os.Args[0], "-test.run=^TestServerKilled$")
	server.Env = append(os.Environ(), helper+"="+dir)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, err2 := fmt.Sscanf(line, "pid %d", &pid); err != nil || err2 != nil {
		t.Fatalf("the server said %q: %v", line, errors.Join(err, err2))
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	eventually(t, "postgres follows its server", func() bool { return syscall.Kill(pid, 0) != nil })
	query(t, start(t, dir), "SELECT 'the next server starts'")
}

func eventually(t *testing.T, claim string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not so within 20 s: %s", claim)
}
