package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/compliance"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
	"chancery/retention"
)

const insertPlan = `
INSERT INTO plans (id, order_bytes, rules_generation, state, requested_by, created_at)
VALUES ($1, $2, $3, 'planned', $4, $5) ON CONFLICT DO NOTHING`

// CreatePlan implements retention.Store.
func (db *DB) CreatePlan(ctx context.Context, g policy.Grant, e core.Event, p *retention.Plan, now time.Time) error {
	return db.mutate(ctx, g, on{policy.RetentionPlan, policy.PlanResource, retention.NewPlan}, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertPlan, p.ID[:], p.Bytes, int64(p.RulesGeneration), int64(p.Requester), now)
		return err
	})
}

const selectRecording = `SELECT ` + keptColumns + ` FROM entries e JOIN channels c ON c.id = e.channel_id WHERE e.kind = 1 AND c.chain = ANY ($1) ORDER BY c.id, e.seq`

// Recording are the links that say who records channels: geneses and handovers.
func (db *DB) Recording(ctx context.Context, channels []envelope.ChannelID) ([][]byte, error) {
	ids := make([][]byte, len(channels))
	for i := range channels {
		ids[i] = channels[i][:]
	}
	rows, err := db.app.Query(ctx, selectRecording, ids)
	if err != nil {
		return nil, err
	}
	links, err := pgx.CollectRows(rows, scanKept)
	var out [][]byte
	for i := range links {
		l, err := envelope.ParseLink(&links[i].Entry)
		if err != nil {
			return nil, err
		}
		if l.Type == envelope.ChannelGenesis || l.Type == envelope.Handover {
			out = append(out, envelope.Marshal(&links[i].Entry))
		}
	}
	return out, err
}

const planColumns = `
SELECT id, order_bytes, rules_generation, state, requested_by, disposed, certificate, coalesce(why, ''), finished_at FROM plans`

const selectPlans = planColumns + ` WHERE ($1::bytea IS NULL OR id = $1) AND ($2::text = '' OR state = $2) ORDER BY created_at DESC, id`

// Plan implements retention.Store.
func (db *DB) Plan(ctx context.Context, id envelope.Hash) (retention.Plan, bool, error) {
	list, err := db.plans(ctx, id[:], "")
	if err != nil || len(list) == 0 {
		return retention.Plan{}, false, err
	}
	return list[0], true, nil
}

// Plans implements retention.Store.
func (db *DB) Plans(ctx context.Context, state wire.State) ([]retention.Plan, error) {
	return db.plans(ctx, nil, string(state))
}

func (db *DB) plans(ctx context.Context, id []byte, state string) (list []retention.Plan, err error) {
	err = snapshot(ctx, db.app, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectPlans, id, state)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanPlan)
		for i := range list {
			if err == nil {
				list[i].Consents, err = consents(ctx, tx, list[i].ID)
			}
			if err == nil {
				list[i].Confirmations, err = confirmations(ctx, tx, list[i].ID)
			}
		}
		return err
	})
	return list, err
}

func scanPlan(row pgx.CollectableRow) (p retention.Plan, err error) {
	var state string
	var by int64
	var finished *time.Time
	err = row.Scan(bytes32{(*[32]byte)(&p.ID)}, &p.Bytes, &p.RulesGeneration, &state, &by, &p.Disposed, &p.Certificate, &p.Why, &finished)
	if err != nil {
		return p, err
	}
	p.State, p.Requester = wire.State(state), identity.UserID(by)
	if finished != nil {
		p.Finished = *finished
	}
	o, err := envelope.ParseOrder[envelope.DisposalPlan](p.Bytes)
	if err != nil {
		return p, fmt.Errorf("reading plan %s: %w", p.ID, err)
	}
	p.Order = *o
	return p, nil
}

const selectConfirmations = `SELECT recorder, statement, at_us FROM confirmations WHERE plan_id = $1 ORDER BY recorder`

