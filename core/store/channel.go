package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

const insertChannel = `
INSERT INTO channels (chain, team_id, name, access, capture, created_by, created_at)
VALUES ($1, nullif($2, 0::bigint), $3, $4, $5, $6, $7) RETURNING id`

// CreateChannel makes a channel with its first entry.
func (db *DB) CreateChannel(ctx context.Context, g policy.Grant, c core.NewChannel, first *core.Draft) (number int64, err error) {
	if err := g.Covers(first.Action, policy.ChannelResource, c.ID.String()); err != nil {
		return 0, err
	}
	err = inTx(ctx, db.app, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, insertChannel, c.ID[:], c.Team, c.Name, string(c.Genesis.Access), string(c.Genesis.Capture),
			int64(c.Creator), c.Now).Scan(&number)
		if err != nil {
			return err
		}
		for _, r := range c.Genesis.Recorders {
			if _, err := tx.Exec(ctx, beginDuty, number, r[:], 0); err != nil {
				return err
			}
		}
		first.Channel, first.Event.Channel, first.Event.Seq = number, number, first.Placed.Position
		return db.append(ctx, tx, []*core.Draft{first})
	})
	switch {
	case violates(err, "channels_team_name_unique"):
		err = &core.Error{Op: string(first.Action), Kind: core.Conflict, Code: "channel.exists", Field: "name", Public: "the team has a channel of that name"}
	case violates(err, "channels_chain_unique"):
		err = &core.Error{Op: string(first.Action), Kind: core.Conflict, Code: "channel.exists", Field: "genesis", Public: "this channel exists already"}
	}
	return number, err
}

// everRecorded are those who record a channel or did, but for the lost.
const everRecorded = `ARRAY(SELECT DISTINCT d.recorder FROM duties d WHERE d.channel_id = c.id ORDER BY 1)`

const channelColumns = `c.id, c.chain, coalesce(c.team_id, 0), c.name, c.access, c.capture, ` + everRecorded + `, c.archived_at IS NOT NULL`

func scanChannel(row pgx.CollectableRow) (c core.ChannelRow, err error) {
	var chain, head []byte
	var recorders [][]byte
	var position int64
	err = row.Scan(&c.Number, &chain, &c.Team, &c.Name, &c.Access, &c.Capture, &recorders, &c.Archived, &c.Rank, &position, &head)
	copy(c.ID[:], chain)
	copy(c.Head[:], head)
	c.Position = uint64(position)
	c.Recorders = keyIDs(recorders)
	return c, err
}

func keyIDs(raw [][]byte) []envelope.KeyID {
	ids := make([]envelope.KeyID, len(raw))
	for i, r := range raw {
		copy(ids[i][:], r)
	}
	return ids
}

const newestEntry = ` LEFT JOIN LATERAL (SELECT e.seq, e.head FROM entries e WHERE e.channel_id = c.id ORDER BY e.seq DESC LIMIT 1) newest ON true`

const selectChannel = `SELECT ` + channelColumns + `, 'none', 0, ''::bytea FROM channels c WHERE c.chain = $1`

// Channel finds a channel, without position or rank: those are the room's.
func (db *DB) Channel(ctx context.Context, id envelope.ChannelID) (core.ChannelRow, bool, error) {
	return one(ctx, db.app, scanChannel, selectChannel, id[:])
}

const selectChannels = `SELECT ` + channelColumns + `, coalesce(m.rank, 'none'), coalesce(newest.seq, 0), coalesce(newest.head, '')
FROM channels c LEFT JOIN channel_members m ON m.channel_id = c.id AND m.account_id = $1 AND m.left_seq IS NULL` + newestEntry + `
WHERE m.account_id IS NOT NULL
   OR (c.access = 'public' AND c.team_id IN (SELECT t.team_id FROM team_members t WHERE t.account_id = $1))
ORDER BY c.team_id NULLS LAST, c.name, c.id`

// Channels are the account's, and the public ones of its teams.
func (db *DB) Channels(ctx context.Context, account identity.UserID) ([]core.ChannelRow, error) {
	rows, err := db.app.Query(ctx, selectChannels, int64(account))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanChannel)
}

const selectRecorderChannels = `SELECT ` + channelColumns + `, 'none', coalesce(newest.seq, 0), coalesce(newest.head, '')
FROM channels c` + newestEntry + ` WHERE EXISTS (SELECT FROM duties d WHERE d.channel_id = c.id AND d.recorder = $1) ORDER BY c.id`

// RecorderChannels are those that a recorder must follow: one that went keeps what
// it has, and confirms when that is disposed of.
func (db *DB) RecorderChannels(ctx context.Context, recorder envelope.KeyID) ([]core.ChannelRow, error) {
	rows, err := db.app.Query(ctx, selectRecorderChannels, recorder[:])
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanChannel)
}

const selectRank = `SELECT rank FROM channel_members WHERE channel_id = $1 AND account_id = $2 AND left_seq IS NULL`

const selectChannelRank = `
SELECT m.rank FROM channel_members m JOIN channels c ON c.id = m.channel_id WHERE c.chain = $1 AND m.account_id = $2 AND m.left_seq IS NULL`

// ChannelRank is Rank by the channel's id.
func (db *DB) ChannelRank(ctx context.Context, channel envelope.ChannelID, account identity.UserID) (string, error) {
	rank, found, err := one(ctx, db.app, pgx.RowTo[string], selectChannelRank, channel[:], int64(account))
	if !found {
		rank = "none"
	}
	return rank, err
}

// Rank is an account's standing in a channel, or none.
func (db *DB) Rank(ctx context.Context, channel int64, account identity.UserID) (string, error) {
	rank, found, err := one(ctx, db.app, pgx.RowTo[string], selectRank, channel, int64(account))
	if !found {
		rank = "none"
	}
	return rank, err
}
