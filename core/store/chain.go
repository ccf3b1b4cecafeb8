package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

const selectOrgLinks = `SELECT l.entry FROM links l JOIN organisation o ON o.chain = l.chain ORDER BY l.seq`

// OrgLinks is the organisation's chain, empty before its genesis.
func (db *DB) OrgLinks(ctx context.Context) ([][]byte, error) {
	rows, err := db.app.Query(ctx, selectOrgLinks)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[[]byte])
}

const insertOrganisation = `INSERT INTO organisation (chain) VALUES ($1)`

// The primary key refuses a second link with one number: of two writers one loses.
const insertLink = `INSERT INTO links (chain, seq, entry) VALUES ($1, $2, $3)`

// AddOrgLink adds the organisation's genesis or next link.
func (db *DB) AddOrgLink(ctx context.Context, g policy.Grant, e core.Event, l core.ChainLink) error {
	return db.mutate(ctx, g, on{policy.OrgPublish, policy.OrgResource, "org"}, e, func(tx pgx.Tx) error {
		if l.Seq == 0 {
			if _, err := tx.Exec(ctx, insertOrganisation, l.Chain[:]); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, insertLink, l.Chain[:], int64(l.Seq), l.Entry)
		return err
	})
}

const selectLinks = `SELECT entry FROM links WHERE chain = $1 ORDER BY seq`

// UserLinks is a user's chain, empty when there is none.
func (db *DB) UserLinks(ctx context.Context, u envelope.UserID) ([][]byte, error) {
	rows, err := db.app.Query(ctx, selectLinks, u[:])
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[[]byte])
}

// Conditional, so that of two first devices at once one becomes the chain.
const setChain = `UPDATE accounts SET chain = $2 WHERE id = $1 AND chain IS NULL`

const insertDevice = `INSERT INTO devices (key, account_id, name, public, recipient, wrap, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`

// StartUser starts a person's chain with a first device.
func (db *DB) StartUser(ctx context.Context, g policy.Grant, e core.Event, account identity.UserID, l core.ChainLink, d core.Device) error {
	what := on{policy.UserChainPublish, policy.UserResource, core.SubjectID(account)}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, setChain, int64(account), l.Chain[:])
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &core.Error{Op: string(what.action), Kind: core.Conflict, Code: "user.chain_exists", Public: "you have a first device already; approve the new one from there"}
		}
		if _, err := tx.Exec(ctx, insertLink, l.Chain[:], int64(l.Seq), l.Entry); err != nil {
			return err
		}
		return addDevice(ctx, tx, d)
	})
}

func addDevice(ctx context.Context, tx pgx.Tx, d core.Device) error {
	key := envelope.KeyOf(d.Body.Key)
	_, err := tx.Exec(ctx, insertDevice, key[:], int64(d.Account), d.Body.Name, d.Body.Key, d.Body.Recipient, d.Wrap, d.Created)
	return err
}

// The proposal gives the wrap; that it is the one that both devices signed, its
// hash says, which was checked when the proposal was linked.
const takeProposal = `UPDATE proposals SET state = 'added' WHERE device = $1 AND account_id = $2 AND created_at > $3 AND state = 'linked' RETURNING wrap`

const (
	// The row is locked from here on, so that no session is bound to the device
	// between this and the end of its sessions.
	revokeDevices = `UPDATE devices SET revoked_at = $3, wrap = NULL WHERE key = ANY ($1) AND account_id = $2`

	endDeviceSessions = `UPDATE sessions SET revoked_at = $2 WHERE device = ANY ($1) AND revoked_at IS NULL RETURNING id`
	keepDeviceWrap    = `UPDATE devices SET wrap = $2 WHERE key = $1 AND revoked_at IS NULL`

	setRecovery = `INSERT INTO recovery_keys (account_id, key, wrap) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET key = excluded.key, wrap = excluded.wrap`
	dropRecovery = `DELETE FROM recovery_keys WHERE account_id = $1`
)

