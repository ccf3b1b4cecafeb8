package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

const maxName = 256 // bytes

var errAmbiguous = errors.New("more than one entry")

// findLogin returns the one entry that username names. Its errors are
// ErrCredentials, or ErrUnavailable when the answer can't be relied on.
func (c *Connector) findLogin(ctx context.Context, username string) (*ldap.Entry, error) {
	if err := checkName(username); err != nil {
		return nil, fmt.Errorf("%w: %w", identity.ErrCredentials, err)
	}
	entry, err := c.one(ctx, c.loginFilter(username))
	switch {
	case errors.Is(err, errAmbiguous):
		return nil, fmt.Errorf("%w: %w", identity.ErrCredentials, err)
	case err != nil:
		return nil, unavailable("searching the name", err)
	case entry == nil:
		return nil, fmt.Errorf("%w: no such name", identity.ErrCredentials)
	case !c.carries(entry, username):
		// The directory matches more loosely than we count failures; a
		// spelling that only it accepts would have a lockout of its own.
		return nil, fmt.Errorf("%w: entry has another name", identity.ErrCredentials)
	}
	return entry, nil
}

func (c *Connector) loginFilter(username string) string {
	var b strings.Builder
	name := ldap.EscapeFilter(username)
	for _, attr := range c.cfg.LoginAttributes {
		fmt.Fprintf(&b, "(%s=%s)", attr, name)
	}
	return "(|" + b.String() + ")"
}

func (c *Connector) carries(entry *ldap.Entry, username string) bool {
	want := identity.Normalize(username)
	for _, attr := range c.cfg.LoginAttributes {
		for _, v := range entry.GetEqualFoldAttributeValues(attr) {
			if identity.Normalize(v) == want {
				return true
			}
		}
	}
	return false
}

// one returns the only person that filter matches, nil when there is none.
func (c *Connector) one(ctx context.Context, filter string) (*ldap.Entry, error) {
	// Two are asked for, so that a second one shows.
	entries, err := c.search(ctx, c.request(c.cfg.BaseDN, ldap.ScopeWholeSubtree, 2, "(&"+c.cfg.UserFilter+filter+")", c.wanted))
	if len(entries) > 1 {
		return nil, errAmbiguous
	}
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return entries[0], c.inside(entries[0].DN)
}

// inside refuses an entry outside the base. The empty DN matters most: to bind
// as it is to bind as nobody, which succeeds.
func (c *Connector) inside(dn string) error {
	parsed, err := parseDN(dn)
	if err != nil {
		return fmt.Errorf("entry with DN %w", err)
	}
	if !c.cfg.base.AncestorOfFold(parsed) {
		return fmt.Errorf("entry %q is outside the base", dn)
	}
	return nil
}

func (c *Connector) search(ctx context.Context, req *ldap.SearchRequest) (entries []*ldap.Entry, err error) {
	err = c.pool.use(ctx, func(l *link) error {
		entries, err = l.search(ctx, req)
		return err
	})
	return entries, err
}

func (c *Connector) request(base string, scope, limit int, filter string, attrs []string) *ldap.SearchRequest {
	seconds := int(max(1, c.cfg.OpTimeout.Seconds()))
	req := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, limit, seconds, false, filter, attrs, nil)
	req.EnforceSizeLimit = true // the server may not
	return req
}

// wantedAttributes names what is read of a person; operational attributes
// come only when they are named.
func (s *settings) wantedAttributes() []string {
	wanted := []string{string(s.Subject), s.UsernameAttribute, s.NameAttribute, s.MailAttribute}
	wanted = slices.Concat(wanted, s.LoginAttributes, s.Attributes, stateAttributes)
	if s.Groups == MemberOf {
		wanted = append(wanted, "memberOf")
	}
	slices.Sort(wanted)
	return slices.Compact(wanted)
}

func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return errors.New("name is too long")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("name has control characters")
	case identity.Normalize(name) == "":
		return errors.New("name is empty")
	}
	return nil
}
