package seal

import (
	"bufio"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/crypto/tlog"
)

// Sizes of files, in bytes.
const (
	ChunkSize = piece.Plain    // of plain bytes; only the last chunk is shorter
	MaxFile   = piece.MaxPlain // of plain bytes

	sealedChunk = piece.Chunk
)

// SealFile seals src to dst in bounded memory, with one Write for each chunk. It
// returns the sealed size and the RFC 6962 root over the sealed chunks, which a
// message header signs.
func SealFile(dst io.Writer, src io.Reader, id envelope.BlobID, key DataKey) (uint64, envelope.Hash, error) {
	f := chunkSealer{id: id, aead: newAEAD(key), dst: dst, buf: make([]byte, 0, sealedChunk)}
	r := bufio.NewReaderSize(src, ChunkSize)
	buf := make([]byte, ChunkSize)
	for last := false; !last; {
		n, err := io.ReadFull(r, buf)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return 0, envelope.Hash{}, fmt.Errorf("sealing file: %w", err)
		}
		if last, err = atEnd(r); err != nil {
			return 0, envelope.Hash{}, fmt.Errorf("sealing file: %w", err)
		}
		if err := f.seal(buf[:n], last); err != nil {
			return 0, envelope.Hash{}, fmt.Errorf("sealing file: %w", err)
		}
	}
	return f.size, envelope.Hash(f.root.Root()), nil
}

// atEnd looks ahead, because a chunk says whether it is the last.
func atEnd(r *bufio.Reader) (bool, error) {
	_, err := r.Peek(1)
	if err == io.EOF {
		return true, nil
	}
	return false, err
}

type chunkSealer struct {
	id   envelope.BlobID
	aead cipher.AEAD
	dst  io.Writer
	root tlog.RootBuilder
	size uint64
	buf  []byte
}

func (f *chunkSealer) seal(plain []byte, last bool) error {
	index := uint64(f.root.Size())
	if index*ChunkSize+uint64(len(plain)) > MaxFile {
		return fmt.Errorf("file is larger than %d bytes", uint64(MaxFile))
	}
	sealed := f.aead.Seal(f.buf, nil, plain, chunkContext(f.id, index, last))
	f.root.Append(tlog.LeafHash(sealed))
	f.size += uint64(len(sealed))
	_, err := f.dst.Write(sealed)
	return err
}

func chunkContext(id envelope.BlobID, index uint64, last bool) []byte {
	return envelope.Frame("chunk", id, index, last)
}

// OpenFile opens a sealed file of the size and root that a message header
// signs, in bounded memory. Only after it returns nil is dst the whole file: on
// an error the caller must discard what dst took, whose chunks are genuine but
// may be a part, or of another version. ErrFile means src is to blame.
func OpenFile(dst io.Writer, src io.Reader, id envelope.BlobID, key DataKey, size uint64, root envelope.Hash) error {
	whole, err := piece.NewFile(size, root)
	if err != nil {
		return fmt.Errorf("opening file: %w: %w", ErrFile, err)
	}
	f := newChunkOpener(src, id, key)
	if err := f.copy(dst, whole, piece.Span{To: whole.Chunks()}); err != nil {
		return fmt.Errorf("opening file: %w", err)
	}
	return f.finish(root)
}

// OpenChunks opens the chunks of one span, read from src, to dst. It does not
// check them against the root: that has been done, piece by piece.
func OpenChunks(dst io.Writer, src io.Reader, id envelope.BlobID, key DataKey, f piece.File, s piece.Span) error {
	if err := newChunkOpener(src, id, key).copy(dst, f, s); err != nil {
		return fmt.Errorf("opening part of a file: %w", err)
	}
	return nil
}

type chunkOpener struct {
	id    envelope.BlobID
	aead  cipher.AEAD
	src   io.Reader
	root  tlog.RootBuilder
	buf   []byte
	plain []byte
}

func newChunkOpener(src io.Reader, id envelope.BlobID, key DataKey) *chunkOpener {
	return &chunkOpener{id: id, aead: newAEAD(key), src: src, buf: make([]byte, sealedChunk), plain: make([]byte, 0, ChunkSize)}
}

func (f *chunkOpener) copy(dst io.Writer, whole piece.File, s piece.Span) error {
	for i := s.From; i < s.To; i++ {
		n := whole.Length(piece.Span{From: i, To: i + 1})
		plain, err := f.next(f.buf[:n], i, i == whole.Chunks()-1)
		if err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
		if _, err := dst.Write(plain); err != nil {
			return err
		}
	}
	return nil
}

func (f *chunkOpener) next(sealed []byte, index uint64, last bool) ([]byte, error) {
	if _, err := io.ReadFull(f.src, sealed); err != nil {
		return nil, cut(err)
	}
	f.root.Append(tlog.LeafHash(sealed))
	plain, err := f.aead.Open(f.plain, nil, sealed, chunkContext(f.id, index, last))
	if err != nil {
		return nil, fmt.Errorf("%w: changed or out of place", ErrFile)
	}
	return plain, nil
}

// cut tells a file that ends early from one that can't be read.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: ends early", ErrFile)
	}
	return err
}

func (f *chunkOpener) finish(root envelope.Hash) error {
	switch n, err := io.ReadFull(f.src, f.buf[:1]); {
	case n != 0:
		return fmt.Errorf("opening file: %w: bytes after the last chunk", ErrFile)
	case err != io.EOF:
		return fmt.Errorf("opening file: %w", err)
	case envelope.Hash(f.root.Root()) != root:
		return fmt.Errorf("opening file: %w: root mismatch", ErrFile)
	}
	return nil
}
