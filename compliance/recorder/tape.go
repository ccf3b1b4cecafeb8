package recorder

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// errDamaged reports own files that disagree with themselves: no torn end of
// an interrupted write, but a copy to be looked at by a person.
var errDamaged = errors.New("own copy is damaged")

const (
	segmentRecords = 1024
	frameHeader    = 8
	maxRecord      = 4 << 20 // bytes; the largest is a disposal plan with its approvals
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tape is an append-only list of records, numbered from 1, in segments of 1,024.
// A record stands as its length and its CRC-32C, 4 bytes each and big-endian,
// then its bytes. Appended records count as kept once Sync returned. After an
// error a tape takes nothing more: opening it again finds what is whole.
type tape struct {
	dir    string
	count  uint64 // records
	synced uint64
	file   *os.File // the last segment
	out    *bufio.Writer
	err    error
}

// openTape opens or makes the tape in dir. What an interrupted write left at the
// end is cut off.
func openTape(dir string) (*tape, error) {
	t := &tape{dir: dir}
	if err := t.open(); err != nil {
		return nil, fmt.Errorf("opening tape %s: %w", filepath.Base(dir), err)
	}
	return t, nil
}

func (t *tape) open() error {
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(t.dir, "*.seg"))
	if err != nil {
		return err
	}
	slices.Sort(names)
	for i, name := range names {
		if name != t.segment(uint64(i)) {
			return fmt.Errorf("%w: segment %d is missing", errDamaged, i)
		}
	}
	last := uint64(max(1, len(names)) - 1)
	if err := t.openSegment(last); err != nil {
		return err
	}
	whole, size, err := countFrames(t.file)
	if err != nil {
		return err
	}
	t.count = last*segmentRecords + whole
	t.synced = t.count
	if err := t.file.Truncate(size); err != nil {
		return err
	}
	_, err = t.file.Seek(size, io.SeekStart)
	return errors.Join(err, t.file.Sync())
}

func (t *tape) segment(i uint64) string { return filepath.Join(t.dir, fmt.Sprintf("%08d.seg", i)) }

func (t *tape) openSegment(i uint64) error {
	f, err := os.OpenFile(t.segment(i), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	t.file, t.out = f, bufio.NewWriterSize(f, 64<<10)
	return syncDir(t.dir)
}

// countFrames reads f from its start to the first frame that is not whole.
func countFrames(f *os.File) (whole uint64, size int64, err error) {
	r := bufio.NewReader(f)
	for {
		record, err := readFrame(r)
		if errors.Is(err, errDamaged) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return whole, size, nil
		}
		if err != nil {
			return 0, 0, err
		}
		whole++
		size += frameHeader + int64(len(record))
	}
}

func readFrame(r *bufio.Reader) ([]byte, error) {
	var head [frameHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n > maxRecord {
		return nil, fmt.Errorf("%w: record of %d bytes", errDamaged, n)
	}
	record := make([]byte, n)
	if _, err := io.ReadFull(r, record); err != nil {
		return nil, fmt.Errorf("%w: record is cut: %w", errDamaged, err)
	}
	if crc32.Checksum(record, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return nil, fmt.Errorf("%w: record does not match its checksum", errDamaged)
	}
	return record, nil
}

func writeFrame(w io.Writer, record []byte) error {
	if len(record) > maxRecord {
		return fmt.Errorf("record of %d bytes, limit %d", len(record), maxRecord)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(record)))
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(record, castagnoli))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(record)
	return err
}

// Len is the number of records, synced or not.
func (t *tape) Len() uint64 { return t.count }

// Append adds a record. It is kept once Sync has returned nil.
func (t *tape) Append(record []byte) error {
	if t.err != nil {
		return t.err
	}
	return t.keep(t.append(record))
}

func (t *tape) append(record []byte) error {
	if t.count > 0 && t.count%segmentRecords == 0 {
		if err := t.turn(); err != nil {
			return err
		}
	}
	if err := writeFrame(t.out, record); err != nil {
		return err
	}
	t.count++
	return nil
}

