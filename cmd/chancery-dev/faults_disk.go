package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// disk is a small one, in memory, that is mounted where the organisation keeps
// something.
type disk struct{ dir string }

// small are the disks by name: whose, where in their home, how large.
func small(s *story) map[string]struct {
	owner *party
	dir   string
	size  string
} {
	return map[string]struct {
		owner *party
		dir   string
		size  string
	}{
		"db": {s.host, "state/db", "256m"}, "files": {s.host, "state/files", "8m"}, "vault-b": {s.host, "state/vault-b", "1m"},
		"copy": {s.recorderParty, "copy", "8m"},
	}
}

// mount puts small disks under the parts. Only root can: without them the steps
// that fill a disk say that they were left out.
func (x *trouble) mount(s *story) error {
	x.disks = map[string]*disk{}
	if os.Geteuid() != 0 {
		return nil
	}
	for name, d := range small(s) {
		dir := filepath.Join(d.owner.home, d.dir)
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return err
		}
		if parent := filepath.Dir(dir); parent != d.owner.home {
			if err := d.owner.own(parent); err != nil {
				return err
			}
		}
		options := fmt.Sprintf("size=%s,mode=0711,uid=%d,gid=%d", d.size, d.owner.uid, d.owner.gid)
		err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, options)
		if errors.Is(err, syscall.EPERM) {
			return nil // root in a container that may not mount
		}
		if err != nil {
			return fmt.Errorf("mounting a small disk at %s: %w", dir, err)
		}
		x.disks[name] = &disk{dir}
	}
	return nil
}

func (d *disk) remove() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }

// on runs a step that needs a small disk.
func (x *trouble) on(name string, run func(context.Context, *story, *disk) error) func(context.Context, *story) error {
	return func(ctx context.Context, s *story) error {
		d, ok := x.disks[name]
		if !ok {
			s.note("left out: only root, where it may mount, can have a small disk")
			return nil
		}
		return errors.Join(run(ctx, s, d), d.free())
	}
}

const filler = "filler"

// fill leaves no room at all.
func (d *disk) fill() error {
	f, err := os.Create(filepath.Join(d.dir, filler))
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("filling %s: %w", d.dir, err)
		}
	}
	return nil
}

// free makes room again.
func (d *disk) free() error {
	err := os.Remove(filepath.Join(d.dir, filler))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// hurry keeps a command from waiting out a fault that only the story ends.
var hurry = []string{"--patience", "1s"}

// refusedFor expects a command to fail as unavailable, by the code, and to say
// what is wrong in these words.
func refusedFor(err error, code, words string) error {
	p, ok := errors.AsType[*problem](err)
	switch {
	case err == nil:
		return fmt.Errorf("it worked, though %s was expected", code)
	case !ok:
		return err
	case p.answer.code != unavailable || p.Code != code || !strings.Contains(p.Detail, words):
		return fmt.Errorf("exit %d, code %q: %s; want exit %d, code %q, %q", p.answer.code, p.Code, p.Detail, unavailable, code, words)
	}
	return nil
}
