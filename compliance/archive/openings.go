package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"chancery/crypto/envelope"
)

// OpeningsPath is where the openings stand in the bag.
const OpeningsPath = "data/keys/openings.bin"

// openingsPerChunk bounds what writer and reader hold in memory, and maxChunk,
// in bytes, what a stranger can make the reader hold.
const (
	openingsPerChunk = 512
	maxChunk         = 128 << 10
)

// ErrOpenings reports an openings file that is cut, changed, out of order or
// of another archive.
var ErrOpenings = errors.New("openings do not verify")

// Opening lets a reader open one message without any epoch key.
type Opening struct {
	_         struct{} `cbor:",toarray"`
	Channel   envelope.ChannelID
	Position  uint64
	Entry     envelope.Hash
	Secret    []byte                 // X of sealed-channels §6, 32 bytes
	Exception envelope.ExceptionCode // why it does not open with X; empty when it does
}

// OpeningsHeader stands in clear at the start of an openings file.
type OpeningsHeader struct {
	_         struct{} `cbor:",toarray"`
	Version   uint
	Archive   envelope.Hash // ID of the archive
	KeyCommit envelope.Hash // KeyCommit of the data key that seals the chunks
}

// KeyCommit is the commitment to an archive's data key of 32 bytes. The
// manifest carries it, because AES-GCM alone would let one ciphertext open two
// ways under two keys.
func KeyCommit(archive envelope.Hash, key []byte) envelope.Hash {
	return envelope.Sum("archive-key", archive, key)
}

// Slip is the key slip: the data key, wrapped to each auditor. It stays outside
// the bag, because an archive expires when its slip is destroyed.
type Slip struct {
	_       struct{} `cbor:",toarray"`
	Version uint
	Archive envelope.Hash
	Copies  []SlipCopy // sorted by recipient
}

// SlipCopy is one auditor's copy. It has the shape of seal.Copy.
type SlipCopy struct {
	_         struct{} `cbor:",toarray"`
	Recipient envelope.KeyID
	File      []byte // wrap of an encoded SlipKey
}

// SlipKeyType is the Type of every SlipKey.
const SlipKeyType = "chancery/v1/archive-key"

// SlipKey is the plaintext of every copy in a slip. Wraps carry no context of
// their own, so it is inside and checked after unwrapping.
type SlipKey struct {
	_       struct{} `cbor:",toarray"`
	Type    string
	Org     envelope.OrgID
	Archive envelope.Hash
	Key     []byte // 32 bytes
}

// LogValue implements slog.LogValuer: a secret is never logged.
func (Opening) LogValue() slog.Value { return slog.StringValue("redacted") }

// LogValue implements slog.LogValuer: a key is never logged.
func (SlipKey) LogValue() slog.Value { return slog.StringValue("redacted") }

// SealFunc seals a chunk under the archive's data key with associated data.
type SealFunc func(aad, plaintext []byte) []byte

// OpenFunc undoes SealFunc, or fails when anything differs.
type OpenFunc func(aad, sealed []byte) ([]byte, error)

// OpeningsWriter writes an openings file: the header, then chunks, each with
// its length before it as 4 bytes, big-endian. A chunk is the CBOR array of up
// to 512 openings, sealed with its number and whether it is the last as
// associated data, so that none can be cut, moved or left out.
type OpeningsWriter struct {
	dst    io.Writer
	header OpeningsHeader
	seal   SealFunc
	open   []Opening
	last   Opening
	count  uint64
	chunk  uint64
}

// NewOpeningsWriter starts an openings file.
func NewOpeningsWriter(dst io.Writer, archive, commit envelope.Hash, seal SealFunc) (*OpeningsWriter, error) {
	w := &OpeningsWriter{dst: dst, seal: seal, header: OpeningsHeader{
		Version: envelope.Version, Archive: archive, KeyCommit: commit,
	}}
	return w, w.frame(envelope.Marshal(&w.header))
}

// Add writes one opening. They come in rising order of channel, then position.
func (w *OpeningsWriter) Add(o Opening) error {
	if len(o.Secret) != 32 {
		return fmt.Errorf("writing opening %d of %s: secret has %d bytes", o.Position, o.Channel, len(o.Secret))
	}
	if w.count > 0 && !follows(w.last, o) {
		return fmt.Errorf("writing opening %d of %s: %w: out of order", o.Position, o.Channel, ErrOpenings)
	}
	if len(w.open) == openingsPerChunk {
		if err := w.flush(false); err != nil {
			return err
		}
	}
	w.open, w.last = append(w.open, o), o
	w.count++
	return nil
}

