package ldap_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"chancery/identity"
	"chancery/identity/identitytest"
	"chancery/identity/ldap"
)

const (
	aliceDN   = "uid=alice,ou=people,dc=example,dc=test"
	aliceUUID = "0b3fd0a6-2f35-4c0b-9c0c-3b8f0a3d7a11"
)

func person(uid, dn string) identitytest.Entry {
	return identitytest.Entry{DN: dn, Attrs: map[string][]string{"uid": {uid}, "cn": {uid}, "entryUUID": {aliceUUID}}}
}

func hostileConfig(h *identitytest.Hostile, caFile string) ldap.Config {
	return ldap.Config{
		Name: "hostile", Servers: []string{"ldaps://" + h.Addr}, CAFile: caFile,
		BindDN: "cn=service,dc=example,dc=test", BindPassword: "service-password", BaseDN: "dc=example,dc=test",
		DialTimeout: time.Second, OpTimeout: time.Second,
	}
}

// The server holds a certificate we trust and accepts every bind.
func TestAttackHostileServer(t *testing.T) {
	t.Parallel()
	alice := person("alice", aliceDN)
	noID := identitytest.Entry{DN: aliceDN, Attrs: map[string][]string{"uid": {"alice"}}}
	twoIDs := identitytest.Entry{DN: aliceDN, Attrs: map[string][]string{"uid": {"alice"}, "entryUUID": {aliceUUID, aliceUUID}}}
	long := identitytest.Entry{DN: aliceDN, Attrs: map[string][]string{"uid": {strings.Repeat("x", 5<<20)}}}
	tests := []struct {
		name string
		cfg  identitytest.HostileConfig
		want error
	}{
		{"honest", identitytest.HostileConfig{Entries: []identitytest.Entry{alice}}, nil},
		{"two entries", identitytest.HostileConfig{Entries: []identitytest.Entry{alice, alice}}, identity.ErrCredentials},
		{"empty DN", identitytest.HostileConfig{Entries: []identitytest.Entry{person("alice", "")}}, identity.ErrUnavailable},
		{"DN elsewhere", identitytest.HostileConfig{Entries: []identitytest.Entry{person("alice", "uid=alice,dc=other")}}, identity.ErrUnavailable},
		{"malformed DN", identitytest.HostileConfig{Entries: []identitytest.Entry{person("alice", "alice")}}, identity.ErrUnavailable},
		{"someone else", identitytest.HostileConfig{Entries: []identitytest.Entry{person("bob", aliceDN)}}, identity.ErrCredentials},
		{"no subject id", identitytest.HostileConfig{Entries: []identitytest.Entry{noID}}, identity.ErrUnavailable},
		{"two subject ids", identitytest.HostileConfig{Entries: []identitytest.Entry{twoIDs}}, identity.ErrUnavailable},
		{"size limit", identitytest.HostileConfig{Entries: []identitytest.Entry{alice}, Code: 4}, identity.ErrUnavailable},
		{"time limit", identitytest.HostileConfig{Entries: []identitytest.Entry{alice}, Code: 3}, identity.ErrUnavailable},
		{"referral result", identitytest.HostileConfig{Code: 10}, identity.ErrUnavailable},
		{"reference only", identitytest.HostileConfig{References: []string{"ldap://127.0.0.1:1/"}}, identity.ErrCredentials},
		{"dropped", identitytest.HostileConfig{Entries: []identitytest.Entry{alice}, Misdeed: identitytest.DropSearch}, identity.ErrUnavailable},
		{"flood", identitytest.HostileConfig{Entries: []identitytest.Entry{alice}, Misdeed: identitytest.FloodEntries}, identity.ErrCredentials},
		{"flood of 5 MiB each", identitytest.HostileConfig{Entries: []identitytest.Entry{long}, Misdeed: identitytest.FloodEntries}, identity.ErrUnavailable},
		{"huge", identitytest.HostileConfig{Misdeed: identitytest.HugeAnswer}, identity.ErrUnavailable},
		{"hang on bind", identitytest.HostileConfig{Misdeed: identitytest.HangOnBind}, identity.ErrUnavailable},
		{"hang on search", identitytest.HostileConfig{Misdeed: identitytest.HangOnSearch}, identity.ErrUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			caFile, cert := trusted(t, "127.0.0.1")
			test.cfg.Certificate = cert.Certificate
			h := startHostile(t, test.cfg)
			c := newConnector(t, hostileConfig(h, caFile))
			within(t, 4*time.Second, func() {
				if _, err := c.Authenticate(t.Context(), "alice", "guess"); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			})
			for _, dn := range h.Binds() {
				if dn == "" {
					t.Error("bound as nobody")
				}
			}
		})
	}
}

// A directory that hangs holds up nobody for longer than the limit, however many
// wait for a connection to it.
func TestHangingDirectoryIsBounded(t *testing.T) {
	t.Parallel()
	caFile, cfg := trusted(t, "127.0.0.1")
	cfg.Misdeed = identitytest.HangOnSearch
	conf := hostileConfig(startHostile(t, cfg), caFile)
	conf.PoolSize, conf.Limit = 1, 1500*time.Millisecond
	c := newConnector(t, conf)
	within(t, 10*time.Second, func() { // one after the other they need twelve
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := c.Authenticate(t.Context(), "alice", "guess"); !errors.Is(err, identity.ErrUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
	})
}

// An answer about another subject must not pass for the one asked for.
func TestAttackLookupSwapped(t *testing.T) {
	t.Parallel()
	caFile, cfg := trusted(t, "127.0.0.1")
	cfg.Entries = []identitytest.Entry{person("alice", aliceDN)}
	h := startHostile(t, cfg)
	c := newConnector(t, hostileConfig(h, caFile))
	if _, err := c.Lookup(t.Context(), strings.ToUpper(aliceUUID)); err != nil {
		t.Errorf("the same subject in capitals: %v", err)
	}
	if _, err := c.Lookup(t.Context(), strings.Replace(aliceUUID, "0", "1", 1)); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// A kept connection that dies under a search is replaced once, unseen.
func TestStaleConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	caFile, cfg := trusted(t, "127.0.0.1")
	cfg.Entries, cfg.Misdeed = []identitytest.Entry{person("alice", aliceDN)}, identitytest.OneSearch
	c := newConnector(t, hostileConfig(startHostile(t, cfg), caFile))
	for range 3 {
		if _, err := c.Authenticate(t.Context(), "alice", "guess"); err != nil {
			t.Error(err)
		}
	}
}
