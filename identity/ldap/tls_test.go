package ldap_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"chancery/identity"
	"chancery/identity/identitytest"
	"chancery/identity/ldap"
)

// No password may reach a server whose certificate doesn't hold.
func TestAttackTLS(t *testing.T) {
	t.Parallel()
	otherCA, _ := trusted(t, "127.0.0.1")
	wrongHost := startDirectory(t, identitytest.Config{Hosts: []string{"ldap.other.test"}})
	plain := startDirectory(t, identitytest.Config{PlaintextOnly: true})
	tests := []struct {
		name   string
		dir    *identitytest.Directory
		server string
		caFile string
	}{
		{"wrong CA, LDAPS", shared, shared.LDAPS, otherCA},
		{"wrong CA, StartTLS", shared, shared.StartTLS, otherCA},
		{"wrong host, LDAPS", wrongHost, wrongHost.LDAPS, wrongHost.CAFile},
		{"wrong host, StartTLS", wrongHost, wrongHost.StartTLS, wrongHost.CAFile},
		{"plaintext only", plain, plain.StartTLS, plain.CAFile},
		{"LDAPS to a plaintext port", plain, "ldaps://" + plain.Addr, plain.CAFile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := configFor(test.dir)
			cfg.Servers, cfg.CAFile = []string{test.server}, test.caFile
			cfg.DialTimeout = time.Second
			c := newConnector(t, cfg)
			if _, err := c.Authenticate(t.Context(), "alice", alicePassword); !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			checks := c.Test(t.Context())
			if last := checks[len(checks)-1]; last.OK || last.Step != "tls" || last.Detail == "" {
				t.Errorf("connection test ends with %+v", last)
			}
		})
	}
}

// A server that refuses StartTLS and a man in the middle that strips it look alike.
func TestAttackStripStartTLS(t *testing.T) {
	t.Parallel()
	h := startHostile(t, identitytest.HostileConfig{Entries: []identitytest.Entry{person("alice", aliceDN)}})
	caFile, _ := trusted(t, "127.0.0.1")
	cfg := hostileConfig(h, caFile)
	cfg.Servers, cfg.StartTLS = []string{"ldap://" + h.Addr}, true
	_, err := newConnector(t, cfg).Authenticate(t.Context(), "alice", "guess")
	if !errors.Is(err, identity.ErrUnavailable) || len(h.Binds()) != 0 {
		t.Errorf("%v, binds in plaintext: %q", err, h.Binds())
	}
}

func TestDirectoryDown(t *testing.T) {
	t.Parallel()
	cfg := configFor(shared)
	cfg.Servers = []string{"ldaps://" + deadAddr(t)}
	c := newConnector(t, cfg)
	within(t, 4*time.Second, func() {
		if _, err := c.Authenticate(t.Context(), "alice", alicePassword); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("refused connection: %v", err)
		}
	})
	cfg.Servers, cfg.DialTimeout = []string{"ldaps://" + silentAddr(t)}, 300*time.Millisecond
	c = newConnector(t, cfg)
	within(t, 4*time.Second, func() {
		if _, err := c.Authenticate(t.Context(), "alice", alicePassword); !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("silent server: %v", err)
		}
	})
}

func TestFailover(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"dead": deadAddr(t), "silent": silentAddr(t)} {
		for _, scheme := range []string{"ldap://", "ldaps://"} {
			t.Run(scheme+name, func(t *testing.T) {
				t.Parallel()
				cfg := configFor(shared)
				cfg.Servers = []string{scheme + first, shared.LDAPS}
				c := newConnector(t, cfg)
				within(t, 4*time.Second, func() {
					if _, err := c.Authenticate(t.Context(), "alice", alicePassword); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func deadAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// silentAddr takes connections (the kernel does) and never says a word.
func silentAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestServiceAccountRefused(t *testing.T) {
	t.Parallel()
	cfg := configFor(shared)
	cfg.BindPassword = "wrong"
	c := newConnector(t, cfg)
	if _, err := c.Authenticate(t.Context(), "alice", alicePassword); !errors.Is(err, identity.ErrUnavailable) || errors.Is(err, identity.ErrCredentials) {
		t.Errorf("got %v", err)
	}
	checks := c.Test(t.Context())
	if last := checks[len(checks)-1]; last.OK || last.Step != "bind" {
		t.Errorf("connection test ends with %+v", last)
	}
}

func TestConnectionTest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*ldap.Config)
		step   string
		ok     bool
	}{
		{"right", func(*ldap.Config) {}, "sample", true},
		{"dead server", func(c *ldap.Config) { c.Servers = []string{"ldaps://" + deadAddr(t)} }, "dial", false},
		{"no such base", func(c *ldap.Config) { c.BaseDN = "dc=nowhere" }, "base", false},
		{"nobody matches", func(c *ldap.Config) { c.UserFilter = "(uid=nobody)" }, "sample", false},
		{"no subject id", func(c *ldap.Config) { c.Subject = identity.ObjectGUID }, "sample", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := configFor(shared)
			test.change(&cfg)
			checks := newConnector(t, cfg).Test(t.Context())
			last := checks[len(checks)-1]
			if last.Step != test.step || last.OK != test.ok || last.Detail == "" {
				t.Errorf("ends with %+v", last)
			}
			if strings.Contains(last.Detail, shared.BindPassword) {
				t.Error("the detail holds the bind password")
			}
		})
	}
}
