package recorder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

func (f *follower) filePath(id envelope.BlobID) string {
	return filepath.Join(f.dir, "files", id.String())
}

// fetchFile keeps the sealed bytes of an attachment, exactly those whose root
// the sender signed. Its key lies in the message's body, so that a file is
// readable as long as the message is. Whether the chunks decrypt is not asked:
// they are what the sender signed.
func (f *follower) fetchFile(ctx context.Context, a envelope.Attachment) error {
	path := f.filePath(a.ID)
	if info, err := os.Stat(path); err == nil && uint64(info.Size()) == a.Size {
		return nil // names are given only to files that were verified
	}
	file, err := piece.NewFile(a.Size, a.Root)
	if err != nil {
		return alarm(FileBad, "%w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	part := path + ".part"
	err = f.fetchPieces(ctx, a.ID, file, part)
	switch {
	case errors.Is(err, piece.ErrPiece):
		return alarm(FileBad, "%w", err)
	case errors.Is(err, piece.ErrPast):
		return errors.Join(err, piece.Remove(part)) // it begins anew
	case err != nil:
		return err
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return errors.Join(piece.Remove(part), syncDir(filepath.Dir(path)))
}

// fetchPieces goes on with what an earlier run left.
func (f *follower) fetchPieces(ctx context.Context, id envelope.BlobID, file piece.File, part string) error {
	d, err := piece.OpenDraft(part, file.Size, piece.All)
	if err != nil {
		return err
	}
	defer d.Close()
	for d.Have() < file.Chunks() {
		s := file.Next(d.Have())
		b, err := f.Server.Piece(ctx, f.id, id, file, s)
		if err != nil {
			return fmt.Errorf("fetching: %w", err)
		}
		if err := d.Take(file, bytes.NewReader(b), s.To); err != nil {
			return err
		}
	}
	return nil
}

// dropFiles removes a disposed message's attachments.
func (f *follower) dropFiles(h *envelope.Header) error {
	for _, a := range h.Attachments {
		err := errors.Join(piece.Remove(f.filePath(a.ID)), piece.Remove(f.filePath(a.ID)+".part"))
		if err != nil {
			return err
		}
	}
	return nil
}
