package store

import (
	"context"
	"fmt"

	"chancery/policy"
)

// Conditional, so that a bundle that may not decide leaves no trace. Of two
// servers that bring one number at once, the key lets one in.
const insertPolicy = `
INSERT INTO policies (generation, digest, activated_at) SELECT $1, decode($2, 'hex'), now()
WHERE NOT EXISTS (SELECT FROM policies WHERE generation >= $1) ON CONFLICT (generation) DO NOTHING`

const newestPolicy = `SELECT generation, encode(digest, 'hex') AS digest FROM policies ORDER BY generation DESC LIMIT 1`

// SavePolicy keeps which bundle decides from now on: its number, and its digest
// in hex. A number never falls and never means other rules, because records name
// rules by it: else the error is policy.ErrOldBundle or policy.ErrNumberTaken.
func (db *DB) SavePolicy(ctx context.Context, number uint64, digest string) error {
	if _, err := db.app.Exec(ctx, insertPolicy, int64(number), digest); err != nil {
		return err
	}
	var newest int64
	var theirs string
	if err := db.app.QueryRow(ctx, newestPolicy).Scan(&newest, &theirs); err != nil {
		return err
	}
	switch {
	case int64(number) < newest:
		return fmt.Errorf("%w: number %d, and number %d decided here already; start the version that ran last, or a later one", policy.ErrOldBundle, number, newest)
	case theirs != digest:
		return fmt.Errorf("%w: number %d is %.16s… here, these rules are %.16s…; start a version with a higher number", policy.ErrNumberTaken, number, theirs, digest)
	}
	return nil
}
