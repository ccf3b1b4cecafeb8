package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
)

// State reads what a channel's validator is rebuilt from, in one snapshot. It
// costs what links, devices and recorders the channel has, however long it is.
func (db *DB) State(ctx context.Context, channel int64) (s core.ChannelState, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, db.app, options, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, selectRuling, channel)
		if err != nil {
			return err
		}
		if s.Links, err = pgx.CollectRows(rows, scanKept); err != nil {
			return err
		}
		if s.Covered, err = coverage(ctx, tx, channel); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, selectNewest, channel).Scan(&s.Position, &s.Received, &s.Messages); err != nil {
			return err
		}
		if s.Heads, err = heads(ctx, tx, channel, s.Position); err != nil {
			return err
		}
		return readNumbers(ctx, tx, channel, &s)
	})
	return s, err
}

// Coverage is left out: there is one every two seconds of a busy day, and only
// the newest of each recorder matters.
const selectRuling = `SELECT ` + keptColumns + ` FROM entries e WHERE e.channel_id = $1 AND e.kind IN (1, 3) ORDER BY e.seq`

const selectNewest = `SELECT seq, recv_us, messages FROM entries WHERE channel_id = $1 ORDER BY seq DESC LIMIT 1`

const selectHeads = `SELECT head FROM entries WHERE channel_id = $1 AND seq > $2 ORDER BY seq`

// heads are those that a message may name as seen, the newest last.
func heads(ctx context.Context, q querier, channel int64, newest uint64) ([]envelope.Hash, error) {
	rows, err := q.Query(ctx, selectHeads, channel, int64(newest-min(newest, core.HeadsKept)))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h envelope.Hash, err error) {
		var b []byte
		err = row.Scan(&b)
		copy(h[:], b)
		return h, err
	})
}

// One look-up for each device that may ever have written here. DISTINCT ON would
// read every message.
const selectCounters = `
SELECT d.key, n.dev_seq, e.hash
FROM (SELECT DISTINCT v.id, v.key FROM channel_members m JOIN devices v ON v.account_id = m.account_id WHERE m.channel_id = $1) d
CROSS JOIN LATERAL (SELECT x.dev_seq, x.seq FROM device_numbers x
    WHERE x.channel_id = $1 AND x.device_id = d.id AND x.seq IS NOT NULL ORDER BY x.dev_seq DESC LIMIT 1) n
JOIN entries e ON e.channel_id = $1 AND e.seq = n.seq`

const selectRefusals = `SELECT d.key, n.dev_seq FROM device_numbers n JOIN devices d ON d.id = n.device_id WHERE n.channel_id = $1 AND n.seq IS NULL`

// readNumbers reads each device's last placed number, and the refused ones.
func readNumbers(ctx context.Context, tx pgx.Tx, channel int64, s *core.ChannelState) error {
	s.Counters = map[envelope.KeyID]core.DeviceCounter{}
	var key, hash []byte
	var seq int64
	rows, err := tx.Query(ctx, selectCounters, channel)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&key, &seq, &hash}, func() error {
		s.Counters[envelope.KeyID(key)] = core.DeviceCounter{Seq: uint64(seq), Hash: envelope.Hash(hash)}
		return nil
	})
	if err != nil {
		return err
	}
	rows, err = tx.Query(ctx, selectRefusals, channel)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&key, &seq}, func() error {
		s.Refusals = append(s.Refusals, envelope.Refusal{Device: envelope.KeyID(key), DeviceSeq: uint64(seq)})
		return nil
	})
	return err
}