// Count is the number of openings so far.
func (w *OpeningsWriter) Count() uint64 { return w.count }

// Close writes the last chunk, which may be empty. It does not close dst.
func (w *OpeningsWriter) Close() error { return w.flush(true) }

func (w *OpeningsWriter) flush(last bool) error {
	sealed := w.seal(chunkContext(w.header.Archive, w.chunk, last), envelope.Marshal(w.open))
	w.chunk++
	w.open = w.open[:0]
	return w.frame(sealed)
}

func (w *OpeningsWriter) frame(b []byte) error {
	if _, err := w.dst.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		return fmt.Errorf("writing openings: %w", err)
	}
	return nil
}

func chunkContext(archive envelope.Hash, chunk uint64, last bool) []byte {
	return envelope.Frame("openings-chunk", archive, chunk, last)
}

// follows tells whether b may stand after a.
func follows(a, b Opening) bool {
	if c := bytes.Compare(a.Channel[:], b.Channel[:]); c != 0 {
		return c < 0
	}
	return a.Position < b.Position
}

// ReadOpenings reads the openings file of the given archive and gives each
// opening to visit, in order. An error of visit ends it and is returned.
func ReadOpenings(src io.Reader, archive, commit envelope.Hash, open OpenFunc, visit func(Opening) error) error {
	r := openingsReader{src: src, archive: archive, open: open, visit: visit}
	raw, err := r.frame()
	if err != nil {
		return err
	}
	var h OpeningsHeader
	if err := envelope.Unmarshal(raw, &h); err != nil {
		return fmt.Errorf("reading openings: %w: %w", ErrOpenings, err)
	}
	if h.Version != envelope.Version || h.Archive != archive || h.KeyCommit != commit {
		return fmt.Errorf("reading openings: %w: of archive %s", ErrOpenings, h.Archive)
	}
	return r.chunks()
}

type openingsReader struct {
	src     io.Reader
	archive envelope.Hash
	open    OpenFunc
	visit   func(Opening) error
	last    *Opening
}

// chunks reads until the chunk that says it is the last, then wants the end.
func (r *openingsReader) chunks() error {
	for chunk := uint64(0); ; chunk++ {
		sealed, err := r.frame()
		if err != nil {
			return err
		}
		plain, err := r.open(chunkContext(r.archive, chunk, false), sealed)
		last := err != nil
		if last {
			plain, err = r.open(chunkContext(r.archive, chunk, true), sealed)
		}
		if err != nil {
			return fmt.Errorf("reading openings: chunk %d: %w", chunk, ErrOpenings)
		}
		if err := r.visitChunk(plain); err != nil {
			return err
		}
		if last {
			return r.end()
		}
	}
}

func (r *openingsReader) visitChunk(plain []byte) error {
	var list []Opening
	if err := envelope.Unmarshal(plain, &list); err != nil {
		return fmt.Errorf("reading openings: %w: %w", ErrOpenings, err)
	}
	if len(list) > openingsPerChunk {
		return fmt.Errorf("reading openings: %w: %d in one chunk", ErrOpenings, len(list))
	}
	for _, o := range list {
		if len(o.Secret) != 32 || r.last != nil && !follows(*r.last, o) {
			return fmt.Errorf("reading openings: %w: entry %d of %s", ErrOpenings, o.Position, o.Channel)
		}
		if err := r.visit(o); err != nil {
			return err
		}
		r.last = &o
	}
	return nil
}

func (r *openingsReader) frame() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r.src, size[:]); err != nil {
		return nil, fmt.Errorf("reading openings: %w: ends early", ErrOpenings)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxChunk {
		return nil, fmt.Errorf("reading openings: %w: chunk of %d bytes", ErrOpenings, n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.src, b); err != nil {
		return nil, fmt.Errorf("reading openings: %w: ends early", ErrOpenings)
	}
	return b, nil
}

func (r *openingsReader) end() error {
	if n, _ := io.ReadFull(r.src, make([]byte, 1)); n != 0 {
		return fmt.Errorf("reading openings: %w: bytes after the last chunk", ErrOpenings)
	}
	return nil
}
