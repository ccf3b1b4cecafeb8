package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The login role and the database are made in single-user mode, before anyone can connect.
const firstStatements = "CREATE ROLE " + loginRole + " LOGIN CREATEROLE CREATEDB\n" +
	"CREATE DATABASE " + loginRole + " OWNER " + loginRole + "\n"

// bootstrap makes the cluster when there is none. It works beside the final place and renames at the end, so
// that a start which dies half way leaves nothing that looks like a cluster.
func (c *Cluster) bootstrap(ctx context.Context) error {
	data := c.path("data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	fresh := c.path("data.new")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := c.account.mkdir(fresh); err != nil {
		return err
	}
	if err := c.runTool(ctx, "", "initdb", c.initdbArgs(fresh)...); err != nil {
		return err
	}
	err := c.runTool(ctx, firstStatements, "postgres", "--single", "-D", fresh, "-c", "exit_on_error=on", "postgres")
	if err != nil {
		return err
	}
	// Fails if data exists and is not empty: whatever is in there, it is not ours to remove.
	return os.Rename(fresh, data)
}

// initdbArgs asks for the C locale: other collations change under an index when the system's C library does.
func (c *Cluster) initdbArgs(dir string) []string {
	args := []string{"-D", dir, "-U", superuser, "-A", "peer", "-k", "-E", "UTF8", "--locale=C"}
	if c.config.Ephemeral {
		args = append(args, "--no-sync")
	}
	return args
}

// runTool runs one of PostgreSQL's programs as the account and waits for it.
func (c *Cluster) runTool(ctx context.Context, stdin, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, c.install.path(name), args...)
	cmd.Dir, cmd.Env = "/", environment()
	cmd.SysProcAttr = c.account.sysProcAttr()
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w: %s", name, err, lastLine(string(out)))
	}
	return nil
}

// environment is all that PostgreSQL inherits: no PG* variable may redirect it, no secret of ours may reach it.
func environment() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"} }

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
