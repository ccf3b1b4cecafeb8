package piece

import (
	"errors"
	"fmt"
	"io"
	"math/bits"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Sizes, in bytes but for Max.
const (
	Plain    = 64 << 10         // plain bytes in a chunk; only the last has fewer
	Overhead = 12 + 16          // nonce and tag of a chunk
	Chunk    = Plain + Overhead // sealed bytes in a chunk
	Max      = 64               // chunks in a piece
	MaxPlain = 10 << 30         // of a file
	MaxBytes = Max*Chunk + maxProof*hashSize

	hashSize = 32
	maxProof = 40 // hashes: twice the depth of the largest file's tree
)

var (
	// ErrSize reports a size that no sealed file has, or chunks that it lacks.
	ErrSize = errors.New("no sealed file is like that")
	// ErrTurn reports a piece that is not the next one.
	ErrTurn = errors.New("another piece comes next")
	// ErrPiece reports bytes that are not a piece of the signed file.
	ErrPiece = errors.New("not a piece of the signed file")
)

// Span is a run of chunks: From is the first, To the one after the last.
type Span struct{ From, To uint64 }

// File is what a sender signs of a sealed file.
type File struct {
	Size   uint64 // sealed bytes
	Root   envelope.Hash
	chunks uint64
}

// SealedSize is the sealed size of a file of plain bytes. An empty file is one
// empty chunk.
func SealedSize(plain uint64) uint64 {
	return plain + max(1, (plain+Plain-1)/Plain)*Overhead
}

// NewFile refuses sizes that no sealed file has, with ErrSize.
func NewFile(size uint64, root envelope.Hash) (File, error) {
	chunks := size/Chunk + min(1, size%Chunk)
	tail := size - (max(1, chunks)-1)*Chunk
	if size > SealedSize(MaxPlain) || tail < Overhead || tail == Overhead && chunks > 1 {
		return File{}, fmt.Errorf("%w: %d bytes", ErrSize, size)
	}
	return File{size, root, chunks}, nil
}

// Chunks is how many chunks the file has, at least 1.
func (f File) Chunks() uint64 { return f.chunks }

// Plain is how many bytes the file has once it is opened.
func (f File) Plain() uint64 { return f.Size - f.chunks*Overhead }

// Length is how many sealed bytes the chunks of a span have.
func (f File) Length(s Span) int64 {
	return int64(min(s.To*Chunk, f.Size) - s.From*Chunk)
}

// Check refuses a span that is empty, too long or not in the file, with ErrSize.
func (f File) Check(s Span) error {
	if s.From >= s.To || s.To > f.chunks || s.To-s.From > Max {
		return fmt.Errorf("%w: chunks %d to %d of %d, at most %d at once", ErrSize, s.From, s.To, f.chunks, Max)
	}
	return nil
}

// Next is the longest span that begins at a chunk.
func (f File) Next(from uint64) Span { return Span{from, min(from+Max, f.chunks)} }

// Bytes is the size of a whole piece: its proof, then its chunks.
func (f File) Bytes(s Span) int64 {
	return int64(f.proof(s))*hashSize + f.Length(s)
}

func (f File) proof(s Span) int {
	return tlog.RangeProofLen(int64(f.chunks), int64(s.From), int64(s.To))
}

// Send writes a piece: the hashes of its proof, then its chunks. It does not
// check them.
func (f File) Send(w io.Writer, data io.ReaderAt, tree tlog.HashReader, s Span) error {
	if err := f.Check(s); err != nil {
		return err
	}
	proof, err := tlog.ProveRange(int64(f.chunks), int64(s.From), int64(s.To), tree)
	if err != nil {
		return err
	}
	for _, h := range proof {
		if _, err := w.Write(h[:]); err != nil {
			return err
		}
	}
	_, err = io.Copy(w, io.NewSectionReader(data, int64(s.From)*Chunk, f.Length(s)))
	return err
}

// Received is a piece that verified: the hashes of its chunks, and the peaks of
// the tree of the chunks before it.
type Received struct{ Leaves, Before []tlog.Hash }

// Receive copies the chunks of a piece to dst and verifies them. On an error
// the caller must discard what dst took. ErrPiece means src is to blame.
func (f File) Receive(dst io.Writer, src io.Reader, s Span) (Received, error) {
	if err := f.Check(s); err != nil {
		return Received{}, err
	}
	proof := make([]tlog.Hash, f.proof(s))
	for i := range proof {
		if _, err := io.ReadFull(src, proof[i][:]); err != nil {
			return Received{}, short(err)
		}
	}
	leaves, err := copyChunks(dst, io.LimitReader(src, f.Length(s)))
	if err != nil {
		return Received{}, err
	}
	switch n, err := io.ReadFull(src, make([]byte, 1)); {
	case n != 0:
		return Received{}, fmt.Errorf("%w: bytes after its last chunk", ErrPiece)
	case err != io.EOF:
		return Received{}, err
	}
	if err := tlog.VerifyRange(tlog.Hash(f.Root), int64(f.chunks), int64(s.From), leaves, proof); err != nil {
		return Received{}, fmt.Errorf("%w: chunks %d to %d: %w", ErrPiece, s.From, s.To, err)
	}
	return Received{leaves, proof[:bits.OnesCount64(s.From)]}, nil
}

// copyChunks copies src to its end and hashes its chunks.
func copyChunks(dst io.Writer, src io.Reader) (leaves []tlog.Hash, err error) {
	buf := make([]byte, Chunk)
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			leaves = append(leaves, tlog.LeafHash(buf[:n]))
			if _, err := dst.Write(buf[:n]); err != nil {
				return nil, err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return leaves, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// short tells a piece that ends early from one that can't be read.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: %w", ErrPiece, io.ErrUnexpectedEOF)
	}
	return err
}
