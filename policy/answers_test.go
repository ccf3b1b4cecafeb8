package policy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// What was allowed a moment ago is refused as soon as a fact says otherwise: the
// facts are in the question, and another question has another answer.
func TestAttackCachedAllowAfterRemoval(t *testing.T) {
	t.Parallel()
	e := load(t)
	before := ask(MessageCreate, person(), as("member"))
	changes := map[string]func(*Question){
		"member.removed":          as("none"),
		"role.revoked":            func(q *Question) { q.Subject.Roles = []string{} },
		"lifecycle.user_disabled": disabled,
		"device.not_approved":     func(q *Question) { q.Context.Device = &Device{ID: "d_1", State: "revoked"} },
		"session.expired":         func(q *Question) { q.Context.Time = ptr(now + 3600) },
		"capture.not_acknowledged": func(q *Question) {
			q.Resource.Crypto = &Crypto{Capture: "required", Epoch: ptr[int64](3), RecorderAcked: ptr(false)}
		},
		"lifecycle.channel_archived": archived,
		"rbac.out_of_scope":          func(q *Question) { q.Subject.Scopes = []string{} },
	}
	for name, change := range changes {
		for range 3 { // the second time the allow comes from memory
			if d, grant, err := e.Decide(context.Background(), before); err != nil || !d.Allow || !grant.Valid() {
				t.Fatalf("before %s: %v %v", name, d.Reasons, err)
			}
		}
		after := ask(MessageCreate, person(), as("member"), change)
		if d, grant, err := e.Decide(context.Background(), after); err != nil || d.Allow || grant.Valid() {
			t.Errorf("after %s: allow %t, error %v", name, d.Allow, err)
		}
	}
}

// Over many random questions, memory says what evaluation says.
func TestCacheEqualsEvaluation(t *testing.T) {
	t.Parallel()
	g := load(t).current.Load()
	random := rand.New(rand.NewPCG(1, 2))
	rows := table()
	for range 4000 {
		q := rows[random.IntN(len(rows))].q
		for range 1 + random.IntN(3) {
			disturb(random, &q)
		}
		want, errWant := g.answer(context.Background(), &q)
		for range 2 {
			got, err := g.recall(context.Background(), &q)
			if (err == nil) != (errWant == nil) || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: remembered %+v %v, evaluated %+v %v", q.Action, got, err, want, errWant)
			}
		}
	}
	if n := len(g.answers.young); n < 500 {
		t.Errorf("only %d different questions were remembered", n)
	}
}

// disturb changes one thing about a question, without touching what others share.
func disturb(random *rand.Rand, q *Question) {
	edits := []func(*Question){
		disabled, archived, owned, addressed, captureOff, as("none"), as("owner"), inTeam("member"), privacy("public"), privacy("direct"),
		func(q *Question) { q.Subject.Roles = append([]string{}, RoleMember, RoleLegal) },
		func(q *Question) { q.Subject.Scopes = []string{string(q.Action)} },
		func(q *Question) { q.Resource.Holds = ptr(random.Int64N(3)) },
		func(q *Question) { q.Context.Time = ptr(now + random.Int64N(7200)) },
		func(q *Question) { q.Context.Device = nil },
		func(q *Question) {
			q.Context.Overrides = []Override{{Code: "session.too_old", Until: ptr(now + random.Int64N(7200))}}
		},
		func(q *Question) { q.Resource.Approvals = []Approval{{By: "u_cy", Role: RoleLegal}} },
	}
	edits[random.IntN(len(edits))](q)
}

// weighty are kinds of actions of which none is remembered.
var weighty = []string{"matter", "hold", "retention", "export", "archive", "audit", "admin"}

// Administration, holds, retention and export are evaluated each time, others once.
func TestUncachedActionsAreAskedAnew(t *testing.T) {
	t.Parallel()
	g := load(t).current.Load()
	asked, evaluate := 0, g.evaluate
	g.evaluate = func(ctx context.Context, input ast.Value) (any, error) { asked++; return evaluate(ctx, input) }
	for _, action := range Actions() {
		spec, _ := action.Spec()
		family, _, _ := strings.Cut(string(action), ".")
		if slices.Contains(weighty, family) && !spec.Uncached {
			t.Errorf("%s may be remembered", action)
		}
		asked = 0
		q := ask(action, person(RoleAdmin))
		for range 3 {
			_, _ = g.recall(context.Background(), &q)
		}
		if want := map[bool]int{true: 3, false: 1}[spec.Uncached]; asked != want {
			t.Errorf("%s was evaluated %d times, want %d", action, asked, want)
		}
	}
}

