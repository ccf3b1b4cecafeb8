package compliance

import (
	"context"
	"errors"
	"time"

	"chancery/compliance/archive"
	"chancery/core"
	"chancery/core/job"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/policy"
)

// Store keeps matters, holds, schedules and exports. What changes something
// takes the Grant that allows it, checks by itself that the thing is still in
// the state that the change starts from (ErrMoved), and writes the Event in the
// same transaction. A second consent of one person is ErrSamePerson.
type Store interface {
	Log

	CreateMatter(ctx context.Context, g policy.Grant, e core.Event, m Matter) error
	Matters(ctx context.Context) ([]wire.Matter, error)

	// UnknownScope lists the people and channels of an order that are not there.
	UnknownScope(ctx context.Context, o *envelope.HoldOrder) ([]string, error)
	CreateHold(ctx context.Context, g policy.Grant, e core.Event, h *Hold) error
	// ActivateHold raises the holds generation and attests to what is held then.
	ActivateHold(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c Consent, now time.Time) error
	RequestRelease(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, r *Release) error
	ApproveRelease(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c Consent, now time.Time) error
	// CooledHolds are those released before a time, also by the database's clock.
	CooledHolds(ctx context.Context, before time.Time) ([]envelope.Hash, error)
	CloseHold(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, before, now time.Time) error
	Hold(ctx context.Context, id envelope.Hash) (Hold, bool, error)
	// Holds are all holds, oldest first, with the generation of that moment.
	Holds(ctx context.Context) ([]Hold, uint64, error)

	// UnknownChannels lists those that are not there.
	UnknownChannels(ctx context.Context, list []envelope.ChannelID) ([]envelope.ChannelID, error)
	SetSchedule(ctx context.Context, g policy.Grant, e core.Event, s *Schedule, now time.Time) error
	ApproveSchedule(ctx context.Context, g policy.Grant, e core.Event, s *Schedule, c Consent, now, due time.Time) error
	// Schedule is the newest revision, or the newest that is approved.
	Schedule(ctx context.Context, id string, approved bool) (Schedule, bool, error)
	Schedules(ctx context.Context) ([]Schedule, error)
	DueSchedules(ctx context.Context, now time.Time) ([]Schedule, error)
	SetDue(ctx context.Context, g policy.Grant, e core.Event, s *Schedule, due time.Time) error

	Record(ctx context.Context, e core.Event) error
	// LastExport is the newest of a schedule that did not fail.
	LastExport(ctx context.Context, schedule string) (Export, bool, error)
	Period(ctx context.Context, o *envelope.ExportOrder, from int64) (Period, error)
	// CutExport keeps an export and queues TaskExport with it. It may fail with
	// ErrDisposing.
	CutExport(ctx context.Context, g policy.Grant, e core.Event, x *Export, q *job.Queue) error
	Export(ctx context.Context, id envelope.Hash) (Export, bool, error)
	// Exports are those in a state, or all, newest first.
	Exports(ctx context.Context, state wire.State) ([]Export, error)
	// OpenExports are those neither delivered nor failed, oldest first.
	OpenExports(ctx context.Context) ([]envelope.Hash, error)
	ExportRecorders(ctx context.Context, ranges []wire.ExportRange) ([]envelope.KeyID, error)
	// AddOpenings moves an export from cut to writing.
	AddOpenings(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, about archive.OpeningsAbout, q *job.Queue) error
	// ReadExport gives an archive what it holds, from one state of the database.
	ReadExport(ctx context.Context, x *Export, in Intake) error
	MoveExport(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, m Move, now time.Time) error
}

// ErrDisposing is what a store returns for an export of a period in which
// messages go or went without a certificate: the archive could not tell why.
var ErrDisposing = errors.New("messages of the period are being disposed of")
