package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
)

// Written is an archive that is whole but for its signatures.
type Written struct {
	About    About
	Manifest envelope.Hash // SHA-256 of tagmanifest-sha256.txt: what the next archive names
	Other    envelope.Hash // SHA-256 of tagmanifest-sha384.txt
	dir      string
}

// Close ends the archive: archive.json and the manifests over what is on disk.
func (w *Writer) Close() (*Written, error) {
	if w.next != w.Header.To {
		return nil, fmt.Errorf("closing archive: record %d of [%d, %d) is missing", w.next, w.Header.From, w.Header.To)
	}
	if err := w.endSegment(true); err != nil {
		return nil, fmt.Errorf("closing archive: %w", err)
	}
	missing, err := w.exceptions()
	if err != nil {
		return nil, fmt.Errorf("closing archive: %w", err)
	}
	for _, l := range []*lines{w.org, w.users, w.people, w.channels, w.history, missing} {
		if err := l.commit(); err != nil {
			return nil, fmt.Errorf("closing archive: %w", err)
		}
	}
	payload, err := w.sums("data", "")
	if err != nil {
		return nil, fmt.Errorf("closing archive: %w", err)
	}
	about := w.about(payload, missing.count)
	written, err := w.writeTags(about, payload)
	if err != nil {
		return nil, fmt.Errorf("closing archive: %w", err)
	}
	return written, nil
}

// exceptions writes those of every segment, then those that came after.
func (w *Writer) exceptions() (*lines, error) {
	l, err := newLines(w.Dir, missPath)
	if err != nil {
		return nil, err
	}
	for _, s := range append(slices.Clone(w.done), w.current) {
		for _, e := range s.Exceptions {
			if err := l.add(&e); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

// about sums up what was written.
func (w *Writer) about(payload []sums, exceptions int) *About {
	a := &About{
		Header: w.Header, Counts: map[string]int{}, Exceptions: exceptions, Format: Format,
		ID: w.id, Openings: w.openings, Policies: slices.Sorted(slices.Values(w.policies)),
		Segments: []Segment{}, Status: Complete,
	}
	if a.Exceptions > 0 {
		a.Status = WithExceptions
	}
	plain := map[string]envelope.Hash{historyPath: w.history.sum()}
	for _, s := range w.done {
		a.Segments = append(a.Segments, s.Segment)
		plain[s.Path] = s.PlainSHA256
		a.Messages += s.Messages
		a.Withheld += s.Withheld
		a.Files += len(s.Files)
		for class, n := range s.Counts {
			a.Counts[class] += n
		}
	}
	var root tlog.RootBuilder
	for _, f := range payload {
		if strings.HasPrefix(f.name, keysDir) {
			continue
		}
		sum, compressed := plain[f.name]
		if !compressed {
			sum = f.sha256
		}
		root.Append(payloadLeaf(f.name, sum))
	}
	a.PayloadRoot = envelope.Hash(root.Root())
	return a
}

func (w *Writer) writeTags(about *About, payload []sums) (*Written, error) {
	raw, err := record.JSON(about)
	if err != nil {
		return nil, err
	}
	out := &Written{About: *about, dir: w.Dir}
	err = errors.Join(
		w.write(bagitPath, []byte(bagit)), w.write(readmePath, []byte(readme)), w.write(aboutPath, raw),
		w.write("manifest-sha256.txt", manifest(payload, sums.hex256)), w.write("manifest-sha384.txt", manifest(payload, sums.hex384)),
	)
	if err != nil {
		return nil, err
	}
	tags, err := w.sums(".", "data")
	if err != nil {
		return nil, err
	}
	first, second := manifest(tags, sums.hex256), manifest(tags, sums.hex384)
	out.Manifest, out.Other = envelope.SumBytes(first), envelope.SumBytes(second)
	return out, errors.Join(w.write("tagmanifest-sha256.txt", first), w.write("tagmanifest-sha384.txt", second))
}

// sums are the digests of one file.
type sums struct {
	name   string
	sha256 envelope.Hash
	sha384 [48]byte
}

func (s sums) hex256() string { return s.sha256.String() }
func (s sums) hex384() string { return hex.EncodeToString(s.sha384[:]) }

// sums reads every file under a directory of the bag but one again, so that the
// manifests tell what is on disk. They are in the order of their paths.
func (w *Writer) sums(under, but string) ([]sums, error) {
	var all []sums
	err := filepath.WalkDir(filepath.Join(w.Dir, under), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if w.name(path) == but {
				return fs.SkipDir
			}
			return nil
		}
		s, err := sumFile(path)
		s.name = w.name(path)
		all = append(all, s)
		return err
	})
	slices.SortFunc(all, func(a, b sums) int { return strings.Compare(a.name, b.name) })
	return all, err
}

func sumFile(path string) (sums, error) {
	f, err := os.Open(path)
	if err != nil {
		return sums{}, err
	}
	defer f.Close()
	short, long := sha256.New(), sha512.New384()
	if _, err := io.Copy(io.MultiWriter(short, long), f); err != nil {
		return sums{}, err
	}
	return sums{sha256: envelope.Hash(short.Sum(nil)), sha384: [48]byte(long.Sum(nil))}, nil
}

func manifest(files []sums, digest func(sums) string) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "%s  %s\n", digest(f), f.name)
	}
	return b.Bytes()
}

// ErrSigned reports a directory whose archive is whole and signed.
var ErrSigned = errors.New("archive is signed already")

// FindClosed finds an archive that was closed before a crash, so that the very
// same bytes are signed. It fails with ErrSigned when they are.
func FindClosed(dir string) (*Written, error) {
	if isSigned(dir) {
		return nil, fmt.Errorf("finding closed archive in %s: %w", dir, ErrSigned)
	}
	first, err1 := os.ReadFile(filepath.Join(dir, "tagmanifest-sha256.txt"))
	second, err2 := os.ReadFile(filepath.Join(dir, "tagmanifest-sha384.txt"))
	raw, err3 := os.ReadFile(filepath.Join(dir, aboutPath))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("finding closed archive: %w", err)
	}
	w := &Written{Manifest: envelope.SumBytes(first), Other: envelope.SumBytes(second), dir: dir}
	if err := decodeLine(raw, &w.About); err != nil {
		return nil, fmt.Errorf("finding closed archive: %w", err)
	}
	return w, nil
}

// isSigned asks for the file that Sign writes last.
func isSigned(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, dssePath))
	return err == nil
}

// Signer signs archives; signer.Client is one.
type Signer interface {
	SignArchive(ctx context.Context, a signer.Archive) (*signer.SignedArchive, error)
}

// Sign has the archive signed and puts the signatures in the bag.
func (w *Written) Sign(ctx context.Context, s Signer) error {
	signed, err := s.SignArchive(ctx, *w.About.statement(w.Manifest, w.Other))
	if err != nil {
		return fmt.Errorf("signing archive %s: %w", w.About.ID, err)
	}
	if err := writeDurable(filepath.Join(w.dir, notePath), signed.Note); err != nil {
		return fmt.Errorf("signing archive %s: %w", w.About.ID, err)
	}
	if err := writeDurable(filepath.Join(w.dir, dssePath), signed.DSSE); err != nil {
		return fmt.Errorf("signing archive %s: %w", w.About.ID, err)
	}
	if err := os.Remove(journalPath(w.dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("signing archive %s: %w", w.About.ID, err)
	}
	return nil
}
