package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"chancery/crypto/envelope"
)

// canary is a mark that exists nowhere else, in a sentence and in a file that
// only the desk may read.
type canary struct {
	mark string
	at   uint64 // position of the message with the file
	blob string // id of the sealed file, hex
}

// plantCanary has fay say the marked sentence and send the marked file.
func (s *story) plantCanary(context.Context) error {
	s.canary.mark = "canary-" + secret()[:20]
	if err := s.say("fay", "between us: "+s.canary.mark+", nobody else must know"); err != nil {
		return err
	}
	fay := s.people["fay"]
	content := bytes.Repeat([]byte(s.canary.mark+"\n"), 4000)
	path, err := fay.file("canary.txt", content)
	if err != nil {
		return err
	}
	var sent struct {
		Position uint64 `json:"position"`
	}
	if err := fay.ask(&sent, "post", desk, "--attach", path, "the marked file"); err != nil {
		return err
	}
	s.canary.at = sent.Position
	s.told = append(s.told, saying{"fay", "the marked file"})
	s.files = append(s.files, sum(content))
	return nil
}

// searchCanary looks for the mark wherever the server leaves something, and in
// each place for what belongs there in clear, so that finding nothing means
// something. archive is the directory of a delivered archive; empty: none yet.
func (s *story) searchCanary(ctx context.Context, archive string) error {
	if err := s.canaryArrived(); err != nil {
		return err
	}
	places, err := s.places(ctx, archive)
	if err != nil {
		return err
	}
	for _, p := range places {
		h := newHunt(textThing(s.canary.mark), p.control)
		if err := p.search(h); err != nil {
			return fmt.Errorf("searching %s: %w", p.name, err)
		}
		if h.found[s.canary.mark] != "" {
			return fmt.Errorf("%s: the canary stands in clear in %s", p.name, h.found[s.canary.mark])
		}
		if h.found[p.control.name] == "" {
			return fmt.Errorf("%s: %s was not found, so finding no canary proves nothing", p.name, p.control.name)
		}
		s.note("%-24s no canary in %6.1f MB; %s is there", p.name, float64(h.read)/1e6, p.control.name)
	}
	if archive == "" {
		s.note("NOT SEARCHED: an archive; there is none")
	}
	if !s.ground.root {
		s.note("NOT SEARCHED: the server's memory, which only root can read here")
	}
	return nil
}

// canaryArrived shows that whom it was meant for can read it.
func (s *story) canaryArrived() error {
	ben := s.people["ben"]
	out, err := ben.do("tail", desk)
	if err != nil {
		return err
	}
	if !strings.Contains(out, s.canary.mark) {
		return errors.New("ben can't read the marked sentence")
	}
	if s.canary.blob, err = blobAt(out, s.canary.at); err != nil {
		return err
	}
	to := filepath.Join(ben.home, "canary.txt")
	if err := s.fetch(ben, s.canary.at, to); err != nil {
		return err
	}
	b, err := os.ReadFile(to)
	if err == nil && !bytes.Contains(b, []byte(s.canary.mark)) {
		err = errors.New("ben can't read the marked file")
	}
	return err
}

// blobAt is the id of the file at a position of what tail printed.
func blobAt(out string, position uint64) (string, error) {
	for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
		var m struct {
			Position uint64                `json:"position"`
			Files    []struct{ ID string } `json:"files"`
		}
		if err := d.Decode(&m); err != nil {
			return "", err
		}
		if m.Position == position && len(m.Files) == 1 {
			return m.Files[0].ID, nil
		}
	}
	return "", fmt.Errorf("no message with one file stands at position %d", position)
}

// place is somewhere the server leaves something behind, and what must be found
// there because it is not secret from the server.
type place struct {
	name    string
	control thing
	search  func(*hunt) error
}

