package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	var o options
	flag.IntVar(&o.sample, "n", 0, "run that many mutants of each package, spread evenly; 0: all")
	flag.BoolVar(&o.checks, "checks", false, "only take checks away, and run every test of each")
	flag.IntVar(&o.workers, "j", 2, "how many run at a time")
	argued := flag.String("argued", "crypto/testdata/mutants.txt", "`file` of the mutants that no test can see, each with the reason")
	flag.Parse()
	if err := run(o, *argued, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(o options, argued string, patterns []string) error {
	scratch, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	r := report{options: o, left: map[string]bool{}}
	if r.argued, err = readArgued(argued); err != nil {
		return err
	}
	for key := range r.argued {
		r.left[key] = true
	}
	for _, pattern := range patterns {
		s, err := load(pattern, scratch)
		if err != nil {
			return err
		}
		if err := s.each(s.chosen(o), o.workers, o.checks, func(n int, killers []string) { r.line(&s.mutants[n-1], killers) }); err != nil {
			return err
		}
	}
	return r.verdict()
}
