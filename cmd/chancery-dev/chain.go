package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Exit codes of chancery-audit.
const (
	exitTampered   = 3
	exitIncomplete = 4
)

// continued has a second archive made, which continues the first. Out of order,
// or with anything changed, they are refused.
func (s *story) continued(context.Context) error {
	err := eventually(func() error { _, err := s.people["ben"].covered(desk); return err })
	if err != nil {
		return err
	}
	second, err := s.runExport()
	if err != nil {
		return err
	}
	a, err := s.audit("verify", "--chain", filepath.Dir(second), "--org", s.id)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, a.out)
	}
	if !strings.Contains(a.out, "archive 2 continues archive 1") {
		return fmt.Errorf("the second archive does not continue the first:\n%s", a.out)
	}
	s.note("verify --chain: archive 2 continues archive 1")
	var g errgroup.Group
	g.SetLimit(2)
	for _, d := range damages {
		g.Go(func() error { return s.damaged(second, d) })
	}
	g.Go(func() error { return s.refusedArchive(exitTampered, second, s.archive) })
	if err := g.Wait(); err != nil {
		return err
	}
	s.note("refused: the chain in another order, a byte changed (%d), a file removed (%d), a file added (%d)", exitTampered, exitIncomplete, exitTampered)
	return nil
}

// damage is something done to a copy of an archive, and the auditor's answer.
type damage struct {
	name string
	code int
	do   func(dir string) error
}

var damages = []damage{
	{"changed", exitTampered, func(dir string) error {
		file, err := somefile(dir)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 1
		return os.WriteFile(file, b, 0o600)
	}},
	{"removed", exitIncomplete, func(dir string) error {
		file, err := somefile(dir)
		if err != nil {
			return err
		}
		return os.Remove(file)
	}},
	{"added", exitTampered, func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "data", "added"), []byte("not in the manifest"), 0o644)
	}},
}

// somefile is a file of an archive's records.
func somefile(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "data", "records", "*"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("archive %s has no records", dir)
	}
	if err != nil {
		return "", err
	}
	return files[0], nil
}

func (s *story) damaged(archive string, d damage) error {
	dir := filepath.Join(s.auditor.home, "damaged", d.name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	if err := s.auditor.take(archive, dir); err != nil {
		return err
	}
	if err := d.do(dir); err != nil {
		return err
	}
	return s.refusedArchive(d.code, dir)
}

// refusedArchive expects that archives, in this order, do not verify.
func (s *story) refusedArchive(code int, dirs ...string) error {
	a, err := s.audit(append([]string{"verify", "--org", s.id}, dirs...)...)
	if p, ok := err.(*problem); !ok || p.answer.code != code {
		return fmt.Errorf("verifying %s: want exit %d: %w\n%s", filepath.Base(dirs[0]), code, err, a.out)
	}
	return nil
}
