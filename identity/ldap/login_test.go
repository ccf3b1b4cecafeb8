package ldap_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"chancery/identity"
	"chancery/identity/ldap"
)

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	for _, mode := range []ldap.GroupMode{ldap.GroupSearch, ldap.MemberOf} {
		for _, server := range []string{shared.LDAPS, shared.StartTLS} {
			for _, name := range []string{"alice", "alice@example.test", "ALICE", " alice "} {
				t.Run(string(mode)+" "+server+" "+name, func(t *testing.T) {
					t.Parallel()
					cfg := configFor(shared)
					cfg.Groups, cfg.Servers, cfg.Attributes = mode, []string{server}, []string{"sn"}
					claims, err := newConnector(t, cfg).Authenticate(t.Context(), name, alicePassword)
					if err != nil {
						t.Fatal(err)
					}
					checkAlice(t, claims)
				})
			}
		}
	}
}

func checkAlice(t *testing.T, c identity.Claims) {
	t.Helper()
	if c.Connector != "corp" || c.Issuer != "ldap:dc=example,dc=test" || c.Kind != identity.EntryUUID || len(c.Subject) != 36 {
		t.Errorf("external id %+v", c.ExternalID())
	}
	if c.Username != "alice" || c.DisplayName != "Alice Ames" || c.Mail != "alice@example.test" || !c.Enabled {
		t.Errorf("claims %+v", c)
	}
	if c.AuthTime.IsZero() || c.FreshAt.IsZero() || !slices.Equal(c.AMR, []string{"pwd"}) {
		t.Errorf("authentication %v %v %v", c.AuthTime, c.FreshAt, c.AMR)
	}
	if !slices.Equal(c.Attrs["sn"], []string{"Alice Ames"}) || len(c.Attrs) != 1 {
		t.Errorf("attributes %v", c.Attrs)
	}
	if names := groupNames(c); !slices.Equal(names, []string{"chancery-admins", "legal"}) {
		t.Errorf("groups %v", names)
	}
	for _, g := range c.Groups {
		if len(g.ID) != 36 {
			t.Errorf("group %s has id %q", g.Name, g.ID)
		}
	}
}

func groupNames(c identity.Claims) []string {
	var names []string
	for _, g := range c.Groups {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

// A stranger must not learn which names exist.
func TestAttackNameOracle(t *testing.T) {
	t.Parallel()
	c := newConnector(t, configFor(shared))
	_, wrong := c.Authenticate(t.Context(), "alice", "wrong")
	_, unknown := c.Authenticate(t.Context(), "nobody", "wrong")
	for _, err := range []error{wrong, unknown} {
		if !errors.Is(err, identity.ErrCredentials) {
			t.Errorf("got %v", err)
		}
	}
	if a, b := identity.PublicText(wrong), identity.PublicText(unknown); a != b {
		t.Errorf("public texts differ: %q, %q", a, b)
	}
}

// The decoy bind of an unknown name is visible in the number of binds.
func TestAttackNameOracleByTime(t *testing.T) {
	t.Parallel()
	caFile, cfg := trusted(t, "127.0.0.1")
	h := startHostile(t, cfg)
	c := newConnector(t, hostileConfig(h, caFile))
	if _, err := c.Authenticate(t.Context(), "nobody", "guess"); !errors.Is(err, identity.ErrCredentials) {
		t.Fatalf("an unknown name, with a server that accepts every bind: %v", err)
	}
	if binds := h.Binds(); len(binds) != 2 || binds[1] == "" {
		t.Errorf("binds %q, want the service account and a decoy", binds)
	}
}

func TestUnicodeName(t *testing.T) {
	t.Parallel()
	c := newConnector(t, configFor(shared))
	for _, name := range []string{"jörg straße", "JÖRG  STRAßE", "jo\u0308rg straße"} {
		if _, err := c.Authenticate(t.Context(), name, "joerg-password"); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	cfg := configFor(shared)
	cfg.PoolSize = 2
	c := newConnector(t, cfg)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if claims, err := c.Authenticate(t.Context(), "bob", "bob-password"); err != nil || claims.Username != "bob" {
				t.Errorf("%v %v", claims, err)
			}
		})
	}
	wg.Wait()
}

func TestLookup(t *testing.T) {
	t.Parallel()
	c := newConnector(t, configFor(shared))
	bob, err := c.Authenticate(t.Context(), "bob", "bob-password")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Lookup(t.Context(), bob.Subject)
	if err != nil {
		t.Fatal(err)
	}
	if got.ExternalID() != bob.ExternalID() || !got.AuthTime.IsZero() || !slices.Equal(groupNames(got), []string{"desk-fx"}) {
		t.Errorf("got %+v", got)
	}
	for _, subject := range []string{"", "*", "bob", "00000000-0000-4000-8000-000000000000", bob.Subject + ")(uid=*"} {
		if _, err := c.Lookup(t.Context(), subject); !errors.Is(err, identity.ErrNoSubject) {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

func TestClosedConnector(t *testing.T) {
	t.Parallel()
	c := newConnector(t, configFor(shared))
	c.Close()
	if _, err := c.Authenticate(t.Context(), "alice", alicePassword); !errors.Is(err, identity.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
