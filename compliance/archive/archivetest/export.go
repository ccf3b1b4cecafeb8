package archivetest

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"

	"chancery/compliance/archive"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// last is the archive that was cut last.
type last struct {
	written *archive.Written
	size    int64
}

// LocalSigner signs archives with a key in memory, whatever they are.
type LocalSigner struct{ World *World }

// SignArchive implements archive.Signer.
func (s LocalSigner) SignArchive(_ context.Context, a signer.Archive) (*signer.SignedArchive, error) {
	return a.Sign(s.World.Signer)
}

// Cut is one archive as it was written.
type Cut struct {
	Dir     string
	Slip    []byte // encoded archive.Slip
	Written *archive.Written
}

// Schedule of every archive that a world cuts.
const Schedule = "daily"

// Header gives the header of the archive that would be cut now.
func (w *World) Header(channels ...envelope.ChannelID) archive.Header {
	order := &envelope.ExportOrder{
		Version: 1, Org: w.org.ID(), Schedule: Schedule, Revision: 1, Channels: channels, Zone: "UTC",
		Auditors: []envelope.KeyID{seal.RecipientID(w.Auditor.Recipient())}, NotAfter: w.Now + 1e12,
	}
	h := archive.Header{
		Build: "test", Checkpoint: archive.Point{Root: envelope.Hash(w.Tree.Root), Size: w.Tree.Size}, Order: envelope.Marshal(order),
		Ordinal: 1, Org: w.org.ID(), Schedule: Schedule, Suite: w.org.Suite(), To: w.Tree.Size,
	}
	if l := w.last; l != nil {
		a := l.written.About
		h.From, h.Ordinal = a.To, a.Ordinal+1
		h.Previous = &archive.Previous{Checkpoint: a.Checkpoint, ID: a.ID, Manifest: l.written.Manifest}
	}
	return h
}

// Cut writes an archive of everything since the last one to dir and signs it.
func (w *World) Cut(dir string, channels ...*Channel) *Cut {
	w.TB.Helper()
	return w.CutWith(archive.Config{Dir: dir, Header: w.Header()}, channels...)
}

// CutWith is Cut with a configuration of the test's own.
func (w *World) CutWith(c archive.Config, channels ...*Channel) *Cut {
	w.TB.Helper()
	writer, err := archive.Create(c)
	w.check(err)
	w.Feed(writer, c.Header, 1<<62, channels...)
	for _, e := range w.Exceptions {
		writer.AddException(e)
	}
	slip := w.openings(writer, c.Header, channels)
	written, err := writer.Close()
	w.check(err)
	w.check(written.Sign(context.Background(), LocalSigner{w}))
	w.last = &last{written, c.Header.To}
	return &Cut{Dir: filepath.Clean(c.Dir), Slip: slip, Written: written}
}

// Feed gives a writer everything but the openings, at most records of them.
func (w *World) Feed(writer *archive.Writer, h archive.Header, records int, channels ...*Channel) {
	w.TB.Helper()
	w.feedIdentity(writer)
	for _, c := range sorted(channels) {
		w.feedChannel(writer, h, c)
	}
	for ; writer.Next() < h.To && records > 0; records-- {
		i := writer.Next()
		w.feedFiles(writer, i)
		w.check(writer.AddRecord(i, w.Records[i].Leaf(), w.Placed[i]))
	}
	for plan, dsse := range w.Certs {
		w.check(writer.AddCertificate(plan, dsse))
	}
	w.check(writer.AddPolicy([]byte("package chancery")))
	var proof []tlog.Hash
	if h.Previous != nil {
		var err error
		proof, err = tlog.ProveConsistency(h.Previous.Checkpoint.Size, h.Checkpoint.Size, w.Hashes)
		w.check(err)
	}
	note, err := w.Checkpoint(h.Checkpoint.Size)
	w.check(err)
	w.check(writer.AddLog(note, w.Hashes, proof))
}

// Checkpoint is the signed state of the log at a size, which the recorder cosigns.
func (w *World) Checkpoint(size int64) ([]byte, error) {
	root, err := tlog.TreeRoot(size, w.Hashes)
	if err != nil {
		return nil, err
	}
	c := signer.Checkpoint{Origin: witness.Origin(w.org.ID()), Size: size, Root: signer.Digest(root)}
	note, err := c.Sign(w.Signer)
	if err != nil || w.Uncosigned {
		return note, err
	}
	text, err := c.State().MarshalText()
	name := witness.CosignerName(w.org.ID(), w.Recorder.ID())
	return append(note, seal.Cosign(string(text), name, w.Now/1e6, w.Recorder)...), err
}

