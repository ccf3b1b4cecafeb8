package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/policy"
)

const insertBlob = `INSERT INTO blobs (id, channel_id, account_id, size, root, created_at) VALUES ($1, $2, $3, $4, $5, $6)`

const channelID = `SELECT chain FROM channels WHERE id = $1`

// AddBlob stages a file that is in the blob store already.
func (db *DB) AddBlob(ctx context.Context, g policy.Grant, e core.Event, b core.Blob) error {
	chain, _, err := one(ctx, db.app, pgx.RowTo[[]byte], channelID, b.Channel)
	if err != nil {
		return err
	}
	what := on{policy.FileUpload, policy.ChannelResource, envelope.ChannelID(chain).String()}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertBlob, b.ID[:], b.Channel, int64(b.Account), int64(b.Size), b.Root[:], b.Created)
		return err
	})
}

const selectBlob = `SELECT id, channel_id, account_id, size, root, coalesce(seq, 0), disposed_at IS NOT NULL, created_at FROM blobs WHERE id = $1`

// Blob finds a sealed file.
func (db *DB) Blob(ctx context.Context, id envelope.BlobID) (core.Blob, bool, error) {
	return one(ctx, db.app, func(row pgx.CollectableRow) (b core.Blob, err error) {
		var key, root []byte
		err = row.Scan(&key, &b.Channel, &b.Account, &b.Size, &root, &b.Position, &b.Disposed, &b.Created)
		copy(b.ID[:], key)
		copy(b.Root[:], root)
		return b, err
	}, selectBlob, id[:])
}
