package ldap

import (
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"

	"chancery/identity"
)

// groupsOf returns the groups of a person by id. A group whose id can't be
// read, or more groups than MaxGroups, is an error: a part of the groups
// could give a right that the whole takes away.
func (c *Connector) groupsOf(ctx context.Context, person *ldap.Entry) ([]identity.Group, error) {
	var entries []*ldap.Entry
	var err error
	switch c.cfg.Groups {
	case MemberOf:
		entries, err = c.listedGroups(ctx, person)
	case GroupSearch:
		entries, err = c.searchedGroups(ctx, person)
	}
	if err != nil {
		return nil, err
	}
	groups := make([]identity.Group, 0, len(entries))
	for _, e := range entries {
		id, err := subjectOf(e, c.cfg.Subject)
		if err != nil {
			return nil, fmt.Errorf("group %q: %w", e.DN, err)
		}
		groups = append(groups, identity.Group{ID: id, Name: value(e, c.cfg.GroupNameAttribute)})
	}
	return groups, nil
}

// searchedGroups puts the DN, which people can often choose a part of, into a filter.
func (c *Connector) searchedGroups(ctx context.Context, person *ldap.Entry) ([]*ldap.Entry, error) {
	filter := "(&" + c.cfg.GroupFilter + "(" + c.cfg.GroupMemberAttribute + "=" + ldap.EscapeFilter(person.DN) + "))"
	return c.search(ctx, c.request(c.cfg.GroupBaseDN, ldap.ScopeWholeSubtree, c.cfg.MaxGroups, filter, c.groupAttributes()))
}

func (c *Connector) listedGroups(ctx context.Context, person *ldap.Entry) ([]*ldap.Entry, error) {
	dns := person.GetEqualFoldAttributeValues("memberOf")
	if len(dns) > c.cfg.MaxGroups {
		return nil, fmt.Errorf("%d groups, of at most %d", len(dns), c.cfg.MaxGroups)
	}
	var groups []*ldap.Entry
	for _, dn := range dns {
		found, err := c.search(ctx, c.request(dn, ldap.ScopeBaseObject, 1, "(objectClass=*)", c.groupAttributes()))
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			continue // deleted since, and a group that is gone gives nothing
		}
		if err != nil {
			return nil, err
		}
		groups = append(groups, found...)
	}
	return groups, nil
}

func (c *Connector) groupAttributes() []string {
	return []string{string(c.cfg.Subject), c.cfg.GroupNameAttribute}
}
