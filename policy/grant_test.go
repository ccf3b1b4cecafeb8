package policy

import (
	"context"
	"errors"
	"testing"
)

func TestAttackGrantMisuse(t *testing.T) {
	t.Parallel()
	e := load(t)
	q := ask(MessageCreate, person(), as("member"))
	d, grant, err := e.Decide(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	uses := []struct {
		name     string
		grant    Grant
		action   Action
		resource ResourceType
		id       string
		want     error
	}{
		{"as given", grant, MessageCreate, ChannelResource, "r_1", nil},
		{"zero", Grant{}, MessageCreate, ChannelResource, "r_1", ErrNoGrant},
		{"zero for nothing", Grant{}, "", "", "", ErrNoGrant},
		{"other action", grant, MessageDelete, ChannelResource, "r_1", ErrGrantMismatch},
		{"other type", grant, MessageCreate, MessageResource, "r_1", ErrGrantMismatch},
		{"other id", grant, MessageCreate, ChannelResource, "r_2", ErrGrantMismatch},
		{"no id", grant, MessageCreate, ChannelResource, "", ErrGrantMismatch},
	}
	for _, use := range uses {
		if err := use.grant.Covers(use.action, use.resource, use.id); !errors.Is(err, use.want) {
			t.Errorf("%s: got %v, want %v", use.name, err, use.want)
		}
	}
	if grant.DecisionID() != d.ID || (Grant{}).DecisionID() != "" || (Grant{}).Valid() {
		t.Errorf("decision %q behind the grant, %q decided", grant.DecisionID(), d.ID)
	}
}

func TestAttackStaleGrant(t *testing.T) {
	t.Parallel()
	e := load(t)
	_, grant, err := e.Decide(context.Background(), ask(OrgRead, person()))
	if err != nil || !grant.Valid() {
		t.Fatal(err)
	}
	next := Default()
	next.Number++
	if err := e.Reload(context.Background(), next); err != nil {
		t.Fatal(err)
	}
	if err := grant.Covers(OrgRead, OrgResource, "r_1"); !errors.Is(err, ErrGrantStale) || grant.Valid() {
		t.Errorf("after a reload: %v", err)
	}
}

func TestRefusalGivesNoGrant(t *testing.T) {
	t.Parallel()
	_, grant, err := load(t).Decide(context.Background(), ask(AuditRead, person()))
	if err != nil {
		t.Fatal(err)
	}
	if err := grant.Covers(AuditRead, OrgResource, "r_1"); !errors.Is(err, ErrNoGrant) {
		t.Errorf("got %v", err)
	}
}
