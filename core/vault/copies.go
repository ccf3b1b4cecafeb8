package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// pointer is the state file of a copy: which generation is current, and the
// highest fencing number that wrote here.
type pointer struct {
	generation, fence uint64
}

const pointerName = "current"

func (p pointer) text() string {
	return fmt.Sprintf("chancery/v1/vault\ngeneration %d\nfence %d\n", p.generation, p.fence)
}

func parsePointer(text string) (pointer, error) {
	var p pointer
	if _, err := fmt.Sscanf(text, "chancery/v1/vault\ngeneration %d\nfence %d\n", &p.generation, &p.fence); err != nil || p.text() != text {
		return pointer{}, fmt.Errorf("reading pointer: %w", ErrCorrupt)
	}
	return p, nil
}

// vaultCopy is one directory that holds the vault.
type vaultCopy struct {
	disk disk
	dir  string
}

func (c vaultCopy) path(name string) string { return filepath.Join(c.dir, name) }

// pointer reads the pointer; a copy that has none gives the zero pointer.
func (c vaultCopy) pointer() (pointer, error) {
	text, err := os.ReadFile(c.path(pointerName))
	if errors.Is(err, fs.ErrNotExist) {
		return pointer{}, nil
	}
	if err != nil {
		return pointer{}, fmt.Errorf("reading pointer: %w", err)
	}
	p, err := parsePointer(string(text))
	if err != nil {
		return pointer{}, fmt.Errorf("copy %s: %w", c.dir, err)
	}
	return p, nil
}

func (c vaultCopy) point(p pointer) error {
	if now, err := c.pointer(); err == nil && now == p {
		return nil
	}
	if err := c.disk.replace(c.path(pointerName), []byte(p.text())); err != nil {
		return fmt.Errorf("moving pointer of %s: %w", c.dir, err)
	}
	return nil
}

// dropOthers removes every generation file but one. They are sealed under a KEK
// that is destroyed, so unlinking is enough.
func (c vaultCopy) dropOthers(number uint64) error {
	if err := removeOthers(c.dir, genName(number), c.disk.remove, genPattern); err != nil {
		return fmt.Errorf("dropping old generations of %s: %w", c.dir, err)
	}
	return nil
}

// lockAll takes the file locks of all copies, in the order of the configuration,
// which is the same for every process of a vault.
func lockAll(copies []vaultCopy) (unlock func(), err error) {
	var held []*os.File
	unlock = func() {
		for _, f := range held {
			_ = f.Close() // closing gives up the lock
		}
	}
	for _, c := range copies {
		f, err := os.OpenFile(c.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			unlock()
			return nil, fmt.Errorf("locking copy: %w", err)
		}
		held = append(held, f)
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			unlock()
			return nil, fmt.Errorf("locking copy %s: %w", c.dir, err)
		}
	}
	return unlock, nil
}
