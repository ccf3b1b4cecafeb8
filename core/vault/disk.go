package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// partial ends the name of a file that is being written.
const partial = ".part"

// disk does every change to files, each durable before the next. A test sets
// step, which is asked before each change: its error stands for a crash at that
// point, and a write that crashes leaves half of its bytes.
type disk struct {
	step func(op, path string) error
}

func (d disk) at(op, path string) error {
	if d.step == nil {
		return nil
	}
	return d.step(op, path)
}

// replace puts data at path, whole or not at all, and reads it back.
func (d disk) replace(path string, data []byte) error {
	part := path + partial
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.writeAt(part, data, 0); err != nil {
		return err
	}
	if err := d.at("rename", path); err != nil {
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return readBack(path, data, 0)
}

// extend writes data at the given offset of a file, and reads it back.
func (d disk) extend(path string, data []byte, offset int64) error {
	if err := d.writeAt(path, data, offset); err != nil {
		return err
	}
	return readBack(path, data, offset)
}

func (d disk) writeAt(path string, data []byte, offset int64) error {
	crash := d.at("write", path)
	if crash != nil {
		data = data[:len(data)/2]
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return errors.Join(crash, err)
	}
	_, err = f.WriteAt(data, offset)
	return errors.Join(crash, err, f.Sync(), f.Close())
}

// destroy overwrites a file, and then removes it. File systems that copy on
// write, and flash, may keep the old blocks; hence the advice in doc.go.
func (d disk) destroy(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := d.writeAt(path, make([]byte, info.Size()), 0); err != nil {
		return err
	}
	return d.remove(path)
}

func (d disk) remove(path string) error {
	if err := d.at("remove", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func readBack(path string, want []byte, offset int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	defer f.Close()
	got := make([]byte, len(want))
	if len(got) == 0 {
		return nil
	}
	if _, err := f.ReadAt(got, offset); err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("reading back %s: not what was written", path)
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removeOthers lists the files of dir whose name starts with one of the
// prefixes, all but keep, and applies drop to each.
func removeOthers(dir, keep string, drop func(path string) error, prefixes ...string) error {
	for _, prefix := range prefixes {
		paths, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if filepath.Base(path) == keep {
				continue
			}
			if err := drop(path); err != nil {
				return err
			}
		}
	}
	return nil
}
