package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
)

const (
	beginDuty  = `INSERT INTO duties (channel_id, recorder, since) VALUES ($1, $2, $3)`
	endDuty    = `UPDATE duties SET until = $3 WHERE channel_id = $1 AND recorder = $2 AND until IS NULL`
	forgetDuty = `DELETE FROM duties WHERE channel_id = $1 AND recorder = $2`
)

// handOver does to the duties what the validator did.
func handOver(ctx context.Context, tx pgx.Tx, d *core.Draft) (err error) {
	o, at := d.Handover, int64(d.Placed.Position)
	switch {
	case o.From.IsZero():
	case o.Lost:
		_, err = tx.Exec(ctx, forgetDuty, d.Channel, o.From[:])
	default:
		_, err = tx.Exec(ctx, endDuty, d.Channel, o.From[:], at)
	}
	if err == nil && !o.To.IsZero() {
		_, err = tx.Exec(ctx, beginDuty, d.Channel, o.To[:], at)
	}
	return err
}

const selectDuties = `SELECT recorder, since, coalesce(until, 0) FROM duties WHERE channel_id = $1 ORDER BY since, recorder`

func duties(ctx context.Context, q querier, channel int64) ([]core.Duty, error) {
	rows, err := q.Query(ctx, selectDuties, channel)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d core.Duty, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&d.Recorder)}, &d.Since, &d.Until)
		return d, err
	})
}

// A recorder's coverage has no gaps, so its newest tells all.
const selectCoverage = `
SELECT e.header FROM (SELECT DISTINCT recorder FROM duties WHERE channel_id = $1) d CROSS JOIN LATERAL (
    SELECT x.header FROM entries x WHERE x.channel_id = $1 AND x.kind = 4 AND x.recorder = d.recorder ORDER BY x.seq DESC LIMIT 1) e`

// coverage is the last position that each recorder of a channel has covered.
func coverage(ctx context.Context, q querier, channel int64) (map[envelope.KeyID]uint64, error) {
	rows, err := q.Query(ctx, selectCoverage, channel)
	if err != nil {
		return nil, err
	}
	headers, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, err
	}
	covered := make(map[envelope.KeyID]uint64, len(headers))
	for _, h := range headers {
		c, err := envelope.ParseCoverage(&envelope.Entry{Kind: envelope.KindCoverage, Header: h})
		if err != nil {
			return nil, err
		}
		covered[c.Recorder] = c.To
	}
	return covered, nil
}

// covered is the last position up to which every recorder has covered what was
// its duty.
func covered(ctx context.Context, q querier, channel int64) (uint64, error) {
	all, err := duties(ctx, q, channel)
	if err != nil {
		return 0, err
	}
	newest, err := coverage(ctx, q, channel)
	return core.Captured(all, newest), err
}
