package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/compliance"
	"chancery/core"
	"chancery/core/wire"
	"chancery/policy"
)

const insertMatter = `
INSERT INTO matters (id, title, created_by, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`

// CreateMatter implements compliance.Store.
func (db *DB) CreateMatter(ctx context.Context, g policy.Grant, e core.Event, m compliance.Matter) error {
	return db.mutate(ctx, g, on{policy.MatterCreate, policy.MatterResource, m.ID}, e, func(tx pgx.Tx) error {
		return moveOne(tx.Exec(ctx, insertMatter, m.ID, m.Title, int64(m.By), m.Created))
	})
}

const selectMatters = `SELECT id, title, closed_at IS NOT NULL FROM matters ORDER BY created_at, id`

// Matters implements compliance.Store.
func (db *DB) Matters(ctx context.Context) ([]wire.Matter, error) {
	rows, err := db.app.Query(ctx, selectMatters)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[wire.Matter])
}
