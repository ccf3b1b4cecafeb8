package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"chancery/crypto/piece"
	"chancery/identity"
	"chancery/identity/ldap"
	"chancery/policy"
)

// config is the configuration file. The doc tags are what init writes into the
// file and what config explain prints.
type config struct {
	State    string            `yaml:"state" doc:"directory of everything the server keeps; mode 0700"`
	Listen   string            `yaml:"listen" doc:"address of the public interface"`
	Admin    string            `yaml:"admin" doc:"unix socket for /metrics and pprof; empty: admin.sock in state; off: none"`
	TLS      tlsConfig         `yaml:"tls"`
	Database databaseConfig    `yaml:"database"`
	Vault    vaultConfig       `yaml:"vault"`
	Files    filesConfig       `yaml:"files"`
	Keys     keysConfig        `yaml:"keys"`
	Exports  exportsConfig     `yaml:"exports"`
	Session  sessionConfig     `yaml:"session"`
	Live     liveConfig        `yaml:"live"`
	Limits   limitsConfig      `yaml:"limits"`
	FIPS     string            `yaml:"fips" doc:"required: refuse to run unless the FIPS 140-3 module is really in charge; or off"`
	Log      string            `yaml:"log" doc:"least level that is logged: debug, info, warn or error"`
	LDAP     []ldapConfig      `yaml:"ldap" doc:"directories that people sign in through"`
	Roles    map[string]string `yaml:"roles" doc:"group name in a directory: role (admin, officer, legal, auditor, isso)"`
}

type tlsConfig struct {
	Cert string `yaml:"cert" doc:"PEM certificate chain; empty: self-made, for a loopback address only"`
	Key  string `yaml:"key" doc:"PEM private key, mode 0600"`

	Names []string `yaml:"names" doc:"names of the server beside the certificate's: of a proxy that people and recorders connect to"`
}

type databaseConfig struct {
	URLFile string `yaml:"url_file" doc:"file with the PostgreSQL URL; empty: a private PostgreSQL in state"`
	Bin     string `yaml:"bin" doc:"directory of the PostgreSQL binaries; empty: the newest installed"`
	User    string `yaml:"user" doc:"account that runs the private PostgreSQL when the server is root"`
}

type vaultConfig struct {
	Copies []string `yaml:"copies" doc:"at least two directories for the key trees, best on different disks"`
	Keys   []string `yaml:"keys" doc:"at least one directory for the key that seals them, best on another host"`
}

type filesConfig struct {
	Dir     string `yaml:"dir" doc:"directory of sealed files"`
	MaxSize int64  `yaml:"max_size" doc:"largest sealed file, bytes"`

	Waiting int64         `yaml:"waiting" doc:"sealed bytes that a person may have uploaded and not sent yet"`
	Keep    time.Duration `yaml:"keep" doc:"how long such a file is kept after it was last touched"`
}

type keysConfig struct {
	Receipt string `yaml:"receipt" doc:"private key of receipts and refusals, mode 0600"`
	Removal string `yaml:"removal" doc:"private key that ends the memberships of people who left, mode 0600"`
	Signer  string `yaml:"signer" doc:"unix socket of chancery-signer; empty: the log is not signed, nothing can be exported or certified"`
}

type exportsConfig struct {
	Work     string `yaml:"work" doc:"directory in which archives are written"`
	Archives string `yaml:"archives" doc:"directory where they go, best on a file system that keeps what it is given"`
	Slips    string `yaml:"slips" doc:"directory where their key slips go; not write-once, an archive expires with its slip"`
}

type sessionConfig struct {
	Profile string        `yaml:"profile" doc:"how long sessions live: standard or il5"`
	Recheck time.Duration `yaml:"recheck" doc:"how often directories are asked about people who are signed in; 0s: never"`
}

type liveConfig struct {
	PerSession int64 `yaml:"per_session" doc:"most live connections of one session"`
	PerPerson  int64 `yaml:"per_person" doc:"most live connections of one person or recorder"`
	All        int64 `yaml:"all" doc:"most live connections of this server"`
}