func (s *story) places(ctx context.Context, archive string) ([]place, error) {
	name := textThing(desk[strings.IndexByte(desk, '/')+1:])
	name.name = "the channel's name"
	id, account, err := s.plainIDs(ctx)
	if err != nil {
		return nil, err
	}
	blob, err := hexThing("the file's id", s.canary.blob)
	if err != nil {
		return nil, err
	}
	db := filepath.Join(s.state(), "db")
	places := []place{
		// Requests are logged by route and account: not even ids of channels.
		{"logs", account, tree(filepath.Join(s.dir, "log"))},
		{"database dump", name, s.dump},
		{"database files", name, func(h *hunt) error {
			// What is in shared buffers only must be on disk to be found.
			if _, err := s.sql("psql", "-c", "CHECKPOINT"); err != nil {
				return err
			}
			return tree(filepath.Join(db, "data"))(h)
		}},
		{"write-ahead log", name, tree(filepath.Join(db, "data", "pg_wal"))},
		{"sealed files", blob, tree(filepath.Join(s.state(), "files"))},
		{"vault, first copy", id, tree(filepath.Join(s.state(), "vault-a"))},
		{"vault, second copy", id, tree(filepath.Join(s.state(), "vault-b"))},
	}
	if archive != "" {
		places = append(places, place{"archive", id, tree(archive)})
	}
	if s.ground.root {
		places = append(places, place{"memory of the server", name, s.memory})
	}
	return places, nil
}

// plainIDs are the desk's id, and what the log says of fay's requests. Asking
// for them has the server handle the desk's name just before it is searched.
func (s *story) plainIDs(ctx context.Context) (channel, account thing, err error) {
	var shown struct {
		ID envelope.ChannelID `json:"id"`
	}
	fay := s.people["fay"]
	if err := fay.ask(&shown, "channel", "show", desk); err != nil {
		return channel, account, err
	}
	api, err := fay.api()
	if err != nil {
		return channel, account, err
	}
	defer api.Close()
	me, err := api.Me(ctx)
	if err != nil {
		return channel, account, err
	}
	channel = thing{"the channel's id", forms(shown.ID[:])}
	return channel, thing{"fay's account number", [][]byte{fmt.Appendf(nil, `"account":%d,`, me.Account)}}, nil
}

// dump searches the database as pg_dump writes it.
func (s *story) dump(h *hunt) error {
	a, err := s.sql("pg_dump")
	if err != nil {
		return err
	}
	return h.stretch("pg_dump", strings.NewReader(a.out), 0, int64(len(a.out)))
}

// sql runs a program of PostgreSQL's against the private database, as the
// server's user, with the programs of the version that made it.
func (s *story) sql(program string, args ...string) (answer, error) {
	opts, err := os.ReadFile(filepath.Join(s.state(), "db", "data", "postmaster.opts"))
	if err != nil {
		return answer{}, err
	}
	server, _, _ := strings.Cut(string(opts), " ")
	args = append([]string{"-h", filepath.Join(s.state(), "db", "run"), "-U", "postgres", "-d", "dbname=chancery"}, args...)
	return run(s.host.command(filepath.Join(filepath.Dir(server), program), args...), nil, append([]string{program}, args...))
}

// memory searches every readable mapping of the server, which stands still
// meanwhile: the same bytes as a core image, without leaving one.
func (s *story) memory(h *hunt) error {
	pid := s.server.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	maps, err := os.ReadFile(filepath.Join(proc, "maps"))
	if err != nil {
		return err
	}
	mem, err := os.Open(filepath.Join(proc, "mem"))
	if err != nil {
		return err
	}
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		from, to, ok := mapping(line)
		if !ok {
			continue
		}
		if err := h.stretch("mapping "+trim(line), mem, from, to-from); err != nil {
			return err
		}
	}
	return nil
}

// mapping parses a line of /proc/PID/maps. What the kernel itself puts into
// every process is not the server's and can't be read as memory.
func mapping(line string) (from, to int64, ok bool) {
	var mode string
	if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
		return 0, 0, false
	}
	return from, to, mode[0] == 'r' && !strings.Contains(line, "[v")
}

// thing is something to look for, in every form that it may be written in.
type thing struct {
	name  string
	forms [][]byte
}

func textThing(text string) thing { return thing{text, forms([]byte(text))} }

