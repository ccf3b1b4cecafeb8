package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const tempSuffix = ".tmp"

// writeFile puts a whole file in place, durably: after a crash the old or the
// new file is there, never a part.
func writeFile(dir, name string, b []byte) error {
	f, err := os.CreateTemp(dir, name+".*"+tempSuffix) // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readFile reads a secret file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written: an error would change nothing
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := privateMode(path, info); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrDamaged, limit)
	}
	return b, nil
}

func checkMode(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return privateMode(dir, info)
}

// privateMode refuses what the group or others may touch.
func privateMode(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %#o: %w", filepath.Base(path), mode, ErrMode)
	}
	return nil
}

// sweep removes what a crash in writeFile left behind.
func (r *Ring) sweep() error {
	files, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), tempSuffix) {
			if err := os.Remove(r.path(f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