// turn goes on in the next segment, unless the tape is there already.
func (t *tape) turn() error {
	next := t.count / segmentRecords
	if t.file.Name() == t.segment(next) {
		return nil
	}
	if err := errors.Join(t.out.Flush(), t.file.Sync(), t.file.Close()); err != nil {
		return err
	}
	return t.openSegment(next)
}

// Sync makes every record durable.
func (t *tape) Sync() error {
	if t.err != nil || t.synced == t.count {
		return t.err
	}
	if err := t.keep(errors.Join(t.out.Flush(), t.file.Sync())); err != nil {
		return err
	}
	t.synced = t.count
	return nil
}

// keep remembers the first error, because what is on disk is not known after it.
func (t *tape) keep(err error) error {
	if err != nil {
		t.err = fmt.Errorf("writing tape %s: %w", filepath.Base(t.dir), err)
	}
	return t.err
}

// Close lets go of the file. Records that were not synced may be lost.
func (t *tape) Close() error { return t.file.Close() }

// tapeReader reads synced records in order.
type tapeReader struct {
	tape *tape
	next uint64
	file *os.File
	r    *bufio.Reader
}

// From reads from record n on. The tape must not be appended to meanwhile.
func (t *tape) From(n uint64) *tapeReader { return &tapeReader{tape: t, next: n} }

// Next gives the next record, or io.EOF after the last.
func (r *tapeReader) Next() ([]byte, error) {
	if r.next == 0 || r.next > r.tape.synced {
		return nil, io.EOF
	}
	record, err := r.read()
	if err != nil {
		return nil, fmt.Errorf("reading record %d of tape %s: %w", r.next, filepath.Base(r.tape.dir), err)
	}
	r.next++
	return record, nil
}

func (r *tapeReader) read() ([]byte, error) {
	skip := (r.next - 1) % segmentRecords
	if r.r != nil && skip != 0 {
		return readFrame(r.r)
	}
	r.Close()
	f, err := os.Open(r.tape.segment((r.next - 1) / segmentRecords))
	if err != nil {
		return nil, err
	}
	r.file, r.r = f, bufio.NewReaderSize(f, 64<<10)
	for range skip {
		if _, err := readFrame(r.r); err != nil {
			return nil, err
		}
	}
	return readFrame(r.r)
}

// Close ends the reading. It may be called at any time.
func (r *tapeReader) Close() {
	if r.file != nil {
		r.file.Close()
		r.file, r.r = nil, nil
	}
}

// At reads one synced record.
func (t *tape) At(n uint64) ([]byte, error) {
	r := t.From(n)
	defer r.Close()
	return r.Next()
}

// Rewrite replaces the records from..to by what edit makes of them. Each segment
// changes whole or not at all; doing it again after a crash must do no harm.
func (t *tape) Rewrite(from, to uint64, edit func(n uint64, record []byte) ([]byte, error)) error {
	if err := t.Sync(); err != nil {
		return err
	}
	for i := (from - 1) / segmentRecords; i <= (min(to, t.count)-1)/segmentRecords; i++ {
		if err := t.rewriteSegment(i, from, to, edit); err != nil {
			return fmt.Errorf("rewriting tape %s: segment %d: %w", filepath.Base(t.dir), i, err)
		}
	}
	return nil
}

func (t *tape) rewriteSegment(i, from, to uint64, edit func(uint64, []byte) ([]byte, error)) error {
	err := writeAtomic(t.segment(i), func(w io.Writer) error {
		r := t.From(i*segmentRecords + 1)
		defer r.Close()
		for range min(segmentRecords, t.count-i*segmentRecords) {
			n := r.next
			record, err := r.Next()
			if err == nil && n >= from && n <= to {
				record, err = edit(n, record)
			}
			if err != nil {
				return err
			}
			if err := writeFrame(w, record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || t.file.Name() != t.segment(i) {
		return err
	}
	// The open file is the one that was replaced.
	return t.keep(t.reopen(i))
}

func (t *tape) reopen(i uint64) error {
	if err := errors.Join(t.file.Close(), t.openSegment(i)); err != nil {
		return err
	}
	_, err := t.file.Seek(0, io.SeekEnd)
	return err
}