func TestFailuresAreNotRemembered(t *testing.T) {
	t.Parallel()
	e := load(t)
	g := e.current.Load()
	evaluate := g.evaluate
	g.evaluate = func(context.Context, ast.Value) (any, error) { panic("for once") }
	q := ask(MessageCreate, person(), as("member"))
	d, grant, err := e.Decide(context.Background(), q)
	assertFailed(t, d, grant, err)
	g.evaluate = evaluate
	if d, _, err := e.Decide(context.Background(), q); err != nil || !d.Allow {
		t.Errorf("after a failure: %v %v", d.Reasons, err)
	}
}

func TestAttackReloadForgetsAnswers(t *testing.T) {
	t.Parallel()
	e, err := Load(context.Background(), bundleOf(1, "decision := "+granting), Config{})
	if err != nil {
		t.Fatal(err)
	}
	q := ask(OrgRead, person())
	first, _, _ := e.Decide(context.Background(), q)
	if err := e.Reload(context.Background(), bundleOf(2, "decision := "+refusing)); err != nil {
		t.Fatal(err)
	}
	if then, grant, err := e.Decide(context.Background(), q); err != nil || !first.Allow || then.Allow || grant.Valid() {
		t.Errorf("allow %t, after the reload %t, error %v", first.Allow, then.Allow, err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	a := newAnswers()
	for i := range 3 * answersKept {
		a.put(key(fmt.Sprint(i)), Decision{})
	}
	a.put(key(strings.Repeat("x", longestKey+1)), Decision{})
	if n := len(a.young) + len(a.old); n > answersKept || n < answersKept/2 {
		t.Errorf("%d answers kept", n)
	}
	if _, ok := a.get(key(strings.Repeat("x", longestKey+1))); ok {
		t.Error("a question of any length is kept")
	}
}

// Whatever a question may hold is in its key: each field changed, and each part
// left out, gives a key of its own.
func TestAttackKeyHoldsEveryField(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	note := func(path string, q *Question) {
		k := string(keyOf(q))
		if other, taken := seen[k]; taken {
			t.Errorf("%s and %s have one key", path, other)
		}
		seen[k] = path
	}
	var full Question
	fill(reflect.ValueOf(&full).Elem())
	note("full", &full)
	vary(reflect.ValueOf(&full).Elem(), "q", func(path string) { note(path, &full) })
	note("empty", &Question{})
	note("empty parts", &Question{Subject: Subject{Roles: []string{}}, Context: Context{Device: &Device{}}})
	note("ab c", &Question{Subject: Subject{Roles: []string{"ab", "c"}}})
	note("a bc", &Question{Subject: Subject{Roles: []string{"a", "bc"}}})
	note("malformed", &Question{Subject: Subject{ID: "\xff"}})
	note("also malformed", &Question{Subject: Subject{ID: "\xfe"}})
}

// fill gives every field of v a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("no value for " + v.Kind().String())
	}
}

// vary changes every part of v in turn, tells, and puts it back.
func vary(v reflect.Value, path string, told func(string)) {
	old := reflect.New(v.Type()).Elem()
	old.Set(v)
	defer v.Set(old)
	switch v.Kind() {
	case reflect.String:
		v.SetString("y")
		told(path)
	case reflect.Int64:
		v.SetInt(2)
		told(path)
	case reflect.Bool:
		v.SetBool(!v.Bool())
		told(path)
	case reflect.Pointer, reflect.Slice:
		v.SetZero()
		told(path + " absent")
		v.Set(old)
		if v.Kind() == reflect.Pointer {
			vary(v.Elem(), path, told)
			return
		}
		vary(v.Index(0), path+"[0]", told)
		v.Set(reflect.Append(v, v.Index(0)))
		told(path + " longer")
	case reflect.Struct:
		for i := range v.NumField() {
			vary(v.Field(i), path+"."+v.Type().Field(i).Name, told)
		}
	default:
		panic("no other value for " + path)
	}
}
