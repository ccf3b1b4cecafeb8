package archive

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Opener opens what is sealed, with the data key of one archive.
type Opener interface {
	// Commit is KeyCommit of the data key.
	Commit() envelope.Hash
	// Chunk opens a chunk of the openings file.
	Chunk(aad, sealed []byte) ([]byte, error)
	// Message opens a message with its secret and gives what coverage proves.
	// The covering bytes are there also when the message does not open.
	Message(secret []byte, e *envelope.Entry) (body *envelope.Body, cov []byte, err error)
	// File opens a sealed file.
	File(dst io.Writer, src io.Reader, a envelope.Attachment, key []byte) error
}

// Reading is what rung 9 needs and whom it tells. Message and File may be nil.
type Reading struct {
	Opener  Opener
	Message func(*Message) error // of each message, in the order of the log
	// File gives where the plain bytes of a file go; it is closed after them.
	File func(*Message, int) (io.WriteCloser, error)
}

// Message is one message as an auditor reads it.
type Message struct {
	Archive   envelope.Hash
	Index     int64 // place in the log
	Record    *record.Record
	Placed    *envelope.Placed
	Header    *envelope.Header
	Channel   Channel
	Sender    Person         // zero when nobody in the archive has the chain
	Body      *envelope.Body // nil when Closed says why
	Closed    Closed
	Files     [][32]byte // SHA-256 of the plain bytes, in the order of Body.Files; zero when missing
	Exception envelope.ExceptionCode
}

// Closed says why a message has no body.
type Closed string

const (
	ClosedDisposed   Closed = "disposed"    // under a certificate
	ClosedUncovered  Closed = "not_covered" // an exception of the archive
	ClosedUnrecorded Closed = "no_capture"  // the channel has no recorder
	ClosedExcepted   Closed = "excepted"    // it does not open; Exception says why
)

// reader is the state of rung 9.
type reader struct {
	*climb
	secrets  map[secretKey]Opening
	people   map[envelope.UserID]Person
	leaves   map[envelope.ChannelID][]coverLeaf
	opened   int
	excepted int
	closed   map[Closed]int
	covered  int
	files    int
	used     int
}

type secretKey struct {
	channel  envelope.ChannelID
	position uint64
}

type coverLeaf struct {
	position uint64
	excepted bool
	hash     tlog.Hash
}

// checkOpenings is rung 9.
func (c *climb) checkOpenings() ([]string, error) {
	r := &reader{
		climb: c, secrets: map[secretKey]Opening{}, people: map[envelope.UserID]Person{},
		leaves: map[envelope.ChannelID][]coverLeaf{}, closed: map[Closed]int{},
	}
	if err := r.readSecrets(); err != nil {
		return nil, err
	}
	if err := r.readPeople(); err != nil {
		return nil, err
	}
	if err := c.eachRecord(r.read); err != nil {
		return nil, err
	}
	if r.used != len(r.secrets) {
		return nil, tampered("%d openings are of no message in the archive", len(r.secrets)-r.used)
	}
	return []string{
		fmt.Sprintf("%d messages and %d files open to what their senders signed, %d are excepted", r.opened, r.files, r.excepted),
		fmt.Sprintf("not opened: %d disposed of, %d not covered, %d without capture", r.closed[ClosedDisposed], r.closed[ClosedUncovered], r.closed[ClosedUnrecorded]),
		fmt.Sprintf("%d coverage roots follow from the openings", r.covered),
	}, nil
}

func (r *reader) readSecrets() error {
	about := r.about.Openings
	if about == nil {
		return nil
	}
	if r.reading.Opener.Commit() != about.KeyCommit {
		return sealed("the key slip holds another key than the archive commits to")
	}
	f, err := r.fsys.Open(OpeningsPath)
	if err != nil {
		return incomplete("%s is missing", OpeningsPath)
	}
	defer f.Close()
	err = ReadOpenings(f, r.about.ID, about.KeyCommit, r.reading.Opener.Chunk, func(o Opening) error {
		r.secrets[secretKey{o.Channel, o.Position}] = o
		return nil
	})
	switch {
	case err != nil:
		return sealed("%w", err)
	case uint64(len(r.secrets)) != about.Count:
		return tampered("%d openings, %s says %d", len(r.secrets), aboutPath, about.Count)
	}
	return nil
}

func (r *reader) readPeople() error {
	return eachOf(r.climb, peoplePath, maxPlainChains, func(p *Person) error {
		r.people[p.Chain] = *p
		return nil
	})
}

func (r *reader) read(a *archived) error {
	if a.placed == nil {
		return nil
	}
	switch a.placed.Entry.Kind {
	case envelope.KindMessage:
		return r.readMessage(a)
	case envelope.KindCoverage:
		return r.checkCoverage(a.record.Channel, a.placed)
	}
	return nil
}

func (r *reader) readMessage(a *archived) error {
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: a.placed.Entry.Kind, Header: a.placed.Entry.Header})
	if err != nil {
		return tampered("%w", err)
	}
	s := r.channels[a.record.Channel]
	m := &Message{
		Archive: r.about.ID, Index: a.index, Record: a.record, Placed: a.placed, Header: h,
		Channel: s.about, Sender: r.people[h.User],
	}
	if err := r.open(m, s); err != nil {
		return err
	}
	if r.reading.Message == nil {
		return nil
	}
	return r.reading.Message(m)
}

