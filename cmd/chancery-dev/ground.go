package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// binaries are what an organisation runs.
var binaries = []string{"chanceryd", "chancery", "chancery-recorder", "chancery-signer", "chancery-audit"}

// ground is where an organisation lives: one directory with a home for each
// party, and the binaries that they run.
type ground struct {
	dir    string
	root   bool // started by root: parties are different users of the system
	suite  string
	nextID int
}

// firstID is above what distributions give out, so that parties share an id
// with nobody; they need no name.
const firstID = 61000

// newGround makes the directory, with copies of the binaries from bin that
// every party can run. An organisation of suite fips runs them under FIPS
// enforcement.
func newGround(dir, bin, suite string) (*ground, error) {
	g := &ground{dir: dir, root: os.Getuid() == 0, suite: suite, nextID: firstID}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	for _, name := range binaries {
		if err := copyFile(filepath.Join(bin, name), g.binary(name), 0o755); err != nil {
			return nil, fmt.Errorf("taking %s: %w (make build)", name, err)
		}
	}
	return g, nil
}

func (g *ground) binary(name string) string { return filepath.Join(g.dir, "bin", name) }

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// party is someone with a home that nobody else can read, and, under root, a
// user id of their own.
type party struct {
	ground *ground
	name   string
	home   string
	uid    int // 0: the same user as this program
	gid    int
}

// party makes a home for somebody.
func (g *ground) party(name string) (*party, error) {
	p := &party{ground: g, name: name, home: filepath.Join(g.dir, name)}
	if g.root {
		p.uid, p.gid = g.nextID, g.nextID
		g.nextID++
	}
	return p, p.settle()
}

// account makes a home for a party that must be a known user of the system:
// PostgreSQL asks for its own name.
func (g *ground) account(name string, accounts ...string) (*party, error) {
	p := &party{ground: g, name: name, home: filepath.Join(g.dir, name)}
	if !g.root {
		return p, p.settle()
	}
	for _, a := range accounts {
		u, err := user.Lookup(a)
		if err != nil {
			continue
		}
		if p.uid, err = strconv.Atoi(u.Uid); err != nil {
			return nil, err
		}
		if p.gid, err = strconv.Atoi(u.Gid); err != nil {
			return nil, err
		}
		return p, p.settle()
	}
	return nil, fmt.Errorf("none of the accounts %v exists: make deps", accounts)
}

func (p *party) settle() error {
	if err := os.MkdirAll(p.home, 0o700); err != nil {
		return err
	}
	return p.own(p.home)
}

func (p *party) own(path string) error {
	if p.uid == 0 {
		return nil
	}
	return os.Chown(path, p.uid, p.gid)
}

// file puts a file into the party's home, for the party alone.
func (p *party) file(name string, content []byte) (string, error) {
	path := filepath.Join(p.home, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", err
	}
	return path, p.own(path)
}

// command is a program run by the party, in its home, with nothing of this
// program's environment.
func (p *party) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = p.home
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + p.home, "LC_ALL=C.UTF-8", "TZ=UTC", "NO_COLOR=1", "XDG_RUNTIME_DIR=" + p.home}
	if p.ground.suite == "fips" {
		cmd.Env = append(cmd.Env, "GODEBUG=fips140=only")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if p.uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}
	}
	return cmd
}

// freePort is a loopback port that was free a moment ago.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
