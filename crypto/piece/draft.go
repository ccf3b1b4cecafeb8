package piece

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// TreeSuffix is what the name of a file's tree adds to the file's own.
const TreeSuffix = ".tree"

// Draft is a sealed file that grows on disk, chunk by chunk, with its tree
// beside it. It has one owner at a time.
type Draft struct {
	path       string
	data, tree *os.File
	have       int64 // chunks
}

// Hashes reads a stored tree.
type Hashes struct{ io.ReaderAt }

// ReadHashes implements tlog.HashReader.
func (h Hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if _, err := h.ReadAt(out[i][:], at*hashSize); err != nil {
			return nil, fmt.Errorf("reading hash %d: %w", at, err)
		}
	}
	return out, nil
}

// How much of a draft is checked when it is opened.
const (
	LastPiece = Max     // all that a crash can have cut
	All       = 1 << 48 // also what a disk or a person may have changed
)

// OpenDraft goes on with the draft at path, of a file of that size, or begins
// it. Of the chunks that are there it checks the last ones against the tree, as
// many as check says, and forgets them from the first bad one on. Size 0 begins
// anew a draft that Write fills.
func OpenDraft(path string, size uint64, check int64) (*Draft, error) {
	d := &Draft{path: path}
	var err error
	flags := os.O_RDWR | os.O_CREATE
	if size == 0 {
		flags |= os.O_TRUNC
	}
	if d.data, err = os.OpenFile(path, flags, 0o600); err != nil {
		return nil, err
	}
	if d.tree, err = os.OpenFile(path+TreeSuffix, flags, 0o600); err == nil {
		err = d.recover(size, check)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// recover finds how many chunks are there, and genuine.
func (d *Draft) recover(size uint64, check int64) error {
	data, err := d.data.Stat()
	if err != nil {
		return err
	}
	tree, err := d.tree.Stat()
	if err != nil {
		return err
	}
	n := data.Size() / Chunk
	if uint64(data.Size()) == size && size%Chunk != 0 {
		n++ // the last, which is shorter
	}
	for n > 0 && tlog.StoredCount(n)*hashSize > tree.Size() {
		n--
	}
	from := n - min(n, check)
	if d.have, err = d.genuine(from, n); err != nil {
		return err
	}
	return d.forget()
}

// genuine gives the number of the first chunk from one on that the tree does
// not bear out, or to.
func (d *Draft) genuine(from, to int64) (int64, error) {
	buf := make([]byte, Chunk)
	for i := from; i < to; i++ {
		n, err := d.data.ReadAt(buf, i*Chunk)
		if err != nil && err != io.EOF {
			return 0, err
		}
		leaf, err := Hashes{d.tree}.ReadHashes([]int64{tlog.StoredIndex(0, i)})
		if err != nil {
			return 0, err
		}
		if leaf[0] != tlog.LeafHash(buf[:n]) {
			return i, nil
		}
	}
	return to, nil
}

// forget drops all but the chunks that count.
func (d *Draft) forget() error {
	info, err := d.data.Stat()
	if err != nil {
		return err
	}
	return errors.Join(d.data.Truncate(min(info.Size(), d.have*Chunk)), d.tree.Truncate(tlog.StoredCount(d.have)*hashSize))
}

// Have is how many chunks are there.
func (d *Draft) Have() uint64 { return uint64(d.have) }

// Root is the root over the chunks that are there.
func (d *Draft) Root() (envelope.Hash, error) {
	h, err := tlog.TreeRoot(d.have, Hashes{d.tree})
	return envelope.Hash(h), err
}

// Write adds one chunk, of which only the last may be short.
func (d *Draft) Write(chunk []byte) (int, error) {
	n, err := d.data.WriteAt(chunk, d.have*Chunk)
	if err != nil {
		return n, err
	}
	return n, d.append(tlog.LeafHash(chunk))
}

func (d *Draft) append(leaf tlog.Hash) error {
	hashes, err := tlog.StoredHashes(d.have, leaf, Hashes{d.tree})
	if err != nil {
		return err
	}
	at := tlog.StoredCount(d.have) * hashSize
	for i, h := range hashes {
		if _, err := d.tree.WriteAt(h[:], at+int64(i)*hashSize); err != nil {
			return err
		}
	}
	d.have++
	return nil
}

// ErrPast reports a draft whose chunks are not those that the signed file
// begins with: it must begin anew.
var ErrPast = errors.New("what is there is not the beginning of the signed file")

// Take adds the next piece, durably, or nothing. ErrPiece means that src is to
// blame, ErrPast that the draft is.
func (d *Draft) Take(f File, src io.Reader, to uint64) error {
	got, err := f.Receive(io.NewOffsetWriter(d.data, d.have*Chunk), src, Span{uint64(d.have), to})
	if err == nil {
		err = d.follows(got.Before)
	}
	if err != nil {
		return errors.Join(err, d.forget())
	}
	// The chunks first: a tree without them would vouch for what is not there.
	if err := d.data.Sync(); err != nil {
		return errors.Join(err, d.forget())
	}
	for _, leaf := range got.Leaves {
		if err := d.append(leaf); err != nil {
			return err
		}
	}
	return d.tree.Sync()
}

// follows checks that the signed file begins with what is there.
func (d *Draft) follows(before []tlog.Hash) error {
	if d.have == 0 {
		return nil
	}
	own, err := tlog.ProveRange(d.have+1, d.have, d.have+1, Hashes{d.tree})
	if err != nil {
		return err
	}
	if !slices.Equal(own, before) {
		return ErrPast
	}
	return nil
}

// Send writes a piece of the draft as of the file that it becomes.
func (d *Draft) Send(w io.Writer, f File, s Span) error {
	return f.Send(w, d.data, Hashes{d.tree}, s)
}

// Reader reads the sealed bytes from their beginning.
func (d *Draft) Reader(f File) io.Reader { return io.NewSectionReader(d.data, 0, int64(f.Size)) }

// Close lets the draft's files go; what was taken stays.
func (d *Draft) Close() error {
	err := d.data.Close()
	if d.tree != nil {
		err = errors.Join(err, d.tree.Close())
	}
	return err
}

// Remove removes the draft that was at path.
func Remove(path string) error {
	var all error
	for _, name := range []string{path, path + TreeSuffix} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}
