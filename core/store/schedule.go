package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/compliance"
	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

const unknownChannels = `SELECT c FROM unnest($1::bytea[]) c WHERE NOT EXISTS (SELECT FROM channels WHERE chain = c)`

// UnknownChannels implements compliance.Store.
func (db *DB) UnknownChannels(ctx context.Context, list []envelope.ChannelID) ([]envelope.ChannelID, error) {
	rows, err := db.app.Query(ctx, unknownChannels, rawIDs(list))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (id envelope.ChannelID, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&id)})
		return id, err
	})
}

// A revision follows the newest one. The primary key arbitrates between two
// that do.
const insertSchedule = `
INSERT INTO schedules (id, revision, hash, order_bytes, requested_by, created_at, not_after)
SELECT $1, $2::bigint, $3, $4, $5, $6, $7 WHERE $2 = (SELECT coalesce(max(revision), 0) + 1 FROM schedules WHERE id = $1)
ON CONFLICT DO NOTHING`

// SetSchedule implements compliance.Store.
func (db *DB) SetSchedule(ctx context.Context, g policy.Grant, e core.Event, s *compliance.Schedule, now time.Time) error {
	return db.mutate(ctx, g, on{policy.ExportScheduleSet, policy.ScheduleResource, s.Hash.String()}, e, func(tx pgx.Tx) error {
		o := &s.Order
		err := moveOne(tx.Exec(ctx, insertSchedule, o.Schedule, int64(o.Revision), s.Hash[:], s.Bytes, int64(s.Requester), now, time.UnixMicro(o.NotAfter)))
		if err != nil {
			return err
		}
		return addConsent(ctx, tx, s.Consents[0])
	})
}

const approveSchedule = `UPDATE schedules SET active_at = $3, due_at = $4 WHERE id = $1 AND revision = $2 AND active_at IS NULL`

const supersede = `UPDATE schedules SET due_at = NULL WHERE id = $1 AND revision < $2`

// ApproveSchedule implements compliance.Store.
func (db *DB) ApproveSchedule(ctx context.Context, g policy.Grant, e core.Event, s *compliance.Schedule, c compliance.Consent, now, due time.Time) error {
	id, revision := s.Order.Schedule, int64(s.Order.Revision)
	return db.mutate(ctx, g, on{policy.ExportScheduleApprove, policy.ScheduleResource, id}, e, func(tx pgx.Tx) error {
		if err := moveOne(tx.Exec(ctx, approveSchedule, id, revision, now, orNull(due))); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, supersede, id, revision); err != nil {
			return err
		}
		return addConsent(ctx, tx, c)
	})
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const setDue = `UPDATE schedules SET due_at = $3 WHERE id = $1 AND revision = $2 AND due_at IS NOT NULL`

// SetDue implements compliance.Store.
func (db *DB) SetDue(ctx context.Context, g policy.Grant, e core.Event, s *compliance.Schedule, due time.Time) error {
	return db.mutate(ctx, g, on{policy.JobRun, policy.JobResource, compliance.TaskTick}, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, setDue, s.Order.Schedule, int64(s.Order.Revision), orNull(due))
		return err
	})
}

const scheduleColumns = `SELECT s.hash, s.order_bytes, s.requested_by, s.active_at IS NOT NULL, s.due_at FROM schedules s`

const selectSchedule = scheduleColumns + ` WHERE s.id = $1 AND (NOT $2 OR s.active_at IS NOT NULL) ORDER BY s.revision DESC LIMIT 1`

// Schedule implements compliance.Store.
func (db *DB) Schedule(ctx context.Context, id string, approved bool) (compliance.Schedule, bool, error) {
	list, err := schedules(ctx, db.app, selectSchedule, id, approved)
	if err != nil || len(list) == 0 {
		return compliance.Schedule{}, false, err
	}
	return list[0], true, nil
}

const selectSchedules = scheduleColumns + ` WHERE s.revision = (SELECT max(x.revision) FROM schedules x WHERE x.id = s.id) ORDER BY s.id`

// Schedules implements compliance.Store.
func (db *DB) Schedules(ctx context.Context) ([]compliance.Schedule, error) {
	return schedules(ctx, db.app, selectSchedules)
}

const selectDue = scheduleColumns + ` WHERE s.due_at <= $1 AND s.not_after > $1 ORDER BY s.due_at, s.id`

// DueSchedules implements compliance.Store.
func (db *DB) DueSchedules(ctx context.Context, now time.Time) ([]compliance.Schedule, error) {
	return schedules(ctx, db.app, selectDue, now)
}

func schedules(ctx context.Context, q querier, sql string, args ...any) ([]compliance.Schedule, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, scanSchedule)
	for i := range list {
		if err == nil {
			list[i].Consents, err = consents(ctx, q, list[i].Hash)
		}
	}
	return list, err
}

func scanSchedule(row pgx.CollectableRow) (s compliance.Schedule, err error) {
	var by int64
	var due *time.Time
	if err := row.Scan(bytes32{(*[32]byte)(&s.Hash)}, &s.Bytes, &by, &s.Active, &due); err != nil {
		return s, err
	}
	s.Requester = identity.UserID(by)
	if due != nil {
		s.Due = *due
	}
	o, err := envelope.ParseOrder[envelope.ExportOrder](s.Bytes)
	if err != nil {
		return s, fmt.Errorf("reading schedule %s: %w", s.Hash, err)
	}
	s.Order = *o
	return s, nil
}
