package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/compliance"
	"chancery/compliance/archive"
	"chancery/core"
	"chancery/core/job"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/identity"
	"chancery/policy"
)

const exportColumns = `
SELECT x.id, x.header, x.revision, x.ranges, x.state, coalesce(x.requested_by, 0), x.messages, x.exceptions, x.manifest,
  x.openings, x.key_commit, coalesce(x.path, ''), coalesce(x.why, ''), x.cut_at, s.hash
FROM exports x JOIN schedules s ON s.id = x.schedule_id AND s.revision = x.revision`

const selectExport = exportColumns + ` WHERE x.id = $1`

// Export implements compliance.Store.
func (db *DB) Export(ctx context.Context, id envelope.Hash) (compliance.Export, bool, error) {
	return firstExport(exports(ctx, db.app, selectExport, id[:]))
}

const selectLastExport = exportColumns + ` WHERE x.schedule_id = $1 AND x.state <> 'failed' ORDER BY x.ordinal DESC LIMIT 1`

// LastExport implements compliance.Store.
func (db *DB) LastExport(ctx context.Context, schedule string) (compliance.Export, bool, error) {
	return firstExport(exports(ctx, db.app, selectLastExport, schedule))
}

func firstExport(list []compliance.Export, err error) (compliance.Export, bool, error) {
	if err != nil || len(list) == 0 {
		return compliance.Export{}, false, err
	}
	return list[0], true, nil
}

const selectExports = exportColumns + ` WHERE $1 = '' OR x.state = $1 ORDER BY x.cut_at DESC, x.id`

// Exports implements compliance.Store.
func (db *DB) Exports(ctx context.Context, state wire.State) ([]compliance.Export, error) {
	return exports(ctx, db.app, selectExports, string(state))
}

const selectOpenExports = `SELECT id FROM exports WHERE state IN ('cut', 'writing', 'sealed', 'signed') ORDER BY cut_at`

// OpenExports implements compliance.Store.
func (db *DB) OpenExports(ctx context.Context) ([]envelope.Hash, error) {
	rows, err := db.app.Query(ctx, selectOpenExports)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (id envelope.Hash, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&id)})
		return id, err
	})
}

func exports(ctx context.Context, q querier, sql string, args ...any) ([]compliance.Export, error) {
	type row struct {
		compliance.Export
		schedule envelope.Hash
	}
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (x row, err error) {
		x.Export, x.schedule, err = scanExport(r)
		return x, err
	})
	out := make([]compliance.Export, len(list))
	for i := range list {
		out[i] = list[i].Export
		if err == nil {
			out[i].Consents, err = consents(ctx, q, list[i].schedule)
		}
	}
	return out, err
}

func scanExport(row pgx.CollectableRow) (x compliance.Export, schedule envelope.Hash, err error) {
	var header, ranges []byte
	var state string
	var by int64
	var openings *int64
	var commit envelope.Hash
	err = row.Scan(bytes32{(*[32]byte)(&x.ID)}, &header, &x.Revision, &ranges, &state, &by, &x.Messages, &x.Exceptions,
		bytes32{(*[32]byte)(&x.Manifest)}, &openings, bytes32{(*[32]byte)(&commit)}, &x.Path, &x.Why, &x.CutAt, bytes32{(*[32]byte)(&schedule)})
	if err != nil {
		return x, schedule, err
	}
	x.State, x.Requester = wire.State(state), identity.UserID(by)
	if openings != nil {
		x.Openings = &archive.OpeningsAbout{Count: uint64(*openings), KeyCommit: commit}
	}
	if err := errors.Join(json.Unmarshal(header, &x.Header), json.Unmarshal(ranges, &x.Ranges)); err != nil {
		return x, schedule, fmt.Errorf("reading export %s: %w", x.ID, err)
	}
	return x, schedule, nil
}

// An archive carries a checkpoint that somebody cosigned, if there is one of the
// last minutes: then nobody was shown another log.
const selectNewestNote = `
SELECT size, note FROM checkpoints c, LATERAL (SELECT at_us > (SELECT max(at_us) FROM checkpoints) - 120000000
    AND EXISTS (SELECT FROM cosignatures s WHERE s.size = c.size) AS cosigned) x
ORDER BY cosigned DESC, size DESC LIMIT 1`

// A channel's messages in a period are neighbours: the log follows its order.
const selectRanges = `
SELECT c.chain, min(e.seq), max(e.seq)
FROM record_positions p JOIN records r ON r.id = p.record_id JOIN channels c ON c.id = r.channel_id
JOIN entries e ON e.channel_id = r.channel_id AND e.seq = r.seq
WHERE p.idx >= $1 AND p.idx < $2 AND e.kind = 2 AND c.capture = 'required' AND (cardinality($3::bytea[]) = 0 OR c.chain = ANY ($3))
GROUP BY c.chain ORDER BY c.chain`

