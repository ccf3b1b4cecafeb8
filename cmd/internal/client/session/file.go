package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chancery/crypto/piece"
	"chancery/crypto/seal"
)

// ErrNotCaptured: in a recorded channel a file opens after its coverage.
var ErrNotCaptured = errors.New("file is not captured yet")

// Download writes attachment i of the message at a position to path, which it
// replaces only once every byte was verified. What a broken download left beside
// the path is verified and goes on.
func (c *Channel) Download(ctx context.Context, position uint64, i int, path func(name string) string) (*File, error) {
	f, err := c.file(ctx, position, i)
	if err != nil {
		return nil, err
	}
	target := path(filepath.Base(f.Name))
	if err := c.download(ctx, f, target); err != nil {
		return nil, fmt.Errorf("downloading %s: %w", f.Name, err)
	}
	return f, nil
}

func (c *Channel) download(ctx context.Context, f *File, target string) error {
	part := filepath.Join(filepath.Dir(target), ".chancery-"+f.ID+".part")
	err := c.fetch(ctx, f, part, target)
	if errors.Is(err, piece.ErrPast) || errors.Is(err, seal.ErrFile) {
		return errors.Join(err, piece.Remove(part)) // nothing of it is worth keeping
	}
	if err != nil {
		return err
	}
	return piece.Remove(part)
}

// fetch brings the sealed part to its end, then opens it to target.
func (c *Channel) fetch(ctx context.Context, f *File, part, target string) error {
	sealed, err := piece.NewFile(f.sealed.Size, f.sealed.Root)
	if err != nil {
		return err
	}
	d, err := piece.OpenDraft(part, sealed.Size, piece.All)
	if err != nil {
		return err
	}
	defer d.Close()
	for d.Have() < sealed.Chunks() {
		s := sealed.Next(d.Have())
		b, err := c.s.API.Piece(patient(ctx), c.id, f.sealed.ID, sealed, s)
		if err != nil {
			return err
		}
		if err := d.Take(sealed, bytes.NewReader(b), s.To); err != nil {
			return err
		}
	}
	return f.writeTo(target, d.Reader(sealed))
}

// writeTo opens a whole sealed file and gives it its name.
func (f *File) writeTo(target string, sealed io.Reader) error {
	tmp, err := os.CreateTemp(filepath.Dir(target), ".chancery-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	err = seal.OpenFile(tmp, sealed, f.sealed.ID, f.key, f.sealed.Size, f.sealed.Root)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), target)
}

// ReadRange writes length plain bytes of attachment i from an offset on, fewer
// at its end. Each piece is verified against the sender's signature before it is
// opened; no more is fetched than the chunks that hold the range.
func (c *Channel) ReadRange(ctx context.Context, position uint64, i int, offset, length uint64, w io.Writer) (*File, error) {
	f, err := c.file(ctx, position, i)
	if err != nil {
		return nil, err
	}
	if err := c.readRange(ctx, f, offset, length, w); err != nil {
		return nil, fmt.Errorf("reading %s from byte %d: %w", f.Name, offset, err)
	}
	return f, nil
}

func (c *Channel) readRange(ctx context.Context, f *File, offset, length uint64, w io.Writer) error {
	sealed, err := piece.NewFile(f.sealed.Size, f.sealed.Root)
	if err != nil {
		return err
	}
	if offset >= sealed.Plain() || length == 0 {
		return nil
	}
	end := offset + min(length, sealed.Plain()-offset)
	out := &window{w: w, skip: offset % piece.Plain, left: end - offset}
	for at := offset / piece.Plain; at*piece.Plain < end; {
		s := sealed.Next(at)
		s.To = min(s.To, (end+piece.Plain-1)/piece.Plain)
		if err := c.readPiece(ctx, f, sealed, s, out); err != nil {
			return err
		}
		at = s.To
	}
	return nil
}

func (c *Channel) readPiece(ctx context.Context, f *File, sealed piece.File, s piece.Span, out io.Writer) error {
	b, err := c.s.API.Piece(patient(ctx), c.id, f.sealed.ID, sealed, s)
	if err != nil {
		return err
	}
	chunks := bytes.NewBuffer(make([]byte, 0, len(b)))
	if _, err := sealed.Receive(chunks, bytes.NewReader(b), s); err != nil {
		return err
	}
	return seal.OpenChunks(out, chunks, f.sealed.ID, f.key, sealed, s)
}

// window passes on the part that was asked for.
type window struct {
	w          io.Writer
	skip, left uint64
}

func (o *window) Write(b []byte) (int, error) {
	skip := min(o.skip, uint64(len(b)))
	take := min(o.left, uint64(len(b))-skip)
	o.skip, o.left = o.skip-skip, o.left-take
	if _, err := o.w.Write(b[skip : skip+take]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// file finds an attachment that may be opened now.
func (c *Channel) file(ctx context.Context, position uint64, i int) (*File, error) {
	if position == 0 {
		return nil, fmt.Errorf("%w: %d", ErrNoMessage, position)
	}
	all, err := c.Read(ctx, position-1)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || all[0].Position != position || i < 0 || i >= len(all[0].Files) {
		return nil, fmt.Errorf("%w: file %d of %d", ErrNoMessage, i, position)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recorded() && !all[0].Captured {
		return nil, fmt.Errorf("%w: message %d waits for its recorder", ErrNotCaptured, position)
	}
	return &all[0].Files[i], nil
}

// ErrNoMessage: there is no such message, or not for this reader.
var ErrNoMessage = errors.New("no such message")
