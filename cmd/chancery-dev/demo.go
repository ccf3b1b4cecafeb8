package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// step is one numbered step of the story. It returns an error unless what its
// title claims was seen to be so.
type step struct {
	title string
	run   func(ctx context.Context, s *story) error
}

// story is an organisation whose main job is told step by step.
type story struct {
	*organisation
	started time.Time
	said    []string // what the step found out, printed behind its title
	told    []saying // what the desk reads, in order
	files   []string // SHA-256 of every file that was sent, hex

	attached []uint64 // positions of the files of every size

	archive, slip string // the auditor's copies
	canary        canary
	backup        yesterday
}

func (s *story) note(format string, args ...any) {
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

func demoCmd() *cobra.Command {
	var bin, suite string
	var keep bool
	var messages int
	c := &cobra.Command{
		Use: "demo", Short: "Tell the main job as numbered steps, by the real binaries", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return demo(c.Context(), bin, suite, keep, messages) },
	}
	c.Flags().StringVar(&bin, "bin", "bin", "directory of the built binaries")
	c.Flags().StringVar(&suite, "suite", "age", "suite of the organisation: age, or fips, under FIPS enforcement")
	c.Flags().BoolVar(&keep, "keep", false, "leave the directory with homes and logs behind")
	c.Flags().IntVar(&messages, "messages", 2000, "length of the conversation")
	return c
}

func demo(ctx context.Context, bin, suite string, keep bool, messages int) error {
	return staged(ctx, stage{name: "demo", bin: bin, suite: suite, keep: keep}, func(s *story) error {
		steps := chapters(messages)
		if os.Getenv("KILL") != "" {
			for i := range steps {
				steps[i] = crashAfter(steps[i])
			}
		}
		return s.tell(ctx, steps)
	})
}

// stage is where a story is told.
type stage struct {
	name, bin, suite string
	keep             bool         // leave the directory behind in any case
	end              func() error // after the organisation has stopped; may be nil
}

// staged founds an organisation in a directory of its own, which stays behind if
// what is told of it fails.
func staged(ctx context.Context, at stage, told func(*story) error) (err error) {
	dir, err := os.MkdirTemp("/tmp", "chancery-"+at.name+"-")
	if err != nil {
		return err
	}
	s := &story{started: time.Now()}
	defer func() {
		if s.organisation != nil {
			err = errors.Join(err, s.close())
		}
		if at.end != nil {
			err = errors.Join(err, at.end())
		}
		if at.keep || err != nil {
			fmt.Println("left in", dir)
			return
		}
		err = os.RemoveAll(dir)
	}()
	g, err := newGround(dir, at.bin, at.suite)
	if err != nil {
		return err
	}
	if s.organisation, err = open(ctx, g, ""); err != nil {
		return err
	}
	return told(s)
}

// tell runs the steps in order and stops at the first that is not so.
func (s *story) tell(ctx context.Context, steps []step) error {
	for i, x := range steps {
		from := time.Now()
		s.said = nil
		if err := x.run(ctx, s); err != nil {
			fmt.Printf("%2d %-72s FAILED\n", i+1, x.title)
			return fmt.Errorf("step %d, %s: %w", i+1, x.title, err)
		}
		fmt.Printf("%2d %-72s ok %5.1f s\n", i+1, x.title, time.Since(from).Seconds())
		for _, line := range s.said {
			fmt.Println("     ", line)
		}
	}
	fmt.Printf("main job: %d steps ok (%.0f s)\n", len(steps), time.Since(s.started).Seconds())
	return nil
}
