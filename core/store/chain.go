package store

import (
	"context"
	"time"

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

// AddUserDevice adds the link that makes a proposed device one of the person's.
func (db *DB) AddUserDevice(ctx context.Context, g policy.Grant, e core.Event, l core.ChainLink, d envelope.DeviceBody, now time.Time) error {
	what := on{policy.UserChainPublish, policy.UserResource, core.SubjectID(e.Actor)}
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		key := envelope.KeyOf(d.Key)
		wrap, found, err := one(ctx, tx, pgx.RowTo[[]byte], takeProposal, key[:], int64(e.Actor), begun(now))
		if err != nil {
			return err
		}
		if !found || envelope.SumBytes(wrap) != d.Wrap {
			return &core.Error{Op: string(what.action), Kind: core.Conflict, Code: "device.not_approved", Public: "none of your devices has taken that device in"}
		}
		if err := addDevice(ctx, tx, core.Device{Account: e.Actor, Body: d, Wrap: wrap, Created: now}); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, insertLink, l.Chain[:], int64(l.Seq), l.Entry)
		return err
	})
}

const deviceColumns = `account_id, name, public, recipient, wrap, created_at`

func scanDevice(row pgx.CollectableRow) (d core.Device, err error) {
	err = row.Scan(&d.Account, &d.Body.Name, &d.Body.Key, &d.Body.Recipient, &d.Wrap, &d.Created)
	return d, err
}

const selectDevices = `SELECT ` + deviceColumns + ` FROM devices WHERE account_id = $1 ORDER BY id`

// Devices are an account's.
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
