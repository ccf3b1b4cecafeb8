package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestEveryActionHasARule(t *testing.T) {
	t.Parallel()
	e := load(t)
	granted := map[Action]bool{}
	for _, row := range allowed() {
		d, _, err := e.Decide(context.Background(), row.q)
		if err != nil {
			t.Fatal(err)
		}
		granted[row.q.Action] = granted[row.q.Action] || d.Allow
	}
	for _, action := range Actions() {
		if !granted[action] {
			t.Errorf("%s: nobody in the table is allowed it", action)
		}
	}
}

// A stranger has a live session and an approved device, and nothing else.
func TestAttackStrangerIsRefusedEverything(t *testing.T) {
	t.Parallel()
	e := load(t)
	for _, action := range Actions() {
		if action == SystemHealth {
			continue
		}
		for _, kind := range []Kind{KindUser, KindAnonymous, "root", ""} {
			who := Subject{ID: "u_x", Kind: kind, State: "active"}
			d, grant, err := e.Decide(context.Background(), ask(action, who, owned))
			if err != nil || d.Allow || grant.Valid() || !d.Has(NoRule) {
				t.Errorf("%s by %q: allow %t, reasons %v, error %v", action, kind, d.Allow, d.Reasons, err)
			}
		}
	}
}

// TestCircumstances derives refusals from every allowed row: the same question
// by a disabled account, without a session, past it, or from a pending device.
func TestCircumstances(t *testing.T) {
	t.Parallel()
	changes := []struct {
		code   string
		edit   func(*Question)
		exempt func(Question) bool
	}{
		{"lifecycle.user_disabled", disabled, func(q Question) bool { return isJob(q) || q.Action == SystemHealth }},
		{"session.missing", func(q *Question) { q.Context.Session.ID = "" }, sessionless},
		{"session.expired", func(q *Question) { q.Context.Session.ExpiresAt = ptr(now) }, sessionless},
		{"session.expired", func(q *Question) { q.Context.Time = nil }, sessionless},
		{"device.not_approved", pending, deviceless},
		{"device.not_approved", func(q *Question) { q.Context.Device = nil }, deviceless},
		{"rbac.out_of_scope", func(q *Question) { q.Subject.Scopes = []string{"none.such"} }, func(Question) bool { return false }},
	}
	e := load(t)
	for _, change := range changes {
		for _, row := range fresh(allowed()) {
			if isJob(row.q) && change.code != "rbac.out_of_scope" {
				continue // a job has no session or device to take away
			}
			exempt := change.exempt(row.q)
			change.edit(&row.q)
			d, _, err := e.Decide(context.Background(), row.q)
			if err != nil {
				t.Fatal(err)
			}
			if d.Allow != exempt || d.Has(change.code) == exempt {
				t.Errorf("%s with %s: allow %t, reasons %v", row.name(), change.code, d.Allow, d.Reasons)
			}
		}
	}
}

// fresh drops the rows that already stand in unusual circumstances.
func fresh(rows []verdict) []verdict {
	return slices.DeleteFunc(rows, func(row verdict) bool {
		return row.q.Context.Overrides != nil || row.q.Resource.FirstDevice != nil || row.q.Context.Device == nil && !isJob(row.q)
	})
}

func isJob(q Question) bool { return q.Subject.Kind == KindJob }

func sessionless(q Question) bool { return q.Action == SessionLogin || q.Action == SystemHealth }

// deviceless lists what needs no approved device, apart from the rules' own list.
func deviceless(q Question) bool {
	return q.Subject.Kind != KindUser || slices.Contains([]Action{
		SessionLogin, SessionRefresh, SessionList, SessionRevoke, UserRead, UserList, UserChainPublish,
		DeviceEnroll, DeviceList, OrgRead, OrgPublish, TeamCreate, TeamRead, TeamList, TeamMemberAdd,
		ChannelRead, ChannelList, ChannelRestore, CaptureInspect, CaptureChange, WSConnect, HoldList, HoldRead, MatterList,
		RetentionRuleList, RetentionPlanRead, RetentionPlanList, RetentionCertificateRead, RetentionWhy,
		ExportScheduleList, ExportRead, ExportList, ArchiveList, ArchiveGet, AuditRead, CheckpointRead,
		SystemHealth, SystemMetrics, AdminUserList, UserDisable, UserEnable, MemberDepart, MemberDepartureList,
	}, q.Action)
}

// What a rule cannot see must never help: taking any attribute out of a refused
// question leaves it refused. This is what `import future.keywords.not` is for.
func TestAttackMissingAttributeNeverAllows(t *testing.T) {
	t.Parallel()
	g := load(t).current.Load()
	for _, row := range refused() {
		for _, path := range leaves(nil, tree(t, &row.q)) {
			// No scopes at all means a session that is not limited; core always sets a token's scopes.
			if slices.Equal(path, []string{"subject", "scopes"}) {
				continue
			}
			input := tree(t, &row.q)
			without(input, path)
			value, err := g.evaluate(context.Background(), ast.MustInterfaceToValue(input))
			if err != nil {
				continue // an error refuses
			}
			if d, err := parseAnswer(value); err == nil && d.Allow {
				t.Errorf("%s is allowed once %v is missing: %v", row.name(), path, d.Reasons)
			}
		}
	}
}

// tree is the question as plain JSON values.
func tree(t *testing.T, q *Question) map[string]any {
	t.Helper()
	text, err := json.Marshal(q.wire())
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// leaves lists every path in value, inner nodes too; array items count as nodes.
func leaves(prefix []string, value any) [][]string {
	var paths [][]string
	visit := func(key string, child any) {
		path := append(slices.Clone(prefix), key)
		paths = append(append(paths, path), leaves(path, child)...)
	}
	switch node := value.(type) {
	case map[string]any:
		for key, child := range node {
			visit(key, child)
		}
	case []any:
		for i, child := range node {
			if _, ok := child.(map[string]any); ok {
				visit(fmt.Sprint(i), child)
			}
		}
	}
	return paths
}

// without removes the node at path; an array item is emptied instead.
func without(node any, path []string) {
	switch parent := node.(type) {
	case map[string]any:
		if len(path) == 1 {
			delete(parent, path[0])
			return
		}
		without(parent[path[0]], path[1:])
	case []any:
		var i int
		fmt.Sscan(path[0], &i)
		if len(path) == 1 {
			parent[i] = map[string]any{}
			return
		}
		without(parent[i], path[1:])
	}
}
