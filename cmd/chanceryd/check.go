package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"chancery/core/postgres"
	"chancery/core/vault"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/sign/signer"
	"chancery/fips"
	"chancery/migrations"
)

func (s *server) checkFIPS(context.Context) finding {
	err := fips.Check(true)
	switch {
	case err == nil:
		return passed("module %s is in charge", fips.Current().Version)
	case s.config.FIPS == "required":
		return failed("build with GOFIPS140=certified and run with GODEBUG=fips140=only", "%v", err)
	}
	return finding{Status: notApplicable, Evidence: "not required by the configuration"}
}

func (s *server) checkState(context.Context) finding {
	info, err := os.Stat(s.config.State)
	if err != nil {
		return failed("chanceryd init", "%v", err)
	}
	if info.Mode().Perm()&0o066 != 0 {
		return failed("chmod go-rw "+s.config.State, "mode %v: others may look", info.Mode().Perm())
	}
	return passed("%s has mode %v", s.config.State, info.Mode().Perm())
}

func (s *server) checkReceipt(context.Context) finding {
	key, err := sign.LoadKey(s.config.Keys.Receipt)
	if err != nil {
		return failed("chanceryd init, or chmod 600 "+s.config.Keys.Receipt, "%v", err)
	}
	return passed("key %s, mode 0600", sign.IDOf(key.Public()))
}

// checkRemoval compares the key on the disk with those that the organisation
// lists: by another, nobody's membership would end.
func (s *server) checkRemoval(context.Context) finding {
	key, err := sign.LoadKey(s.config.Keys.Removal)
	if err != nil {
		return failed("chanceryd init, or chmod 600 "+s.config.Keys.Removal, "%v", err)
	}
	id := envelope.KeyOf(key.Public())
	if s.db == nil {
		return finding{Status: manual, Evidence: fmt.Sprintf("key %s; stop the server to have it compared with the organisation's list", id)}
	}
	org := chains{s.db}.Org()
	if org == nil {
		return finding{Status: manual, Evidence: "there is no organisation yet; list the key with it"}
	}
	if _, listed := org.Party(envelope.RoleRemoval, id); !listed {
		return failed("chanceryd card removal, then chancery org list-party removal --card FILE", "the organisation does not list key %s: people who leave stay members", id)
	}
	if len(org.Parties(envelope.RoleRemoval)) < 2 {
		return finding{Status: manual, Evidence: fmt.Sprintf("key %s is listed, and no other: an owner who leaves stays a member until one is", id)}
	}
	return passed("key %s, mode 0600, is listed", id)
}

func (s *server) checkTLS(context.Context) finding {
	if s.config.TLS.Cert == "" {
		return finding{Status: manual, Evidence: "self-made for loopback; a certificate of your own is needed for other hosts"}
	}
	left, err := remaining(s.config.TLS.Cert, time.Now())
	if err != nil {
		return failed("set tls.cert to a readable PEM file", "%v", err)
	}
	if _, err := readSecret(s.config.TLS.Key); err != nil {
		return failed("chmod 600 "+s.config.TLS.Key, "%v", err)
	}
	if left < certRenew {
		return failed("renew "+s.config.TLS.Cert, "ends in %v", left.Round(time.Hour))
	}
	return passed("good for %d days", int(left.Hours()/24))
}

func (s *server) checkDatabase(ctx context.Context) finding {
	err := s.lookDatabase(ctx)
	if errors.Is(err, postgres.ErrInUse) {
		return finding{Status: manual, Evidence: "a running server holds the private database; ask its /readyz"}
	}
	if errors.Is(err, migrations.ErrOutdated) || errors.Is(err, fs.ErrNotExist) {
		return failed("run \"chanceryd migrate\", or start the server, which does it too", "%v", err)
	}
	if err != nil {
		return failed("see the message", "%v", err)
	}
	return passed("answers and is up to date")
}

// checkRoles asks the database itself what the server's role may do.
func (s *server) checkRoles(ctx context.Context) finding {
	if s.db == nil {
		return finding{Status: notApplicable, Evidence: "the database was not opened"}
	}
	var super, rewrites bool
	err := s.db.App().QueryRow(ctx, `SELECT rolsuper, has_table_privilege('chancery_app', 'records', 'UPDATE')
		OR has_table_privilege('chancery_app', 'records', 'DELETE') FROM pg_roles WHERE rolname = session_user`).Scan(&super, &rewrites)
	switch {
	case err != nil:
		return failed("chanceryd migrate", "%v", err)
	case super:
		return failed("use a login without SUPERUSER", "the server's login is a superuser")
	case rewrites:
		return failed("chanceryd migrate", "chancery_app may rewrite the record")
	}
	return passed("no superuser; the record can't be rewritten by the server's role")
}

