package compliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"chancery/compliance/archive"
	"chancery/compliance/deliver"
	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/job"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/identity"
	"chancery/policy"
)

// States of an export. A cut one waits for a recorder's openings, one that is
// writing for the server, and the next are what the server did last.
const (
	Cut       wire.State = "cut"
	Writing   wire.State = "writing"
	Sealed    wire.State = "sealed" // whole but for its signatures
	Signed    wire.State = "signed"
	Delivered wire.State = "delivered"
	Failed    wire.State = "failed"
)

// Blobs opens sealed files as they were uploaded.
type Blobs interface {
	Open(ctx context.Context, id envelope.BlobID) (io.ReadCloser, error)
}

// Exporting is what exports need besides the store.
type Exporting struct {
	Work     string            // directory in which archives are written; survives a restart
	Archives deliver.Directory // where they go: write-once
	Slips    deliver.Directory // where key slips go: not write-once, an archive expires with its slip
	Signer   archive.Signer
	Blobs    Blobs
	Queue    *job.Queue
	Policy   []byte // the policy bundle that decides, packed
	Build    string // of the server, for archive.json
	Segment  int64  // plain bytes of one segment; 0 is archive.MaxSegment
}

// Export is one archive on its way.
type Export struct {
	ID         envelope.Hash
	Header     archive.Header
	Revision   uint64 // of the schedule
	Ranges     []wire.ExportRange
	State      wire.State
	Requester  identity.UserID // 0 when it was due
	Consents   []Consent       // of the schedule
	Openings   *archive.OpeningsAbout
	Messages   uint64
	Exceptions uint64
	Manifest   envelope.Hash // once sealed
	Path       string        // once delivered
	Why        string
	CutAt      time.Time
}

// Wire is the export as the API tells it.
func (x *Export) Wire() wire.Export {
	ranges := x.Ranges
	if ranges == nil {
		ranges = []wire.ExportRange{}
	}
	return wire.Export{
		ID: x.ID, Schedule: x.Header.Schedule, Ordinal: uint64(x.Header.Ordinal), State: x.State,
		From: uint64(x.Header.From), To: uint64(x.Header.To), Records: uint64(x.Header.To - x.Header.From),
		Messages: x.Messages, Exceptions: x.Exceptions, Path: x.Path, Why: x.Why,
		Order: x.Header.Order, Approvals: Statements(x.Consents), Channels: ranges,
	}
}

// Period is what would leave with an export now.
type Period struct {
	Checkpoint []byte // signed note; empty before the first
	Holds      uint64 // generation
	Ranges     []wire.ExportRange
}

// RunSchedule cuts an export now.
func (s *Service) RunSchedule(ctx context.Context, p identity.Principal, id string) (wire.Export, error) {
	x, err := s.cut(ctx, p, id)
	return x.Wire(), err
}

// cut ends a period at the last signed checkpoint. It starts where the archive
// before ended: a clock only says when, never what.
func (s *Service) cut(ctx context.Context, p identity.Principal, id string) (Export, error) {
	const op = "export.run"
	schedule, found, err := s.Store.Schedule(ctx, id, true)
	if err != nil {
		return Export{}, Explain(op, err)
	}
	_, g, e, err := s.Gate.Permit(ctx, p, policy.ExportRun, schedule.resource(id))
	if err != nil {
		return Export{}, err
	}
	if !found {
		return Export{}, Missing(op, "an approved schedule of that name")
	}
	if schedule.expired(s.Now()) {
		return Export{}, Refuse(op, core.Denied, "export.expired", "the schedule has ended; two people must sign a new revision")
	}
	x, err := s.prepare(ctx, op, &schedule)
	if err != nil {
		return Export{}, err
	}
	x.Requester = p.User
	e.Op, e.Object = record.ExportCut, "export:"+x.ID.String()
	err = s.Store.CutExport(ctx, g, e, &x, s.Config.Exporting.Queue)
	if errors.Is(err, ErrDisposing) {
		return Export{}, Refuse(op, core.Unavailable, "export.disposing", "a disposal of messages in this period has no certificate yet")
	}
	return x, Explain(op, err)
}

// prepare works out the archive that a schedule would make now.
func (s *Service) prepare(ctx context.Context, op string, schedule *Schedule) (Export, error) {
	if err := s.founded(op); err != nil {
		return Export{}, err
	}
	last, any, err := s.Store.LastExport(ctx, schedule.Order.Schedule)
	if err != nil {
		return Export{}, Explain(op, err)
	}
	x := Export{Revision: schedule.Order.Revision, State: Writing, Consents: schedule.Consents, CutAt: s.Now()}
	x.Header = archive.Header{
		Build: s.Config.Exporting.Build, Order: schedule.Bytes, Ordinal: 1, Org: schedule.Order.Org,
		Schedule: schedule.Order.Schedule, Suite: s.Directory.Org().Suite(),
	}
	if any {
		if last.State != Signed && last.State != Delivered {
			return Export{}, Refuse(op, core.Conflict, "export.open", fmt.Sprintf("archive %d of this schedule is %s; the next one follows it", last.Header.Ordinal, last.State))
		}
		x.Header.From, x.Header.Ordinal = last.Header.To, last.Header.Ordinal+1
		x.Header.Previous = &archive.Previous{Checkpoint: last.Header.Checkpoint, ID: last.ID, Manifest: last.Manifest}
	}
	period, err := s.Store.Period(ctx, &schedule.Order, x.Header.From)
	if err != nil {
		return Export{}, Explain(op, err)
	}
	point, err := readCheckpoint(period.Checkpoint)
	if err != nil {
		return Export{}, Explain(op, err)
	}
	if point.Size <= x.Header.From {
		return Export{}, Refuse(op, core.Conflict, "export.nothing", "nothing was logged and signed since the last archive")
	}
	x.Header.To, x.Header.Holds = point.Size, period.Holds
	x.Header.Checkpoint = archive.Point{Root: envelope.Hash(point.Root), Size: point.Size}
	x.ID, x.Ranges = x.Header.ID(), period.Ranges
	if len(x.Ranges) > 0 {
		x.State = Cut
	}
	return x, nil
}

