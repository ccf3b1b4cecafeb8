package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chancery/compliance"
	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/identity"
	"chancery/policy"
)

// moveOne turns a conditional statement that found nothing to change into
// ErrMoved. The condition is in the statement and not in a read before it,
// because between the two someone else may be first.
func moveOne(tag pgconn.CommandTag, err error) error {
	if err == nil && tag.RowsAffected() != 1 {
		return compliance.ErrMoved
	}
	return err
}

const insertApproval = `
INSERT INTO approvals (order_hash, action, person, account_id, role, statement, at_us) VALUES ($1, $2, $3, $4, $5, $6, $7)`

func addConsent(ctx context.Context, tx pgx.Tx, c compliance.Consent) error {
	_, err := tx.Exec(ctx, insertApproval, c.Object[:], string(c.Action), c.Person[:], int64(c.Account), string(c.Role), c.Statement, c.At)
	switch {
	case violates(err, "approvals_once_per_person"), violates(err, "approvals_once_per_account"):
		return compliance.ErrSamePerson
	case violates(err, "approvals_pkey"):
		return compliance.ErrMoved
	}
	return err
}

const selectApprovals = `
SELECT action, person, account_id, role, statement, at_us FROM approvals WHERE order_hash = $1 ORDER BY n`

func consents(ctx context.Context, q querier, object envelope.Hash) ([]compliance.Consent, error) {
	rows, err := q.Query(ctx, selectApprovals, object[:])
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (compliance.Consent, error) {
		c := compliance.Consent{Object: object}
		var action, role string
		var account int64
		err := row.Scan(&action, bytes32{(*[32]byte)(&c.Person)}, &account, &role, &c.Statement, &c.At)
		c.Action, c.Role, c.Account = policy.Action(action), envelope.Role(role), identity.UserID(account)
		return c, err
	})
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// bytes32 scans a bytea of 32 bytes; NULL leaves it zero.
type bytes32 struct{ into *[32]byte }

func (b bytes32) ScanBytes(v []byte) error {
	if v == nil {
		return nil
	}
	if len(v) != 32 {
		return fmt.Errorf("scanning id: %d bytes", len(v))
	}
	copy(b.into[:], v)
	return nil
}

const bumpGeneration = `UPDATE generations SET n = n + 1 WHERE name = $1`

// bump raises a generation. It waits for the batches of disposal that look at
// it, and those that come after wait for it and see the change.
func bump(ctx context.Context, tx pgx.Tx, name string) error {
	return moveOne(tx.Exec(ctx, bumpGeneration, name))
}

const unknownScope = `
SELECT 'user ' || encode(u, 'hex') FROM unnest($1::bytea[]) u WHERE NOT EXISTS (SELECT FROM accounts WHERE chain = u)
UNION ALL
SELECT 'channel ' || encode(c, 'hex') FROM unnest($2::bytea[]) c WHERE NOT EXISTS (SELECT FROM channels WHERE chain = c)
UNION ALL
SELECT 'matter ' || $3::text WHERE NOT EXISTS (SELECT FROM matters WHERE id = $3::text)`

