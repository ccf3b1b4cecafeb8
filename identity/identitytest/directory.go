package identitytest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// ErrNoSlapd is returned when OpenLDAP is not installed.
var ErrNoSlapd = errors.New("slapd is not installed: run `make deps`")

// Person is one account, at uid=UID,ou=Unit,BaseDN.
type Person struct {
	UID      string
	Name     string // cn
	Mail     string // may be empty
	Password string // empty: nobody can sign in
	Unit     string // "people" when empty
	Groups   []string
}

// Config describes a directory. The zero Config is an empty directory.
type Config struct {
	Dir    string // owned by the directory and readable by User; made and removed by us when empty
	User   string // account slapd runs as when we are root; "openldap" when empty and present
	BaseDN string // "dc=example,dc=test" when empty

	People []Person
	Groups []string // besides those that people name

	Hosts     []string   // names in the certificate; 127.0.0.1 and localhost when empty
	Authority *Authority // made when nil

	PlaintextOnly   bool // no TLS at all, as a badly set up server
	AcceptAnonymous bool // bind_anon_dn, bind_anon_cred: a bind with a name and no password succeeds
}

// Directory is a running slapd. Methods that change people may be called at the
// same time; Up, Down and Stop may not.
type Directory struct {
	Addr         string // host:port of StartTLS
	StartTLS     string // ldap:// URL
	LDAPS        string // ldaps:// URL
	CAFile       string
	BaseDN       string
	BindDN       string // service account that may read, and nothing else
	BindPassword string
	LogFile      string

	dir     string
	ownDir  bool
	binary  string
	account *account // nil: run as ourselves
	adminDN string
	adminPW string
	ca      *Authority
	plain   bool
	child   *child
}

// StartDirectory starts slapd, waits until it answers and seeds it. The
// directory outlives ctx, which bounds the start only; end it with Stop.
func StartDirectory(ctx context.Context, cfg Config) (*Directory, error) {
	d, err := prepare(cfg)
	if err != nil {
		return nil, fmt.Errorf("preparing directory: %w", err)
	}
	if err := d.Up(ctx); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	if err := d.seed(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("seeding directory: %w", err), d.Stop())
	}
	return d, nil
}

// Stop ends slapd and removes what it stored, if the folder was ours.
func (d *Directory) Stop() error {
	err := d.Down()
	if d.ownDir {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	return err
}

func prepare(cfg Config) (*Directory, error) {
	binary, err := findSlapd()
	if err != nil {
		return nil, err
	}
	d := &Directory{binary: binary, dir: cfg.Dir, plain: cfg.PlaintextOnly, ca: cfg.Authority}
	if d.account, err = chooseAccount(cfg.User); err != nil {
		return nil, err
	}
	if d.dir == "" {
		d.ownDir = true
		if d.dir, err = os.MkdirTemp("", "chancery-slapd-"); err != nil {
			return nil, err
		}
	}
	if err := d.lay(cfg); err != nil {
		if d.ownDir {
			err = errors.Join(err, os.RemoveAll(d.dir))
		}
		return nil, err
	}
	return d, nil
}

// lay puts certificates, configuration and an empty database in the folder.
func (d *Directory) lay(cfg Config) (err error) {
	d.BaseDN = cfg.BaseDN
	if d.BaseDN == "" {
		d.BaseDN = "dc=example,dc=test"
	}
	d.BindDN, d.BindPassword = "cn=chancery,ou=services,"+d.BaseDN, rand.Text()
	d.adminDN, d.adminPW = "cn=admin,"+d.BaseDN, rand.Text()
	d.CAFile = filepath.Join(d.dir, "ca.pem")
	d.LogFile = filepath.Join(d.dir, "slapd.log")
	if d.StartTLS, d.Addr, err = freeURL("ldap"); err != nil {
		return err
	}
	if d.LDAPS, _, err = freeURL("ldaps"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d.dir, "db"), 0o700); err != nil {
		return err
	}
	if err := d.writeCertificates(cfg.Hosts); err != nil {
		return err
	}
	if err := os.WriteFile(d.file("slapd.conf"), d.slapdConf(cfg), 0o600); err != nil {
		return err
	}
	return d.account.own(d.dir)
}

func (d *Directory) file(name string) string { return filepath.Join(d.dir, name) }

func (d *Directory) writeCertificates(hosts []string) (err error) {
	if d.ca == nil {
		if d.ca, err = NewAuthority(); err != nil {
			return err
		}
	}
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1", "localhost"}
	}
	certPEM, keyPEM, err := d.ca.issuePEM(hosts)
	if err != nil {
		return err
	}
	return errors.Join(
		d.ca.WriteCA(d.CAFile),
		os.WriteFile(d.file("server.pem"), certPEM, 0o644),
		os.WriteFile(d.file("server.key"), keyPEM, 0o600),
	)
}

// freeURL finds a free loopback port. Another process may take it before
// slapd does; slapd then fails to start and says so in its log.
func freeURL(scheme string) (url, addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer l.Close()
	addr = "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	return scheme + "://" + addr, addr, nil
}
