package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/core"
)

const insertRecord = `
INSERT INTO records (class, op, outcome, at_us, actor, service, device, channel_id, seq, object, decision, policy, detail)
VALUES ($1, $2, $3, $4, nullif($5, 0::bigint), $6, $7, nullif($8, 0::bigint), nullif($9, 0::bigint), nullif($10, ''), $11, $12, nullif($13, ''))`

// addRecord writes one line of the record in the transaction of what it tells.
func addRecord(ctx context.Context, tx pgx.Tx, e core.Event) error {
	_, err := tx.Exec(ctx, insertRecord, string(e.Op.Class()), string(e.Op), string(e.Outcome), e.At, int64(e.Actor),
		orNil(e.Service), orNil(e.Device), e.Channel, int64(e.Seq), e.Object, e.Decision, int64(e.Policy), e.Detail)
	return err
}

// orNil keeps an absent key out of the row.
func orNil(key [32]byte) []byte {
	if key == [32]byte{} {
		return nil
	}
	return key[:]
}

// Record keeps an event that changes nothing else: a denial, an intent, an
// outcome.
func (db *DB) Record(ctx context.Context, e core.Event) error {
	return inTx(ctx, db.app, func(tx pgx.Tx) error { return addRecord(ctx, tx, e) })
}