type limitsConfig struct {
	PerPerson  int64 `yaml:"per_person" doc:"requests a second of one person or recorder; ten times as many may come at once"`
	Denials    int64 `yaml:"denials" doc:"denied requests a second of one of them; each is recorded for ever"`
	PerAddress int64 `yaml:"per_address" doc:"requests a second without a session from one address; raise it behind a proxy"`
	Strangers  int64 `yaml:"strangers" doc:"requests a second without a session in all"`
}

type ldapConfig struct {
	Name             string        `yaml:"name" doc:"permanent: part of every external identity"`
	Servers          []string      `yaml:"servers" doc:"ldaps://host[:port], or ldap:// with start_tls"`
	StartTLS         bool          `yaml:"start_tls"`
	CA               string        `yaml:"ca" doc:"PEM file; empty: the system's roots"`
	BindDN           string        `yaml:"bind_dn" doc:"service account for searches"`
	BindPasswordFile string        `yaml:"bind_password_file" doc:"file with its password, mode 0600"`
	BaseDN           string        `yaml:"base_dn"`
	UserFilter       string        `yaml:"user_filter" doc:"default (objectClass=person)"`
	Login            []string      `yaml:"login" doc:"attributes that people may type; default uid"`
	Username         string        `yaml:"username" doc:"default uid"`
	DisplayName      string        `yaml:"display_name" doc:"default cn"`
	Mail             string        `yaml:"mail" doc:"default mail"`
	Subject          string        `yaml:"subject" doc:"entryUUID, objectGUID or nsUniqueId"`
	Groups           string        `yaml:"groups" doc:"none, memberOf or search"`
	GroupBaseDN      string        `yaml:"group_base_dn"`
	GroupFilter      string        `yaml:"group_filter" doc:"default (objectClass=groupOfNames)"`
	GroupMember      string        `yaml:"group_member" doc:"default member"`
	GroupName        string        `yaml:"group_name" doc:"default cn"`
	Timeout          time.Duration `yaml:"timeout" doc:"of one request; default 5s"`
}

// defaults places everything under a state directory.
// maxFile is the sealed size of the largest file that the formats know.
const maxFile = piece.MaxPlain + piece.MaxPlain/piece.Plain*piece.Overhead

func defaults(state string) config {
	under := func(name string) string { return filepath.Join(state, name) }
	return config{
		State: state, Listen: "127.0.0.1:8443", FIPS: "off", Log: "info",
		TLS:     tlsConfig{Names: []string{}},
		Vault:   vaultConfig{Copies: []string{under("vault-a"), under("vault-b")}, Keys: []string{under("vault-key")}},
		Files:   filesConfig{Dir: under("files"), MaxSize: maxFile, Waiting: 2 * maxFile, Keep: 24 * time.Hour},
		Keys:    keysConfig{Receipt: under("receipt.key"), Removal: under("removal.key")},
		Exports: exportsConfig{Work: under("exports"), Archives: under("archives"), Slips: under("slips")},
		Session: sessionConfig{Profile: "standard", Recheck: time.Minute},
		Live:    liveConfig{PerSession: 8, PerPerson: 32, All: 20_000},
		Limits:  limitsConfig{PerPerson: 300, Denials: 5, PerAddress: 20, Strangers: 500},
	}
}

// readConfig reads the file at path over the defaults. Unknown keys are errors;
// a missing file is one only when it was asked for.
func readConfig(path, state string, asked bool) (config, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return defaults(state), nil
	}
	if err != nil {
		return config{}, fmt.Errorf("reading configuration: %w", err)
	}
	// The state directory moves the other defaults, so it is read first.
	var first struct {
		State string `yaml:"state"`
	}
	if err := yaml.Unmarshal(raw, &first); err == nil && first.State != "" {
		state = first.State
	}
	c := defaults(state)
	d := yaml.NewDecoder(bytes.NewReader(raw))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return config{}, usage{fmt.Errorf("reading configuration %s: %w", path, err)}
	}
	return c, nil
}

