package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

//go:embed switch.go.txt
var switches string

// subject is a package with all of its mutants in one test binary.
type subject struct {
	path, dir, binary string
	mutants           []mutant
	flags             []string
	reaching          map[int][]string // tests that come by each mutant, in the order of running them
}

// load finds a package's mutants and builds them into scratch.
func load(pattern, scratch string) (*subject, error) {
	mode := packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports
	list, err := packages.Load(&packages.Config{Mode: mode}, pattern)
	if err != nil || len(list) != 1 || len(list[0].Errors) > 0 {
		return nil, fmt.Errorf("loading %s: %d packages: %v", pattern, len(list), err)
	}
	pkg := list[0]
	s := &subject{path: pkg.PkgPath, dir: filepath.Dir(pkg.GoFiles[0]), binary: filepath.Join(scratch, pkg.Name+".test")}
	overlay := map[string]string{}
	for i, file := range pkg.Syntax {
		changed := filepath.Join(scratch, pkg.Name+"_"+filepath.Base(pkg.GoFiles[i]))
		if err := s.mutate(pkg, file, pkg.GoFiles[i], changed); err != nil {
			return nil, err
		}
		overlay[pkg.GoFiles[i]] = changed
	}
	helper := filepath.Join(scratch, pkg.Name+"_switch.go")
	overlay[filepath.Join(s.dir, "mutant_switch.go")] = helper
	if err := os.WriteFile(helper, []byte(strings.Replace(switches, "PACKAGE", pkg.Name, 1)), 0o600); err != nil {
		return nil, err
	}
	if out, err := exec.Command("go", "list", "-f", "{{.TestImports}}", pattern).Output(); err == nil && strings.Contains(string(out), "pgregory.net/rapid") {
		s.flags = []string{"-rapid.seed=1", "-rapid.nofailfile", "-rapid.shrinktime=0s"}
	}
	if err := s.build(filepath.Join(scratch, pkg.Name+".json"), overlay); err != nil {
		return nil, err
	}
	return s, s.findReaching(scratch)
}

func (s *subject) mutate(pkg *packages.Package, file *ast.File, from, to string) error {
	source, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	m := mutator{
		pkg: pkg, source: source, file: filepath.Join(filepath.Base(pkg.PkgPath), filepath.Base(from)),
		seen: map[string]int{}, clauses: map[*ast.BinaryExpr]string{}, mutants: &s.mutants,
	}
	ast.Inspect(file, m.visit)
	return os.WriteFile(to, m.rewrite(), 0o600)
}

// rewrite puts the edits into the source. At one place what closes comes first,
// the innermost before all; then what opens, the outermost first.
func (m *mutator) rewrite() (out []byte) {
	var closing, opening []edit
	for _, e := range m.edits {
		if e.closing {
			closing = append(closing, e)
		} else {
			opening = append(opening, e)
		}
	}
	slices.Reverse(closing)
	edits := append(closing, opening...)
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	at := 0
	for _, e := range edits {
		out = append(append(out, m.source[at:e.from]...), e.text...)
		at = e.to
	}
	return append(out, m.source[at:]...)
}

func (s *subject) build(file string, overlay map[string]string) error {
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return err
	}
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", file, "-o", s.binary, s.path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the mutants of %s: %w\n%s", s.path, err, out)
	}
	return nil
}
