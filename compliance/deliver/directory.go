package deliver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExists reports a delivery under whose name something else is there.
var ErrExists = errors.New("something else is delivered under this name")

// errDiffers reports that what is read back is not what was sent.
var errDiffers = errors.New("reads back differently")

// Directory is a write-once directory. The file system below it should be one
// that keeps what it is told to keep; here nobody is given the means to rewrite.
type Directory struct{ Path string }

// partial marks a delivery that is not whole.
const partial = ".partial"

// Deliver copies the tree at src to name, a path of one or more parts, and
// returns where it is. Delivering the same tree again finds it there; another
// one under the same name is ErrExists, wrapped.
func (d Directory) Deliver(ctx context.Context, src, name string) (string, error) {
	to := filepath.Join(d.Path, filepath.FromSlash(name))
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("delivering %q: not a path below the directory", name)
	}
	err := d.deliver(ctx, src, to)
	if err != nil {
		return "", fmt.Errorf("delivering %s: %w", name, err)
	}
	return to, nil
}

func (d Directory) deliver(ctx context.Context, src, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return existing(compare(ctx, src, to))
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := removeTree(to + partial); err != nil {
		return err
	}
	if err := copyTree(ctx, src, to+partial); err != nil {
		return err
	}
	if err := compare(ctx, src, to+partial); err != nil {
		return err
	}
	if err := os.Rename(to+partial, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// existing tells of a difference to what was there before.
func existing(err error) error {
	if errors.Is(err, errDiffers) {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	return err
}

// removeTree removes what an interrupted delivery left, read-only or not.
func removeTree(path string) error {
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(p, 0o755)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(path)
}

// copyTree copies files and directories, each flushed, and takes the right to
// write away from them, innermost first.
func copyTree(ctx context.Context, src, dst string) error {
	var dirs []string
	err := filepath.WalkDir(src, func(path string, e fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		switch {
		case e.IsDir():
			dirs = append(dirs, to)
			return os.Mkdir(to, 0o755)
		case !e.Type().IsRegular():
			return fmt.Errorf("%s is not a plain file", rel)
		}
		return copyFile(path, to)
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- {
		err = errors.Join(syncDir(dirs[i]), os.Chmod(dirs[i], 0o555))
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Chmod(0o444), out.Close())
}

// compare reads what was delivered back and checks that it is the tree at src:
// the same files, no others, the same bytes.
func compare(ctx context.Context, src, dst string) error {
	want, err := sums(ctx, src)
	if err != nil {
		return err
	}
	got, err := sums(ctx, dst)
	if err != nil {
		return err
	}
	if len(want) != len(got) {
		return fmt.Errorf("%w: %d files, sent %d", errDiffers, len(got), len(want))
	}
	for name, sum := range want {
		if !bytes.Equal(got[name], sum) {
			return fmt.Errorf("%w: %s", errDiffers, name)
		}
	}
	return nil
}

func sums(ctx context.Context, root string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)], err = sum(path)
		return err
	})
	return out, err
}

func sum(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// Put writes one file of bytes under name, once. The same bytes again are fine;
// others are ErrExists, wrapped.
func (d Directory) Put(name string, b []byte) (string, error) {
	to := filepath.Join(d.Path, filepath.FromSlash(name))
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("delivering %q: not a path below the directory", name)
	}
	if err := put(to, b); err != nil {
		return "", fmt.Errorf("delivering %s: %w", name, err)
	}
	return to, nil
}

func put(to string, b []byte) error {
	if there, err := os.ReadFile(to); err == nil {
		if !bytes.Equal(there, b) {
			return ErrExists
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(to+partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if there, err := os.ReadFile(to + partial); err != nil || !bytes.Equal(there, b) {
		return fmt.Errorf("%s reads back differently: %w", filepath.Base(to), err)
	}
	if err := os.Rename(to+partial, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