func hexThing(name, id string) (thing, error) {
	b, err := hex.DecodeString(id)
	return thing{name, forms(b)}, err
}

// forms are b as it is, in hex, in UTF-16 if it is ASCII, and in base64 wherever
// in a longer text it may begin.
func forms(b []byte) [][]byte {
	lower := []byte(hex.EncodeToString(b))
	little, big := make([]byte, 0, 2*len(b)), make([]byte, 0, 2*len(b))
	for _, c := range b {
		little, big = append(little, c, 0), append(big, 0, c)
	}
	out := [][]byte{b, lower, bytes.ToUpper(lower), little, big}
	for before := range 3 {
		padded := append(make([]byte, before), b...)
		// Characters that carry bits of a neighbour differ from text to text.
		first, end := (8*before+5)/6, 8*len(padded)/6
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			out = append(out, []byte(enc.EncodeToString(padded))[first:end])
		}
	}
	return out
}

const (
	window  = 4 << 20   // bytes searched at a time
	overlap = 256       // longer than any form
	limit   = 256 << 20 // bytes unpacked of one compressed stream
)

// hunt looks for things and remembers where it found each first.
type hunt struct {
	things []thing
	found  map[string]string // name of the thing to the place
	read   int64             // bytes, unpacked ones not counted
	zstd   *zstd.Decoder
}

func newHunt(things ...thing) *hunt { return &hunt{things: things, found: map[string]string{}} }

// tree searches every file below a directory, and the names of the files. What
// goes away meanwhile is not there to be found.
func tree(dir string) func(*hunt) error {
	return func(h *hunt) error {
		return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil {
				h.look(path, []byte(filepath.Base(path)))
			}
			if err == nil && d.Type().IsRegular() {
				err = h.file(path)
			}
			if errors.Is(err, fs.ErrNotExist) && path != dir {
				return nil
			}
			return err
		})
	}
}

func (h *hunt) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return h.stretch(path, f, 0, info.Size())
}

// stretch searches size bytes of r, and the compressed streams that begin in
// them.
func (h *hunt) stretch(where string, r io.ReaderAt, from, size int64) error {
	h.read += size
	for at, end := from, from+size; at < end; at += window {
		buf := make([]byte, min(window+overlap, end-at))
		n, err := r.ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", where, err)
		}
		buf = buf[:n]
		h.look(where, buf)
		for _, kind := range compressions {
			for off := bytes.Index(buf, kind.magic); off >= 0 && off < window; off = next(buf, kind.magic, off) {
				stream := bufio.NewReader(io.NewSectionReader(r, at+int64(off), end-at-int64(off)))
				if unpacked, err := kind.open(h, stream); err == nil {
					h.stream(where+", unpacked", unpacked)
				}
			}
		}
	}
	return nil
}

// next is where magic occurs behind off, or -1.
func next(b, magic []byte, off int) int {
	i := bytes.Index(b[off+1:], magic)
	if i < 0 {
		return -1
	}
	return off + 1 + i
}

// compressions are the kinds of stream that this product writes. Bytes that
// begin like one by chance fail to open, or soon after.
var compressions = []struct {
	magic []byte
	open  func(*hunt, io.Reader) (io.Reader, error)
}{
	{[]byte{0x1f, 0x8b, 8}, func(_ *hunt, r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, (*hunt).openZstd},
}

func (h *hunt) openZstd(r io.Reader) (_ io.Reader, err error) {
	if h.zstd == nil {
		h.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
	}
	return h.zstd, h.zstd.Reset(r)
}

// stream searches what can be read of r: a stream may be cut off.
func (h *hunt) stream(where string, r io.Reader) {
	r = io.LimitReader(r, limit)
	buf := make([]byte, 0, window)
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		h.look(where, buf)
		if err != nil {
			return
		}
		buf = append(buf[:0], buf[len(buf)-overlap:]...)
	}
}

func (h *hunt) look(where string, b []byte) {
	for _, t := range h.things {
		for _, f := range t.forms {
			if h.found[t.name] == "" && bytes.Contains(b, f) {
				h.found[t.name] = where
			}
		}
	}
}
