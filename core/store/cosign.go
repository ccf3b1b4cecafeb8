package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/policy"
)

// cosignedNote is the note of a checkpoint c with every cosignature on it.
const cosignedNote = `c.note || coalesce((SELECT string_agg(s.line, '' ORDER BY s.cosigner) FROM cosignatures s WHERE s.size = c.size), '')`

// Note implements compliance.Log.
func (db *DB) Note(ctx context.Context, size int64) (string, bool, error) {
	return one(ctx, db.app, pgx.RowTo[string], `SELECT note FROM checkpoints WHERE size = $1`, size)
}

const selectWitnessed = `
SELECT ` + cosignedNote + ` FROM checkpoints c WHERE c.size IN (
    SELECT n.size FROM unnest($1::bytea[]) AS k (cosigner),
    LATERAL (SELECT s.size FROM cosignatures s WHERE s.cosigner = k.cosigner ORDER BY s.size DESC LIMIT 1) n)
ORDER BY c.size`

// Witnessed implements compliance.Log.
func (db *DB) Witnessed(ctx context.Context, cosigners []envelope.KeyID) ([]string, error) {
	rows, err := db.app.Query(ctx, selectWitnessed, rawIDs(cosigners))
	if err != nil {
		return nil, err
	}
	notes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(notes) > 0 {
		return notes, err
	}
	newest, found, err := db.Log().Checkpoint(ctx)
	if err != nil || !found {
		return nil, err
	}
	return []string{newest}, nil
}

const insertCosignature = `
INSERT INTO cosignatures (cosigner, size, at_s, line) VALUES ($1, $2, $3, $4)
ON CONFLICT (cosigner, size) DO UPDATE SET at_s = excluded.at_s, line = excluded.line WHERE excluded.at_s > cosignatures.at_s`

// Cosign implements compliance.Log.
func (db *DB) Cosign(ctx context.Context, g policy.Grant, e core.Event, size int64, by envelope.KeyID, at time.Time, line string) error {
	return db.mutate(ctx, g, on{policy.CheckpointCosign, policy.CheckpointResource, "log"}, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertCosignature, by[:], size, at.Unix(), line)
		return err
	})
}

const selectLeaves = recordColumns + ` JOIN record_positions q ON q.record_id = r.id WHERE q.idx >= $1 ORDER BY q.idx LIMIT $2`

// Leaves implements compliance.Log.
func (db *DB) Leaves(ctx context.Context, from int64, limit int) ([]record.Record, error) {
	rows, err := db.app.Query(ctx, selectLeaves, from, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanRecord)
}

// The place is looked up first: it is found by the entry, not by a scan.
const selectPlace = `
SELECT q.idx FROM channels c JOIN records r ON r.channel_id = c.id JOIN record_positions q ON q.record_id = r.id
WHERE c.chain = $1 AND r.seq = $2 ORDER BY q.idx LIMIT 1`

// Logged implements compliance.Log.
func (db *DB) Logged(ctx context.Context, channel envelope.ChannelID, position uint64) (r record.Record, index int64, found bool, err error) {
	index, found, err = one(ctx, db.app, pgx.RowTo[int64], selectPlace, channel[:], int64(position))
	if err != nil || !found {
		return r, 0, false, err
	}
	list, err := db.Leaves(ctx, index, 1)
	if err != nil || len(list) != 1 {
		return r, 0, false, err
	}
	return list[0], index, true, nil
}

// Hashes implements compliance.Log.
func (db *DB) Hashes() tlog.HashReader { return db.Log() }
