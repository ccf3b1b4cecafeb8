package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// ErrNotCaptured: in a recorded channel a file opens after its coverage.
var ErrNotCaptured = errors.New("file is not captured yet")

// Upload seals a file into a temporary one, because its size and root must be
// known first, and sends that.
func (c *Channel) Upload(ctx context.Context, path string) (*Upload, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("attaching: %w", err)
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return nil, fmt.Errorf("attaching: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("attaching %s: not a regular file", path)
	}
	tmp, err := os.CreateTemp("", "chancery-sealed-*")
	if err != nil {
		return nil, fmt.Errorf("attaching: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	u := &Upload{}
	rand.Read(u.Attachment.ID[:])
	key := seal.NewDataKey()
	plain := &counter{r: src}
	if u.Attachment.Size, u.Attachment.Root, err = seal.SealFile(tmp, plain, u.Attachment.ID, key); err != nil {
		return nil, fmt.Errorf("attaching %s: %w", path, err)
	}
	u.File = envelope.File{Name: filepath.Base(path), Type: mediaType(path), Size: plain.n, Key: key[:]}
	if err := c.s.API.PutFile(ctx, c.id, u.Attachment, tmp); err != nil {
		return nil, fmt.Errorf("uploading %s: %w", path, err)
	}
	return u, nil
}

func mediaType(path string) string {
	if t := mime.TypeByExtension(filepath.Ext(path)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// counter counts what was read: a file may grow while it is sealed.
type counter struct {
	r io.Reader
	n uint64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += uint64(n)
	return n, err
}

// Download writes attachment i of the message at a position to path, which it
// replaces only once every byte was verified.
func (c *Channel) Download(ctx context.Context, position uint64, i int, path func(name string) string) (*File, error) {
	f, err := c.file(ctx, position, i)
	if err != nil {
		return nil, err
	}
	src, err := c.s.API.File(ctx, c.id, f.sealed.ID)
	if err != nil {
		return nil, fmt.Errorf("downloading %s: %w", f.Name, err)
	}
	defer src.Close()
	target := path(filepath.Base(f.Name))
	tmp, err := os.CreateTemp(filepath.Dir(target), ".chancery-*")
	if err != nil {
		return nil, fmt.Errorf("downloading: %w", err)
	}
	defer os.Remove(tmp.Name())
	err = seal.OpenFile(tmp, src, f.sealed.ID, f.key, f.sealed.Size, f.sealed.Root)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return nil, fmt.Errorf("downloading %s: %w", f.Name, err)
	}
	return f, os.Rename(tmp.Name(), target)
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
	if len(c.chain.Genesis.Recorders) > 0 && !all[0].Captured {
		return nil, fmt.Errorf("%w: message %d waits for its recorder", ErrNotCaptured, position)
	}
	return &all[0].Files[i], nil
}

// ErrNoMessage: there is no such message, or not for this reader.
var ErrNoMessage = errors.New("no such message")

// Target finds the message at a position that this person may edit, or delete.
func (c *Channel) Target(ctx context.Context, position uint64, kind envelope.MessageKind) (envelope.Ref, error) {
	if position == 0 {
		return envelope.Ref{}, fmt.Errorf("%w: %d", ErrNoMessage, position)
	}
	all, err := c.Read(ctx, position-1)
	if err != nil {
		return envelope.Ref{}, err
	}
	if len(all) == 0 || all[0].Position != position || all[0].Kind != "post" {
		return envelope.Ref{}, fmt.Errorf("%w: %d", ErrNoMessage, position)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	me, _ := c.chain.Member(c.s.Me.Chain)
	clears := kind == envelope.Delete && (me.Rank == envelope.RankOwner || me.Rank == envelope.RankModerator)
	if all[0].User != c.s.Me.Chain && !clears {
		return envelope.Ref{}, fmt.Errorf("%w: message %d", ErrNotAuthor, position)
	}
	return envelope.Ref{Position: position, Hash: all[0].Entry}, nil
}

// ErrNotAuthor: only its author may edit a message; owners and moderators may
// delete it too.
var ErrNotAuthor = errors.New("you are not its author")
