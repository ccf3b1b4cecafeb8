package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// devPassword is everybody's in the living organisation. It listens on loopback
// and is thrown away.
const devPassword = "chancery-dev"

func runCmd() *cobra.Command {
	var bin string
	c := &cobra.Command{
		Use: "run", Short: "Start a living organisation and say what to try", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return live(c.Context(), bin) },
	}
	c.Flags().StringVar(&bin, "bin", "bin", "directory of the built binaries")
	return c
}

// seed is what the living organisation has behind it when people come in: a
// recorded desk, someone who left and is on hold, an archive ready to verify.
func seed() []step {
	return []step{
		{"an organisation: directory, server, signer, root, lists", func(ctx context.Context, s *story) error { return s.found(ctx, s.note) }},
		{"people with devices", func(_ context.Context, s *story) error { return s.join() }},
		{"a team", func(_ context.Context, s *story) error { return s.team() }},
		{"a recorded desk", func(ctx context.Context, s *story) error { return errors.Join(s.openDesk(), s.captured()) }},
		{"a morning's conversation", func(_ context.Context, s *story) error { return s.talk(60) }},
		{"someone who has left, on hold", then((*story).leave)},
		{"an archive for the auditor", then((*story).export)},
	}
}

// leave has hal write a last message, holds what he wrote, and disables him in
// the directory.
func (s *story) leave(context.Context) error {
	if err := s.say("hal", "my last day; the positions are in the book"); err != nil {
		return err
	}
	rita, leo := s.people["rita"], s.people["leo"]
	if _, err := rita.do("matter", "create", "departures", "--title", "People who left"); err != nil {
		return err
	}
	var hold struct {
		ID string `json:"id"`
	}
	if err := rita.ask(&hold, "hold", "create", "Hal Departed", "--matter", "departures", "--user", "hal"); err != nil {
		return err
	}
	if _, err := leo.do("hold", "approve", hold.ID); err != nil {
		return err
	}
	return s.directory.Disable("hal")
}

func live(ctx context.Context, bin string) (err error) {
	dir, err := os.MkdirTemp("/tmp", "chancery-run-")
	if err != nil {
		return err
	}
	s := &story{started: time.Now()}
	defer func() {
		if s.organisation != nil {
			err = errors.Join(err, s.close())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	g, err := newGround(dir, bin, "age")
	if err != nil {
		return err
	}
	if s.organisation, err = open(ctx, g, devPassword); err != nil {
		return err
	}
	for _, x := range seed() {
		fmt.Printf("%-60s", x.title)
		if err := x.run(ctx, s); err != nil {
			fmt.Println("failed")
			return fmt.Errorf("%s: %w", x.title, err)
		}
		fmt.Println("ok")
	}
	if err := s.welcome(); err != nil {
		return err
	}
	<-ctx.Done()
	fmt.Println("stopping")
	return nil
}

// welcome says where things are and what to try. Each person has a command of
// their own that finds their device's agent.
func (s *story) welcome() error {
	id, err := s.channelID(s.people["fay"], desk)
	if err != nil {
		return err
	}
	var names []string
	for _, x := range staff {
		if err := s.shortcut(s.people[x.username]); err != nil {
			return err
		}
		names = append(names, x.username)
	}
	in := func(name string) string { return filepath.Join(s.dir, name) }
	fmt.Printf(`
Chancery runs at https://%s (certificates: %s)
organisation     %s
people           %s; password %q
their commands   %s/NAME, such as %s
logs             %s

Try:
  1. %s tail %s --since 70
  2. %s post %s 'good afternoon'; then read it as ben
  3. %s hold list
  4. %s why %s 20
  5. chancery-audit convert %s --org %s \
       --slip %s --identity %s --out desk.jsonl
Stop with Ctrl-C; everything here is then deleted.
`, s.address, s.ca, s.id, strings.Join(names, " "), devPassword, in("as"), in("as/fay"), in("log"),
		in("as/fay"), desk, in("as/fay"), desk, in("as/rita"), in("as/rita"), id, s.archive, s.id, s.slip, filepath.Join(s.auditor.home, "key", "identity"))
	return nil
}

// shortcut writes a command that is the person's chancery.
func (s *story) shortcut(p *person) error {
	path := filepath.Join(s.dir, "as", p.username)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\nXDG_RUNTIME_DIR=%s exec %s --home %s/chancery --passphrase-file %s/passphrase %s \"$@\"\n",
		p.home, s.binary("chancery"), p.home, p.home, strings.Join(p.server, " "))
	return os.WriteFile(path, []byte(script), 0o755)
}