// ExtendUser adds the next link of a person's chain with all that it changes.
func (db *DB) ExtendUser(ctx context.Context, g policy.Grant, e core.Event, s core.UserStep) (ended []identity.SessionID, err error) {
	what := on{policy.UserChainPublish, policy.UserResource, core.SubjectID(e.Actor)}
	err = db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertLink, s.Link.Chain[:], int64(s.Link.Seq), s.Link.Entry); err != nil {
			return err
		}
		if err := admitDevice(ctx, tx, e.Actor, s); err != nil {
			return err
		}
		if ended, err = revoke(ctx, tx, e.Actor, s); err != nil {
			return err
		}
		return keepSeeds(ctx, tx, e.Actor, s)
	})
	return ended, err
}

// admitDevice adds a device that others took in by a proposal, or that a
// recovery key brought with its seed.
func admitDevice(ctx context.Context, tx pgx.Tx, account identity.UserID, s core.UserStep) error {
	if s.Added == nil {
		return nil
	}
	key := envelope.KeyOf(s.Added.Key)
	wrap := s.Seed(key)
	if wrap == nil {
		var found bool
		var err error
		if wrap, found, err = one(ctx, tx, pgx.RowTo[[]byte], takeProposal, key[:], int64(account), begun(s.Now)); err != nil {
			return err
		}
		if !found || envelope.SumBytes(wrap) != s.Added.Wrap {
			return &core.Error{Op: string(policy.UserChainPublish), Kind: core.Conflict, Code: "device.not_approved", Public: "none of your devices has taken that device in"}
		}
	}
	return addDevice(ctx, tx, core.Device{Account: account, Body: *s.Added, Wrap: wrap, Created: s.Now})
}

func revoke(ctx context.Context, tx pgx.Tx, account identity.UserID, s core.UserStep) ([]identity.SessionID, error) {
	if len(s.Ended) == 0 {
		return nil, nil
	}
	keys := make([][]byte, len(s.Ended))
	for i := range s.Ended {
		keys[i] = s.Ended[i][:]
	}
	if _, err := tx.Exec(ctx, revokeDevices, keys, int64(account), s.Now); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, endDeviceSessions, keys, s.Now)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[identity.SessionID])
}

func keepSeeds(ctx context.Context, tx pgx.Tx, account identity.UserID, s core.UserStep) error {
	if len(s.Seeds) == 0 {
		return nil
	}
	if s.Recovery.IsZero() {
		if _, err := tx.Exec(ctx, dropRecovery, int64(account)); err != nil {
			return err
		}
	}
	for _, seed := range s.Seeds {
		sql, args := keepDeviceWrap, []any{seed.Holder[:], seed.Wrap}
		if seed.Holder == s.Recovery {
			sql, args = setRecovery, []any{int64(account), seed.Holder[:], seed.Wrap}
		}
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			return err
		}
	}
	return nil
}

const selectRecovery = `SELECT key, wrap FROM recovery_keys WHERE account_id = $1`

// RecoveryWrap is the newest user seed, sealed to an account's recovery key.
func (db *DB) RecoveryWrap(ctx context.Context, account identity.UserID) (key envelope.KeyID, wrap []byte, found bool, err error) {
	wrap, found, err = one(ctx, db.app, func(row pgx.CollectableRow) (wrap []byte, err error) {
		var id []byte
		err = row.Scan(&id, &wrap)
		copy(key[:], id)
		return wrap, err
	}, selectRecovery, int64(account))
	return key, wrap, found, err
}

const deviceColumns = `account_id, name, public, recipient, wrap, created_at`

func scanDevice(row pgx.CollectableRow) (d core.Device, err error) {
	err = row.Scan(&d.Account, &d.Body.Name, &d.Body.Key, &d.Body.Recipient, &d.Wrap, &d.Created)
	return d, err
}

const selectDevices = `SELECT ` + deviceColumns + ` FROM devices WHERE account_id = $1 AND revoked_at IS NULL ORDER BY id`

// Devices are an account's, without those that were revoked.
func (db *DB) Devices(ctx context.Context, account identity.UserID) ([]core.Device, error) {
	rows, err := db.app.Query(ctx, selectDevices, int64(account))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanDevice)
}

const selectDevice = `SELECT ` + deviceColumns + ` FROM devices WHERE key = $1`

// Device finds a device by its key's id.
func (db *DB) Device(ctx context.Context, key envelope.KeyID) (core.Device, bool, error) {
	return one(ctx, db.app, scanDevice, selectDevice, key[:])
}