// UnknownScope implements compliance.Store.
func (db *DB) UnknownScope(ctx context.Context, o *envelope.HoldOrder) ([]string, error) {
	rows, err := db.app.Query(ctx, unknownScope, rawIDs(o.Users), rawIDs(o.Channels), o.Matter)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func rawIDs[T ~[32]byte](ids []T) [][]byte {
	out := make([][]byte, len(ids))
	for i := range ids {
		b := [32]byte(ids[i])
		out[i] = b[:]
	}
	return out
}

const insertHold = `
INSERT INTO holds (id, matter_id, name, order_bytes, users, channels, from_us, to_us, state, requested_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'draft', $9, $10) ON CONFLICT DO NOTHING`

// CreateHold implements compliance.Store.
func (db *DB) CreateHold(ctx context.Context, g policy.Grant, e core.Event, h *compliance.Hold) error {
	return db.mutate(ctx, g, on{policy.HoldCreate, policy.HoldResource, h.ID.String()}, e, func(tx pgx.Tx) error {
		o := &h.Order
		err := moveOne(tx.Exec(ctx, insertHold, h.ID[:], o.Matter, o.Name, h.Bytes, rawIDs(o.Users), rawIDs(o.Channels),
			o.From, o.To, int64(h.Requester), h.Created))
		if err != nil {
			return err
		}
		return addConsent(ctx, tx, h.Consents[0])
	})
}

const activateHold = `
UPDATE holds SET state = 'active', active_at = $2, messages = $3, root = $4 WHERE id = $1 AND state = 'draft'`

// ActivateHold implements compliance.Store. The generation rises first: its row
// lock keeps every batch of disposal out until the hold is in force.
func (db *DB) ActivateHold(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c compliance.Consent, now time.Time) error {
	if err := g.Covers(policy.HoldApprove, policy.HoldResource, id.String()); err != nil {
		return err
	}
	return inTx(ctx, db.app, func(tx pgx.Tx) error {
		// The attestation reads all that is held, which may take long.
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return err
		}
		if err := bump(ctx, tx, "holds"); err != nil {
			return err
		}
		if err := addConsent(ctx, tx, c); err != nil {
			return err
		}
		count, root, err := attest(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := moveOne(tx.Exec(ctx, activateHold, id[:], now, int64(count), root[:])); err != nil {
			return err
		}
		told := e
		detail, err := record.JSON(map[string]any{"messages": count, "root": root})
		told.Detail = string(detail)
		if err != nil {
			return err
		}
		return addRecord(ctx, tx, told)
	})
}

// keeps is true where the hold h keeps the entry e of the channel c: of its
// channels, in its time, and of a custodian or while one was a member. A
// removal's own position still counts as membership.
const keeps = `(cardinality(h.channels) = 0 OR c.chain = ANY (h.channels))
  AND e.recv_us >= h.from_us AND (h.to_us = 0 OR e.recv_us <= h.to_us)
  AND (cardinality(h.users) = 0
    OR EXISTS (SELECT FROM channel_members m JOIN accounts a ON a.id = m.account_id
      WHERE m.channel_id = e.channel_id AND a.chain = ANY (h.users)
        AND e.seq >= m.joined_seq AND (m.left_seq IS NULL OR e.seq <= m.left_seq))
    OR EXISTS (SELECT FROM devices d JOIN accounts a ON a.id = d.account_id
      WHERE d.id = e.device_id AND a.chain = ANY (h.users)))`

// inForce is true of holds that keep what they name.
const inForce = `h.state IN ('active', 'release_requested', 'cooling')`

const selectHeld = `
SELECT e.hash FROM holds h, channels c JOIN entries e ON e.channel_id = c.id
WHERE h.id = $1 AND e.kind = 2 AND ` + keeps + ` ORDER BY c.chain, e.seq`

// attest counts the messages in a hold's scope and gives the root over their
// hashes, in the order of channel ids and positions.
func attest(ctx context.Context, tx pgx.Tx, id envelope.Hash) (uint64, envelope.Hash, error) {
	rows, err := tx.Query(ctx, selectHeld, id[:])
	if err != nil {
		return 0, envelope.Hash{}, err
	}
	defer rows.Close()
	var root tlog.RootBuilder
	for rows.Next() {
		var h []byte
		if err := rows.Scan(&h); err != nil {
			return 0, envelope.Hash{}, err
		}
		root.Append(tlog.LeafHash(h))
	}
	return uint64(root.Size()), envelope.Hash(root.Root()), rows.Err()
}

const requestRelease = `
UPDATE holds SET state = 'release_requested', release_id = $2, release_bytes = $3, release_by = $4
WHERE id = $1 AND state = 'active'`

// RequestRelease implements compliance.Store.
func (db *DB) RequestRelease(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, r *compliance.Release) error {
	return db.mutate(ctx, g, on{policy.HoldReleaseRequest, policy.HoldResource, id.String()}, e, func(tx pgx.Tx) error {
		if err := bump(ctx, tx, "holds"); err != nil {
			return err
		}
		if err := moveOne(tx.Exec(ctx, requestRelease, id[:], r.ID[:], r.Bytes, int64(r.Requester))); err != nil {
			return err
		}
		return addConsent(ctx, tx, r.Consents[0])
	})
}

const approveRelease = `
UPDATE holds SET state = 'cooling', released_at = $3 WHERE id = $1 AND state = 'release_requested' AND release_id = $2`

// ApproveRelease implements compliance.Store.
func (db *DB) ApproveRelease(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, c compliance.Consent, now time.Time) error {
	return db.mutate(ctx, g, on{policy.HoldReleaseApprove, policy.HoldResource, id.String()}, e, func(tx pgx.Tx) error {
		if err := bump(ctx, tx, "holds"); err != nil {
			return err
		}
		if err := moveOne(tx.Exec(ctx, approveRelease, id[:], c.Object[:], now)); err != nil {
			return err
		}
		return addConsent(ctx, tx, c)
	})
}

// The database's own clock has a say, so that moving the server's ends no hold.
const cooledHolds = `
SELECT id FROM holds WHERE state = 'cooling' AND released_at <= least($1, now() - $2::interval) ORDER BY id`

// CooledHolds implements compliance.Store.
func (db *DB) CooledHolds(ctx context.Context, before time.Time) ([]envelope.Hash, error) {
	rows, err := db.app.Query(ctx, cooledHolds, before, compliance.CoolingTime)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (id envelope.Hash, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&id)})
		return id, err
	})
}