// Period implements compliance.Store.
func (db *DB) Period(ctx context.Context, o *envelope.ExportOrder, from int64) (p compliance.Period, err error) {
	err = snapshot(ctx, db.export, func(tx pgx.Tx) error {
		var size int64
		var note string
		err := tx.QueryRow(ctx, selectNewestNote).Scan(&size, &note)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			p.Holds, err = generation(ctx, tx, "holds")
		}
		if err != nil {
			return err
		}
		p.Checkpoint = []byte(note)
		rows, err := tx.Query(ctx, selectRanges, from, size, rawIDs(o.Channels))
		if err != nil {
			return err
		}
		p.Ranges, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r wire.ExportRange, err error) {
			err = row.Scan(bytes32{(*[32]byte)(&r.Channel)}, &r.From, &r.To)
			return r, err
		})
		return err
	})
	return p, err
}

// leavingLock keeps cutting an export and starting a disposal apart: what is in
// both must not go before it has left.
const leavingLock = `SELECT pg_advisory_xact_lock(1818583414)` // "leav"

const insertExport = `
INSERT INTO exports (id, schedule_id, revision, ordinal, from_idx, to_idx, header, ranges, previous_id, state, requested_by, cut_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11, 0::bigint), $12)
ON CONFLICT DO NOTHING`

// CutExport implements compliance.Store.
func (db *DB) CutExport(ctx context.Context, g policy.Grant, e core.Event, x *compliance.Export, q *job.Queue) error {
	header, err1 := json.Marshal(&x.Header)
	ranges, err2 := json.Marshal(x.Ranges)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	var previous []byte
	if x.Header.Previous != nil {
		previous = x.Header.Previous.ID[:]
	}
	return db.mutate(ctx, g, on{policy.ExportRun, policy.ScheduleResource, x.Header.Schedule}, e, func(tx pgx.Tx) error {
		if err := noDisposal(ctx, tx, x); err != nil {
			return err
		}
		h := &x.Header
		err := moveOne(tx.Exec(ctx, insertExport, x.ID[:], h.Schedule, int64(x.Revision), h.Ordinal, h.From, h.To, header, ranges,
			previous, string(x.State), int64(x.Requester), x.CutAt))
		if err != nil {
			return err
		}
		return q.Insert(ctx, tx, compliance.TaskExport, x.ID.String())
	})
}

const openPlans = planColumns + ` WHERE state IN ('running', 'pending')`

const planInPeriod = `SELECT EXISTS (SELECT FROM ` + planned + `
JOIN records r ON r.channel_id = e.channel_id AND r.seq = e.seq JOIN record_positions p ON p.record_id = r.id
WHERE p.idx >= $4 AND p.idx < $5)`

// noDisposal checks that no plan without a certificate touches the period.
func noDisposal(ctx context.Context, tx pgx.Tx, x *compliance.Export) error {
	if _, err := tx.Exec(ctx, leavingLock); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, openPlans)
	if err != nil {
		return err
	}
	plans, err := pgx.CollectRows(rows, scanPlan)
	for i := range plans {
		var touches bool
		if err == nil {
			channels, from, to := spans(&plans[i])
			err = tx.QueryRow(ctx, planInPeriod, channels, from, to, x.Header.From, x.Header.To).Scan(&touches)
		}
		if touches {
			return compliance.ErrDisposing
		}
	}
	return err
}

// ExportRecorders implements compliance.Store.
func (db *DB) ExportRecorders(ctx context.Context, ranges []wire.ExportRange) ([]envelope.KeyID, error) {
	channels := make([][]byte, len(ranges))
	for i := range ranges {
		channels[i] = ranges[i].Channel[:]
	}
	return recordersOf(ctx, db.app, channels)
}

const addOpenings = `UPDATE exports SET state = 'writing', openings = $2, key_commit = $3 WHERE id = $1 AND state = 'cut'`

// AddOpenings implements compliance.Store.
func (db *DB) AddOpenings(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, about archive.OpeningsAbout, q *job.Queue) error {
	return db.mutate(ctx, g, on{policy.ExportOpeningsPut, policy.ExportResource, id.String()}, e, func(tx pgx.Tx) error {
		if err := moveOne(tx.Exec(ctx, addOpenings, id[:], int64(about.Count), about.KeyCommit[:])); err != nil {
			return err
		}
		return q.Insert(ctx, tx, compliance.TaskExport, id.String())
	})
}

