package ldap_test

import (
	"errors"
	"testing"
	"time"

	"chancery/identity"
	"chancery/identity/ldap"
)

// A subject outlives whatever else changes about a person.
func TestSubjectIsStable(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, seed())
	c := newConnector(t, configFor(d))
	before := mustSignIn(t, c, "alice", alicePassword)
	steps := []struct {
		name   string
		change error
		login  string
	}{
		{"renamed", d.Rename("alice", "alice.baker"), "alice.baker"},
		{"moved", d.Move("alice.baker", "leavers"), "alice.baker"},
		{"mail", d.SetAttribute("alice.baker", "mail", "ab@example.test"), "ab@example.test"},
		{"groups kept", nil, "alice.baker"},
	}
	for _, s := range steps {
		if s.change != nil {
			t.Fatalf("%s: %v", s.name, s.change)
		}
		after := mustSignIn(t, c, s.login, alicePassword)
		if after.ExternalID() != before.ExternalID() || len(after.Groups) != 2 {
			t.Errorf("%s: %+v", s.name, after)
		}
	}
}

// A name that is given to someone new must not carry the old person over.
func TestAttackReusedName(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, seed())
	c := newConnector(t, configFor(d))
	before := mustSignIn(t, c, "alice", alicePassword)
	for _, err := range []error{
		d.Remove("alice"), d.Rename("bob", "alice"), d.SetAttribute("alice", "mail", "alice@example.test"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	after := mustSignIn(t, c, "alice", "bob-password")
	if after.ExternalID() == before.ExternalID() {
		t.Error("the new alice is taken for the old one")
	}
	if _, err := c.Lookup(t.Context(), before.Subject); !errors.Is(err, identity.ErrNoSubject) {
		t.Errorf("looking up the old alice: %v", err)
	}
}

func TestDisabled(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, seed())
	c := newConnector(t, configFor(d))
	subject := mustSignIn(t, c, "alice", alicePassword).Subject
	mustSignIn(t, c, "bob", "bob-password")
	// bob's password stays good for a bind: only our reading of the entry refuses him.
	for _, err := range []error{d.Disable("alice"), d.SetAttribute("bob", "shadowExpire", "1")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for uid, password := range map[string]string{"alice": alicePassword, "bob": "bob-password"} {
		if _, err := c.Authenticate(t.Context(), uid, password); !errors.Is(err, identity.ErrDisabled) {
			t.Errorf("%s: %v", uid, err)
		}
	}
	if claims, err := c.Lookup(t.Context(), subject); err != nil || claims.Enabled {
		t.Errorf("enabled %v, %v", claims.Enabled, err)
	}
	if err := d.Enable("alice"); err != nil {
		t.Fatal(err)
	}
	mustSignIn(t, c, "alice", alicePassword)
}

func TestPoolRecovers(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, seed())
	c := newConnector(t, configFor(d))
	mustSignIn(t, c, "alice", alicePassword)
	for range 2 {
		if err := d.Down(); err != nil {
			t.Fatal(err)
		}
		within(t, 2*time.Second, func() {
			if _, err := c.Authenticate(t.Context(), "alice", alicePassword); !errors.Is(err, identity.ErrUnavailable) {
				t.Errorf("directory down: %v", err)
			}
		})
		if err := d.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustSignIn(t, c, "alice", alicePassword)
	}
}

// An unlimited group list is refused whole, never cut.
func TestAttackTooManyGroups(t *testing.T) {
	t.Parallel()
	for _, mode := range []ldap.GroupMode{ldap.GroupSearch, ldap.MemberOf} {
		cfg := configFor(shared)
		cfg.Groups, cfg.MaxGroups = mode, 1
		_, err := newConnector(t, cfg).Authenticate(t.Context(), "alice", alicePassword)
		if !errors.Is(err, identity.ErrUnavailable) {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func mustSignIn(t *testing.T, c *ldap.Connector, name, password string) identity.Claims {
	t.Helper()
	claims, err := c.Authenticate(t.Context(), name, password)
	if err != nil {
		t.Fatalf("signing in as %s: %v", name, err)
	}
	return claims
}