// readCheckpoint reads the body of a stored note. Its signature was checked
// when it was made, and is checked by everyone who reads the archive.
func readCheckpoint(note []byte) (c tlog.Checkpoint, err error) {
	if len(note) == 0 {
		return c, nil
	}
	for i := 0; i+1 < len(note); i++ {
		if note[i] == '\n' && note[i+1] == '\n' {
			return c, c.UnmarshalText(note[:i+1])
		}
	}
	return c, tlog.ErrCheckpoint
}

// Exports lists the export runs in a state, or all.
func (s *Service) Exports(ctx context.Context, p identity.Principal, state wire.State) (wire.Exports, error) {
	const op = "export.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.ExportList, s.orgResource()); err != nil {
		return wire.Exports{}, err
	}
	list, err := s.Store.Exports(ctx, state)
	out := wire.Exports{Exports: make([]wire.Export, len(list))}
	for i := range list {
		out.Exports[i] = list[i].Wire()
	}
	return out, Explain(op, err)
}

// Export tells of one export run.
func (s *Service) Export(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Export, error) {
	const op = "export.read"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.ExportRead, resource(policy.ExportResource, id.String())); err != nil {
		return wire.Export{}, err
	}
	x, found, err := s.Store.Export(ctx, id)
	if err == nil && !found {
		return wire.Export{}, Missing(op, "that export")
	}
	return x.Wire(), Explain(op, err)
}

// PutOpenings takes what a recorder sealed for an export's auditors. The slip
// goes its own way at once: it never lies with the archive.
func (s *Service) PutOpenings(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Openings) error {
	x, g, e, err := s.permitOpenings(ctx, p, id)
	if err != nil {
		return err
	}
	if x.Openings != nil {
		return nil // the first ones stand: the answer was lost, or the recorder asked before it looked again
	}
	if x.State != Cut {
		return moved(openingsPut, "export", x.State)
	}
	if err := s.keepOpenings(openingsPut, id, &in); err != nil {
		return err
	}
	e.Op, e.Object = record.ExportSeal, "export:"+id.String()
	about := archive.OpeningsAbout{Count: in.Count, KeyCommit: in.KeyCommit}
	return Explain(openingsPut, s.Store.AddOpenings(ctx, g, e, id, about, s.Config.Exporting.Queue))
}

const openingsPut = string(policy.ExportOpeningsPut)

// MayPutOpenings permits sending the openings, before they are read: they are
// large.
func (s *Service) MayPutOpenings(ctx context.Context, p identity.Principal, id envelope.Hash) error {
	_, _, _, err := s.permitOpenings(ctx, p, id)
	return err
}

func (s *Service) permitOpenings(ctx context.Context, p identity.Principal, id envelope.Hash) (Export, policy.Grant, core.Event, error) {
	const op = openingsPut
	x, found, err := s.Store.Export(ctx, id)
	if err != nil {
		return x, policy.Grant{}, core.Event{}, Explain(op, err)
	}
	r := resource(policy.ExportResource, id.String())
	r.State, r.Recorders = string(x.State), []string{}
	recorders, err := s.Store.ExportRecorders(ctx, x.Ranges)
	if err != nil {
		return x, policy.Grant{}, core.Event{}, Explain(op, err)
	}
	for _, k := range recorders {
		r.Recorders = append(r.Recorders, k.String())
	}
	_, g, e, err := s.Gate.Permit(ctx, p, policy.ExportOpeningsPut, r)
	if err != nil {
		return x, g, e, err
	}
	if !found {
		return x, g, e, Missing(op, "that export")
	}
	if err := s.founded(op); err != nil {
		return x, g, e, err
	}
	if _, ok := s.Directory.Org().Party(envelope.RoleRecorder, envelope.KeyID(p.Service)); !ok {
		return x, g, e, Refuse(op, core.Denied, NotListed, "the organisation does not list this recorder")
	}
	return x, g, e, nil
}

// keepOpenings makes both files durable before the database says that they are
// there.
func (s *Service) keepOpenings(op string, id envelope.Hash, in *wire.Openings) error {
	var slip archive.Slip
	if err := envelope.Unmarshal(in.Slip, &slip); err != nil || slip.Version != envelope.Version || slip.Archive != id {
		return Malformed(op, "slip", fmt.Errorf("%w: not the slip of this archive", envelope.ErrFormat))
	}
	_, err := s.Config.Exporting.Slips.Put(id.String()+".slip", in.Slip)
	if err == nil {
		_, err = deliver.Directory{Path: s.Config.Exporting.Work}.Put(openingsName(id), in.Sealed)
	}
	if errors.Is(err, deliver.ErrExists) {
		return Refuse(op, core.Conflict, "export.openings", "there are other openings for this export")
	}
	return Explain(op, err)
}

func openingsName(id envelope.Hash) string { return id.String() + ".openings" }
