package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

// sealedChunk is the size of every sealed chunk of a file but the last.
const sealedChunk = seal.ChunkSize + seal.Overhead

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
	if a.Size > seal.SealedSize(seal.MaxFile) {
		return alarm(FileBad, "%d bytes", a.Size)
	}
	src, err := f.Server.File(ctx, f.id, a.ID)
	if err != nil {
		return fmt.Errorf("fetching: %w", err)
	}
	defer src.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeAtomic(path, func(dst io.Writer) error {
		root, size, err := copyChunks(dst, io.LimitReader(src, int64(a.Size)+1))
		if err != nil {
			return err
		}
		if size != a.Size || root != a.Root {
			return alarm(FileBad, "%d bytes of root %s, signed are %d of %s", size, root, a.Size, a.Root)
		}
		return nil
	})
}

// copyChunks copies a sealed file and gives the RFC 6962 root over its chunks.
func copyChunks(dst io.Writer, src io.Reader) (root envelope.Hash, size uint64, err error) {
	var b tlog.RootBuilder
	buf := make([]byte, sealedChunk)
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			b.Append(tlog.LeafHash(buf[:n]))
			size += uint64(n)
			if _, err := dst.Write(buf[:n]); err != nil {
				return root, size, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return envelope.Hash(b.Root()), size, nil
		}
		if err != nil {
			return root, size, fmt.Errorf("fetching: %w", err)
		}
	}
}

// dropFiles removes a disposed message's attachments.
func (f *follower) dropFiles(h *envelope.Header) error {
	for _, a := range h.Attachments {
		if err := os.Remove(f.filePath(a.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
