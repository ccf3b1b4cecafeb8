package chancery

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goFiles parses every Go file of ours that is built into something.
func goFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	files, set := map[string]*ast.File{}, token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files[filepath.ToSlash(path)], err = parser.ParseFile(set, path, nil, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// importName is how file calls package path, "" when it does not import it.
func importName(file *ast.File, path string) string {
	for _, i := range file.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil && (p == path || strings.HasPrefix(p, path+"/")) {
			if i.Name != nil {
				return i.Name.Name
			}
			return p[strings.LastIndex(p, "/")+1:]
		}
	}
	return ""
}

// uses tells whether node calls or names pkg.name; any name when it is "".
func uses(node ast.Node, pkg, name string) (found bool) {
	ast.Inspect(node, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			x, isName := s.X.(*ast.Ident)
			found = found || isName && x.Name == pkg && (name == "" || s.Sel.Name == name)
		}
		return !found
	})
	return found
}

// ageFiles are the only ones that may import age.
var ageFiles = []string{"crypto/agefile/hybrid.go", "crypto/agefile/passphrase.go"}

// TestAttack29AgeIsGuarded holds every way into age to the guard that refuses under FIPS enforcement: age is imported
// by two files only, and there each function that others may call, and the one that parses keys for them, asks Allowed before anything else.
func TestAttack29AgeIsGuarded(t *testing.T) {
	t.Parallel()
	guarded := 0
	for path, file := range goFiles(t) {
		age := importName(file, "filippo.io/age")
		if (age != "") != slices.Contains(ageFiles, path) {
			t.Errorf("%s: imports age: %v", path, age != "")
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if age == "" || !ok || !(f.Name.IsExported() || f.Name.Name == "parse") || harmless(f) {
				continue
			}
			if !asksFirst(f) {
				t.Errorf("%s: %s does not ask Allowed first", path, f.Name)
			}
			guarded++
		}
	}
	if guarded < 4 {
		t.Errorf("only %d functions were looked at", guarded)
	}
}

// harmless functions hold values that only a guarded one could make, or begin with a call of parse, which asks itself.
func harmless(f *ast.FuncDecl) bool {
	return f.Name.Name == "Recipient" || f.Name.Name == "Unwrap" || callsFirst(f, "parse")
}

func asksFirst(f *ast.FuncDecl) bool {
	return callsFirst(f, "Allowed")
}

// callsFirst tells whether the first statement of f calls name.
func callsFirst(f *ast.FuncDecl, name string) (found bool) {
	ast.Inspect(f.Body.List[0], func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			id, isName := call.Fun.(*ast.Ident)
			found = found || isName && id.Name == name
		}
		return !found
	})
	return found
}

// TestAttackFIPSBypass finds every place that sets FIPS enforcement aside: fips itself, for the two ends of the
// WebSocket handshake.
func TestAttackFIPSBypass(t *testing.T) {
	t.Parallel()
	var inside, callers []string
	for path, file := range goFiles(t) {
		if name := importName(file, "crypto/fips140"); name != "" && uses(file, name, "WithoutEnforcement") {
			inside = append(inside, path)
		}
		if name := importName(file, "chancery/fips"); name != "" && uses(file, name, "WithoutEnforcement") {
			callers = append(callers, path)
		}
	}
	slices.Sort(callers)
	if !slices.Equal(inside, []string{"fips/bypass.go"}) || !slices.Equal(callers, []string{"cmd/internal/client/live.go", "core/live/upgrade.go"}) {
		t.Errorf("set aside in %v, for %v", inside, callers)
	}
}
