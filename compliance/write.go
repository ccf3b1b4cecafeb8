package compliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"chancery/compliance/archive"
	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Intake takes what a store reads for an archive. Order and shape are those of
// archive.Writer, of which it is the reader's side.
type Intake interface {
	Next() int64 // place of the next record
	AddOrg(entries []envelope.Entry) error
	AddUser(id envelope.UserID, entries []envelope.Entry) error
	AddPerson(p archive.Person) error
	AddChannel(c archive.Channel) error
	AddHistory(channel envelope.ChannelID, p *envelope.Placed) error
	AddRecord(index int64, r *record.Record, placed *envelope.Placed) error
	AddCertificate(plan envelope.Hash, dsse []byte) error
	AddLog(checkpoint []byte, hashes tlog.HashReader, proof []tlog.Hash) error
}

// intake leaves out what is not in the order's scope, and adds files.
type intake struct {
	*archive.Writer
	ctx      context.Context
	blobs    Blobs
	channels []envelope.ChannelID // of the order; empty is every channel
}

// write writes an archive whole, going on after what a crash left.
func (s *Service) write(ctx context.Context, x *Export) (Move, error) {
	order, err := envelope.ParseOrder[envelope.ExportOrder](x.Header.Order)
	if err != nil {
		return Move{}, err
	}
	w, err := archive.Create(archive.Config{Dir: s.dir(x), Header: x.Header, SegmentSize: s.Exporting.Segment})
	if err != nil {
		return Move{}, err
	}
	in := &intake{Writer: w, ctx: ctx, blobs: s.Exporting.Blobs, channels: order.Channels}
	if err := s.Store.ReadExport(ctx, x, in); err != nil {
		return Move{}, fmt.Errorf("writing archive %s: %w", x.ID, err)
	}
	if err := w.AddPolicy(s.Exporting.Policy); err != nil {
		return Move{}, err
	}
	if err := s.addOpenings(w, x); err != nil {
		return Move{}, err
	}
	written, err := w.Close()
	if err != nil {
		return Move{}, err
	}
	return Move{
		From: Writing, To: Sealed, Manifest: written.Manifest,
		Messages: uint64(written.About.Messages), Exceptions: uint64(written.About.Exceptions),
	}, nil
}

func (s *Service) addOpenings(w *archive.Writer, x *Export) error {
	if x.Openings == nil {
		return nil
	}
	f, err := os.Open(filepath.Join(s.Exporting.Work, openingsName(x.ID)))
	if err != nil {
		return err
	}
	defer f.Close()
	return w.AddOpenings(f, *x.Openings)
}

// institutional are the classes of records that belong to no channel and go
// into archives of some channels too: they say under whose keys and rules those
// channels stood.
var institutional = []record.Class{"adm", "key", "cfg", "hold", "ret", "exp"}

// InScope tells whether a record goes into an archive of the given channels.
func InScope(r *record.Record, channels []envelope.ChannelID) bool {
	switch {
	case len(channels) == 0:
		return true
	case r.Channel.IsZero():
		return slices.Contains(institutional, r.Op.Class())
	}
	return slices.Contains(channels, r.Channel)
}

// AddRecord implements Intake.
func (in *intake) AddRecord(index int64, r *record.Record, placed *envelope.Placed) error {
	if !InScope(r, in.channels) {
		return in.Withhold(index)
	}
	if placed != nil && placed.Entry.Kind == envelope.KindMessage && !placed.Disposed() {
		if err := in.addFiles(r.Channel, placed); err != nil {
			return err
		}
	}
	return in.Writer.AddRecord(index, r.Leaf(), placed)
}

func (in *intake) addFiles(channel envelope.ChannelID, p *envelope.Placed) error {
	h, err := envelope.ParseHeader(&p.Entry)
	if err != nil {
		return err
	}
	for _, a := range h.Attachments {
		err := in.addFile(a)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, archive.ErrBlob) {
			in.AddException(archive.Exception{
				Channel: channel, Code: archive.FileMissing, Object: a.ID.String(), Position: p.Position, Text: "the file is not there, or not whole",
			})
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *intake) addFile(a envelope.Attachment) error {
	f, err := in.blobs.Open(in.ctx, a.ID)
	if err != nil {
		return err
	}
	defer f.Close()
	return in.AddFile(a, f)
}