func confirmations(ctx context.Context, q querier, id envelope.Hash) ([]retention.Confirmation, error) {
	rows, err := q.Query(ctx, selectConfirmations, id[:])
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c retention.Confirmation, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&c.Recorder)}, &c.Statement, &c.At)
		return c, err
	})
}

const approvePlan = `UPDATE plans SET state = 'approved' WHERE id = $1 AND state = 'planned'`

const lockPlanned = `SELECT count(*) FROM approvals WHERE order_hash = $1`

// Consent implements retention.Store.
func (db *DB) Consent(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c compliance.Consent, approve bool) error {
	return db.mutate(ctx, g, on{c.Action, policy.PlanResource, id.String()}, e, func(tx pgx.Tx) error {
		if err := addConsent(ctx, tx, c); err != nil || !approve {
			return err
		}
		// The consents of one order are by different people, in different roles:
		// the table's keys see to it. So two rows are two people.
		var n int
		if err := tx.QueryRow(ctx, lockPlanned, id[:]).Scan(&n); err != nil {
			return err
		}
		if n < 2 {
			return compliance.ErrMoved
		}
		return moveOne(tx.Exec(ctx, approvePlan, id[:]))
	})
}

// spans are a plan's ranges as arrays.
func spans(p *retention.Plan) (channels [][]byte, from, to []int64) {
	for i := range p.Order.Ranges {
		r := &p.Order.Ranges[i]
		channels, from, to = append(channels, r.Channel[:]), append(from, int64(r.From)), append(to, int64(r.To))
	}
	return channels, from, to
}

// planned joins the messages of a plan's ranges.
const planned = `unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS s (chain, lo, hi)
JOIN channels c ON c.chain = s.chain
JOIN entries e ON e.channel_id = c.id AND e.seq BETWEEN s.lo AND s.hi AND e.kind = 2`

const holdsOn = `SELECT count(*) FROM holds h WHERE ` + inForce + ` AND EXISTS (SELECT FROM ` + planned + ` WHERE ` + keeps + `)`

// HoldsOn implements retention.Store. While the generation is the plan's the
// answer is known: a plan names nothing that was held when it was made.
func (db *DB) HoldsOn(ctx context.Context, p *retention.Plan) (n int64, err error) {
	err = snapshot(ctx, db.app, func(tx pgx.Tx) error {
		now, err := generation(ctx, tx, "holds")
		if err != nil || now == p.Order.Holds {
			return err
		}
		channels, from, to := spans(p)
		return tx.QueryRow(ctx, holdsOn, channels, from, to).Scan(&n)
	})
	return n, err
}

const shareGenerations = `SELECT n FROM generations WHERE name IN ('holds', 'rules') ORDER BY name FOR SHARE`

// unchanged checks that holds and rules are those of the plan, and keeps them
// so until the transaction ends: whoever changes them updates these rows first
// and waits. A read without the lock would leave a gap in which a hold takes
// effect and its messages go all the same.
func unchanged(ctx context.Context, tx pgx.Tx, p *retention.Plan) error {
	rows, err := tx.Query(ctx, shareGenerations)
	if err != nil {
		return err
	}
	n, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	if len(n) != 2 || uint64(n[0]) != p.Order.Holds || uint64(n[1]) != p.RulesGeneration {
		return retention.ErrChanged
	}
	return nil
}

const startPlan = `UPDATE plans SET state = 'running', started_at = $2 WHERE id = $1 AND state = 'approved'`

// StartPlan implements retention.Store.
func (db *DB) StartPlan(ctx context.Context, g policy.Grant, e core.Event, p *retention.Plan, now time.Time) error {
	return db.mutate(ctx, g, on{policy.RetentionRun, policy.PlanResource, p.ID.String()}, e, func(tx pgx.Tx) error {
		if err := unchanged(ctx, tx, p); err != nil {
			return err
		}
		if err := notLeaving(ctx, tx, p); err != nil {
			return err
		}
		return moveOne(tx.Exec(ctx, startPlan, p.ID[:], now))
	})
}

