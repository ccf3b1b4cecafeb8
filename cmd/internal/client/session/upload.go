package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"chancery/cmd/internal/client"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/piece"
	"chancery/crypto/seal"
)

// unfinished is an upload that no message has bound yet: what it takes to go on
// with it after a crash. The sealed bytes lie in the spool, since sealing again
// gives others.
type unfinished struct {
	_          struct{} `cbor:",toarray"`
	Size       int64    // of the file that was sealed, and when it was changed
	Modified   int64    // unix nanoseconds
	Attachment envelope.Attachment
	File       envelope.File
}

// Upload seals a file and sends it, piece by piece. An upload of the same file to
// this channel that was broken off goes on where it was.
func (c *Channel) Upload(ctx context.Context, path string) (*Upload, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("attaching: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("attaching %s: not a regular file", path)
	}
	u, err := c.resumeUpload(ctx, path, info)
	if u == nil && err == nil {
		u, err = c.startUpload(ctx, path, info)
	}
	if err != nil {
		return nil, fmt.Errorf("uploading %s: %w", path, err)
	}
	c.s.handOut(u)
	return u, nil
}

// itemOf names what is remembered of an upload: one of a path to a channel.
func (c *Channel) itemOf(path string) string {
	return "upload." + envelope.SumBytes(envelope.Frame("upload", c.id, path)).String()
}

func (s *Session) spooled(id envelope.BlobID) string { return filepath.Join(s.Spool, id.String()) }

// resumeUpload goes on with what was broken off; nil: there is nothing to go on
// with.
func (c *Channel) resumeUpload(ctx context.Context, path string, info os.FileInfo) (*Upload, error) {
	item := c.itemOf(path)
	was, err := keyring.Value[unfinished](c.s.Ring, item)
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	u := &Upload{Attachment: was.Attachment, File: was.File, item: item}
	if was.Size != info.Size() || was.Modified != info.ModTime().UnixNano() || c.s.handedOut(u) {
		return nil, c.s.dropUpload(u)
	}
	err = c.push(ctx, u)
	if p, ok := errors.AsType[*client.Problem](err); errors.Is(err, errSpool) || ok && p.Status == http.StatusConflict {
		return nil, c.s.dropUpload(u)
	}
	return u, err
}

// startUpload seals a file into the spool, because its size and root must be
// known first, and sends that.
func (c *Channel) startUpload(ctx context.Context, path string, info os.FileInfo) (*Upload, error) {
	if err := c.s.sweepSpool(); err != nil {
		return nil, err
	}
	u := &Upload{item: c.itemOf(path)}
	rand.Read(u.Attachment.ID[:])
	if err := c.s.spool(path, u); err != nil {
		return nil, errors.Join(err, piece.Remove(c.s.spooled(u.Attachment.ID)))
	}
	err := c.s.Ring.PutValue(u.item, &unfinished{
		Size: info.Size(), Modified: info.ModTime().UnixNano(), Attachment: u.Attachment, File: u.File,
	})
	if err != nil {
		return nil, err
	}
	return u, c.push(ctx, u)
}

func (s *Session) spool(path string, u *Upload) error {
	src, err := os.Open(path)
	if err != nil {
		return err
	}
	defer src.Close()
	d, err := piece.OpenDraft(s.spooled(u.Attachment.ID), 0, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	key, plain := seal.NewDataKey(), &counter{r: src}
	if u.Attachment.Size, u.Attachment.Root, err = seal.SealFile(d, plain, u.Attachment.ID, key); err != nil {
		return err
	}
	u.File = envelope.File{Name: filepath.Base(path), Type: mediaType(path), Size: plain.n, Key: key[:]}
	return nil
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

func mediaType(path string) string {
	if t := mime.TypeByExtension(filepath.Ext(path)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// errSpool: the sealed bytes of an upload are gone, or changed.
var errSpool = errors.New("the sealed copy is not there any more")

// push sends what the server lacks of a file. The sealed copy goes once the
// server has all of it.
func (c *Channel) push(ctx context.Context, u *Upload) error {
	f, err := piece.NewFile(u.Attachment.Size, u.Attachment.Root)
	if err != nil {
		return err
	}
	have, err := c.s.API.Announce(patient(ctx), c.id, u.Attachment)
	if err != nil {
		return err
	}
	spooled := c.s.spooled(u.Attachment.ID)
	if have < f.Chunks() {
		if err := c.pushFrom(ctx, u.Attachment.ID, f, spooled, have); err != nil {
			return err
		}
	}
	return piece.Remove(spooled)
}

func (c *Channel) pushFrom(ctx context.Context, id envelope.BlobID, f piece.File, spooled string, have uint64) error {
	if _, err := os.Stat(spooled); err != nil {
		return errors.Join(errSpool, err)
	}
	d, err := piece.OpenDraft(spooled, f.Size, piece.All)
	if err != nil {
		return err
	}
	defer d.Close()
	if root, err := d.Root(); err != nil || d.Have() != f.Chunks() || root != f.Root {
		return errors.Join(errSpool, err)
	}
	buf := bytes.NewBuffer(make([]byte, 0, piece.MaxBytes))
	for have < f.Chunks() {
		s := f.Next(have)
		buf.Reset()
		if err := d.Send(buf, f, s); err != nil {
			return err
		}
		if have, err = c.s.API.PutPiece(patient(ctx), c.id, id, s, buf.Bytes()); err != nil {
			return err
		}
		if have < s.To {
			return fmt.Errorf("the server says that it has %d chunks after it took %d", have, s.To)
		}
	}
	return nil
}

// patient lets a piece wait out a restart of the server.
func patient(ctx context.Context) context.Context {
	return client.WithDefaultPatience(ctx, client.Patience{Limit: patience})
}

// spoolTime is how long a sealed copy is kept that nobody goes on with: longer
// than a server keeps its part.
const spoolTime = 48 * time.Hour

// sweepSpool removes what was given up, or cut while it was sealed.
func (s *Session) sweepSpool() error {
	if err := os.MkdirAll(s.Spool, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(s.Spool)
	if err != nil {
		return err
	}
	var all error
	for _, f := range files {
		if info, err := f.Info(); err == nil && s.Now().Sub(info.ModTime()) > spoolTime {
			all = errors.Join(all, os.Remove(filepath.Join(s.Spool, f.Name())))
		}
	}
	return all
}

// handOut notes that an upload goes into a message: another message needs
// another one.
func (s *Session) handOut(u *Upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads[u.Attachment.ID] = true
}

func (s *Session) handedOut(u *Upload) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[u.Attachment.ID]
}

// dropUpload forgets an upload that a message has bound, or that is of no use.
func (s *Session) dropUpload(u *Upload) error {
	err := s.Ring.Delete(u.item)
	if errors.Is(err, keyring.ErrNotFound) {
		err = nil
	}
	return errors.Join(err, piece.Remove(s.spooled(u.Attachment.ID)))
}

// bound forgets uploads that a message has bound. One that another upload of the
// same path has replaced is not remembered any more.
func (s *Session) bound(files []Upload) error {
	for i := range files {
		was, err := keyring.Value[unfinished](s.Ring, files[i].item)
		if err == nil && was.Attachment.ID == files[i].Attachment.ID {
			err = s.dropUpload(&files[i])
		}
		if err != nil && !errors.Is(err, keyring.ErrNotFound) {
			return fmt.Errorf("forgetting an upload: %w", err)
		}
	}
	return nil
}