func (w *World) feedIdentity(writer *archive.Writer) {
	w.check(writer.AddOrg(w.links))
	for i, p := range w.sortedPeople() {
		w.check(writer.AddUser(p.Chain.ID(), p.entries))
		w.check(writer.AddPerson(archive.Person{Account: int64(i + 1), Chain: p.Chain.ID(), Name: p.Name, Username: p.Name}))
	}
}

func sorted(channels []*Channel) []*Channel {
	return slices.SortedFunc(slices.Values(channels), func(a, b *Channel) int {
		x, y := a.ID(), b.ID()
		return bytes.Compare(x[:], y[:])
	})
}

// feedChannel tells where a channel stood at the start of the period.
func (w *World) feedChannel(writer *archive.Writer, h archive.Header, c *Channel) {
	about := archive.Channel{Channel: c.ID(), Name: "desk"}
	first := uint64(len(c.Entries)) + 1
	for i := h.From; i < h.To; i++ {
		if p := w.Placed[i]; p != nil && w.Records[i].Channel == c.ID() {
			first = min(first, p.Position)
		}
	}
	for _, p := range c.Entries[:first-1] {
		about.Position, about.Head, about.Received = p.Position, p.Head, p.Received
		if p.Entry.Kind != envelope.KindMessage {
			w.check(writer.AddHistory(c.ID(), p))
		}
	}
	w.check(writer.AddChannel(about))
}

func (w *World) feedFiles(writer *archive.Writer, index int64) {
	p := w.Placed[index]
	if p == nil || p.Entry.Kind != envelope.KindMessage || p.Disposed() {
		return
	}
	h, err := envelope.ParseHeader(&p.Entry)
	w.check(err)
	for _, a := range h.Attachments {
		blob := w.Blobs[a.ID]
		if w.Lost[a.ID] {
			blob = nil
		}
		err := writer.AddFile(a, bytes.NewReader(blob))
		if errors.Is(err, archive.ErrBlob) {
			err = nil
			writer.AddException(archive.Exception{
				Channel: h.Channel, Code: archive.FileMissing, Object: a.ID.String(), Position: p.Position, Text: "not in the blob store",
			})
		}
		w.check(err)
	}
}

// openings seals the openings of the period as a recorder does, and gives the
// key slip.
func (w *World) openings(writer *archive.Writer, h archive.Header, channels []*Channel) []byte {
	w.TB.Helper()
	key := seal.NewDataKey()
	var file bytes.Buffer
	commit := archive.KeyCommit(h.ID(), key[:])
	out, err := archive.NewOpeningsWriter(&file, h.ID(), commit, func(aad, plain []byte) []byte { return seal.SealBytes(key, aad, plain) })
	w.check(err)
	for _, c := range sorted(channels) {
		for _, p := range c.Entries {
			secret, ok := w.secrets[secretKey{c.ID(), p.Position}]
			if !ok || !w.within(h, c, p) || p.Disposed() || c.Genesis.Capture != envelope.CaptureRequired {
				continue
			}
			w.check(out.Add(archive.Opening{Channel: c.ID(), Position: p.Position, Entry: p.Hash(), Secret: secret[:]}))
		}
	}
	w.check(out.Close())
	w.check(writer.AddOpenings(&file, archive.OpeningsAbout{Count: out.Count(), KeyCommit: commit}))
	copies, err := seal.SealTo(w.org.Suite(), seal.ArchiveKey(w.org.ID(), h.ID()), [][]byte{w.Auditor.Recipient()}, envelope.Marshal(&archive.SlipKey{
		Type: archive.SlipKeyType, Org: w.org.ID(), Archive: h.ID(), Key: key[:],
	}))
	w.check(err)
	slip := archive.Slip{Version: 1, Archive: h.ID()}
	for _, c := range copies {
		slip.Copies = append(slip.Copies, archive.SlipCopy{Recipient: c.Recipient, File: c.File})
	}
	return envelope.Marshal(&slip)
}

func (w *World) within(h archive.Header, c *Channel, p *envelope.Placed) bool {
	for i := h.From; i < h.To; i++ {
		if w.Placed[i] == p {
			return true
		}
	}
	return false
}