const moveExport = `
UPDATE exports SET state = $3,
  manifest = CASE $3 WHEN 'sealed' THEN $4 ELSE manifest END,
  messages = CASE $3 WHEN 'sealed' THEN $5 ELSE messages END,
  exceptions = CASE $3 WHEN 'sealed' THEN $6 ELSE exceptions END,
  path = CASE $3 WHEN 'delivered' THEN $7 ELSE path END,
  why = CASE $3 WHEN 'failed' THEN $8 ELSE why END,
  sealed_at = CASE $3 WHEN 'sealed' THEN $9 ELSE sealed_at END,
  signed_at = CASE $3 WHEN 'signed' THEN $9 ELSE signed_at END,
  delivered_at = CASE $3 WHEN 'delivered' THEN $9 ELSE delivered_at END
WHERE id = $1 AND state = $2`

// MoveExport implements compliance.Store.
func (db *DB) MoveExport(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, m compliance.Move, now time.Time) error {
	return db.mutate(ctx, g, on{policy.JobRun, policy.JobResource, compliance.TaskExport}, e, func(tx pgx.Tx) error {
		return moveOne(tx.Exec(ctx, moveExport, id[:], string(m.From), string(m.To), m.Manifest[:], int64(m.Messages), int64(m.Exceptions), m.Path, m.Why, now))
	})
}