const planLeaving = `
SELECT EXISTS (SELECT FROM ` + planned + ` JOIN records r ON r.channel_id = e.channel_id AND r.seq = e.seq
JOIN record_positions p ON p.record_id = r.id JOIN exports x ON p.idx >= x.from_idx AND p.idx < x.to_idx
WHERE x.state IN ('cut', 'writing'))`

// notLeaving checks that no message of a plan is on its way out.
func notLeaving(ctx context.Context, tx pgx.Tx, p *retention.Plan) error {
	if _, err := tx.Exec(ctx, leavingLock); err != nil {
		return err
	}
	var leaving bool
	channels, from, to := spans(p)
	if err := tx.QueryRow(ctx, planLeaving, channels, from, to).Scan(&leaving); err != nil {
		return err
	}
	if leaving {
		return retention.ErrLeaving
	}
	return nil
}

const nextBatch = `SELECT c.chain, e.seq FROM ` + planned + ` WHERE e.body IS NOT NULL ORDER BY c.chain, e.seq LIMIT $4`

// NextBatch implements retention.Store.
func (db *DB) NextBatch(ctx context.Context, p *retention.Plan, limit int) (retention.Batch, error) {
	b := retention.Batch{Leaves: map[envelope.ChannelID][]uint64{}}
	channels, from, to := spans(p)
	rows, err := db.retention.Query(ctx, nextBatch, channels, from, to, limit)
	if err != nil {
		return b, err
	}
	var id envelope.ChannelID
	var seq uint64
	_, err = pgx.ForEachRow(rows, []any{bytes32{(*[32]byte)(&id)}, &seq}, func() error {
		b.Leaves[id] = append(b.Leaves[id], seq)
		b.Messages++
		return nil
	})
	return b, err
}

const lockRunning = `SELECT state = 'running' FROM plans WHERE id = $1 FOR UPDATE`

const countDisposed = `UPDATE plans SET disposed = disposed + $2 WHERE id = $1`

// Dispose implements retention.Store. The server's role holds the locks, and the
// retention role, which alone may, drops the payloads in a transaction of its
// own that commits inside them.
func (db *DB) Dispose(ctx context.Context, g policy.Grant, e core.Event, p *retention.Plan, b retention.Batch, puncture func() error) error {
	if err := g.Covers(policy.RetentionRun, policy.PlanResource, p.ID.String()); err != nil {
		return err
	}
	// Not inTx: the vault must not be asked again by a retry nobody sees.
	return pgx.BeginFunc(ctx, db.app, func(tx pgx.Tx) error {
		// The vault may take longer than an idle transaction may last, and losing
		// the lock would let a hold in.
		if _, err := tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
			return err
		}
		if err := unchanged(ctx, tx, p); err != nil {
			return err
		}
		var running bool
		if err := tx.QueryRow(ctx, lockRunning, p.ID[:]).Scan(&running); err != nil {
			return err
		}
		if !running {
			return compliance.ErrMoved
		}
		if err := puncture(); err != nil {
			return err
		}
		if err := inTx(ctx, db.retention, func(drop pgx.Tx) error { return dropPayloads(ctx, drop, b) }); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, countDisposed, p.ID[:], int64(b.Messages)); err != nil {
			return err
		}
		return addRecord(ctx, tx, e)
	})
}

const dropBodies = `
UPDATE entries e SET body = NULL, sealed_salt = NULL FROM channels c
WHERE c.chain = $1 AND e.channel_id = c.id AND e.seq = ANY ($2) AND e.kind = 2`

const dropBlobs = `
UPDATE blobs b SET disposed_at = now() FROM channels c
WHERE c.chain = $1 AND b.channel_id = c.id AND b.seq = ANY ($2) AND b.disposed_at IS NULL`

