package policy

import (
	"encoding/json"
	"io/fs"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Rules must see exactly what the record says they saw.
func TestTermsEqualJSON(t *testing.T) {
	t.Parallel()
	rows := append(table(), verdict{q: Question{Action: OrgRead}}, verdict{q: Question{
		Action:   OrgRead,
		Subject:  Subject{Roles: []string{}, Scopes: []string{}},
		Resource: Resource{Approvals: []Approval{{}}, Auditors: []string{}, Recorders: []string{}, Crypto: &Crypto{}},
		Context:  Context{Device: &Device{}, Session: &Session{}, Overrides: []Override{{}}},
	}})
	for _, row := range rows {
		if got, want := row.q.value(), ast.MustInterfaceToValue(tree(t, &row.q)); got.Compare(want) != 0 {
			t.Errorf("%s: rules see %v, JSON says %v", row.name(), got, want)
		}
	}
}

type schemaNode struct {
	Properties map[string]schemaNode `json:"properties"`
	Items      *schemaNode           `json:"items"`
	Additional *bool                 `json:"additionalProperties"`
}

// The schema that OPA checks rules against names every field of a question and no other.
func TestSchemaEqualsQuestion(t *testing.T) {
	t.Parallel()
	text, err := fs.ReadFile(Default().Files, schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root schemaNode
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	compareSchema(t, "input", root, reflect.TypeFor[wire]())
}

func compareSchema(t *testing.T, path string, node schemaNode, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		if typ.Kind() == reflect.Slice {
			node = *node.Items
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct {
		return
	}
	if node.Additional == nil || *node.Additional {
		t.Errorf("%s admits unknown fields", path)
	}
	if len(node.Properties) != typ.NumField() {
		t.Errorf("%s: schema has %d fields, the question %d", path, len(node.Properties), typ.NumField())
	}
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		child, ok := node.Properties[name]
		if !ok {
			t.Errorf("%s.%s is not in the schema", path, name)
			continue
		}
		compareSchema(t, path+"."+name, child, typ.Field(i).Type)
	}
}

func TestFactsReplay(t *testing.T) {
	t.Parallel()
	e := load(t)
	for _, row := range table() {
		d, _, err := e.Decide(t.Context(), row.q)
		if err != nil {
			t.Fatal(err)
		}
		var facts record
		if err := json.Unmarshal(d.Facts(row.q), &facts); err != nil {
			t.Fatal(err)
		}
		again, _, err := e.Decide(t.Context(), Question{facts.Input.Action, facts.Input.Subject, facts.Input.Resource, facts.Input.Context})
		if err != nil {
			t.Fatal(err)
		}
		if again.Allow != facts.Allow || !slices.Equal(facts.Codes, codesOf(again)) || facts.ID != d.ID || facts.Digest != d.Digest {
			t.Errorf("%s: recorded %v, replayed %v", row.name(), facts.Codes, codesOf(again))
		}
	}
}

func codesOf(d Decision) []string {
	codes := make([]string, len(d.Reasons))
	for i, reason := range d.Reasons {
		codes[i] = reason.Code
	}
	return codes
}

func TestDecisionIDs(t *testing.T) {
	t.Parallel()
	shape := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if seen[id] || !shape.MatchString(id) {
			t.Fatalf("id %q is repeated or not a UUIDv7", id)
		}
		seen[id] = true
	}
}

func TestSpecs(t *testing.T) {
	t.Parallel()
	for _, action := range Actions() {
		spec, _ := action.Spec()
		if spec.Mutating && spec.Log != LogAlways {
			t.Errorf("%s changes state but is logged %s", action, spec.Log)
		}
		noun, _, _ := strings.Cut(string(action), ".")
		grave := slices.Contains([]string{"admin", "hold", "matter", "retention", "export", "archive", "audit"}, noun)
		if grave && !spec.Uncached {
			t.Errorf("%s may be answered from a cache", action)
		}
	}
}
