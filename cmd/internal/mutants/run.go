package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Memory (KiB) and time of one run: a mutant that loops or grows is seen by that.
const limits = `ulimit -v 8000000; exec "$0" "$@"`

var base = []string{"-test.short", "-test.parallel=1", "-test.timeout=30s"}

// names of tests in what a test binary prints when it fails, panics or hangs.
var (
	failed  = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)
	hanging = regexp.MustCompile(`running tests:\n\s+(\w+)`)
	within  = regexp.MustCompile(`\.((?:Test|Fuzz)\w+)[.(]`)
)

// few tests are run on their own before the rest of those that come by a mutant.
const few = 8

// killers gives the tests that fail under a mutant: all of them, attacks first,
// or the first one that is met.
func (s *subject) killers(n int, all bool) ([]string, error) {
	tests := s.reaching[n]
	if all && len(tests) > 0 {
		return s.run(n, false, tests)
	}
	for _, batch := range [][]string{tests[:min(few, len(tests))], tests[min(few, len(tests)):]} {
		if len(batch) == 0 {
			continue
		}
		if names, err := s.run(n, true, batch); err != nil || len(names) > 0 {
			return names, err
		}
	}
	return nil, nil
}

// run starts tests under a mutant, and ends them at the first failure if told
// so: go's own -failfast lets parallel tests that have begun go on.
func (s *subject) run(n int, first bool, tests []string) ([]string, error) {
	c := s.command(fmt.Sprintf("CHANCERY_MUTANT=%d", n), only(tests))
	read, write := io.Pipe()
	c.Stdout, c.Stderr = write, write
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.binary, err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- c.Wait()
		write.Close()
	}()
	var out bytes.Buffer
	for lines := bufio.NewScanner(read); lines.Scan(); {
		if out.WriteString(lines.Text() + "\n"); first && failed.Match(lines.Bytes()) {
			first = c.Process.Kill() != nil
		}
	}
	io.Copy(io.Discard, read) // a line too long to scan
	if err := <-ended; err == nil {
		return nil, nil
	}
	return names(out.Bytes()), nil
}

func (s *subject) command(variable string, more ...string) *exec.Cmd {
	c := exec.Command("sh", slices.Concat([]string{"-c", limits, s.binary}, base, s.flags, more)...)
	c.Dir, c.Env = s.dir, append(os.Environ(), variable)
	return c
}

// only is the flag that runs these tests.
func only(tests []string) string { return "-test.run=^(" + strings.Join(tests, "|") + ")$" }

func names(out []byte) (names []string) {
	for _, shape := range []*regexp.Regexp{failed, hanging, within} {
		for _, m := range shape.FindAllSubmatch(out, -1) {
			names = append(names, string(m[1]))
		}
		if len(names) > 0 {
			break
		}
	}
	if len(names) == 0 {
		return []string{"the start of the tests"} // in an init, or in TestMain
	}
	attack := func(name string) int { return strings.Index("A"+name, "ATestAttack") } // 0, or -1
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(attack(b), attack(a)) })
	return names
}

// each runs the mutants with these numbers, as many at a time as told, and
// tells of each in their order.
func (s *subject) each(numbers []int, workers int, all bool, tell func(n int, killers []string)) error {
	results := make([]chan outcome, len(numbers))
	for i := range results {
		results[i] = make(chan outcome, 1)
	}
	var next sync.Mutex
	at := 0
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				next.Lock()
				i := at
				at++
				next.Unlock()
				if i >= len(numbers) {
					return
				}
				names, err := s.killers(numbers[i], all)
				results[i] <- outcome{names, err}
			}
		})
	}
	defer wg.Wait()
	for i, n := range numbers {
		r := <-results[i]
		if r.err != nil {
			return r.err
		}
		tell(n, r.killers)
	}
	return nil
}

type outcome struct {
	killers []string
	err     error
}