func dropPayloads(ctx context.Context, tx pgx.Tx, b retention.Batch) error {
	for id, leaves := range b.Leaves {
		positions := make([]int64, len(leaves))
		for i, n := range leaves {
			positions[i] = int64(n)
		}
		tag, err := tx.Exec(ctx, dropBodies, id[:], positions)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != int64(len(positions)) {
			return fmt.Errorf("dropping payloads of channel %s: %d of %d rows", id, tag.RowsAffected(), len(positions))
		}
		if _, err := tx.Exec(ctx, dropBlobs, id[:], positions); err != nil {
			return err
		}
	}
	return nil
}

const selectPlanFiles = `
SELECT b.id FROM ` + planned + ` JOIN blobs b ON b.channel_id = e.channel_id AND b.seq = e.seq AND b.disposed_at IS NOT NULL
ORDER BY b.id`

// Files implements retention.Store.
func (db *DB) Files(ctx context.Context, p *retention.Plan) ([]envelope.BlobID, error) {
	channels, from, to := spans(p)
	rows, err := db.app.Query(ctx, selectPlanFiles, channels, from, to)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (id envelope.BlobID, err error) {
		var b []byte
		err = row.Scan(&b)
		copy(id[:], b)
		return id, err
	})
}

const finishPlan = `UPDATE plans SET state = 'pending', finished_at = $2 WHERE id = $1 AND state = 'running'`

// FinishPlan implements retention.Store.
func (db *DB) FinishPlan(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, now time.Time) error {
	return db.mutate(ctx, g, on{policy.JobRun, policy.JobResource, "retention.finish"}, e, func(tx pgx.Tx) error {
		return moveOne(tx.Exec(ctx, finishPlan, id[:], now))
	})
}

const stopPlan = `UPDATE plans SET state = 'stopped', why = $2 WHERE id = $1 AND state = 'running'`

// StopPlan implements retention.Store.
func (db *DB) StopPlan(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, why string) error {
	return db.mutate(ctx, g, on{policy.JobRun, policy.JobResource, "retention.stop"}, e, func(tx pgx.Tx) error {
		return moveOne(tx.Exec(ctx, stopPlan, id[:], why))
	})
}

const selectRecorders = `
SELECT DISTINCT d.recorder FROM channels c JOIN duties d ON d.channel_id = c.id WHERE c.chain = ANY ($1) ORDER BY 1`

// Recorders implements retention.Store.
func (db *DB) Recorders(ctx context.Context, p *retention.Plan) ([]envelope.KeyID, error) {
	channels, _, _ := spans(p)
	return recordersOf(ctx, db.app, channels)
}

func recordersOf(ctx context.Context, q querier, channels [][]byte) ([]envelope.KeyID, error) {
	rows, err := q.Query(ctx, selectRecorders, channels)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (k envelope.KeyID, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&k)})
		return k, err
	})
}

const insertConfirmation = `
INSERT INTO confirmations (plan_id, recorder, statement, at_us)
SELECT id, $2, $3, $4 FROM plans WHERE id = $1 AND state IN ('running', 'pending') ON CONFLICT DO NOTHING`

// Confirm implements retention.Store.
func (db *DB) Confirm(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c retention.Confirmation) error {
	return db.mutate(ctx, g, on{policy.RetentionConfirm, policy.PlanResource, id.String()}, e, func(tx pgx.Tx) error {
		return moveOne(tx.Exec(ctx, insertConfirmation, id[:], c.Recorder[:], c.Statement, c.At))
	})
}

const certifyPlan = `
UPDATE plans SET state = 'certified', certificate = $2, certified_at = $3 WHERE id = $1 AND state = 'pending'`

// Certify implements retention.Store.
func (db *DB) Certify(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, certificate []byte, now time.Time) error {
	return db.mutate(ctx, g, on{policy.JobRun, policy.JobResource, "retention.certify"}, e, func(tx pgx.Tx) error {
		return moveOne(tx.Exec(ctx, certifyPlan, id[:], certificate, now))
	})
}