// open opens a message, or finds the reason why it stays closed.
func (r *reader) open(m *Message, s *channelState) error {
	o, have := r.secrets[secretKey{s.about.Channel, m.Placed.Position}]
	if have {
		r.used++
	}
	switch {
	case m.Placed.Disposed():
		m.Closed = ClosedDisposed
	case s.chain.Genesis.Capture != envelope.CaptureRequired:
		m.Closed = ClosedUnrecorded
	case !have && r.missing[missingKey{s.about.Channel, m.Placed.Position, ""}]:
		m.Closed = ClosedUncovered
	case !have:
		return incomplete("channel %s: no opening of the message at %d", s.about.Channel, m.Placed.Position)
	case o.Entry != m.Placed.Hash():
		return tampered("channel %s: the opening at %d is of another entry", s.about.Channel, m.Placed.Position)
	default:
		return r.openWith(m, s, o)
	}
	if have {
		return tampered("channel %s: an opening of the message at %d, which is %s", s.about.Channel, m.Placed.Position, m.Closed)
	}
	r.closed[m.Closed]++
	return nil
}

func (r *reader) openWith(m *Message, s *channelState, o Opening) error {
	body, cov, err := r.reading.Opener.Message(o.Secret, &m.Placed.Entry)
	if (err != nil) != (o.Exception != "") {
		return tampered("channel %s: the message at %d: exception %q, opening says: %w", s.about.Channel, m.Placed.Position, o.Exception, orOpens(err))
	}
	leaf := tlog.LeafHash(envelope.CoverLeaf(m.Placed.Position, m.Placed.Hash(), cov))
	r.leaves[s.about.Channel] = insertLeaf(r.leaves[s.about.Channel], coverLeaf{m.Placed.Position, err != nil, leaf})
	if err != nil {
		m.Closed, m.Exception = ClosedExcepted, o.Exception
		r.excepted++
		return nil
	}
	m.Body = body
	r.opened++
	return r.openFiles(m)
}

func orOpens(err error) error {
	if err == nil {
		return fmt.Errorf("it opens")
	}
	return err
}

func insertLeaf(list []coverLeaf, l coverLeaf) []coverLeaf {
	i, _ := slices.BinarySearchFunc(list, l, func(a, b coverLeaf) int { return int(int64(a.position) - int64(b.position)) })
	return slices.Insert(list, i, l)
}

// openFiles opens the files of a message and hashes their plain bytes.
func (r *reader) openFiles(m *Message) error {
	if len(m.Body.Files) != len(m.Header.Attachments) {
		return tampered("message at %d names %d files and binds %d", m.Placed.Position, len(m.Body.Files), len(m.Header.Attachments))
	}
	m.Files = make([][32]byte, len(m.Body.Files))
	for i, a := range m.Header.Attachments {
		name := filesDir + a.ID.String()
		if _, there := r.climb.files[name]; !there {
			continue // rung 7 found the exception that says so
		}
		sum, err := r.openFile(m, i, name)
		if err != nil {
			return err
		}
		m.Files[i] = sum
		r.files++
	}
	return nil
}

func (r *reader) openFile(m *Message, i int, name string) (sum [32]byte, err error) {
	src, err := r.fsys.Open(name)
	if err != nil {
		return sum, err
	}
	defer src.Close()
	hash := sha256.New()
	dst := io.Writer(hash)
	if r.reading.File != nil {
		out, err := r.reading.File(m, i)
		if err != nil {
			return sum, err
		}
		defer func() {
			if cerr := out.Close(); err == nil {
				err = cerr
			}
		}()
		dst = io.MultiWriter(hash, out)
	}
	counted := &counter{dst: dst}
	if err := r.reading.Opener.File(counted, src, m.Header.Attachments[i], m.Body.Files[i].Key); err != nil {
		return sum, tampered("%s: %w", name, err)
	}
	if counted.n != m.Body.Files[i].Size {
		return sum, tampered("%s opens to %d bytes, its message says %d", name, counted.n, m.Body.Files[i].Size)
	}
	return [32]byte(hash.Sum(nil)), nil
}

type counter struct {
	dst io.Writer
	n   uint64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.dst.Write(b)
	c.n += uint64(n)
	return n, err
}

// checkCoverage computes the root that a recorder signed from the openings. A
// range that starts before the archive can't be computed from it.
func (r *reader) checkCoverage(channel envelope.ChannelID, p *envelope.Placed) error {
	v, err := envelope.ParseCoverage(&p.Entry)
	if err != nil {
		return tampered("%w", err)
	}
	s := r.channels[channel]
	leaves := r.leaves[channel]
	var root tlog.RootBuilder
	var exceptions []uint64
	for _, l := range leaves {
		switch {
		case l.position < v.From || l.position > v.To:
		case l.excepted:
			exceptions = append(exceptions, l.position)
		default:
			root.Append(l.hash)
		}
	}
	if len(s.chain.Duties()) == 1 {
		r.leaves[channel] = slices.DeleteFunc(leaves, func(l coverLeaf) bool { return l.position <= v.To })
	}
	if v.From <= s.start || r.gap(channel, v) {
		return nil
	}
	same := len(exceptions) == len(v.Exceptions)
	for i := range v.Exceptions {
		same = same && v.Exceptions[i].Position == exceptions[i]
	}
	want := root.Root()
	if !same || !bytes.Equal(want[:], v.Root[:]) {
		return tampered("channel %s: coverage of %d to %d at %d does not follow from the openings", channel, v.From, v.To, p.Position)
	}
	r.covered++
	return nil
}

// gap tells whether a range holds messages that nobody can open any more.
func (r *reader) gap(channel envelope.ChannelID, v *envelope.Coverage) bool {
	for _, cert := range r.certificates {
		for _, d := range cert.ranges {
			if d.Channel == channel && d.From <= v.To && v.From <= d.To {
				return true
			}
		}
	}
	return false
}
