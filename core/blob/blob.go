package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

var (
	// ErrExists reports an id that other bytes are stored under.
	ErrExists = errors.New("other bytes are stored under this id")
	// ErrAbsent reports an id that nothing is stored under.
	ErrAbsent = errors.New("no such file")
)

// Disk keeps files in a directory, at ab/cd/<id in hex>, and those that are
// growing in one of their own.
type Disk struct {
	dir   string
	locks [64]sync.Mutex // of growing files, by id
}

// staging is where files grow before they are whole.
const staging = "incoming"

// Open prepares dir, made with mode 0700 when missing. One process at a time may
// use a directory.
func Open(dir string) (*Disk, error) {
	if err := os.MkdirAll(filepath.Join(dir, staging), 0o700); err != nil {
		return nil, fmt.Errorf("opening files: %w", err)
	}
	return &Disk{dir: dir}, nil
}

func (d *Disk) path(id envelope.BlobID) string {
	name := id.String()
	return filepath.Join(d.dir, name[:2], name[2:4], name)
}

func (d *Disk) growing(id envelope.BlobID) string {
	return filepath.Join(d.dir, staging, id.String())
}

func (d *Disk) lock(id envelope.BlobID) *sync.Mutex {
	m := &d.locks[int(id[0])%len(d.locks)]
	m.Lock()
	return m
}

// Have is how many chunks of a file are there; all of them once it is stored.
func (d *Disk) Have(_ context.Context, id envelope.BlobID, f piece.File) (have uint64, err error) {
	defer d.lock(id).Unlock()
	err = d.draft(id, f, func(p *piece.Draft) error { have = p.Have(); return nil })
	if errors.Is(err, errStored) {
		return f.Chunks(), nil
	}
	if err != nil {
		return 0, fmt.Errorf("looking at file %s: %w", id, err)
	}
	return have, nil
}

// Take adds chunks to a file, durably, or nothing: those of the piece s, read
// from r. The last one stores the file. A piece that is there already is not
// read. It returns how many chunks are there, and piece.ErrTurn,
// piece.ErrPiece, piece.ErrSize or ErrExists, wrapped.
func (d *Disk) Take(_ context.Context, id envelope.BlobID, f piece.File, s piece.Span, r io.Reader) (have uint64, err error) {
	defer d.lock(id).Unlock()
	err = d.draft(id, f, func(p *piece.Draft) error {
		defer func() { have = p.Have() }()
		if s.To <= p.Have() {
			return nil
		}
		if s.From != p.Have() {
			return fmt.Errorf("%w: the one from chunk %d on", piece.ErrTurn, p.Have())
		}
		return p.Take(f, r, s.To)
	})
	if errors.Is(err, errStored) {
		return f.Chunks(), nil
	}
	if err != nil {
		return have, fmt.Errorf("storing file %s: %w", id, err)
	}
	return have, nil
}

var errStored = errors.New("file is stored")

// draft opens a growing file for work and stores it when it is whole, or tells
// that it is stored already. The caller holds the lock.
func (d *Disk) draft(id envelope.BlobID, f piece.File, work func(*piece.Draft) error) error {
	if info, err := os.Stat(d.path(id)); err == nil {
		if uint64(info.Size()) != f.Size {
			return ErrExists
		}
		return errStored
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Each piece is durable before the next is taken: a crash cuts the last only.
	p, err := piece.OpenDraft(d.growing(id), f.Size, piece.LastPiece)
	if err != nil {
		return err
	}
	defer p.Close() // what was taken is on disk: nothing is left to fail
	if err := work(p); err != nil || p.Have() < f.Chunks() {
		return err
	}
	return d.publish(id)
}

// publish gives a whole file its name: the tree first, since the name of the
// file says that both are there. Both stay where they grew until then, so that
// after a crash it can be done again.
func (d *Disk) publish(id envelope.BlobID) error {
	from, to := d.growing(id), d.path(id)
	if err := d.mkdirs(filepath.Dir(to)); err != nil {
		return err
	}
	err := os.Link(from+piece.TreeSuffix, to+piece.TreeSuffix)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(to)), piece.Remove(from))
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

// Open opens a stored file; the caller closes it. It returns ErrAbsent, wrapped,
// when there is none.
func (d *Disk) Open(_ context.Context, id envelope.BlobID) (io.ReadCloser, error) {
	f, err := open(d.path(id))
	if err != nil {
		return nil, fmt.Errorf("opening file %s: %w", id, err)
	}
	return f, nil
}

func open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrAbsent
	}
	return f, err
}

// Send writes a piece of a stored file to w. It returns ErrAbsent or
// piece.ErrSize, wrapped, before it writes.
func (d *Disk) Send(_ context.Context, id envelope.BlobID, f piece.File, s piece.Span, w io.Writer) error {
	if err := d.send(id, f, s, w); err != nil {
		return fmt.Errorf("sending file %s: %w", id, err)
	}
	return nil
}

func (d *Disk) send(id envelope.BlobID, f piece.File, s piece.Span, w io.Writer) error {
	data, err := open(d.path(id))
	if err != nil {
		return err
	}
	defer data.Close()
	tree, err := open(d.path(id) + piece.TreeSuffix)
	if err != nil {
		return err
	}
	defer tree.Close()
	return f.Send(w, data, piece.Hashes{ReaderAt: tree}, s)
}

// Remove removes a file durably, stored or growing. Removing what is not there
// does nothing, so that what was cut short can be run again.
func (d *Disk) Remove(_ context.Context, id envelope.BlobID) error {
	defer d.lock(id).Unlock()
	path := d.path(id)
	err := errors.Join(piece.Remove(d.growing(id)), piece.Remove(path))
	if _, gone := os.Stat(filepath.Dir(path)); gone == nil {
		err = errors.Join(err, syncDir(filepath.Dir(path)))
	}
	if err != nil {
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