const closeHold = `
UPDATE holds SET state = 'closed', closed_at = $3
WHERE id = $1 AND state = 'cooling' AND released_at <= least($2, now() - $4::interval)`

// CloseHold implements compliance.Store.
func (db *DB) CloseHold(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, before, now time.Time) error {
	return db.mutate(ctx, g, on{policy.JobRun, policy.JobResource, "holds.close"}, e, func(tx pgx.Tx) error {
		if err := bump(ctx, tx, "holds"); err != nil {
			return err
		}
		return moveOne(tx.Exec(ctx, closeHold, id[:], before, now, compliance.CoolingTime))
	})
}

const selectHolds = `
SELECT id, order_bytes, state, requested_by, created_at, active_at, coalesce(messages, 0), root,
  release_id, release_bytes, coalesce(release_by, 0)
FROM holds WHERE $1::bytea IS NULL OR id = $1 ORDER BY created_at, id`

// Hold implements compliance.Store.
func (db *DB) Hold(ctx context.Context, id envelope.Hash) (compliance.Hold, bool, error) {
	list, err := holds(ctx, db.app, id[:])
	if err != nil || len(list) == 0 {
		return compliance.Hold{}, false, err
	}
	return list[0], true, nil
}

// Holds implements compliance.Store.
func (db *DB) Holds(ctx context.Context) (list []compliance.Hold, n uint64, err error) {
	err = snapshot(ctx, db.app, func(tx pgx.Tx) error {
		if n, err = generation(ctx, tx, "holds"); err != nil {
			return err
		}
		list, err = holds(ctx, tx, nil)
		return err
	})
	return list, n, err
}

func holds(ctx context.Context, q querier, id []byte) ([]compliance.Hold, error) {
	rows, err := q.Query(ctx, selectHolds, id)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, scanHold)
	for i := range list {
		h := &list[i]
		if err == nil {
			h.Consents, err = consents(ctx, q, h.ID)
		}
		if err == nil && !h.Release.ID.IsZero() {
			h.Release.Consents, err = consents(ctx, q, h.Release.ID)
		}
	}
	return list, err
}

func scanHold(row pgx.CollectableRow) (compliance.Hold, error) {
	var h compliance.Hold
	var state string
	var by, releaseBy, messages int64
	var active *time.Time
	err := row.Scan(bytes32{(*[32]byte)(&h.ID)}, &h.Bytes, &state, &by, &h.Created, &active, &messages,
		bytes32{(*[32]byte)(&h.Root)}, bytes32{(*[32]byte)(&h.Release.ID)}, &h.Release.Bytes, &releaseBy)
	if err != nil {
		return h, err
	}
	if active != nil {
		h.Active = *active
	}
	h.State, h.Requester, h.Messages = wire.State(state), identity.UserID(by), uint64(messages)
	h.Release.Requester = identity.UserID(releaseBy)
	order, err := envelope.ParseOrder[envelope.HoldOrder](h.Bytes)
	if err != nil {
		return h, fmt.Errorf("reading hold %s: %w", h.ID, err)
	}
	h.Order = *order
	return h, nil
}

const selectGeneration = `SELECT n FROM generations WHERE name = $1`

func generation(ctx context.Context, q querier, name string) (uint64, error) {
	var n int64
	err := q.QueryRow(ctx, selectGeneration, name).Scan(&n)
	return uint64(n), err
}

// snapshot runs fn on one state of the database.
func snapshot(ctx context.Context, pool interface {
	BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error)
}, fn func(pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, pool, options, fn)
}

const countHolds = `
SELECT count(*) FROM holds h JOIN channels c ON c.id = $1
WHERE ` + inForce + ` AND (cardinality(h.channels) = 0 OR c.chain = ANY (h.channels))
  AND (cardinality(h.users) = 0 OR EXISTS (SELECT FROM channel_members m JOIN accounts a ON a.id = m.account_id
    WHERE m.channel_id = c.id AND a.chain = ANY (h.users)))`

const countKept = `
SELECT count(*) FROM rules r JOIN channels c ON c.id = $1
WHERE r.min_retain > 0 AND (r.channel IS NULL OR r.channel = c.chain)
  AND r.revision = (SELECT max(revision) FROM rules x WHERE x.id = r.id)`

// Held tells whether a hold or a minimum retention keeps what people delete in
// the channel with that number.
func (db *DB) Held(ctx context.Context, channel int64) (bool, error) {
	for _, query := range []string{countHolds, countKept} {
		var n int64
		if err := db.app.QueryRow(ctx, query, channel).Scan(&n); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}
