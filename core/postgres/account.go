package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrNoAccount means that the server runs as root and no account was found to run PostgreSQL under.
var ErrNoAccount = errors.New(`root may not run PostgreSQL and there is no account "chancery" or "postgres": ` +
	`run "useradd --system --no-create-home --shell /usr/sbin/nologin chancery", or name one with --db-user`)

// account is the operating system's user that PostgreSQL runs as.
type account struct {
	name     string
	uid, gid int
	drop     bool // the server is root and hands the cluster to this account
}

// chooseAccount picks who runs the cluster: the server's own user, or, for root, the account asked for, else
// "chancery", else "postgres". It creates none: an account is the administrator's decision.
func chooseAccount(asked string, own *user.User, lookup func(string) (*user.User, error)) (account, error) {
	if own.Uid != "0" {
		if asked != "" && asked != own.Username {
			return account{}, fmt.Errorf("running PostgreSQL as %q: the server runs as %q and only root can change users",
				asked, own.Username)
		}
		return newAccount(own, false)
	}
	candidates := []string{"chancery", "postgres"}
	if asked != "" {
		candidates = []string{asked}
	}
	for _, name := range candidates {
		if u, err := lookup(name); err == nil && u.Uid != "0" {
			return newAccount(u, true)
		}
	}
	if asked != "" {
		return account{}, fmt.Errorf("running PostgreSQL as %q: no such unprivileged account", asked)
	}
	return account{}, ErrNoAccount
}

func newAccount(u *user.User, drop bool) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("reading account %q: uid: %w", u.Username, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("reading account %q: gid: %w", u.Username, err)
	}
	return account{name: u.Username, uid: uid, gid: gid, drop: drop}, nil
}

// ownUser looks the server's user up by id. user.Current would believe $USER; PostgreSQL asks for the id's name.
func ownUser() (*user.User, error) {
	id := strconv.Itoa(os.Geteuid())
	u, err := user.LookupId(id)
	if err != nil {
		return nil, fmt.Errorf("looking up user id %s, which PostgreSQL needs a name for: %w", id, err)
	}
	return u, nil
}

// sysProcAttr makes a process of the account: own process group, no supplementary groups when dropping.
func (a account) sysProcAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.drop {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return attr
}

// mkdir makes dir, which must not exist, as a private directory of the account.
func (a account) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if !a.drop {
		return nil
	}
	return os.Lchown(dir, a.uid, a.gid)
}

// reaches says whether the account can walk down to dir, and if not which directory bars it.
func (a account) reaches(dir string) error {
	for parent := dir; ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return err
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("account %q can't enter %s: use another directory or run \"chmod o+x %s\"", a.name, parent, parent)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

func (a account) mayEnter(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case int(owner.Uid) == a.uid:
		return info.Mode()&0o100 != 0
	case int(owner.Gid) == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}
