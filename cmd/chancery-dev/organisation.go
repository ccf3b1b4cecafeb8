package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"chancery/identity/identitytest"
)

// organisation is everything that runs.
type organisation struct {
	*ground
	directory *identitytest.Directory
	host      *party // the server's user
	server    *process
	address   string // of the server
	ca        string

	signerParty, recorderParty, auditor *party
	signer, recorder                    *process
	root                                *person // holds the root key; signs in as the administrator
	people                              map[string]*person
	id                                  string // of the organisation
	database                            string // file with the URL of a database of somebody else's; empty: the server's own
}

// staff are the people of the organisation and the groups that give them roles.
var staff = []struct{ username, name, group string }{
	{"ada", "Ada Okafor", "admins"},
	{"rita", "Rita Compliance", "compliance"},
	{"leo", "Leo Legal", "legal"},
	{"fay", "Fay Trader", "desk"},
	{"ben", "Ben Trader", "desk"},
	{"dev", "Dev Analyst", "desk"},
	{"hal", "Hal Departed", "desk"},
	{"eve", "Eve Elsewhere", "other"},
}

// groupRoles is what the directory's groups mean here.
var groupRoles = map[string]string{"admins": "admin", "compliance": "officer", "legal": "legal"}

// secret is a random password.
func secret() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// open starts the directory and settles every party. Passwords are random
// unless one is given for all.
func open(ctx context.Context, g *ground, password string) (*organisation, error) {
	o := &organisation{ground: g, people: map[string]*person{}}
	var entries []identitytest.Person
	for _, s := range staff {
		p, err := o.hire(s.username, password)
		if err != nil {
			return nil, err
		}
		entries = append(entries, identitytest.Person{UID: s.username, Name: s.name, Mail: s.username + "@example.test", Password: p.password, Groups: []string{s.group}})
	}
	var err error
	if o.directory, err = identitytest.StartDirectory(ctx, identitytest.Config{People: entries}); err != nil {
		return nil, fmt.Errorf("starting the directory: %w", err)
	}
	for _, x := range []struct {
		name string
		into **party
	}{{"signer", &o.signerParty}, {"recorder", &o.recorderParty}, {"auditor", &o.auditor}} {
		if *x.into, err = g.party(x.name); err != nil {
			return nil, err
		}
	}
	if o.host, err = g.account("server", "chancery", "postgres"); err != nil {
		return nil, err
	}
	o.root = o.people["ada"]
	return o, nil
}

// hire settles a person with a password for the directory and a passphrase for
// the keyring.
func (o *organisation) hire(username, password string) (*person, error) {
	home, err := o.party("home-" + username)
	if err != nil {
		return nil, err
	}
	if password == "" {
		password = secret()
	}
	p := &person{party: home, username: username, password: password}
	if _, err := p.file("password", []byte(p.password+"\n")); err != nil {
		return nil, err
	}
	if _, err := p.file("passphrase", []byte(secret()+"\n")); err != nil {
		return nil, err
	}
	o.people[username] = p
	return p, nil
}

// configure writes the server's configuration and has it make its keys. It
// gives the file with the card of the receipt key.
func (o *organisation) configure() (card string, err error) {
	if o.address, err = freePort(); err != nil {
		return "", err
	}
	password, err := o.host.file("ldap-password", []byte(o.directory.BindPassword+"\n"))
	if err != nil {
		return "", err
	}
	ca, err := os.ReadFile(o.directory.CAFile)
	if err != nil {
		return "", err
	}
	authority, err := o.host.file("ldap-ca.pem", ca)
	if err != nil {
		return "", err
	}
	conf := map[string]any{
		"state": o.state(), "listen": o.address, "log": "info", "roles": groupRoles,
		"session": map[string]string{"recheck": "1s"},
		"keys":    map[string]string{"receipt": filepath.Join(o.state(), "receipt.key"), "signer": o.socket()},
		"ldap": []map[string]any{{
			"name": "corp", "servers": []string{o.directory.StartTLS}, "start_tls": true, "ca": authority,
			"bind_dn": o.directory.BindDN, "bind_password_file": password, "base_dn": o.directory.BaseDN,
			"subject": "entryUUID", "groups": "memberOf",
		}},
	}
	if o.database != "" {
		conf["database"] = map[string]string{"url_file": o.database}
	}
	raw, err := yaml.Marshal(conf)
	if err != nil {
		return "", err
	}
	file, err := o.host.file("chancery.yaml", raw)
	if err != nil {
		return "", err
	}
	a, err := run(o.host.command(o.binary("chanceryd"), "init", "--config", file), nil, []string{"init"})
	if err != nil {
		return "", err
	}
	return o.publish("receipt.json", []byte(a.out))
}

// removalCard has the server print the card of its removal key.
func (o *organisation) removalCard() (string, error) {
	args := []string{"card", "removal", "--config", filepath.Join(o.host.home, "chancery.yaml")}
	a, err := run(o.host.command(o.binary("chanceryd"), args...), nil, args)
	if err != nil {
		return "", err
	}
	return o.publish("removal.json", []byte(a.out))
}

// publish puts something public where every party can read it.
func (o *organisation) publish(name string, content []byte) (string, error) {
	path := filepath.Join(o.dir, "public", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o644)
}

func (o *organisation) state() string { return filepath.Join(o.host.home, "state") }

