package archive

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"chancery/crypto/envelope"
)

// tmp marks a file that is not whole yet.
const tmp = ".tmp"

// durable writes a file that has its name only once it is whole and on disk.
type durable struct {
	path string
	f    *os.File
	buf  *bufio.Writer
}

func newDurable(path string) (*durable, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	return &durable{path, f, bufio.NewWriterSize(f, 64<<10)}, nil
}

func (d *durable) Write(b []byte) (int, error) { return d.buf.Write(b) }

// commit gives the file its name. After an error the file is not there.
func (d *durable) commit() error {
	if err := errors.Join(d.buf.Flush(), d.f.Sync(), d.f.Close()); err != nil {
		return err
	}
	if err := os.Rename(d.path+tmp, d.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.path))
}

// abandon drops a file that will not be whole.
func (d *durable) abandon() { _ = d.f.Close(); _ = os.Remove(d.path + tmp) }

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeDurable(path string, b []byte) error {
	d, err := newDurable(path)
	if err != nil {
		return err
	}
	if _, err := d.Write(b); err != nil {
		d.abandon()
		return err
	}
	return d.commit()
}

// lines writes a file of JSON lines, compressed when its name ends in .zst.
type lines struct {
	name  string // path in the bag
	file  *durable
	zstd  *zstd.Encoder // or nil
	dst   io.Writer
	plain hash.Hash
	size  int64
	count int
	// committed: the file has its name.
	committed bool
}

func newLines(dir, name string) (*lines, error) {
	file, err := newDurable(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	l := &lines{name: name, file: file, dst: file, plain: sha256.New()}
	if strings.HasSuffix(name, ".zst") {
		// One goroutine and the default window keep memory flat.
		if l.zstd, err = zstd.NewWriter(file, zstd.WithEncoderConcurrency(1)); err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		l.dst = l.zstd
	}
	return l, nil
}

func (l *lines) add(v any) error {
	b, err := encodeLine(v)
	if err != nil {
		return fmt.Errorf("writing %s: %w", l.name, err)
	}
	if len(b) >= maxLine {
		return fmt.Errorf("writing %s: line of %d bytes, limit %d", l.name, len(b), maxLine)
	}
	b = append(b, '\n')
	l.plain.Write(b)
	l.size += int64(len(b))
	l.count++
	if _, err := l.dst.Write(b); err != nil {
		return fmt.Errorf("writing %s: %w", l.name, err)
	}
	return nil
}

func (l *lines) commit() error {
	if l.zstd != nil {
		if err := l.zstd.Close(); err != nil {
			return fmt.Errorf("writing %s: %w", l.name, err)
		}
	}
	if err := l.file.commit(); err != nil {
		return fmt.Errorf("writing %s: %w", l.name, err)
	}
	l.committed = true
	return nil
}

// abandon drops a file that will not be whole; nothing happens after commit.
func (l *lines) abandon() {
	if l.committed {
		return
	}
	if l.zstd != nil {
		_ = l.zstd.Close() // frees its buffers; what it writes is dropped
	}
	l.file.abandon()
}

func (l *lines) sum() envelope.Hash { return envelope.Hash(l.plain.Sum(nil)) }
