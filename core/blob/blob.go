package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// ChunkSize is a whole sealed chunk in bytes: nonce 12, ciphertext 65,536, tag
// 16. Only the last of a file is shorter.
const ChunkSize = 12 + 64<<10 + 16

var (
	// ErrMismatch reports bytes that are not those that were announced.
	ErrMismatch = errors.New("bytes do not match the announced size and root")
	// ErrExists reports an id that other bytes are stored under.
	ErrExists = errors.New("other bytes are stored under this id")
	// ErrAbsent reports an id that nothing is stored under.
	ErrAbsent = errors.New("no such file")
)

// Disk keeps files in a directory, at ab/cd/<id in hex>.
type Disk struct{ dir string }

// staging is where files grow before they are whole.
const staging = "incoming"

// Open prepares dir, made with mode 0700 when missing, and removes what a crash
// left half written. One process at a time may use a directory.
func Open(dir string) (*Disk, error) {
	incoming := filepath.Join(dir, staging)
	if err := os.RemoveAll(incoming); err != nil {
		return nil, fmt.Errorf("opening files: %w", err)
	}
	if err := os.MkdirAll(incoming, 0o700); err != nil {
		return nil, fmt.Errorf("opening files: %w", err)
	}
	return &Disk{dir}, nil
}

func (d *Disk) path(id envelope.BlobID) string {
	name := id.String()
	return filepath.Join(d.dir, name[:2], name[2:4], name)
}

// Put stores size bytes of r whose chunks hash to root (RFC 6962), durably, or
// nothing. Storing the same bytes again does nothing. It returns ErrMismatch or
// ErrExists, wrapped.
func (d *Disk) Put(ctx context.Context, id envelope.BlobID, size uint64, root envelope.Hash, r io.Reader) error {
	if err := d.put(ctx, id, size, root, r); err != nil {
		return fmt.Errorf("storing file %s: %w", id, err)
	}
	return nil
}

func (d *Disk) put(ctx context.Context, id envelope.BlobID, size uint64, root envelope.Hash, r io.Reader) error {
	f, err := os.CreateTemp(filepath.Join(d.dir, staging), id.String()+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after a rename there is nothing to remove
	err = fill(ctx, f, size, root, r)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.publish(f.Name(), id, size, root)
}

// fill copies r to w and checks it on the way. It takes one byte more than was
// announced, to find that there is more.
func fill(ctx context.Context, w io.Writer, size uint64, root envelope.Hash, r io.Reader) error {
	if size == 0 || size > 1<<62 {
		return fmt.Errorf("size %d: %w", size, ErrMismatch)
	}
	n, got, err := hashChunks(ctx, w, io.LimitReader(r, int64(size)+1))
	if err != nil {
		return err
	}
	if n != size || got != root {
		return fmt.Errorf("%d bytes with root %s: %w", n, got, ErrMismatch)
	}
	return nil
}

// hashChunks reads r to its end, a chunk at a time, and writes it to w.
func hashChunks(ctx context.Context, w io.Writer, r io.Reader) (size uint64, root envelope.Hash, err error) {
	var tree tlog.RootBuilder
	chunk := make([]byte, ChunkSize)
	for {
		if err := ctx.Err(); err != nil {
			return 0, root, err
		}
		n, err := io.ReadFull(r, chunk)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return 0, root, err
		}
		if n > 0 {
			tree.Append(tlog.LeafHash(chunk[:n]))
			size += uint64(n)
			if _, err := w.Write(chunk[:n]); err != nil {
				return 0, root, err
			}
		}
		if err != nil {
			return size, envelope.Hash(tree.Root()), nil
		}
	}
}

// publish gives a whole file its name. It links, since renaming would replace a
// file that came first.
func (d *Disk) publish(from string, id envelope.BlobID, size uint64, root envelope.Hash) error {
	to := d.path(id)
	if err := d.mkdirs(filepath.Dir(to)); err != nil {
		return err
	}
	err := os.Link(from, to)
	if errors.Is(err, fs.ErrExist) {
		return d.same(to, size, root)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// mkdirs makes the two levels above a file, each durable in its parent.
func (d *Disk) mkdirs(dir string) error {
	for _, level := range []string{filepath.Dir(dir), dir} {
		err := os.Mkdir(level, 0o700)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err := errors.Join(err, syncDir(filepath.Dir(level))); err != nil {
			return err
		}
	}
	return nil
}

// same checks that the file at path is the announced one.
func (d *Disk) same(path string, size uint64, root envelope.Hash) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, got, err := hashChunks(context.Background(), io.Discard, f)
	if err != nil {
		return err
	}
	if n != size || got != root {
		return ErrExists
	}
	return nil
}

// Open opens a stored file; the caller closes it. It returns ErrAbsent, wrapped,
// when there is none.
func (d *Disk) Open(_ context.Context, id envelope.BlobID) (io.ReadCloser, error) {
	f, err := os.Open(d.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening file %s: %w", id, ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("opening file %s: %w", id, err)
	}
	return f, nil
}

// Remove removes a file durably. Removing what is not there does nothing, so
// that a disposal that was cut short can be run again.
func (d *Disk) Remove(_ context.Context, id envelope.BlobID) error {
	path := d.path(id)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("removing file %s: %w", id, err)
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
