package identitytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a running slapd; done is closed once it was waited for.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Up starts slapd on the same data and ports as before and waits until it
// answers. It is for use after Down.
func (d *Directory) Up(ctx context.Context) error {
	log, err := os.OpenFile(d.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("starting slapd: %w", err)
	}
	defer log.Close()
	// "-d none" keeps slapd in the foreground and still prints what stops it.
	cmd := exec.Command(d.binary, "-d", "none", "-f", d.file("slapd.conf"), "-h", d.listenURLs())
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: d.account.credential()}
	if d.child, err = start(cmd); err != nil {
		return fmt.Errorf("starting slapd: %w", err)
	}
	if err := d.ready(ctx); err != nil {
		tail, _ := os.ReadFile(d.LogFile)
		return errors.Join(fmt.Errorf("starting slapd: %w: %s", err, tail), d.Down())
	}
	return nil
}

// Down ends slapd and keeps its data and ports, as a crash or a reboot would.
func (d *Directory) Down() error {
	if d.child == nil {
		return nil
	}
	c := d.child
	d.child = nil
	return c.stop()
}

func (d *Directory) listenURLs() string {
	if d.plain {
		return d.StartTLS
	}
	return d.StartTLS + " " + d.LDAPS
}

// start runs cmd from a thread of its own: the kernel sends Pdeathsig when the
// starting thread ends, and Go ends idle threads as it likes.
func start(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(c.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	return c, <-started
}

func (c *child) stop() error {
	c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
		return nil
	case <-time.After(5 * time.Second):
	}
	c.cmd.Process.Kill()
	<-c.done
	return errors.New("stopping slapd: killed after 5 s")
}

func (d *Directory) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.Addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-d.child.done:
			return errors.New("slapd ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func findSlapd() (string, error) {
	for _, path := range []string{"/usr/sbin/slapd", "/usr/lib/openldap/slapd", "/usr/libexec/slapd"} {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("slapd")
	if err != nil {
		return "", ErrNoSlapd
	}
	return path, nil
}

// account is whom slapd runs as. A nil account is ourselves.
type account struct{ uid, gid uint32 }

// chooseAccount gives up root, which a server on a socket doesn't need.
func chooseAccount(name string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	optional := name == ""
	if optional {
		name = "openldap"
	}
	u, err := user.Lookup(name)
	if err != nil {
		if optional {
			return nil, nil
		}
		return nil, err
	}
	uid, errU := strconv.ParseUint(u.Uid, 10, 32)
	gid, errG := strconv.ParseUint(u.Gid, 10, 32)
	return &account{uint32(uid), uint32(gid)}, errors.Join(errU, errG)
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

func (a *account) own(dir string) error {
	if a == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(a.uid), int(a.gid))
	})
}

// Freeze stops slapd without ending it: connections open and nothing answers, as
// on a machine that hangs. Thaw lets it go on.
func (d *Directory) Freeze() error {
	p := d.child.cmd.Process
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freezing slapd: %w", err)
	}
	// The kernel stops the threads one by one; on a busy machine some still answer.
	for range 1000 {
		if frozen(p.Pid) {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.New("freezing slapd: it goes on")
}

// frozen tells whether every thread of a process is stopped.
func frozen(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range threads {
		b, readErr := os.ReadFile(path)
		_, state, _ := strings.Cut(string(b), ") ") // behind the name, which is in brackets
		err = errors.Join(err, readErr)
		if !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return err == nil && len(threads) > 0
}

// Thaw undoes Freeze.
func (d *Directory) Thaw() error { return d.child.cmd.Process.Signal(syscall.SIGCONT) }