// check reports what would only be noticed later, or never.
func (c *config) check() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("configuration: %s: %w", key, fmt.Errorf(format, args...)))
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		bad("listen", "%w", err)
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		bad("tls", "cert and key go together")
	}
	if ip := net.ParseIP(host); c.TLS.Cert == "" && (ip == nil || !ip.IsLoopback()) {
		bad("tls", "a certificate is needed to listen on %q: a self-made one is for loopback addresses only", c.Listen)
	}
	if c.FIPS != "required" && c.FIPS != "off" {
		bad("fips", "%q: use required or off", c.FIPS)
	}
	if c.Files.MaxSize <= 0 || c.Files.MaxSize > maxFile {
		bad("files.max_size", "%d: use 1 to %d, a file of 10 GiB", c.Files.MaxSize, int64(maxFile))
	}
	if c.Files.Waiting < c.Files.MaxSize {
		bad("files.waiting", "must be at least files.max_size")
	}
	if c.Files.Keep < time.Minute {
		bad("files.keep", "%v: use 1m or more", c.Files.Keep)
	}
	for key, n := range map[string]int64{
		"live.per_session": c.Live.PerSession, "live.per_person": c.Live.PerPerson, "live.all": c.Live.All,
		"limits.per_person": c.Limits.PerPerson, "limits.denials": c.Limits.Denials,
		"limits.per_address": c.Limits.PerAddress, "limits.strangers": c.Limits.Strangers,
	} {
		if n <= 0 {
			bad(key, "must be positive")
		}
	}
	if _, err := c.profile(); err != nil {
		bad("session.profile", "%w", err)
	}
	if c.Session.Recheck < 0 || c.Session.Recheck > 0 && c.Session.Recheck < time.Second {
		bad("session.recheck", "%v: use 1s or more, or 0s", c.Session.Recheck)
	}
	for group, role := range c.Roles {
		if !roles[role] {
			bad("roles", "%s: %q is not a role that a group can give", group, role)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return usage{err}
	}
	return nil
}

func (c *config) profile() (identity.Profile, error) {
	switch c.Session.Profile {
	case "standard":
		return identity.Standard(), nil
	case "il5":
		return identity.IL5(false), nil
	}
	return identity.Profile{}, fmt.Errorf("%q: use standard or il5", c.Session.Profile)
}

// connector opens the directory that l describes.
func (l ldapConfig) connector() (*ldap.Connector, error) {
	password, err := readSecret(l.BindPasswordFile)
	if err != nil {
		return nil, fmt.Errorf("directory %s: reading the bind password: %w", l.Name, err)
	}
	return ldap.New(ldap.Config{
		Name: l.Name, Servers: l.Servers, StartTLS: l.StartTLS, CAFile: l.CA,
		BindDN: l.BindDN, BindPassword: identity.Secret(password),
		BaseDN: l.BaseDN, UserFilter: l.UserFilter, LoginAttributes: l.Login,
		UsernameAttribute: l.Username, NameAttribute: l.DisplayName, MailAttribute: l.Mail,
		Subject: identity.SubjectKind(l.Subject), Groups: ldap.GroupMode(l.Groups),
		GroupBaseDN: l.GroupBaseDN, GroupFilter: l.GroupFilter, GroupMemberAttribute: l.GroupMember, GroupNameAttribute: l.GroupName,
		OpTimeout: l.Timeout,
	})
}

// readSecret reads a file that nobody else may read; one trailing newline is
// not part of the secret.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s: mode %v: run \"chmod 600 %s\"", path, info.Mode().Perm(), path)
	}
	raw, err := os.ReadFile(path)
	return string(bytes.TrimSuffix(raw, []byte("\n"))), err
}

// roles that a directory group can give. Everyone with an account is a member.
var roles = map[string]bool{
	policy.RoleAdmin: true, policy.RoleOfficer: true, policy.RoleLegal: true, policy.RoleAuditor: true, policy.RoleISSO: true,
}
