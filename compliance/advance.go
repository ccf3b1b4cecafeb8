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
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/policy"
)

// Names of tasks in the queue, and of what policy is asked about them.
const (
	TaskTick   = "exports.tick"   // look for what is due and what is left to do
	TaskExport = "exports.export" // go on with one export
)

// clerk is whom policy sees when the server goes on with what people ordered.
var clerk = core.Job("exports")

// Register tells the queue who does the tasks of exports and holds.
func (s *Service) Register() {
	q := s.Exporting.Queue
	q.Every(tickEvery, TaskTick, func(ctx context.Context, _ string) error { return s.Tick(ctx) })
	q.Handle(TaskExport, func(ctx context.Context, object string) error {
		id, err := envelope.ID[envelope.Hash](object)
		if err != nil {
			return err
		}
		return s.Advance(ctx, id)
	})
	q.Every(closeEvery, closeJob, func(ctx context.Context, _ string) error {
		_, err := s.CloseHolds(ctx)
		return err
	})
}

// Tick cuts what is due and goes on with what is not delivered. One run makes
// up for all that were missed.
func (s *Service) Tick(ctx context.Context) error {
	due, err := s.Store.DueSchedules(ctx, s.Now())
	if err != nil {
		return err
	}
	var failed []error
	for i := range due {
		failed = append(failed, s.runDue(ctx, &due[i]))
	}
	open, err := s.Store.OpenExports(ctx)
	failed = append(failed, err)
	for _, id := range open {
		if err := s.Advance(ctx, id); err != nil {
			failed = append(failed, fmt.Errorf("export %s: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

// passes tells refusals and failures that end by themselves: the schedule stays
// due.
func passes(e *core.Error) bool {
	return e.Code == "export.open" || slices.Contains([]core.Kind{core.Internal, core.Unavailable, core.Full}, e.Kind)
}

func (s *Service) runDue(ctx context.Context, x *Schedule) error {
	_, err := s.cut(ctx, clerk, x.Order.Schedule)
	if e, ok := errors.AsType[*core.Error](err); ok && passes(e) {
		s.Log.Warn("an export that is due was not cut; trying again", "schedule", x.Order.Schedule, "err", err)
		return nil
	}
	timing, err := ParseTiming(&x.Order)
	if err != nil {
		return err
	}
	g, e, err := s.permitTask(ctx, TaskTick)
	if err != nil {
		return err
	}
	e.Op, e.Object = record.ScheduleSet, "schedule:"+x.Order.Schedule
	return s.Store.SetDue(ctx, g, e, x, timing.Next(s.Now()))
}

func (s *Service) permitTask(ctx context.Context, task string) (policy.Grant, core.Event, error) {
	_, g, e, err := s.Gate.Permit(ctx, clerk, policy.JobRun, resource(policy.JobResource, task))
	return g, e, err
}

// Advance takes an export as far as it goes: to its delivery, or to where it
// waits for a recorder. It may be called again at any time, also after a crash
// at any point.
func (s *Service) Advance(ctx context.Context, id envelope.Hash) error {
	s.exporting.Lock() // one archive at a time: each may take much memory and disk
	defer s.exporting.Unlock()
	for {
		x, found, err := s.Store.Export(ctx, id)
		if err != nil || !found {
			return err
		}
		next, err := s.advance(ctx, &x)
		if err != nil {
			return err
		}
		if next == "" {
			return s.forget(&x)
		}
		if err := s.step(string(next)); err != nil {
			return err
		}
	}
}

// advance does one step and gives the state that it led to, or "" when there is
// nothing to do.
func (s *Service) advance(ctx context.Context, x *Export) (wire.State, error) {
	switch x.State {
	case Cut:
		return s.expire(ctx, x)
	case Writing:
		return s.move(ctx, x, record.ExportWrite, s.write)
	case Sealed:
		return s.move(ctx, x, record.ExportSign, s.sign)
	case Signed:
		return s.move(ctx, x, record.ExportDeliver, s.deliver)
	}
	return "", nil
}

// Move is what a step changes.
type Move struct {
	From, To             wire.State
	Manifest             envelope.Hash
	Messages, Exceptions uint64
	Path, Why            string
}

// move records what will be done, does it, and records that it was.
func (s *Service) move(ctx context.Context, x *Export, op record.Op, do func(context.Context, *Export) (Move, error)) (wire.State, error) {
	g, e, err := s.permitTask(ctx, TaskExport)
	if err != nil {
		return "", err
	}
	e.Op, e.Outcome, e.Object = op, record.Intent, "export:"+x.ID.String()
	if err := s.Store.Record(ctx, e); err != nil {
		return "", err
	}
	m, err := do(ctx, x)
	if err != nil {
		return "", err
	}
	if err := s.step("done " + string(m.To)); err != nil {
		return "", err
	}
	e.Outcome = record.Done
	if m.To == Failed {
		e.Op, e.Outcome = record.ExportFail, record.Failed
	}
	return m.To, s.Store.MoveExport(ctx, g, e, x.ID, m, s.Now())
}

// expire gives up an export whose schedule ended before a recorder added the
// openings: a recorder refuses it from then on. The next archive of the schedule
// starts where this one would have.
func (s *Service) expire(ctx context.Context, x *Export) (wire.State, error) {
	order, err := envelope.ParseOrder[envelope.ExportOrder](x.Header.Order)
	if err != nil || s.Now().UnixMicro() < order.NotAfter {
		return "", err
	}
	return s.move(ctx, x, record.ExportFail, func(context.Context, *Export) (Move, error) {
		return Move{From: Cut, To: Failed, Why: "the schedule ended before a recorder added the openings"}, nil
	})
}

func (s *Service) dir(x *Export) string { return filepath.Join(s.Exporting.Work, x.ID.String()) }

// sign has the very bytes signed that were sealed.
func (s *Service) sign(ctx context.Context, x *Export) (Move, error) {
	m := Move{From: Sealed, To: Signed}
	if signed, err := s.halfSigned(x); signed || err != nil {
		return m, err
	}
	written, err := archive.FindClosed(s.dir(x))
	if err != nil {
		return m, err
	}
	if written.Manifest != x.Manifest {
		return m, fmt.Errorf("archive %s was sealed with manifest %s, and has %s", x.ID, x.Manifest, written.Manifest)
	}
	err = written.Sign(ctx, s.Exporting.Signer)
	if signer.CodeOf(err) == signer.Forked {
		return Move{From: Sealed, To: Failed, Why: err.Error()}, nil
	}
	return m, err
}

// halfSigned tells whether both signatures are there already. A lone first one
// is removed: the signer gives the same ones for the same archive again.
func (s *Service) halfSigned(x *Export) (bool, error) {
	dsse := filepath.Join(s.dir(x), "archive.dsse")
	_, first := os.Stat(dsse)
	_, second := os.Stat(filepath.Join(s.dir(x), "archive.note"))
	if first == nil && second == nil {
		return true, nil
	}
	for _, err := range []error{first, second} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, os.RemoveAll(dsse)
}

// deliver copies the archive to where it stays and reads it back.
func (s *Service) deliver(ctx context.Context, x *Export) (Move, error) {
	name := fmt.Sprintf("%s/%06d-%s", x.Header.Schedule, x.Header.Ordinal, x.ID)
	path, err := s.Exporting.Archives.Deliver(ctx, s.dir(x), name)
	if err != nil {
		return Move{}, err
	}
	return Move{From: Signed, To: Delivered, Path: path}, nil
}

// forget removes the working copy of an archive that has ended.
func (s *Service) forget(x *Export) error {
	if x.State != Delivered && x.State != Failed {
		return nil
	}
	return errors.Join(os.RemoveAll(s.dir(x)), os.RemoveAll(s.dir(x)+".journal"), os.RemoveAll(filepath.Join(s.Exporting.Work, openingsName(x.ID))))
}
