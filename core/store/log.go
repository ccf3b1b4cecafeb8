package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// Log is the append-only log over the records.
type Log struct{ db *DB }

// Log gives the log's side of the database to the sequencer.
func (db *DB) Log() *Log { return &Log{db} }

// leadLock is the advisory lock that one sequencer holds.
const leadLock = 0x6368616e // "chan"

const raiseFence = `UPDATE generations SET n = n + 1 WHERE name = 'log' RETURNING n`

// Lead waits for the right to place records. The advisory lock keeps others
// waiting; the fence, which each write asserts, makes a leader harmless that
// lost its lock without noticing.
func (l *Log) Lead(ctx context.Context) (record.Lead, error) {
	conn, err := l.db.app.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	lead := &lead{pool: l.db.app, conn: conn}
	if err := lead.take(ctx); err != nil {
		lead.Close()
		return nil, err
	}
	return lead, nil
}

type lead struct {
	pool  *pgxpool.Pool
	conn  *pgxpool.Conn
	fence int64
}

func (l *lead) take(ctx context.Context) error {
	if _, err := l.conn.Exec(ctx, `SET statement_timeout = 0`); err != nil { // waiting is no fault
		return err
	}
	if _, err := l.conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, leadLock); err != nil {
		return err
	}
	return l.conn.QueryRow(ctx, raiseFence).Scan(&l.fence)
}

// Close gives the lead up. The connection is not used again: its end frees the
// lock whatever state it is in.
func (l *lead) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := l.conn.Conn().Close(ctx)
	l.conn.Release()
	return err
}

const selectTree = `SELECT count(*), coalesce(max(record_id), 0) FROM record_positions`

const selectOpen = `SELECT ids FROM log_open`

func (l *lead) State(ctx context.Context) (t record.Tree, open []record.Range, err error) {
	if err := l.conn.QueryRow(ctx, selectTree).Scan(&t.Size, &t.LastID); err != nil {
		return t, nil, err
	}
	var ids []int64
	if err := l.conn.QueryRow(ctx, selectOpen).Scan(&ids); err != nil {
		return t, nil, err
	}
	for i := 0; i+1 < len(ids); i += 2 {
		open = append(open, record.Range{From: ids[i], To: ids[i+1]})
	}
	t.Root, err = tlog.TreeRoot(t.Size, l)
	return t, open, err
}

const selectHashes = `SELECT h.hash FROM unnest($1::bigint[]) WITH ORDINALITY AS x (i, n) JOIN log_hashes h ON h.i = x.i ORDER BY x.n`

// ReadHashes reads stored hashes of the tree.
func (l *lead) ReadHashes(indexes []int64) ([]tlog.Hash, error) { return readHashes(l.pool, indexes) }

// hashTimeout bounds reads that come through an interface without a context.
const hashTimeout = 30 * time.Second

func readHashes(pool *pgxpool.Pool, indexes []int64) ([]tlog.Hash, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hashTimeout)
	defer cancel()
	rows, err := pool.Query(ctx, selectHashes, indexes)
	if err != nil {
		return nil, err
	}
	hashes, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h tlog.Hash, err error) {
		var b []byte
		err = row.Scan(&b)
		copy(h[:], b)
		return h, err
	})
	if err == nil && len(hashes) != len(indexes) {
		err = fmt.Errorf("%d of %d tree hashes are there", len(hashes), len(indexes))
	}
	return hashes, err
}

// recordColumns are all that a leaf is made of. None of them ever changes: not
// the account's chain, which is set later than the first records.
const recordColumns = `
SELECT r.id, r.op, r.outcome, r.at_us, o.chain, c.chain, coalesce(r.seq, 0), coalesce(r.actor, 0), coalesce(r.device, r.service),
    coalesce(r.object, ''), e.hash, e.header, e.body_hash, e.head, coalesce(e.body_len, 0), r.decision, r.policy, p.digest, coalesce(r.detail, '')
FROM records r LEFT JOIN organisation o ON true LEFT JOIN channels c ON c.id = r.channel_id
LEFT JOIN entries e ON e.channel_id = r.channel_id AND e.seq = r.seq LEFT JOIN policies p ON p.generation = r.policy`

