package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// ErrBlob reports a sealed file that is not the one that its message names.
var ErrBlob = errors.New("file does not match its message")

// Config is what a Writer needs.
type Config struct {
	Dir         string // becomes the bag; a journal lies beside it until it is signed
	Header      Header
	SegmentSize int64 // plain bytes; 0 is MaxSegment
}

// Writer writes one archive. Records come in the order of their places, each
// once, and each after its own files and exceptions. After a crash a new Writer
// goes on after the last whole segment: records come from Next on, and all that
// belongs to no record is given again. It is not safe for concurrent use.
type Writer struct {
	Config
	id       envelope.Hash
	done     []segmentState // in the journal
	segment  *lines         // open segment, or nil
	current  segmentState   // of the open segment, or the next
	next     int64
	org      *lines
	users    *lines
	people   *lines
	channels *lines
	history  *lines
	policies []string
	openings *OpeningsAbout
}

// segmentState is what the journal keeps of a whole segment.
type segmentState struct {
	Segment
	Counts     map[string]int `json:"counts"`
	Messages   int            `json:"messages"`
	Withheld   int            `json:"withheld"`
	Files      []string       `json:"files"` // of its records
	Exceptions []Exception    `json:"exceptions"`
}

// Create starts an archive in Dir, or resumes one that has the same id. It fails
// with ErrSigned when a signed one is there.
func Create(c Config) (*Writer, error) {
	if c.SegmentSize <= 0 || c.SegmentSize > MaxSegment {
		c.SegmentSize = MaxSegment
	}
	w := &Writer{Config: c, next: c.Header.From, id: c.Header.ID(), current: newSegmentState()}
	if err := c.Header.statement(envelope.Hash{}, envelope.Hash{}).Check(); err != nil {
		return nil, fmt.Errorf("creating archive: %w", err)
	}
	if err := w.resume(); err != nil {
		return nil, fmt.Errorf("creating archive in %s: %w", c.Dir, err)
	}
	for path, l := range map[string]**lines{
		orgPath: &w.org, usersPath: &w.users, peoplePath: &w.people, channelPath: &w.channels,
		historyPath: &w.history,
	} {
		var err error
		if *l, err = newLines(c.Dir, path); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func newSegmentState() segmentState { return segmentState{Counts: map[string]int{}} }

// resume takes over what the journal vouches for and clears all else.
func (w *Writer) resume() error {
	if isSigned(w.Dir) {
		return ErrSigned
	}
	done, err := readJournal(w.Dir, w.id)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(w.Dir, 0o755); err != nil {
			return err
		}
		if err := startJournal(w.Dir, w.id); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	w.done = done
	if n := len(done); n > 0 {
		w.next = done[n-1].Last + 1
	}
	return w.clear()
}

func (w *Writer) clear() error {
	keep := map[string]bool{}
	for _, s := range w.done {
		keep[s.Path] = true
		for _, f := range s.Files {
			keep[f] = true
		}
	}
	return filepath.WalkDir(w.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || keep[w.name(path)] {
			return err
		}
		return os.Remove(path)
	})
}

// Abandon closes the files that are open. What the journal vouches for stays for
// the next Writer. After Close it does nothing.
func (w *Writer) Abandon() {
	for _, l := range []*lines{w.segment, w.org, w.users, w.people, w.channels, w.history} {
		if l != nil {
			l.abandon()
		}
	}
}

// name is a file's path in the bag.
func (w *Writer) name(path string) string {
	rel, _ := filepath.Rel(w.Dir, path) // path comes from a walk of Dir
	return filepath.ToSlash(rel)
}

func (w *Writer) path(name string) string { return filepath.Join(w.Dir, filepath.FromSlash(name)) }

// Next is the place of the record to add next; To when all are there.
func (w *Writer) Next() int64 { return w.next }

// AddRecord adds the record at a place of the log: its leaf, and the placed
// entry when it has a position. The salt beside a message is left out.
func (w *Writer) AddRecord(index int64, leaf []byte, placed *envelope.Placed) error {
	r, err := record.Parse(leaf)
	if err != nil {
		return fmt.Errorf("archiving record %d: %w", index, err)
	}
	line := &Line{Index: index, Leaf: leaf}
	message := false
	if placed != nil {
		bare := *placed
		bare.Salt = nil
		line.Entry = envelope.Marshal(&bare)
		message = placed.Entry.Kind == envelope.KindMessage
	}
	if err := w.addLine(line); err != nil {
		return err
	}
	w.current.Counts[string(r.Op.Class())]++
	if message {
		w.current.Messages++
	}
	return w.endSegment(false)
}

// Withhold tells that the record at a place is out of the order's scope.
func (w *Writer) Withhold(index int64) error {
	if err := w.addLine(&Line{Index: index, Withheld: true}); err != nil {
		return err
	}
	w.current.Withheld++
	return w.endSegment(false)
}

func (w *Writer) addLine(l *Line) error {
	if l.Index != w.next || l.Index >= w.Header.To {
		return fmt.Errorf("archiving record %d: the next is %d of [%d, %d)", l.Index, w.next, w.Header.From, w.Header.To)
	}
	if w.segment == nil {
		path := fmt.Sprintf("%s%06d.jsonl.zst", recordsDir, len(w.done)+1)
		segment, err := newLines(w.Dir, path)
		if err != nil {
			return err
		}
		w.segment = segment
		w.current.Path, w.current.First = path, l.Index
	}
	if err := w.segment.add(l); err != nil {
		return err
	}
	w.next++
	return nil
}

// endSegment ends the open segment when it is large enough, or in any case.
func (w *Writer) endSegment(anyway bool) error {
	if w.segment == nil || !anyway && w.segment.size < w.SegmentSize {
		return nil
	}
	if err := w.segment.commit(); err != nil {
		return err
	}
	w.current.Last = w.next - 1
	w.current.PlainSHA256, w.current.PlainSize = w.segment.sum(), w.segment.size
	if err := extendJournal(w.Dir, &w.current); err != nil {
		return err
	}
	w.done = append(w.done, w.current)
	w.segment, w.current = nil, newSegmentState()
	return nil
}

// AddOrg adds the organisation's chain, whole.
func (w *Writer) AddOrg(entries []envelope.Entry) error {
	return addChain(w.org, envelope.Hash(w.Header.Org), entries)
}

// AddUser adds a user's chain, whole. Users come in rising order of their ids.
func (w *Writer) AddUser(id envelope.UserID, entries []envelope.Entry) error {
	return addChain(w.users, envelope.Hash(id), entries)
}

func addChain(l *lines, id envelope.Hash, entries []envelope.Entry) error {
	for i := range entries {
		if err := l.add(&ChainLine{Chain: id, Entry: envelope.Marshal(&entries[i])}); err != nil {
			return err
		}
	}
	return nil
}

// AddPerson tells whose an account and a user chain are. They come in rising
// order of their accounts.
func (w *Writer) AddPerson(p Person) error { return w.people.add(&p) }

// AddChannel tells where a channel stood before the period. Channels with
// entries in the period come in rising order of their ids.
func (w *Writer) AddChannel(c Channel) error { return w.channels.add(&c) }

// AddHistory adds an entry of a channel before the period that is not a
// message, in the order of channels and positions.
func (w *Writer) AddHistory(channel envelope.ChannelID, p *envelope.Placed) error {
	return w.history.add(&HistoryLine{Channel: channel, Entry: envelope.Marshal(p)})
}

// AddException tells what belongs in the archive and is not there: before the
// record that it is about, or after all of them.
func (w *Writer) AddException(e Exception) {
	w.current.Exceptions = append(w.current.Exceptions, e)
}

// AddPolicy adds a policy bundle, once.
func (w *Writer) AddPolicy(bundle []byte) error {
	name := envelope.SumBytes(bundle).String() + ".tar.gz"
	w.policies = append(w.policies, name)
	return w.write(policyDir+name, bundle)
}

// AddCertificate adds the disposal certificate of a plan, a DSSE envelope.
func (w *Writer) AddCertificate(plan envelope.Hash, dsse []byte) error {
	return w.write(certsDir+plan.String()+".dsse", dsse)
}

func (w *Writer) write(name string, b []byte) error {
	if err := writeDurable(w.path(name), b); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// AddFile adds a sealed file that the next message to add names. It fails with
// ErrBlob, and adds nothing, when src is not that file; the caller then adds an
// exception.
func (w *Writer) AddFile(a envelope.Attachment, src io.Reader) error {
	name := filesDir + a.ID.String()
	d, err := newDurable(w.path(name))
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	size, root, err := copyChunks(d, src)
	if err == nil && (size != a.Size || root != a.Root) {
		err = ErrBlob
	}
	if err != nil {
		d.abandon()
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := d.commit(); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	w.current.Files = append(w.current.Files, name)
	return nil
}

// copyChunks copies a sealed file and gives its size and RFC 6962 root.
func copyChunks(dst io.Writer, src io.Reader) (uint64, envelope.Hash, error) {
	var root tlog.RootBuilder
	var size uint64
	for buf := make([]byte, sealedChunk); ; {
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			root.Append(tlog.LeafHash(buf[:n]))
			size += uint64(n)
			if _, err := dst.Write(buf[:n]); err != nil {
				return 0, envelope.Hash{}, err
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return size, envelope.Hash(root.Root()), nil
		}
		if err != nil {
			return 0, envelope.Hash{}, err
		}
	}
}

// AddOpenings adds the openings file that a recorder sealed.
func (w *Writer) AddOpenings(src io.Reader, about OpeningsAbout) error {
	d, err := newDurable(w.path(OpeningsPath))
	if err != nil {
		return fmt.Errorf("writing openings: %w", err)
	}
	if _, err := io.Copy(d, src); err != nil {
		d.abandon()
		return fmt.Errorf("writing openings: %w", err)
	}
	w.openings = &about
	return d.commit()
}

// AddLog adds the log's part: the signed checkpoint that Header names, the
// tiles of the period, and the proof from the previous archive's checkpoint.
func (w *Writer) AddLog(checkpoint []byte, hashes tlog.HashReader, proof []tlog.Hash) error {
	h := &w.Header
	for _, tile := range tlog.RangeTiles(h.Checkpoint.Size, h.From, h.To) {
		data, err := tlog.TileData(tile, hashes)
		if err != nil {
			return fmt.Errorf("writing log: %w", err)
		}
		if err := w.write(tilePrefix+tile.Path(), data); err != nil {
			return err
		}
	}
	c := Consistency{Proof: make([]envelope.Hash, len(proof))}
	for i, p := range proof {
		c.Proof[i] = envelope.Hash(p)
	}
	raw, err := record.JSON(&c)
	if err != nil {
		return err
	}
	return errors.Join(w.write(proofPath, raw), w.write(pointPath, checkpoint))
}
