package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/policy"
)

const selectBlob = `SELECT channel_id, size, root, disposed_at IS NOT NULL FROM blobs WHERE id = $1`

// Blob finds a sealed file that a message binds.
func (db *DB) Blob(ctx context.Context, id envelope.BlobID) (core.Blob, bool, error) {
	return one(ctx, db.app, func(row pgx.CollectableRow) (core.Blob, error) {
		b := core.Blob{ID: id}
		var root []byte
		err := row.Scan(&b.Channel, &b.Size, &root, &b.Disposed)
		copy(b.Root[:], root)
		return b, err
	}, selectBlob, id[:])
}

const selectUpload = `SELECT channel_id, account_id, size, root, touched_at, stored_at IS NOT NULL, dropped_at IS NOT NULL FROM uploads WHERE id = $1`

// Upload finds a sealed file that waits for its message, or grows.
func (db *DB) Upload(ctx context.Context, id envelope.BlobID) (core.Upload, bool, error) {
	return one(ctx, db.app, func(row pgx.CollectableRow) (core.Upload, error) {
		u := core.Upload{ID: id}
		var root []byte
		err := row.Scan(&u.Channel, &u.Account, &u.Size, &root, &u.Touched, &u.Whole, &u.Dropped)
		copy(u.Root[:], root)
		return u, err
	}, selectUpload, id[:])
}

const channelID = `SELECT chain FROM channels WHERE id = $1`

// Of two announcements of one person the second waits for the first, so that
// both are counted.
const lockStaging = `SELECT pg_advisory_xact_lock(hashtextextended('chancery uploads', $1))`

const insertUpload = `
INSERT INTO uploads (id, channel_id, account_id, size, root, touched_at)
SELECT $1, $2, $3::bigint, $4::bigint, $5, $6
WHERE (SELECT coalesce(sum(size), 0) + $4::bigint <= $7 AND count(*) < $8 FROM uploads WHERE account_id = $3::bigint)`

// AddUpload makes room for a file. It returns core.ErrStaged when its sender
// has too much waiting already, and core.ErrTaken when the id is there.
func (db *DB) AddUpload(ctx context.Context, g policy.Grant, e core.Event, u core.Upload, most core.Staging) error {
	chain, _, err := one(ctx, db.app, pgx.RowTo[[]byte], channelID, u.Channel)
	if err != nil {
		return err
	}
	what := on{policy.FileUpload, policy.ChannelResource, envelope.ChannelID(chain).String()}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockStaging, int64(u.Account)); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, insertUpload, u.ID[:], u.Channel, int64(u.Account), int64(u.Size), u.Root[:], u.Touched, int64(most.Bytes), most.Files)
		switch {
		case violates(err, "uploads_pkey"):
			return core.ErrTaken
		case err == nil && tag.RowsAffected() == 0:
			return core.ErrStaged
		}
		return err
	})
}

const touchUpload = `
UPDATE uploads u SET touched_at = $2, stored_at = CASE WHEN $3 THEN coalesce(stored_at, $2) END
FROM channels c WHERE u.id = $1 AND u.dropped_at IS NULL AND c.id = u.channel_id RETURNING c.chain`

// TouchUpload notes that its sender is at it; the upload itself is on record.
func (db *DB) TouchUpload(ctx context.Context, g policy.Grant, id envelope.BlobID, whole bool, now time.Time) (there bool, err error) {
	err = inTx(ctx, db.app, func(tx pgx.Tx) error {
		chain, found, err := one(ctx, tx, pgx.RowTo[[]byte], touchUpload, id[:], now, whole)
		if there = found; err != nil || !found {
			return err
		}
		return g.Covers(policy.FileUpload, policy.ChannelResource, envelope.ChannelID(chain).String())
	})
	return there, err
}

const unclaimed = `SELECT id FROM uploads WHERE touched_at < $1 OR dropped_at IS NOT NULL ORDER BY touched_at LIMIT 1000`

// Unclaimed are uploads that nobody has touched since, and dropped ones.
func (db *DB) Unclaimed(ctx context.Context, since time.Time) ([]envelope.BlobID, error) {
	rows, err := db.app.Query(ctx, unclaimed, since)
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

const dropUpload = `UPDATE uploads SET dropped_at = coalesce(dropped_at, $3) WHERE id = $1 AND (touched_at < $2 OR dropped_at IS NOT NULL)`

// DropUpload closes an upload to its sender. Removing its bytes comes next; only
// ForgetUpload ends it, and is on record.
func (db *DB) DropUpload(ctx context.Context, g policy.Grant, id envelope.BlobID, since, now time.Time) (bool, error) {
	if err := g.Covers(policy.FileDiscard, policy.FileResource, id.String()); err != nil {
		return false, err
	}
	tag, err := db.app.Exec(ctx, dropUpload, id[:], since, now)
	return err == nil && tag.RowsAffected() == 1, err
}

const forgetUpload = `DELETE FROM uploads WHERE id = $1 AND dropped_at IS NOT NULL`

// ForgetUpload removes an upload that was dropped, once its bytes are gone.
func (db *DB) ForgetUpload(ctx context.Context, g policy.Grant, e core.Event, id envelope.BlobID) error {
	return db.mutate(ctx, g, on{policy.FileDiscard, policy.FileResource, id.String()}, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, forgetUpload, id[:])
		return err
	})
}