func scanRecord(row pgx.CollectableRow) (record.Record, error) {
	r := record.Record{Version: envelope.Version}
	var org, channel, device, hash, header, payload, head, digest []byte
	err := row.Scan(&r.ID, &r.Op, &r.Outcome, &r.At, &org, &channel, &r.Position, &r.Actor, &device, &r.Object,
		&hash, &header, &payload, &head, &r.PayloadLen, &r.Decision, &r.Generation, &digest, &r.Detail)
	copy(r.Org[:], org)
	copy(r.Channel[:], channel)
	copy(r.Device[:], device)
	copy(r.Entry[:], hash)
	copy(r.Payload[:], payload)
	copy(r.Head[:], head)
	copy(r.Policy[:], digest)
	if header != nil {
		r.Header = envelope.SumBytes(header)
	}
	return r, err
}

func (l *lead) list(ctx context.Context, sql string, args ...any) ([]record.Record, error) {
	rows, err := l.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanRecord)
}

// Nothing is placed before the organisation has a genesis: a leaf names it.
const selectAfter = recordColumns + ` WHERE r.id > $1 AND o.chain IS NOT NULL ORDER BY r.id LIMIT $2`

func (l *lead) After(ctx context.Context, id int64, limit int) ([]record.Record, error) {
	return l.list(ctx, selectAfter, id, limit)
}

const selectInRanges = recordColumns + ` JOIN unnest($1::bigint[], $2::bigint[]) AS x (lo, hi) ON r.id BETWEEN x.lo AND x.hi
WHERE NOT EXISTS (SELECT FROM record_positions q WHERE q.record_id = r.id) AND o.chain IS NOT NULL ORDER BY r.id`

func (l *lead) Find(ctx context.Context, ranges []record.Range) ([]record.Record, error) {
	from, to := make([]int64, len(ranges)), make([]int64, len(ranges))
	for i, r := range ranges {
		from[i], to[i] = r.From, r.To
	}
	return l.list(ctx, selectInRanges, from, to)
}

const selectUnplaced = recordColumns + ` WHERE r.id > $1 AND o.chain IS NOT NULL
AND NOT EXISTS (SELECT FROM record_positions q WHERE q.record_id = r.id) ORDER BY r.id LIMIT $2`

func (l *lead) Unplaced(ctx context.Context, id int64, limit int) ([]record.Record, error) {
	return l.list(ctx, selectUnplaced, id, limit)
}

var errFenced = errors.New("another server places records now")

const selectFence = `SELECT n FROM generations WHERE name = 'log' FOR SHARE`

const insertPositions = `INSERT INTO record_positions (idx, record_id) SELECT i, r FROM unnest($1::bigint[], $2::bigint[]) AS x (i, r)`

const insertHashes = `INSERT INTO log_hashes (i, hash) SELECT $1 + x.n - 1, x.h FROM unnest($2::bytea[]) WITH ORDINALITY AS x (h, n)`

const saveOpen = `UPDATE log_open SET ids = $1`

func (l *lead) Append(ctx context.Context, b *record.Batch) error {
	index, id, hashes := make([]int64, len(b.Records)), make([]int64, len(b.Records)), make([][]byte, len(b.Hashes))
	for i, r := range b.Records {
		index[i], id[i] = r.Index, r.ID
	}
	for i := range b.Hashes {
		hashes[i] = b.Hashes[i][:]
	}
	open := make([]int64, 0, 2*len(b.Open))
	for _, r := range b.Open {
		open = append(open, r.From, r.To)
	}
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if err := l.assert(ctx, tx); err != nil {
			return err
		}
		// The primary keys assert that the tree is still the one before.
		if _, err := tx.Exec(ctx, insertPositions, index, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertHashes, b.FirstHash, hashes); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, saveOpen, open)
		return err
	})
}

func (l *lead) assert(ctx context.Context, tx pgx.Tx) error {
	var fence int64
	if err := tx.QueryRow(ctx, selectFence).Scan(&fence); err != nil {
		return err
	}
	if fence != l.fence {
		return errFenced
	}
	return nil
}

const insertCheckpoint = `INSERT INTO checkpoints (size, note, at_us) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING`

func (l *lead) SaveCheckpoint(ctx context.Context, size int64, note []byte) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		if err := l.assert(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, insertCheckpoint, size, string(note), time.Now().UnixMicro())
		return err
	})
}

const selectCheckpoint = `SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1`

// Checkpoint is the newest signed state of the log, as a note; false before
// the first.
func (l *Log) Checkpoint(ctx context.Context) (string, bool, error) {
	return one(ctx, l.db.app, pgx.RowTo[string], selectCheckpoint)
}

// ReadHashes reads stored hashes of the tree, for tiles and proofs.
func (l *Log) ReadHashes(indexes []int64) ([]tlog.Hash, error) { return readHashes(l.db.app, indexes) }
