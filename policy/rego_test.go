package policy

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// defaultModules parses the default bundle, its tests too when asked for.
func defaultModules(t testing.TB, tests bool) map[string]*ast.Module {
	t.Helper()
	files, _, err := Default().read()
	if err != nil {
		t.Fatal(err)
	}
	modules := map[string]*ast.Module{}
	for name, source := range files {
		if !strings.HasSuffix(name, ".rego") || isTest(name) && !tests {
			continue
		}
		if modules[name], err = parseModule(name, source); err != nil {
			t.Fatal(err)
		}
	}
	return modules
}

// TestRego runs the bundle's own tests and holds their coverage to 95 %.
func TestRego(t *testing.T) {
	t.Parallel()
	source, err := fs.ReadFile(Default().Files, enforcementFile)
	if err != nil {
		t.Fatal(err)
	}
	levels, err := parseEnforcement(source)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	store := inmem.NewFromObject(map[string]any{"enforcement": levels})
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(ctx, txn)
	coverage := cover.New()
	results, err := tester.NewRunner().
		SetCompiler(ast.NewCompiler().WithCapabilities(capabilities())).
		SetStore(store).
		SetCoverageQueryTracer(coverage).
		RaiseBuiltinErrors(true).
		SetModules(defaultModules(t, true)).
		RunTests(ctx, txn)
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for result := range results {
		if !result.Pass() {
			t.Errorf("%s", result)
			continue
		}
		passed++
	}
	report := coverage.Report(defaultModules(t, false))
	t.Logf("%d Rego tests passed, %.1f %% of the rules covered", passed, report.Coverage)
	if report.Coverage < 95 {
		for _, name := range slices.Sorted(maps.Keys(report.Files)) {
			for _, gap := range report.Files[name].NotCovered {
				t.Errorf("not covered: %s:%d-%d", name, gap.Start.Row, gap.End.Row)
			}
		}
	}
}

// TestEveryRuleMatters silences each rule of the default bundle in turn: some row
// of the table must then come out differently, and for a rule that grants or
// refuses it must be the verdict itself that turns.
func TestEveryRuleMatters(t *testing.T) {
	t.Parallel()
	rows := table()
	files, _, err := Default().read()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(defaultModules(t, false))) {
		count := len(defaultModules(t, false)[name].Rules)
		for i := range count {
			modules := defaultModules(t, false)
			rule := modules[name].Rules[i]
			label := fmt.Sprintf("%s:%d %s", name, rule.Location.Row, rule.Head)
			silence(rule)
			g, err := generationOf(modules, files[enforcementFile])
			if err != nil {
				t.Fatalf("%s: %v", label, err)
			}
			if !slices.ContainsFunc(rows, func(row verdict) bool { return differs(g, row, decides(rule)) }) {
				t.Errorf("%s: no row of the table notices that it is gone", label)
			}
		}
	}
}

// A bundle whose package lost its last rule still compiles, and what refers to the
// package is undefined. Nothing that another package refuses may come free by it.
func TestAttackEmptiedPackageFreesNothingElse(t *testing.T) {
	t.Parallel()
	files, _, err := Default().read()
	if err != nil {
		t.Fatal(err)
	}
	for name := range defaultModules(t, false) {
		modules := defaultModules(t, false)
		m := modules[name]
		pkg := strings.TrimSuffix(name, ".rego")
		if pkg == "main" {
			continue
		}
		m.Rules = slices.DeleteFunc(m.Rules, func(r *ast.Rule) bool {
			return slices.Contains([]string{"deny", "obligation", "needs"}, r.Head.Ref()[0].String())
		})
		g, err := generationOf(modules, files[enforcementFile])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, row := range refused() {
			if d, err := g.answer(context.Background(), &row.q); err == nil && d.Allow && !onlyBy(row, pkg) {
				t.Errorf("without denials in %s: %s is allowed", name, row.name())
			}
		}
	}
}

// onlyBy reports whether all codes of a refusal are of one package.
func onlyBy(row verdict, pkg string) bool {
	return !slices.ContainsFunc(strings.Fields(strings.TrimPrefix(row.want, "-")), func(code string) bool { return !strings.HasPrefix(code, pkg+".") })
}

// silence makes a rule never hold, and turns a default around. Removing the rule
// instead would also show what becomes of references to it, which is another test.
func silence(rule *ast.Rule) {
	if !rule.Default {
		rule.Body.Append(ast.NewExpr(ast.BooleanTerm(false)))
		return
	}
	if rule.Head.Value.Equal(ast.BooleanTerm(false)) {
		rule.Head.Value = ast.BooleanTerm(true)
	} else {
		rule.Head.Value = ast.IntNumberTerm(1)
	}
}

// decides reports whether a rule must turn the verdict, not just its trimmings.
func decides(rule *ast.Rule) bool {
	if rule.Head.Key == nil {
		return false
	}
	code := strings.Trim(rule.Head.Key.String(), `"`)
	return (rule.Head.Name == "allow" || rule.Head.Name == "deny") && code != "capture.off"
}

