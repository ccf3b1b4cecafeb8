package ldap_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chancery/identity"
	"chancery/identity/identitytest"
	"chancery/identity/ldap"
)

// shared is read only: a test that changes people starts a directory of its own.
var shared *identitytest.Directory

const alicePassword = "correct horse battery"

func seed() identitytest.Config {
	return identitytest.Config{
		AcceptAnonymous: true,
		Groups:          []string{"auditors"},
		People: []identitytest.Person{
			{UID: "alice", Name: "Alice Ames", Mail: "alice@example.test", Password: alicePassword, Groups: []string{"chancery-admins", "legal"}},
			{UID: "bob", Name: "Bob Brand", Mail: "bob@example.test", Password: "bob-password", Groups: []string{"desk-fx"}},
			{UID: "twin", Name: "Twin One", Password: "twin-password"},
			{UID: "twin", Name: "Twin Two", Password: "twin-password", Unit: "contractors"},
			{UID: "eve)(member=*", Name: "Eve", Password: "eve-password", Groups: []string{"desk-fx"}},
			{UID: "*", Name: "Star", Password: "star-password"},
			{UID: "jörg straße", Name: "Jörg", Password: "joerg-password"},
		},
	}
}

func TestMain(m *testing.M) {
	var err error
	if shared, err = identitytest.StartDirectory(context.Background(), seed()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func startDirectory(t *testing.T, cfg identitytest.Config) *identitytest.Directory {
	t.Helper()
	d, err := identitytest.StartDirectory(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func startHostile(t *testing.T, cfg identitytest.HostileConfig) *identitytest.Hostile {
	t.Helper()
	h, err := identitytest.StartHostile(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Stop)
	return h
}

func configFor(d *identitytest.Directory) ldap.Config {
	return ldap.Config{
		Name: "corp", Servers: []string{d.LDAPS}, StartTLS: true, CAFile: d.CAFile,
		BindDN: d.BindDN, BindPassword: identity.Secret(d.BindPassword), BaseDN: d.BaseDN,
		LoginAttributes: []string{"uid", "mail"}, Groups: ldap.GroupSearch,
	}
}

func newConnector(t *testing.T, cfg ldap.Config) *ldap.Connector {
	t.Helper()
	c, err := ldap.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// trusted returns an authority, its CA file and a certificate for loopback.
func trusted(t *testing.T, hosts ...string) (caFile string, cfg identitytest.HostileConfig) {
	t.Helper()
	ca, err := identitytest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := ca.WriteCA(caFile); err != nil {
		t.Fatal(err)
	}
	return caFile, identitytest.HostileConfig{Certificate: &cert}
}

func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("took %v, limit %v", took, limit)
	}
}