// ReadExport implements compliance.Store. It reads in the role that can only
// read, and everything from one state of the database, however long it takes.
func (db *DB) ReadExport(ctx context.Context, x *compliance.Export, in compliance.Intake) error {
	order, err := envelope.ParseOrder[envelope.ExportOrder](x.Header.Order)
	if err != nil {
		return err
	}
	return snapshot(ctx, db.export, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`)
		if err != nil {
			return err
		}
		r := reading{tx: tx, header: &x.Header, scope: rawIDs(order.Channels), in: in}
		for _, part := range []func(context.Context) error{r.chains, r.people, r.channels, r.records, r.certificates} {
			if err := part(ctx); err != nil {
				return err
			}
		}
		return r.log(ctx, db.Log())
	})
}

// reading is one export being read.
type reading struct {
	tx     pgx.Tx
	header *archive.Header
	scope  [][]byte // channels of the order; empty is every channel
	in     compliance.Intake
}

const selectChains = `SELECT chain, entry FROM links ORDER BY chain, seq`

// chains gives the organisation's chain and those of all people, in the order
// of their ids.
func (r *reading) chains(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, selectChains)
	if err != nil {
		return err
	}
	defer rows.Close()
	var current envelope.Hash
	var links []envelope.Entry
	flush := func() error {
		switch {
		case len(links) == 0:
			return nil
		case envelope.OrgID(current) == r.header.Org:
			return r.in.AddOrg(links)
		}
		return r.in.AddUser(envelope.UserID(current), links)
	}
	for rows.Next() {
		var id envelope.Hash
		var raw []byte
		if err := rows.Scan(bytes32{(*[32]byte)(&id)}, &raw); err != nil {
			return err
		}
		if id != current {
			if err := flush(); err != nil {
				return err
			}
			current, links = id, nil
		}
		e, err := envelope.ParseEntry(raw)
		if err != nil {
			return fmt.Errorf("reading chain %s: %w", id, err)
		}
		links = append(links, *e)
	}
	return errors.Join(rows.Err(), flush())
}

const selectPeople = `SELECT id, chain, display_name, username FROM accounts ORDER BY id`

func (r *reading) people(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, selectPeople)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p archive.Person, err error) {
		err = row.Scan(&p.Account, bytes32{(*[32]byte)(&p.Chain)}, &p.Name, &p.Username)
		return p, err
	})
	for _, p := range list {
		if err == nil {
			err = r.in.AddPerson(p)
		}
	}
	return err
}

// A channel stood where its last entry before the period stands.
const selectStanding = `
SELECT c.id, c.chain, c.name, x.first - 1, e.head, coalesce(e.recv_us, 0)
FROM (SELECT r.channel_id, min(r.seq) AS first FROM record_positions p JOIN records r ON r.id = p.record_id
  WHERE p.idx >= $1 AND p.idx < $2 AND r.seq IS NOT NULL GROUP BY r.channel_id) x
JOIN channels c ON c.id = x.channel_id LEFT JOIN entries e ON e.channel_id = c.id AND e.seq = x.first - 1
WHERE cardinality($3::bytea[]) = 0 OR c.chain = ANY ($3) ORDER BY c.chain`

const selectHistory = `SELECT ` + keptColumns + ` FROM entries e WHERE e.channel_id = $1 AND e.seq <= $2 AND e.kind <> 2 ORDER BY e.seq`

func (r *reading) channels(ctx context.Context) error {
	type standing struct {
		archive.Channel
		number int64
	}
	rows, err := r.tx.Query(ctx, selectStanding, r.header.From, r.header.To, r.scope)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s standing, err error) {
		err = row.Scan(&s.number, bytes32{(*[32]byte)(&s.Channel.Channel)}, &s.Name, &s.Position, bytes32{(*[32]byte)(&s.Head)}, &s.Received)
		return s, err
	})
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := r.in.AddChannel(s.Channel); err != nil {
			return err
		}
		if err := r.history(ctx, s.number, s.Channel.Channel, s.Position); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) history(ctx context.Context, number int64, id envelope.ChannelID, position uint64) error {
	rows, err := r.tx.Query(ctx, selectHistory, number, int64(position))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		k, err := scanKept(rows)
		if err != nil {
			return err
		}
		if err := r.in.AddHistory(id, &k.Placed); err != nil {
			return err
		}
	}
	return rows.Err()
}

// page is how many records are read at once, with up to 128 KiB for each.
const page = 200

const selectLogged = recordColumns + ` JOIN record_positions q ON q.record_id = r.id WHERE q.idx >= $1 AND q.idx < $2 ORDER BY q.idx`

const selectLoggedEntries = `SELECT ` + keptColumns + `
FROM record_positions q JOIN records r ON r.id = q.record_id JOIN entries e ON e.channel_id = r.channel_id AND e.seq = r.seq
WHERE q.idx >= $1 AND q.idx < $2 ORDER BY q.idx`

// records gives the records of the period that are still to be added. Those
// with a position and the entries come in the same order, one for one.
func (r *reading) records(ctx context.Context) error {
	for r.in.Next() < r.header.To {
		from, to := r.in.Next(), min(r.in.Next()+page, r.header.To)
		rows, err := r.tx.Query(ctx, selectLogged, from, to)
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(rows, scanRecord)
		if err != nil {
			return err
		}
		if rows, err = r.tx.Query(ctx, selectLoggedEntries, from, to); err != nil {
			return err
		}
		entries, err := pgx.CollectRows(rows, scanKept)
		if err != nil {
			return err
		}
		if int64(len(list)) != to-from {
			return fmt.Errorf("reading records [%d, %d): %d are there", from, to, len(list))
		}
		for i := range list {
			var placed *envelope.Placed
			if list[i].Position != 0 && len(entries) > 0 {
				placed, entries = &entries[0].Placed, entries[1:]
			}
			if err := r.in.AddRecord(from+int64(i), &list[i], placed); err != nil {
				return err
			}
		}
	}
	return nil
}

const selectCertified = planColumns + ` WHERE certificate IS NOT NULL ORDER BY certified_at, id`

const certifiedInPeriod = `SELECT EXISTS (SELECT FROM records r JOIN record_positions p ON p.record_id = r.id
WHERE r.op = 'ret.certify' AND r.object = $1 AND p.idx >= $2 AND p.idx < $3)`

// certificates gives those of disposals of this period's messages, and those
// signed in it.
func (r *reading) certificates(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, selectCertified)
	if err != nil {
		return err
	}
	plans, err := pgx.CollectRows(rows, scanPlan)
	if err != nil {
		return err
	}
	for i := range plans {
		p := &plans[i]
		var here, signed bool
		channels, from, to := spans(p)
		if err := r.tx.QueryRow(ctx, planInPeriod, channels, from, to, r.header.From, r.header.To).Scan(&here); err != nil {
			return err
		}
		if err := r.tx.QueryRow(ctx, certifiedInPeriod, "plan:"+p.ID.String(), r.header.From, r.header.To).Scan(&signed); err != nil {
			return err
		}
		if !here && !signed {
			continue
		}
		if err := r.in.AddCertificate(p.ID, p.Certificate); err != nil {
			return err
		}
	}
	return nil
}

const selectNote = `SELECT ` + cosignedNote + ` FROM checkpoints c WHERE c.size = $1`

func (r *reading) log(ctx context.Context, hashes tlog.HashReader) error {
	var note string
	if err := r.tx.QueryRow(ctx, selectNote, r.header.Checkpoint.Size).Scan(&note); err != nil {
		return err
	}
	var proof []tlog.Hash
	if previous := r.header.Previous; previous != nil {
		var err error
		if proof, err = tlog.ProveConsistency(previous.Checkpoint.Size, r.header.Checkpoint.Size, hashes); err != nil {
			return err
		}
	}
	return r.in.AddLog([]byte(note), hashes, proof)
}
