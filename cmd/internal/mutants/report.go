package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// least is the share of mutants, in percent, that tests must see.
const least = 85

type options struct {
	sample, workers int
	checks          bool
}

// report counts what became of mutants.
type report struct {
	options
	argued        map[string]bool
	left          map[string]bool // argued, and not met so far
	total, killed int
	wrong         []string
}

// readArgued gives the keys in a file: lines that are neither indented, where
// the arguments stand, nor comments.
func readArgued(name string) (map[string]bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	keys := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := lines.Text(); line != "" && !strings.ContainsAny(line[:1], "# \t") {
			keys[line] = true
		}
	}
	return keys, lines.Err()
}

// chosen are the numbers of the mutants to run.
func (s *subject) chosen(o options) (numbers []int) {
	for i, m := range s.mutants {
		if !o.checks || m.reason != "" {
			numbers = append(numbers, i+1)
		}
	}
	if o.sample == 0 || o.sample >= len(numbers) {
		return numbers
	}
	for i := range o.sample {
		numbers[i] = numbers[i*len(numbers)/o.sample]
	}
	return numbers[:o.sample]
}

func (r *report) line(m *mutant, killers []string) {
	r.total++
	delete(r.left, m.key)
	killer := "killed by "
	switch {
	case len(killers) > 0 && r.argued[m.key]:
		killer = "argued, yet killed by "
		r.wrong = append(r.wrong, m.key)
		fallthrough
	case len(killers) > 0:
		r.killed++
		killer += killers[0]
	case r.argued[m.key]:
		killer = "survived, as argued"
	default:
		killer = "SURVIVED"
		r.wrong = append(r.wrong, m.key)
	}
	if r.checks {
		fmt.Printf("%-16s %s\n%16s %s\n", m.reason, m.key, "", killer)
	} else {
		fmt.Printf("%s:%d %s → %s\n", m.key[:strings.Index(m.key, " ")], m.line, m.key[strings.Index(m.key, " ")+1:], killer)
	}
}

// verdict fails a whole run for each mutant that is not what the file says, and
// any run in which too many survived.
func (r *report) verdict() error {
	score := 100 * float64(r.killed) / float64(max(r.total, 1))
	fmt.Printf("%d mutants, %d killed: %.1f %%\n", r.total, r.killed, score)
	var err error
	if score < least {
		err = fmt.Errorf("tests see less than %d %% of the mutants", least)
	}
	if r.sample > 0 {
		return err
	}
	for _, key := range r.wrong {
		err = errors.Join(err, fmt.Errorf("not as argued: %s", key))
	}
	if !r.checks {
		for _, key := range slices.Sorted(maps.Keys(r.left)) {
			err = errors.Join(err, fmt.Errorf("argued, and no mutant: %s", key))
		}
	}
	return err
}
