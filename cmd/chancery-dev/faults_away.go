package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// awaitReadyz asks nearly without a pause: a restart may be over in a tenth of a
// second.
func (o *organisation) awaitReadyz(ctx context.Context, status int) error {
	c, err := o.client()
	if err != nil {
		return err
	}
	defer c.CloseIdleConnections()
	last := "nothing"
	for ctx.Err() == nil {
		answer, err := c.Get("https://" + o.address + "/readyz")
		if err != nil {
			last = err.Error()
		} else {
			answer.Body.Close()
			last = answer.Status
			if answer.StatusCode == status {
				return nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("readyz never said %d, last %s: %w", status, last, ctx.Err())
}

// killPostgres kills the private database's first process, which no clean-up
// survives.
func (s *story) killPostgres(context.Context) error {
	pid, err := postmaster(filepath.Join(s.state(), "db", "data"))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGKILL)
}

// postmaster is the process that serves a data directory: the first line of the
// file that it keeps there.
func postmaster(data string) (int, error) {
	f, err := os.Open(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	line := bufio.NewScanner(f)
	line.Scan()
	return strconv.Atoi(line.Text())
}

// foreign is a database that the server did not start.
type foreign struct {
	host *party
	bin  string
	dir  string
}

// startForeign makes a cluster of the server's user, reached by a URL.
func startForeign(o *organisation) (*foreign, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	f := &foreign{host: o.host, bin: bin, dir: filepath.Join(o.host.home, "pg")}
	if err := f.tool("initdb", "-D", f.dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"); err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("listen_addresses = ''\nunix_socket_directories = '%s'\nunix_socket_permissions = 0700\n", o.host.home)
	c, err := os.OpenFile(filepath.Join(f.dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = c.WriteString(conf)
	if err := errors.Join(err, c.Close()); err != nil {
		return nil, err
	}
	if err := f.ctl("start"); err != nil {
		return nil, err
	}
	sql := "CREATE ROLE chancery LOGIN CREATEROLE CREATEDB"
	if err := f.tool("psql", "-h", o.host.home, "-U", "postgres", "-c", sql, "-c", "CREATE DATABASE chancery OWNER chancery"); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	o.database, err = o.host.file("database-url", fmt.Appendf(nil, "postgres://chancery@/chancery?host=%s&sslmode=disable\n", o.host.home))
	if err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

// postgresBin is the newest installed.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("looking for pg_ctl: %w: make deps", errors.Join(err, os.ErrNotExist))
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func (f *foreign) tool(name string, args ...string) error {
	cmd := f.host.command(filepath.Join(f.bin, name), args...)
	cmd.SysProcAttr.Pdeathsig = 0 // pg_ctl ends and leaves the database behind
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

func (f *foreign) ctl(args ...string) error {
	return f.tool("pg_ctl", append([]string{"-D", f.dir, "-l", filepath.Join(f.host.home, "pg.log"), "-w", "-t", "30"}, args...)...)
}

// restart is what an administrator does: at once for the server, whose
// connections all break.
func (f *foreign) restart(context.Context) error { return f.ctl("-m", "fast", "restart") }

func (f *foreign) stop() error { return f.ctl("-m", "fast", "stop") }

// tooLong is more than a sign-in may take when the directory hangs.
const tooLong = 14 * time.Second

// directory takes the directory away. More sign-ins fail than would lock a name,
// if they counted.
func (x *trouble) directory(ctx context.Context, s *story) error {
	fay := x.talkers[0]
	signIn := func() error {
		_, err := fay.do("login", fay.username, "--password-file", fay.home+"/password")
		return err
	}
	if err := s.directory.Down(); err != nil {
		return err
	}
	for range 4 {
		if err := refusedFor(signIn(), "directory.away", "the directory that knows the passwords can't be reached"); err != nil {
			return err
		}
	}
	if err := fay.post("fay says so 0: the directory is away, and I am here"); err != nil {
		return err
	}
	if err := errors.Join(s.directory.Up(ctx), signIn()); err != nil {
		return fmt.Errorf("with the directory back: %w", err)
	}
	s.note("503 directory.away, 4 times; a session went on; nobody was locked out")
	if err := s.directory.Freeze(); err != nil {
		return err
	}
	from := time.Now()
	err := refusedFor(signIn(), "directory.away", "can't be reached")
	took := time.Since(from)
	if err := errors.Join(err, s.directory.Thaw(), signIn()); err != nil {
		return err
	}
	if took > tooLong {
		return fmt.Errorf("a sign-in took %v while the directory hung", took)
	}
	s.note("a directory that hangs is given up after %.1f s", took.Seconds())
	return nil
}

// fails runs a command that is expected to fail, and soon.
func (t *talker) fails(args ...string) error {
	_, err := t.do(append(args, hurry...)...)
	return err
}

// say runs a command that posts one message, and remembers its place if the
// message is for the desk.
func (t *talker) say(text string, args ...string) error {
	if text != "" {
		t.tried[text] = true
	}
	out, err := t.do(args...)
	if err != nil {
		return err
	}
	receipts, err := messages(out)
	if err != nil || len(receipts) != 1 {
		return fmt.Errorf("post printed %q: %w", strings.TrimSpace(out), err)
	}
	if text != "" {
		t.placed[receipts[0].Position] = text
	}
	return nil
}
