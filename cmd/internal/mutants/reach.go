package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// cost of a test, in 1,000 passes by mutants, up to which an attack comes before
// a cheaper test: its name tells what a change would allow.
const cheap = 30

type reached struct {
	test    string
	cost    int
	mutants []int
}

// findReaching runs each test alone, unchanged, and notes which mutants it comes
// by: only such a test can see one. It fails when a test does.
func (s *subject) findReaching(scratch string) error {
	list, err := s.command("CHANCERY_MUTANT=0", "-test.run=^$", "-test.list=^(Test|Fuzz)").Output()
	if err != nil {
		return fmt.Errorf("listing the tests of %s: %w", s.path, err)
	}
	var all []reached
	for _, test := range strings.Fields(string(list)) {
		r, err := s.reach(test, scratch)
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b reached) int { return cmp.Compare(a.rank(), b.rank()) })
	s.reaching = map[int][]string{}
	for _, r := range all {
		for _, n := range r.mutants {
			s.reaching[n] = append(s.reaching[n], r.test)
		}
	}
	return nil
}

// rank orders tests: cheap attacks, then the others, the cheaper first.
func (r reached) rank() int {
	if r.cost <= cheap && strings.HasPrefix(r.test, "TestAttack") {
		return r.cost - cheap
	}
	return r.cost + 1
}

func (s *subject) reach(test, scratch string) (reached, error) {
	r := reached{test: test}
	f, err := os.CreateTemp(scratch, "reached")
	if err != nil {
		return r, err
	}
	defer f.Close()
	if out, err := s.command("CHANCERY_REACHED="+f.Name(), only([]string{test})).CombinedOutput(); err != nil {
		return r, fmt.Errorf("running %s unchanged: %w\n%s", test, err, out)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		return r, err
	}
	for _, line := range strings.Fields(string(b)) {
		n, err := strconv.Atoi(line)
		switch {
		case err != nil:
			return r, err
		case n == 0:
			r.cost++
		default:
			r.mutants = append(r.mutants, n)
		}
	}
	return r, nil
}
