package vault

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Report is the state of a vault as found on its disks.
type Report struct {
	Generation uint64
	Fence      uint64
	Trees      int
	Copies     []CopyReport
	Warnings   []string // what weakens the vault though it works
}

// CopyReport is the state of one copy; it is sound if Err is nil.
type CopyReport struct {
	Dir string
	Err error
}

// Doctor reads every copy anew and opens each tree. It changes nothing.
func (v *Vault) Doctor() Report {
	v.writing.Lock()
	defer v.writing.Unlock()
	r := Report{Generation: v.gen.number, Fence: v.fence, Trees: len(v.gen.trees)}
	devices := make(map[uint64]string)
	for _, c := range v.copies {
		r.Copies = append(r.Copies, CopyReport{c.dir, v.examine(c)})
		r.Warnings = append(r.Warnings, shared(devices, c.dir, "two copies on one disk are lost together")...)
	}
	for _, dir := range v.keys.dirs {
		r.Warnings = append(r.Warnings, shared(devices, dir, "a snapshot of the disk takes vault and KEK together, and undoes shredding")...)
	}
	return r
}

func (v *Vault) examine(c vaultCopy) error {
	p, err := c.pointer()
	if err != nil {
		return err
	}
	if p != (pointer{v.gen.number, v.fence}) {
		return fmt.Errorf("points to generation %d at fence %d: %w", p.generation, p.fence, ErrCorrupt)
	}
	data, err := os.ReadFile(c.path(genName(v.gen.number)))
	if err != nil {
		return err
	}
	g, err := scan(data, v.gen.number, v.gen.aead)
	if err != nil {
		return err
	}
	if g.size != v.gen.size || int64(len(data)) != g.size {
		return fmt.Errorf("holds %d trees in %d bytes: %w", len(g.trees), len(data), ErrCorrupt)
	}
	return nil
}

// shared returns a warning if dir lies on a device seen before.
func shared(devices map[uint64]string, dir, warning string) []string {
	device, err := deviceOf(dir)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v", dir, err)}
	}
	if other, ok := devices[device]; ok {
		return []string{fmt.Sprintf("%s is on the disk of %s: %s", dir, other, warning)}
	}
	devices[device] = dir
	return nil
}

func deviceOf(dir string) (uint64, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("can't tell the disk it is on")
	}
	return uint64(stat.Dev), nil
}
