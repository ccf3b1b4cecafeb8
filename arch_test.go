package chancery

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"go/build"
	"go/build/constraint"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "chancery/"

// rules is what arch.txt says: package to packages, module to owners, package to what it must never link.
type rules struct{ may, only, never map[string][]string }

// pkg is what go list tells of a package. Test imports are not in it: a test may import what it likes.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// TestArchitecture holds the source tree to arch.txt.
func TestArchitecture(t *testing.T) {
	r := readRules(t, "arch.txt")
	seen := map[string]bool{}
	// A file behind a build tag can hide an import: so once for each tag that the sources use.
	for _, tag := range append([]string{""}, readSources(t)...) {
		for _, p := range listPackages(t, tag) {
			name, ours := strings.CutPrefix(p.ImportPath, module)
			if !ours {
				continue
			}
			seen[name] = true
			for _, violation := range r.violations(name, p) {
				t.Error(violation)
			}
		}
	}
	for _, name := range r.gone(seen, inStandardLibrary) {
		t.Errorf("arch.txt names %s, which does not exist", name)
	}
}

// violations lists what package p, called name in arch.txt, does that arch.txt does not allow.
func (r rules) violations(name string, p pkg) (found []string) {
	allowed, listed := r.may[name]
	if !listed {
		found = append(found, name+": not in arch.txt")
	}
	for _, imp := range p.Imports {
		if dep, ours := strings.CutPrefix(imp, module); ours {
			if !slices.Contains(allowed, dep) {
				found = append(found, name+" imports "+dep+"; arch.txt does not allow it")
			}
			continue
		}
		for mod, owners := range r.only {
			if within(imp, mod) && !slices.Contains(owners, name) {
				found = append(found, name+" imports "+imp+", which belongs to "+strings.Join(owners, ", "))
			}
		}
	}
	for _, dep := range p.Deps {
		for _, bad := range r.never[name] {
			if within(dep, module+bad) || within(dep, bad) {
				found = append(found, name+" links "+dep+", which it must never contain")
			}
		}
	}
	return found
}

// gone lists the packages of ours that arch.txt names on either side of a colon though they do not exist: a rule about
// nothing holds whatever the code does. In a never rule a name without a dot is ours unless the standard library has it.
func (r rules) gone(seen map[string]bool, standard func(string) bool) (names []string) {
	missing := func(name string) {
		if !seen[name] && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for name, allowed := range r.may {
		missing(name)
		for _, dep := range allowed {
			missing(dep)
		}
	}
	for name, banned := range r.never {
		missing(name)
		for _, bad := range banned {
			first, _, _ := strings.Cut(bad, "/")
			if !strings.Contains(first, ".") && !standard(bad) {
				missing(bad)
			}
		}
	}
	slices.Sort(names)
	return names
}

func within(imp, mod string) bool { return imp == mod || strings.HasPrefix(imp, mod+"/") }

func inStandardLibrary(path string) bool {
	p, err := build.Import(path, "", build.FindOnly)
	return err == nil && p.Goroot
}

// listPackages asks go list for our packages as they are built with tag.
func listPackages(t *testing.T, tag string) (packages []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags="+tag, "-json=ImportPath,Imports,Deps", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// readSources opens every Go file, because go test caches a pass by the files the test itself opens, and go list runs
// in another process. It returns the build tags they use, less those that the tool chain sets.
func readSources(t *testing.T) (tags []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		text, err := os.ReadFile(path)
		tags = append(tags, buildTags(string(text))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// buildTags returns the tags of a file's build line that only a person sets.
func buildTags(source string) (tags []string) {
	for line := range strings.Lines(source) {
		if strings.HasPrefix(line, "package ") {
			break
		}
		expr, err := constraint.Parse(strings.TrimSpace(line))
		if err != nil {
			continue // not a build line
		}
		expr.Eval(func(tag string) bool {
			if !toolTag(tag) {
				tags = append(tags, tag)
			}
			return true
		})
	}
	return tags
}

// toolTag says whether the tool chain sets tag by itself, or, for ignore, nobody ever does.
func toolTag(tag string) bool {
	known := []string{"ignore", "unix", "linux", "darwin", "windows", "freebsd", "amd64", "arm64", "js", "wasm", "cgo", "race"}
	return slices.Contains(known, tag) || strings.HasPrefix(tag, "go1.")
}

func readRules(t *testing.T, path string) rules {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := parseRules(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parseRules(from io.Reader) (rules, error) {
	r := rules{may: map[string][]string{}, only: map[string][]string{}, never: map[string][]string{}}
	s := bufio.NewScanner(from)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		left, right, found := strings.Cut(line, ":")
		if !found {
			return r, errors.New("arch.txt: no colon in: " + line)
		}
		into := r.may
		if rest, ok := strings.CutPrefix(left, "only "); ok {
			left, into = rest, r.only
		} else if rest, ok := strings.CutPrefix(left, "never "); ok {
			left, into = rest, r.never
		}
		if left = strings.TrimSpace(left); into[left] != nil {
			return r, errors.New("arch.txt: twice: " + line)
		}
		into[left] = append([]string{}, strings.Fields(right)...)
	}
	return r, s.Err()
}

// TestArchitectureRules breaks each kind of rule, so that a rule which stops biting is noticed.
func TestArchitectureRules(t *testing.T) {
	t.Parallel()
	r, err := parseRules(strings.NewReader(`
		# comment
		core: policy
		policy:
		only example.org/lib: policy
		never core: net/http vault/old example.org/bad`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		p    pkg
		want string // part of the one violation, "" for none
	}{
		{"core", pkg{Imports: []string{"chancery/policy", "fmt"}, Deps: []string{"net/url"}}, ""},
		{"core", pkg{Imports: []string{"chancery/store"}}, "core imports store"},
		{"core", pkg{Imports: []string{"example.org/lib/sub"}}, "belongs to policy"},
		{"core", pkg{Imports: []string{"example.org/library"}}, ""},
		{"core", pkg{Deps: []string{"net/http/httptrace"}}, "core links net/http/httptrace"},
		{"core", pkg{Deps: []string{"chancery/vault/old"}}, "core links chancery/vault/old"},
		{"core", pkg{Deps: []string{"example.org/bad"}}, "core links example.org/bad"},
		{"policy", pkg{Imports: []string{"example.org/lib"}}, ""},
		{"store", pkg{}, "store: not in arch.txt"},
	} {
		got := strings.Join(r.violations(test.name, test.p), "; ")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s %+v: got %q, want %q", test.name, test.p, got, test.want)
		}
	}
	if got := r.gone(map[string]bool{"core": true}, inStandardLibrary); !slices.Equal(got, []string{"policy", "vault/old"}) {
		t.Errorf("gone: %v", got)
	}
	if got := buildTags("//go:build linux && (pkcs11 || !nats)\n\npackage x\n//go:build late\n"); !slices.Equal(got, []string{"pkcs11", "nats"}) {
		t.Errorf("tags: %v", got)
	}
}