// serve starts the server and waits until it is ready.
func (o *organisation) serve(ctx context.Context) (err error) {
	file := filepath.Join(o.host.home, "chancery.yaml")
	if o.server, err = o.host.start("server", o.binary("chanceryd"), "serve", "--config", file); err != nil {
		return err
	}
	if err := o.server.until(ctx, time.Minute, o.isReady); err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(o.state(), "tls", "ca.pem"))
	if err != nil {
		return err
	}
	if o.ca, err = o.publish("ca.pem", ca); err != nil {
		return err
	}
	for _, p := range o.people {
		p.server = []string{"--server", "https://" + o.address, "--ca", o.ca}
		if o.id != "" {
			p.server = append(p.server, "--org", o.id)
		}
	}
	return nil
}

// client trusts the server's own authority.
func (o *organisation) client() (*http.Client, error) {
	pem, err := os.ReadFile(filepath.Join(o.state(), "tls", "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

func (o *organisation) isReady() bool {
	c, err := o.client()
	if err != nil {
		return false
	}
	defer c.CloseIdleConnections()
	answer, err := c.Get("https://" + o.address + "/readyz")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// socket is where the signer listens: in a directory that only the signer and
// the server's group may pass through.
func (o *organisation) socket() string { return filepath.Join(o.dir, "signing", "signer.sock") }

func (o *organisation) startSigner(ctx context.Context) (err error) {
	dir := filepath.Dir(o.socket())
	if err := os.MkdirAll(dir, 0o710); err != nil {
		return err
	}
	if o.ground.root {
		if err := os.Chown(dir, o.signerParty.uid, o.host.gid); err != nil {
			return err
		}
		// The set-group bit gives the socket the server's group.
		if err := os.Chmod(dir, 0o710|os.ModeSetgid); err != nil {
			return err
		}
	}
	state := filepath.Join(o.signerParty.home, "state")
	o.signer, err = o.signerParty.start("signer", o.binary("chancery-signer"), "serve", "--state", state, "--socket", o.socket())
	if err != nil {
		return err
	}
	return o.signer.until(ctx, 20*time.Second, func() bool { _, err := os.Stat(o.socket()); return err == nil })
}

// makeKeys has the signer, the recorder and the auditor make their own keys.
// It gives the files with their public cards, by role.
func (o *organisation) makeKeys() (map[string]string, error) {
	passphrase, err := o.recorderParty.file("passphrase", []byte(secret()+"\n"))
	if err != nil {
		return nil, err
	}
	commands := []struct {
		role string
		who  *party
		args []string
		card string
	}{
		{"signer", o.signerParty, []string{"chancery-signer", "init", "--suite", o.suite, "--state", "state", "--name", "signer"}, "state/card.json"},
		{"recorder", o.recorderParty, []string{"chancery-recorder", "init", "--suite", o.suite, "--keyring", "keyring", "--passphrase-file", passphrase, "--name", "desk recorder", "--card", "card.json"}, "card.json"},
		{"auditor", o.auditor, []string{"chancery-audit", "key", "new", "--suite", o.suite, "--out", "key", "--name", "outside auditor"}, "key/card.json"},
	}
	cards := map[string]string{}
	for _, c := range commands {
		if _, err := run(c.who.command(o.binary(c.args[0]), c.args[1:]...), nil, c.args); err != nil {
			return nil, fmt.Errorf("making the %s's keys: %w", c.role, err)
		}
		raw, err := os.ReadFile(filepath.Join(c.who.home, c.card))
		if err != nil {
			return nil, err
		}
		if cards[c.role], err = o.publish(c.role+".json", raw); err != nil {
			return nil, err
		}
	}
	return cards, nil
}

// recorderArgs are what the recorder is told; it is given no secret but its own.
func (o *organisation) recorderArgs() []string {
	home := func(name string) string { return filepath.Join(o.recorderParty.home, name) }
	return []string{
		"serve", "--server", "https://" + o.address, "--ca", o.ca, "--org", o.id, "--keyring", home("keyring"),
		"--passphrase-file", home("passphrase"), "--copy", home("copy"), "--vault-keys", home("vault-keys"), "--poll", "300ms", "--cosign", "1s",
	}
}

func (o *organisation) record() (err error) {
	o.recorder, err = o.recorderParty.start("recorder", o.binary("chancery-recorder"), o.recorderArgs()...)
	return err
}

// rootFlags name the root's keyring, which is in the administrator's home and
// stands for a device kept in a safe.
func (o *organisation) rootFlags() []string {
	return []string{"--root-home", o.root.home + "/root-key", "--root-passphrase-file", o.root.home + "/passphrase"}
}

// list has the root list a key by its card, or a person by name.
func (o *organisation) list(role, flag, value string) error {
	_, err := o.root.do(append([]string{"org", "list-party", role, flag, value}, o.rootFlags()...)...)
	return err
}

// close stops everything, the last started first.
func (o *organisation) close() error {
	var errs []error
	for _, p := range o.people {
		errs = append(errs, p.agent.stop())
	}
	errs = append(errs, o.recorder.stop(), o.server.stop(), o.signer.stop())
	if o.directory != nil {
		errs = append(errs, o.directory.Stop())
	}
	return errors.Join(errs...)
}

func trim(s string) string { return strings.TrimSpace(s) }
