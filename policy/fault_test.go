package policy

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// bundleOf is a bundle whose main module is source.
func bundleOf(number uint64, source string) Bundle {
	schema, err := fs.ReadFile(Default().Files, schemaFile)
	if err != nil {
		panic(err)
	}
	return Bundle{Number: number, Files: fstest.MapFS{
		"main.rego":     {Data: []byte("package chancery.main\n" + source)},
		enforcementFile: {Data: []byte("{}")},
		schemaFile:      {Data: schema},
	}}
}

const (
	granting = `{"allow": true, "reasons": {{"code": "test.all", "level": "grant", "user_text": ""}}, "obligations": set(), "needs": {}, "valid_until": 0}`
	refusing = `{"allow": false, "reasons": {{"code": "test.none", "level": "hard", "user_text": ""}}, "obligations": set(), "needs": {}, "valid_until": 0}`
)

// onlyHealth answers the rehearsal and leaves the rest to what follows.
const onlyHealth = `decision := ` + refusing + ` if input.action == "system.health"` + "\n"

// Each bundle would allow the question but for one fault.
func TestAttackFaultsRefuse(t *testing.T) {
	t.Parallel()
	swap := func(old, with string) string {
		return onlyHealth + "decision := " + strings.Replace(granting, old, with, 1) + ` if input.action != "system.health"`
	}
	faults := map[string]struct {
		source string
		want   error
	}{
		"undefined":            {onlyHealth, ErrUndefined},
		"builtin error":        {onlyHealth + "decision := " + granting + ` if { input.action != "system.health"; not denied }` + "\ndenied if to_number(input.subject.id) > 0", nil},
		"conflict":             {onlyHealth + "decision := " + granting + ` if input.action == "org.read"` + "\ndecision := " + refusing + ` if input.subject.id == "u_ann"`, nil},
		"timeout":              {onlyHealth + "decision := " + granting + " if { input.action != \"system.health\"; r := numbers.range(1, 3000); some x in r; some y in r; some z in r; x + y + z < 0 }", nil},
		"not an object":        {onlyHealth + `decision := true if input.action != "system.health"`, ErrAnswer},
		"missing field":        {swap(`"valid_until": 0`, `"until": 0`), ErrAnswer},
		"extra field":          {swap(`"needs": {}`, `"needs": {}, "more": 1`), ErrAnswer},
		"allow as text":        {swap(`"allow": true`, `"allow": "true"`), ErrAnswer},
		"fraction":             {swap(`"valid_until": 0`, `"valid_until": 0.5`), nil},
		"code without package": {swap("test.all", "all"), ErrAnswer},
		"allow without grant":  {swap(`"grant"`, `"advisory"`), ErrAnswer},
		"no reason":            {swap(`{{"code": "test.all", "level": "grant", "user_text": ""}}`, `set()`), ErrAnswer},
		"unknown need":         {swap(`"needs": {}`, `"needs": {"luck": {}}`), ErrAnswer},
		"need without quorum":  {swap(`"needs": {}`, `"needs": {"approval": {"role": "legal"}}`), ErrAnswer},
		"unknown obligation":   {swap(`set()`, `{{"type": "dance", "args": {}, "phase": "with"}}`), ErrAnswer},
		"unknown phase":        {swap(`set()`, `{{"type": "retain", "args": {}, "phase": "never"}}`), ErrAnswer},
		"obligation args":      {swap(`set()`, `{{"type": "retain", "args": 1, "phase": "with"}}`), ErrAnswer},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deadline := 10 * time.Second
			if name == "timeout" {
				deadline = DefaultDeadline
			}
			e, err := Load(context.Background(), bundleOf(1, fault.source), Config{Deadline: deadline})
			if err != nil {
				t.Fatal(err)
			}
			d, grant, err := e.Decide(context.Background(), ask(OrgRead, person()))
			assertFailed(t, d, grant, err)
			if fault.want != nil && !errors.Is(err, fault.want) {
				t.Errorf("got error %v, want %v", err, fault.want)
			}
		})
	}
}

