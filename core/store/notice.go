package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/policy"
)

const insertNotice = `
INSERT INTO notices (channel_id, label, signer, about, hash, statement, evidence, at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT ON CONSTRAINT notices_once DO NOTHING`

// errSaid ends the transaction of a notice that was given before.
var errSaid = errors.New("said before")

// AddNotice keeps a signed word beside a channel.
func (db *DB) AddNotice(ctx context.Context, g policy.Grant, e core.Event, n core.Notice) error {
	chain, _, err := one(ctx, db.app, pgx.RowTo[[]byte], channelID, n.Channel)
	if err != nil {
		return err
	}
	what := on{policy.CaptureTell, policy.ChannelResource, envelope.ChannelID(chain).String()}
	if n.Label == envelope.LabelRuling {
		what.action = policy.CaptureRule
	}
	hash := envelope.SumBytes(n.Statement)
	err = db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, insertNotice, n.Channel, n.Label, n.Signer[:], n.About, hash[:], n.Statement, n.Evidence, e.At)
		if err == nil && tag.RowsAffected() == 0 {
			return errSaid
		}
		return err
	})
	if errors.Is(err, errSaid) {
		return nil
	}
	return err
}

const selectNotices = `
SELECT id, statement FROM notices n WHERE channel_id = $1 AND id > $2 AND (label <> 'tail' OR $3 AND NOT EXISTS
	(SELECT FROM notices later WHERE later.channel_id = n.channel_id AND later.label = 'tail' AND later.signer = n.signer AND later.id > n.id))
ORDER BY id LIMIT $4`

// Notices are those after a number, with the newest tail of each device if tails
// are asked for.
func (db *DB) Notices(ctx context.Context, channel int64, after uint64, tails bool, limit int) ([]core.Notice, error) {
	rows, err := db.app.Query(ctx, selectNotices, channel, int64(after), tails, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (n core.Notice, err error) {
		var number int64
		err = row.Scan(&number, &n.Statement)
		n.Number = uint64(number)
		return n, err
	})
}

const selectEvidence = `SELECT evidence FROM notices WHERE channel_id = $1 AND hash = $2 AND evidence IS NOT NULL`

// Evidence is what lies sealed beside a dispute.
func (db *DB) Evidence(ctx context.Context, channel int64, notice envelope.Hash) ([]byte, bool, error) {
	return one(ctx, db.app, pgx.RowTo[[]byte], selectEvidence, channel, notice[:])
}
