package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

var _ identity.PasswordConnector = (*Connector)(nil)

// Connector signs people in against one directory. It may be used by many
// goroutines; Close ends its connections.
type Connector struct {
	cfg    *settings
	pool   *pool
	wanted []string
	decoy  string // a DN in the base that nobody has
}

// New checks cfg and returns a connector. It connects at first use, so that a
// server starts while its directory is down.
func New(cfg Config) (*Connector, error) {
	s, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	c := &Connector{cfg: s, wanted: s.wantedAttributes(), decoy: "cn=chancery-no-such-entry," + s.BaseDN}
	c.pool = newPool(s.PoolSize, s.PoolMaxAge, func(ctx context.Context) (*link, error) {
		return race(ctx, s.servers, s.connectBound)
	})
	return c, nil
}

// Name returns the configured name.
func (c *Connector) Name() string { return c.cfg.Name }

// Kind returns "ldap".
func (c *Connector) Kind() string { return "ldap" }

// Close ends the search connections; later calls fail.
func (c *Connector) Close() { c.pool.close() }

// Authenticate verifies a name and password. Every refusal, whatever its
// error, has cost a search and a bind, so that time tells no names apart.
func (c *Connector) Authenticate(ctx context.Context, username, password string) (identity.Claims, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Limit)
	defer cancel()
	claims, err := c.authenticate(ctx, username, password)
	if err != nil {
		return identity.Claims{}, fmt.Errorf("signing in at %s: %w", c.Name(), err)
	}
	return claims, nil
}

func (c *Connector) authenticate(ctx context.Context, username, password string) (identity.Claims, error) {
	if err := checkPassword(password); err != nil {
		return identity.Claims{}, fmt.Errorf("%w: %w", identity.ErrCredentials, err)
	}
	entry, err := c.findLogin(ctx, username)
	if errors.Is(err, identity.ErrCredentials) {
		return identity.Claims{}, c.refuse(ctx, password, err)
	}
	if err != nil {
		return identity.Claims{}, err
	}
	state := standing(entry, c.cfg.Now())
	if err := c.verify(ctx, entry.DN, password); err != nil {
		if state != nil && errors.Is(err, identity.ErrCredentials) {
			return identity.Claims{}, state
		}
		return identity.Claims{}, err
	}
	if errors.Is(state, identity.ErrDisabled) {
		return identity.Claims{}, state
	}
	claims, err := c.claims(ctx, entry)
	if err != nil {
		return identity.Claims{}, err
	}
	claims.AuthTime, claims.AMR = claims.FreshAt, []string{"pwd"}
	return claims, nil
}

// refuse spends the bind that a known name would have cost. Its success would
// mean nothing, so only an outage is taken from it.
func (c *Connector) refuse(ctx context.Context, password string, refusal error) error {
	if err := c.verify(ctx, c.decoy, password); errors.Is(err, identity.ErrUnavailable) {
		return err
	}
	return refusal
}

// verify binds as dn on a connection of its own, which ends with the bind: a
// connection that carries a person's rights must not serve anyone else.
func (c *Connector) verify(ctx context.Context, dn, password string) error {
	l, err := race(ctx, c.cfg.servers, c.cfg.connect)
	if err != nil {
		return unavailable("connecting", err)
	}
	defer l.close()
	if err := l.bind(ctx, dn, password); err != nil {
		return bindFailure(err)
	}
	return nil
}

// Lookup reads the claims of a subject id without signing anyone in. The
// error is ErrNoSubject after a complete search without a hit, else
// ErrUnavailable. A disabled account is no error: Enabled is false.
func (c *Connector) Lookup(ctx context.Context, subject string) (identity.Claims, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Limit)
	defer cancel()
	claims, err := c.lookup(ctx, subject)
	if err != nil {
		return identity.Claims{}, fmt.Errorf("looking up subject at %s: %w", c.Name(), err)
	}
	return claims, nil
}

func (c *Connector) lookup(ctx context.Context, subject string) (identity.Claims, error) {
	filter, err := subjectFilter(subject, c.cfg.Subject)
	if err != nil {
		return identity.Claims{}, fmt.Errorf("%w: %w", identity.ErrNoSubject, err)
	}
	entry, err := c.one(ctx, filter)
	if err != nil {
		return identity.Claims{}, unavailable("searching the subject", err)
	}
	if entry == nil {
		return identity.Claims{}, identity.ErrNoSubject
	}
	claims, err := c.claims(ctx, entry)
	if err == nil && claims.Subject != strings.ToLower(subject) {
		return identity.Claims{}, unavailable("searching the subject", errors.New("answer has another subject id"))
	}
	return claims, err
}

func (c *Connector) claims(ctx context.Context, entry *ldap.Entry) (identity.Claims, error) {
	now := c.cfg.Now()
	subject, err := subjectOf(entry, c.cfg.Subject)
	if err != nil {
		return identity.Claims{}, unavailable("reading the entry", err)
	}
	groups, err := c.groupsOf(ctx, entry)
	if err != nil {
		return identity.Claims{}, unavailable("reading groups", err)
	}
	return identity.Claims{
		Connector:   c.Name(),
		Issuer:      c.issuer(),
		Subject:     subject,
		Kind:        c.cfg.Subject,
		Username:    value(entry, c.cfg.UsernameAttribute),
		DisplayName: value(entry, c.cfg.NameAttribute),
		Mail:        value(entry, c.cfg.MailAttribute),
		Groups:      groups,
		Attrs:       c.attributes(entry),
		Enabled:     !errors.Is(standing(entry, now), identity.ErrDisabled),
		FreshAt:     now,
	}, nil
}

// issuer is the base DN and not a server: servers are replaced, the tree stays.
func (c *Connector) issuer() string { return "ldap:" + strings.ToLower(c.cfg.base.String()) }

func (c *Connector) attributes(entry *ldap.Entry) map[string][]string {
	attrs := make(map[string][]string, len(c.cfg.Attributes))
	for _, name := range c.cfg.Attributes {
		if values := entry.GetEqualFoldAttributeValues(name); len(values) > 0 {
			attrs[name] = values
		}
	}
	return attrs
}

// connectBound opens a search connection. A refused service account is an
// outage and never someone's wrong password.
func (s *settings) connectBound(ctx context.Context, srv server) (*link, error) {
	l, err := s.connect(ctx, srv)
	if err != nil {
		return nil, err
	}
	if err := l.bind(ctx, s.BindDN, string(s.BindPassword)); err != nil {
		l.close()
		return nil, fmt.Errorf("%s: %w", srv.url, &stepError{stepBind, err})
	}
	return l, nil
}