// The positive control: without a fault such a bundle does allow.
func TestFaultlessBundleAllows(t *testing.T) {
	t.Parallel()
	e, err := Load(context.Background(), bundleOf(1, "decision := "+granting), Config{Deadline: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if d, grant, err := e.Decide(context.Background(), ask(OrgRead, person())); err != nil || !d.Allow || !grant.Valid() {
		t.Errorf("allow %t, error %v", d.Allow, err)
	}
}

func assertFailed(t *testing.T, d Decision, grant Grant, err error) {
	t.Helper()
	if err == nil || d.Allow || grant.Valid() || d.Denial().Code != PolicyError || d.ID == "" {
		t.Errorf("allow %t, denial %q, grant valid %t, id %q, error %v", d.Allow, d.Denial().Code, grant.Valid(), d.ID, err)
	}
	if facts := d.Facts(ask(OrgRead, person())); !json.Valid(facts) {
		t.Errorf("facts of the refusal are not JSON: %q", facts)
	}
}

func TestAttackPanicRefuses(t *testing.T) {
	t.Parallel()
	e := load(t)
	e.current.Load().evaluate = func(context.Context, ast.Value) (any, error) { panic("broken evaluator") }
	d, grant, err := e.Decide(context.Background(), ask(OrgRead, person()))
	assertFailed(t, d, grant, err)
}

func TestCancelledContextRefuses(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d, grant, err := load(t).Decide(ctx, ask(OrgRead, person()))
	assertFailed(t, d, grant, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestZeroEngineRefuses(t *testing.T) {
	t.Parallel()
	for _, e := range []*Engine{nil, {}} {
		d, grant, err := e.Decide(context.Background(), ask(OrgRead, person()))
		assertFailed(t, d, grant, err)
		if !errors.Is(err, ErrNoPolicy) {
			t.Errorf("got %v", err)
		}
	}
}

func TestMalformedQuestionsRefuse(t *testing.T) {
	t.Parallel()
	e := load(t)
	edits := map[string]func(*Question){
		"unknown action":    func(q *Question) { q.Action = "org.destroy" },
		"no action":         func(q *Question) { q.Action = "" },
		"other resource":    func(q *Question) { q.Resource.Type = ChannelResource },
		"no resource":       func(q *Question) { q.Resource.ID = "" },
		"no subject":        func(q *Question) { q.Subject.ID = "" },
		"nothing whatever":  func(q *Question) { *q = Question{} },
		"only a known name": func(q *Question) { *q = Question{Action: OrgRead} },
	}
	for name, edit := range edits {
		d, grant, err := e.Decide(context.Background(), ask(OrgRead, person(), edit))
		if assertFailed(t, d, grant, err); !errors.Is(err, ErrQuestion) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// newer is a number that the default bundle lets through.
const newer = defaultNumber + 1

func TestUnusableBundles(t *testing.T) {
	t.Parallel()
	with := func(name, content string) Bundle {
		b := bundleOf(newer, "decision := "+granting)
		b.Files.(fstest.MapFS)[name] = &fstest.MapFile{Data: []byte(content)}
		return b
	}
	bundles := map[string]Bundle{
		"no files":           {Number: newer},
		"empty":              {Number: newer, Files: fstest.MapFS{}},
		"syntax":             bundleOf(newer, "decision :="),
		"no decision":        bundleOf(newer, "other := 1"),
		"clock":              bundleOf(newer, `decision := `+granting+` if time.now_ns() > 0`),
		"network":            bundleOf(newer, `decision := `+granting+` if http.send({"method": "get", "url": "http://localhost"})`),
		"lookup":             bundleOf(newer, `decision := `+granting+` if net.lookup_ip_addr("localhost")`),
		"runtime":            bundleOf(newer, `decision := `+granting+` if opa.runtime()`),
		"randomness":         bundleOf(newer, `decision := `+granting+` if rand.intn("a", 2) == 1`),
		"uuid":               bundleOf(newer, `decision := `+granting+` if uuid.rfc4122("a")`),
		"md5":                bundleOf(newer, `decision := `+granting+` if crypto.md5("a")`),
		"hmac sha1":          bundleOf(newer, `decision := `+granting+` if crypto.hmac.sha1("a", "b")`),
		"unknown input path": bundleOf(newer, `decision := `+granting+` if input.subject.is_admin`),
		"unused variable":    bundleOf(newer, `decision := `+granting+` if { x := 1 }`),
		"stray file":         with("notes.txt", "hello"),
		"level":              with(enforcementFile, `{"a.b": {"level": "hrad"}}`),
		"enforcement":        with(enforcementFile, `[]`),
		"schema":             with(schemaFile, `{`),
		"old number":         bundleOf(1, "decision := "+granting),
	}
	e := load(t)
	before := e.current.Load()
	for name, bundle := range bundles {
		err := e.Reload(context.Background(), bundle)
		if want := map[bool]error{true: ErrOldBundle, false: ErrBundle}[name == "old number"]; !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	if e.current.Load() != before {
		t.Error("a refused bundle replaced the current one")
	}
}
