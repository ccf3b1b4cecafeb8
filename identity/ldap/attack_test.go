package ldap_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	wire "github.com/go-ldap/ldap/v3"

	"chancery/identity"
	"chancery/identity/identitytest"
	"chancery/identity/ldap"
)

// The peer does accept a bind with a name and no password, so a refusal here
// is ours.
func TestAttackEmptyPassword(t *testing.T) {
	t.Parallel()
	raw := rawConnection(t, shared)
	if err := raw.UnauthenticatedBind("uid=alice,ou=people," + shared.BaseDN); err != nil {
		t.Fatalf("this directory should accept an empty password: %v", err)
	}
	c := newConnector(t, configFor(shared))
	for _, password := range []string{"", "\x00", alicePassword + "\x00", "\x00" + alicePassword, strings.Repeat("x", 1025)} {
		if _, err := c.Authenticate(t.Context(), "alice", password); !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("password of %d bytes: %v", len(password), err)
		}
	}
}

// With a server that accepts everything, only what reached it can be counted.
func TestAttackEmptyPasswordNeverOnTheWire(t *testing.T) {
	t.Parallel()
	caFile, cfg := trusted(t, "127.0.0.1")
	cfg.Entries = []identitytest.Entry{person("alice", aliceDN)}
	h := startHostile(t, cfg)
	c := newConnector(t, hostileConfig(h, caFile))
	for _, password := range []string{"", "\x00", "a\x00b", strings.Repeat("x", 1025)} {
		if _, err := c.Authenticate(t.Context(), "alice", password); !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("password of %d bytes: %v", len(password), err)
		}
	}
	if binds := h.Binds(); len(binds) != 0 {
		t.Errorf("binds on the wire: %q", binds)
	}
}

func rawConnection(t *testing.T, d *identitytest.Directory) *wire.Conn {
	t.Helper()
	pem, err := os.ReadFile(d.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := wire.DialURL(d.LDAPS, wire.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestAttackFilterInjection(t *testing.T) {
	t.Parallel()
	c := newConnector(t, configFor(shared))
	names := []string{
		"ali*", "*lice", "a*e", ")(uid=*", "alice)(uid=*", "*)(|(uid=*", "alice)(&", `\2a`, `alic\65`,
		"alice\x00", "\x00", "alice\n", "", " ", "\u200b", "al\u00adice*", "\xff\xfealice", "*)(objectClass=*))(&(uid=alice",
		strings.Repeat("a", 257),
	}
	for _, name := range names {
		if claims, err := c.Authenticate(t.Context(), name, alicePassword); !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("%q: %+v, %v", name, claims, err)
		}
	}
	star, err := c.Authenticate(t.Context(), "*", "star-password")
	if err != nil || star.DisplayName != "Star" {
		t.Errorf("the person really called *: %+v, %v", star, err)
	}
}

// A spelling that only the directory takes for "alice" would count its
// failures apart from hers.
func TestAttackLockoutAlias(t *testing.T) {
	t.Parallel()
	c := newConnector(t, configFor(shared))
	for _, name := range []string{"alice", "ALICE", "alice ", "\u00a0alice", "ａｌｉｃｅ", "al\u00adice", "al\u200bice", "alice\u2060"} {
		_, err := c.Authenticate(t.Context(), name, alicePassword)
		if err == nil && identity.Normalize(name) != "alice" {
			t.Errorf("%q signs in as alice and is counted as %q", name, identity.Normalize(name))
		}
	}
}

func TestAttackDNInjection(t *testing.T) {
	t.Parallel()
	for _, mode := range []ldap.GroupMode{ldap.GroupSearch, ldap.MemberOf} {
		cfg := configFor(shared)
		cfg.Groups = mode
		c := newConnector(t, cfg)
		for _, name := range []string{aliceDN, "alice,ou=people", "alice+cn=x", "uid=alice", `alice\,ou=people`} {
			if _, err := c.Authenticate(t.Context(), name, alicePassword); !errors.Is(err, identity.ErrCredentials) {
				t.Errorf("%q: %v", name, err)
			}
		}
		// Her DN is a part of the group filter.
		eve, err := c.Authenticate(t.Context(), "eve)(member=*", "eve-password")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(groupNames(eve), []string{"desk-fx"}) {
			t.Errorf("%s: eve is in %v", mode, eve.Groups)
		}
	}
}

func TestAttackTwoEntriesSameUID(t *testing.T) {
	t.Parallel()
	c := newConnector(t, configFor(shared))
	_, err := c.Authenticate(t.Context(), "twin", "twin-password")
	if !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("got %v", err)
	}
}

func TestAttackReferral(t *testing.T) {
	t.Parallel()
	trap := startHostile(t, identitytest.HostileConfig{})
	d := startDirectory(t, seed())
	admin, err := d.Admin()
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	add := wire.NewAddRequest("cn=elsewhere,ou=people,"+d.BaseDN, []wire.Control{wire.NewControlManageDsaIT(true)})
	add.Attribute("objectClass", []string{"referral", "extensibleObject"})
	add.Attribute("ref", []string{"ldap://" + trap.Addr + "/ou=people," + d.BaseDN})
	if err := admin.Add(add); err != nil {
		t.Fatal(err)
	}
	c := newConnector(t, configFor(d))
	if _, err := c.Authenticate(t.Context(), "alice", alicePassword); err != nil {
		t.Errorf("a referral beside alice: %v", err)
	}
	if _, err := c.Authenticate(t.Context(), "mallory", "x"); !errors.Is(err, identity.ErrCredentials) {
		t.Errorf("somebody only the referral may know: %v", err)
	}
	if trap.Accepted() != 0 {
		t.Error("the referral was followed")
	}
}