func generationOf(modules map[string]*ast.Module, enforcement []byte) (*generation, error) {
	compiler := ast.NewCompiler().WithCapabilities(capabilities())
	if compiler.Compile(modules); compiler.Failed() {
		return nil, compiler.Errors
	}
	query, err := prepare(context.Background(), compiler, enforcement)
	return &generation{evaluate: evaluator(query)}, err
}

func differs(g *generation, row verdict, verdictOnly bool) bool {
	d, err := g.answer(context.Background(), &row.q)
	if verdictOnly {
		return d.Allow != strings.HasPrefix(row.want, "+")
	}
	codes, owes := said(d)
	return err != nil || codes != row.want || owes != row.owes || d.ValidUntil != row.until() || (d.Needs.Approval != nil) != row.needsApproval()
}

func (v verdict) until() int64 {
	if !strings.HasPrefix(v.want, "+") || isJob(v.q) || sessionless(v.q) {
		return 0
	}
	return *v.q.Context.Session.ExpiresAt
}

func (v verdict) needsApproval() bool { return strings.Contains(v.want, "dual.not_approved") }

var codePattern = regexp.MustCompile(`^[a-z_]+\.[a-z_0-9]+$`)

// TestBundleHygiene lints the modules for what the compiler does not refuse.
func TestBundleHygiene(t *testing.T) {
	t.Parallel()
	source, err := fs.ReadFile(Default().Files, enforcementFile)
	if err != nil {
		t.Fatal(err)
	}
	enforced, err := parseEnforcement(source)
	if err != nil {
		t.Fatal(err)
	}
	coded := map[string]bool{NoRule: true}
	for name, module := range defaultModules(t, false) {
		pkg := strings.TrimSuffix(name, ".rego")
		if module.Package.Path.String() != "data.chancery."+pkg {
			t.Errorf("%s holds package %s", name, module.Package.Path)
		}
		lintNot(t, name, module)
		lintDefaults(t, name, module)
		lintActions(t, name, module)
		for _, code := range lintCodes(t, name, pkg, module) {
			coded[code] = true
			if enforced[code] == nil {
				t.Errorf("%s: %s has no level in %s", name, code, enforcementFile)
			}
		}
	}
	for code := range enforced {
		if !coded[code] {
			t.Errorf("%s: no rule denies with %s", enforcementFile, code)
		}
	}
}

// Without the import, `not` over a missing attribute leaves a rule undefined.
func lintNot(t *testing.T, name string, module *ast.Module) {
	imported := slices.ContainsFunc(module.Imports, func(i *ast.Import) bool {
		return i.Path.String() == `future.keywords["not"]`
	})
	used := false
	ast.WalkExprs(module, func(e *ast.Expr) bool {
		_, composite := e.Terms.(*ast.Not)
		used = used || e.Negated || composite
		return used
	})
	if used && !imported {
		t.Errorf("%s uses not without importing future.keywords.not", name)
	}
}

// A boolean without a default is undefined instead of false.
func lintDefaults(t *testing.T, name string, module *ast.Module) {
	defaults, booleans := map[string]bool{}, map[string]bool{}
	for _, rule := range module.Rules {
		head := rule.Head
		if rule.Default {
			defaults[head.Name.String()] = true
		} else if head.Key == nil && len(head.Args) == 0 && head.Value != nil && head.Value.Equal(ast.BooleanTerm(true)) {
			booleans[head.Name.String()] = true
		}
	}
	for boolean := range booleans {
		if !defaults[boolean] {
			t.Errorf("%s: %s has no default", name, boolean)
		}
	}
}

// A misspelt action in a rule would never match, and a denial would be lost.
func lintActions(t *testing.T, name string, module *ast.Module) {
	pkg := strings.TrimSuffix(name, ".rego")
	ast.WalkTerms(module, func(term *ast.Term) bool {
		text, ok := term.Value.(ast.String)
		if !ok || !codePattern.MatchString(string(text)) {
			return false
		}
		_, action := Action(text).Spec()
		if !action && !strings.HasPrefix(string(text), pkg+".") {
			t.Errorf("%s:%d: %s is neither an action nor a code of this package", name, term.Location.Row, text)
		}
		return false
	})
}

// lintCodes returns the codes a module denies with.
func lintCodes(t *testing.T, name, pkg string, module *ast.Module) []string {
	var denials []string
	for _, rule := range module.Rules {
		head := rule.Head
		if pkg == "main" || head.Name != "deny" && head.Name != "allow" {
			continue
		}
		var code ast.String
		if head.Key != nil {
			code, _ = head.Key.Value.(ast.String)
		}
		if !strings.HasPrefix(string(code), pkg+".") {
			t.Errorf("%s:%d: %s without a code of its package", name, rule.Location.Row, head.Name)
		}
		if head.Name == "deny" {
			denials = append(denials, string(code))
		}
	}
	return denials
}

func TestRegoIsFormatted(t *testing.T) {
	t.Parallel()
	files, _, err := Default().read()
	if err != nil {
		t.Fatal(err)
	}
	for name, source := range files {
		if !strings.HasSuffix(name, ".rego") {
			continue
		}
		formatted, err := format.SourceWithOpts(name, source, format.Opts{RegoVersion: ast.RegoV1})
		if err != nil || string(formatted) != string(source) {
			t.Errorf("%s is not as opa fmt writes it (%v)", name, err)
		}
	}
}