func (s *server) checkCopies(ctx context.Context) finding {
	if s.db == nil {
		return s.countCopies()
	}
	if err := s.mountVault(false); errors.Is(err, vault.ErrNoVault) {
		return finding{Status: notApplicable, Evidence: "there is none before the server's first start"}
	} else if err != nil {
		return failed("restore a copy of the vault and its key", "%v", err)
	}
	r := s.vault.Doctor()
	for _, c := range r.Copies {
		if c.Err != nil {
			return failed("restore "+c.Dir+" from the other copy by restarting the server", "%s: %v", c.Dir, c.Err)
		}
	}
	return passed("%d copies, %d trees, generation %d", len(r.Copies), r.Trees, r.Generation)
}

// countCopies is all that can be said without disturbing a running server.
func (s *server) countCopies() finding {
	for _, dir := range s.config.Vault.Copies {
		if _, err := os.Stat(dir); err != nil {
			return failed("restore "+dir, "%v", err)
		}
	}
	if len(s.config.Vault.Copies) < 2 {
		return failed("name two directories in vault.copies", "%d copies", len(s.config.Vault.Copies))
	}
	return finding{Status: manual, Evidence: fmt.Sprintf("%d copies are there; stop the server to have them read", len(s.config.Vault.Copies))}
}

func (s *server) checkDisks(context.Context) finding {
	if dir, other := sameDisk(s.config.Vault.Copies, s.config.Vault.Copies); dir != "" {
		return finding{Status: manual, Evidence: fmt.Sprintf("%s and %s are on one disk and would be lost together", dir, other)}
	}
	return passed("each copy has a disk of its own")
}

func (s *server) checkKEK(context.Context) finding {
	if dir, other := sameDisk(s.config.Vault.Keys, s.config.Vault.Copies); dir != "" {
		return finding{Status: manual, Evidence: fmt.Sprintf("%s is on the disk of %s: one snapshot takes both and undoes shredding", dir, other)}
	}
	return passed("the key is on another disk than the vault")
}

// sameDisk finds two different directories on one device.
func sameDisk(a, b []string) (string, string) {
	for _, x := range a {
		for _, y := range b {
			if x != y && device(x) == device(y) && device(x) != 0 {
				return x, y
			}
		}
	}
	return "", ""
}

func device(dir string) uint64 {
	info, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Dev)
	}
	return 0
}

func (s *server) checkDirectories(ctx context.Context) finding {
	if len(s.config.LDAP) == 0 {
		return failed("add a directory under ldap in "+configName, "nobody can sign in: no directory is configured")
	}
	for _, l := range s.config.LDAP {
		c, err := l.connector()
		if err != nil {
			return failed("correct the directory's settings", "%v", err)
		}
		defer c.Close()
		for _, step := range c.Test(ctx) {
			if !step.OK {
				return failed("correct the directory's settings", "%s: %s of %s: %s", l.Name, step.Step, step.Target, step.Detail)
			}
		}
	}
	return passed("%d answer", len(s.config.LDAP))
}

func (s *server) checkSigner(ctx context.Context) finding {
	if s.config.Keys.Signer == "" {
		return finding{Status: manual, Evidence: "none: the log is not signed and nothing can be exported"}
	}
	c := signer.NewClient(signer.Socket(s.config.Keys.Signer))
	defer c.Close()
	key, err := c.Public(ctx)
	if err != nil {
		return failed("start chancery-signer on "+s.config.Keys.Signer, "%v", err)
	}
	return passed("answers, key %s", sign.IDOf(key))
}

// checkRoot looks for private keys where the server could read them. Only the
// receipt key and the removal key belong there.
func (s *server) checkRoot(context.Context) finding {
	stray := ""
	err := filepath.WalkDir(s.config.State, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && path == filepath.Join(s.config.State, "db") {
			return fs.SkipDir
		}
		if d.Type().IsRegular() && path != s.config.Keys.Receipt && path != s.config.Keys.Removal && holdsKey(path) {
			stray = path
			return fs.SkipAll
		}
		return nil
	})
	switch {
	case err != nil:
		return failed("make the state directory readable for the server", "%v", err)
	case stray != "":
		return failed("move it to a medium that the server can't read", "%s is a private signing key", stray)
	}
	return passed("no private key but the receipt and the removal key in %s", s.config.State)
}

// holdsKey recognises a key file of crypto/sign by its first line, whatever its
// algorithm, and a keyring, as the root's is, by its one clear file.
func holdsKey(path string) bool {
	if filepath.Base(path) == "keyring.json" {
		return true
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 64)
	n, _ := f.Read(head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	return strings.HasPrefix(line, "chancery/v1/") && strings.HasSuffix(line, "-private-key")
}
