package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"chancery/core"
	"chancery/crypto/envelope"
)

// Append stores a batch of placed entries with their records and effects in one
// transaction. core.ErrTaken tells that a position or device number was taken.
func (db *DB) Append(ctx context.Context, drafts []*core.Draft) error {
	return taken(pgx.BeginFunc(ctx, db.app, func(tx pgx.Tx) error { return db.append(ctx, tx, drafts) }))
}

// taken recognises the arbiter's verdict. Constraints of partitions have names
// of their own, so the table's is looked at.
func taken(err error) error {
	if sqlState(err) != "23505" {
		return err
	}
	e, _ := asPgError(err)
	if strings.HasPrefix(e.TableName, "entries") || e.TableName == "device_numbers" {
		return fmt.Errorf("%w: %w", core.ErrTaken, err)
	}
	return err
}

// One statement for all rows: a round trip and a plan for the batch, not for
// each row. A message's number is used up by the same statement.
const insertEntries = `
WITH numbers AS (
    INSERT INTO device_numbers (channel_id, device_id, dev_seq, seq)
    SELECT r.channel_id, d.id, r.dev_seq, r.seq
    FROM unnest($1::bigint[], $2::bigint[], $4::bigint[], $5::bytea[]) AS r (channel_id, seq, dev_seq, device)
    JOIN devices d ON d.key = r.device
)
INSERT INTO entries (channel_id, seq, recv_us, dev_seq, device_id, epoch, kind, msg_kind, head, hash, header, body, body_len, body_hash, sigs,
    sealed_salt, messages, recorder)
SELECT r.channel_id, r.seq, r.recv_us, r.dev_seq, d.id, r.epoch, r.kind, r.msg_kind, r.head, r.hash, r.header, r.body, coalesce(length(r.body), 0), r.body_hash, r.sigs,
    r.sealed_salt, r.messages, r.recorder
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::int[], $7::smallint[], $8::smallint[],
    $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[], $16::bigint[], $17::bytea[])
    WITH ORDINALITY AS r (channel_id, seq, recv_us, dev_seq, device, epoch, kind, msg_kind, head, hash, header, body, body_hash, sigs, sealed_salt,
        messages, recorder, n)
LEFT JOIN devices d ON d.key = r.device ORDER BY r.n`

// entryRows are the columns of insertEntries.
type entryRows struct {
	channel, seq, received        []int64
	messages                      []int64
	counter                       []*int64
	device                        [][]byte
	epoch                         []*int32
	kind                          []int16
	message                       []*int16
	head, hash, header, body, sum [][]byte
	sigs, salt, recorder          [][]byte
}

func (r *entryRows) add(d *core.Draft) {
	p := &d.Placed
	hash := p.Hash()
	r.channel, r.seq, r.received = append(r.channel, d.Channel), append(r.seq, int64(p.Position)), append(r.received, p.Received)
	r.kind = append(r.kind, int16(p.Entry.Kind))
	r.head, r.hash, r.sum = append(r.head, p.Head[:]), append(r.hash, hash[:]), append(r.sum, p.Payload[:])
	r.header, r.sigs = append(r.header, p.Entry.Header), append(r.sigs, envelope.Marshal(p.Entry.Signatures))
	r.messages, r.recorder = append(r.messages, int64(d.Messages)), append(r.recorder, coveredBy(d))
	if d.Message == nil {
		r.counter, r.epoch, r.message = append(r.counter, nil), append(r.epoch, nil), append(r.message, nil)
		r.device, r.body, r.salt = append(r.device, nil), append(r.body, nil), append(r.salt, nil)
		return
	}
	counter, epoch, kind := int64(d.Message.DeviceSeq), int32(d.Message.Epoch), int16(d.Message.Kind)
	r.counter, r.epoch, r.message = append(r.counter, &counter), append(r.epoch, &epoch), append(r.message, &kind)
	r.device, r.body, r.salt = append(r.device, d.Message.Device[:]), append(r.body, p.Entry.Payload), append(r.salt, d.SealedSalt)
}

// coveredBy is the recorder whose coverage a draft is, or nil.
func coveredBy(d *core.Draft) []byte {
	if d.Cover == nil {
		return nil
	}
	return d.Cover.Recorder[:]
}

func (db *DB) append(ctx context.Context, tx pgx.Tx, drafts []*core.Draft) error {
	var rows entryRows
	for _, d := range drafts {
		if err := d.Grant.Covers(d.Action, d.Resource.Type, d.Resource.ID); err != nil {
			return err
		}
		rows.add(d)
	}
	_, err := tx.Exec(ctx, insertEntries, rows.channel, rows.seq, rows.received, rows.counter, rows.device, rows.epoch, rows.kind,
		rows.message, rows.head, rows.hash, rows.header, rows.body, rows.sum, rows.sigs, rows.salt, rows.messages, rows.recorder)
	if err != nil {
		return err
	}
	if err := addRecords(ctx, tx, drafts); err != nil {
		return err
	}
	for _, d := range drafts {
		if err := effects(ctx, tx, d); err != nil {
			return err
		}
	}
	return nil
}

// Ids are given in the order of the batch, so that a channel's records follow
// its positions: the log relies on it.
const insertRecords = `
INSERT INTO records (class, op, outcome, at_us, actor, service, device, channel_id, seq, object, decision, policy, detail)
SELECT r.class, r.op, r.outcome, r.at_us, nullif(r.actor, 0), r.service, r.device, r.channel_id, r.seq, nullif(r.object, ''), r.decision, r.policy, nullif(r.detail, '')
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[], $9::bigint[],
    $10::text[], $11::text[], $12::bigint[], $13::text[])
    WITH ORDINALITY AS r (class, op, outcome, at_us, actor, service, device, channel_id, seq, object, decision, policy, detail, n) ORDER BY r.n`

func addRecords(ctx context.Context, tx pgx.Tx, drafts []*core.Draft) error {
	n := len(drafts)
	class, op, outcome, object, decision, detail := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	at, actor, channel, seq, generation := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	service, device := make([][]byte, n), make([][]byte, n)
	for i, d := range drafts {
		e := d.Event
		class[i], op[i], outcome[i], object[i], decision[i], detail[i] = string(e.Op.Class()), string(e.Op), string(e.Outcome), e.Object, e.Decision, e.Detail
		at[i], actor[i], channel[i], seq[i], generation[i] = e.At, int64(e.Actor), e.Channel, int64(e.Seq), int64(e.Policy)
		service[i], device[i] = orNil(e.Service), orNil(e.Device)
	}
	_, err := tx.Exec(ctx, insertRecords, class, op, outcome, at, actor, service, device, channel, seq, object, decision, generation, detail)
	return err
}

// effects are what an entry changes beside its own row.
func effects(ctx context.Context, tx pgx.Tx, d *core.Draft) error {
	switch {
	case d.Epoch != nil:
		return addEpoch(ctx, tx, d)
	case d.Member != nil:
		return changeMember(ctx, tx, d)
	case d.Handover != nil:
		return handOver(ctx, tx, d)
	case d.Message != nil && len(d.Message.Attachments) > 0:
		return bindBlobs(ctx, tx, d)
	}
	return nil
}

const insertEpoch = `INSERT INTO epochs (channel_id, n, seq, hashes) VALUES ($1, $2, $3, $4)`

const insertWraps = `INSERT INTO epoch_wraps (recipient, channel_id, n, wrap) SELECT r, $1, $2, w FROM unnest($3::bytea[], $4::bytea[]) AS x (r, w)`

func addEpoch(ctx context.Context, tx pgx.Tx, d *core.Draft) error {
	recipients := make([][]byte, len(d.Epoch.Recipients))
	var hashes []byte
	for i := range recipients {
		recipients[i] = d.Epoch.Recipients[i][:]
		hashes = append(hashes, d.Epoch.Hashes[i][:]...)
	}
	if _, err := tx.Exec(ctx, insertEpoch, d.Channel, int64(d.Epoch.N), int64(d.Placed.Position), hashes); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, insertWraps, d.Channel, int64(d.Epoch.N), recipients, d.Epoch.Wraps)
	return err
}

const joinMember = `INSERT INTO channel_members (channel_id, account_id, rank, joined_seq) SELECT $1, a.id, $3, $4 FROM accounts a WHERE a.chain = $2`

const rankMember = `UPDATE channel_members m SET rank = $3 FROM accounts a WHERE a.chain = $2 AND m.channel_id = $1 AND m.account_id = a.id AND m.left_seq IS NULL`

const endMember = `UPDATE channel_members m SET left_seq = $3 FROM accounts a WHERE a.chain = $2 AND m.channel_id = $1 AND m.account_id = a.id AND m.left_seq IS NULL`

func changeMember(ctx context.Context, tx pgx.Tx, d *core.Draft) (err error) {
	var tag pgconn.CommandTag
	switch m := d.Member; {
	case m.Join:
		tag, err = tx.Exec(ctx, joinMember, d.Channel, m.User[:], string(m.Rank), int64(d.Placed.Position))
	case m.Rank != "":
		tag, err = tx.Exec(ctx, rankMember, d.Channel, m.User[:], string(m.Rank))
	default:
		tag, err = tx.Exec(ctx, endMember, d.Channel, m.User[:], int64(d.Placed.Position))
	}
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("changing member %s: %d rows", d.Member.User, tag.RowsAffected())
	}
	return err
}

// Conditional, so that of two messages that bring one file, one is stored.
const bindBlob = `
WITH u AS (
    DELETE FROM uploads WHERE id = $1 AND channel_id = $2 AND stored_at IS NOT NULL AND dropped_at IS NULL
    RETURNING id, channel_id, account_id, size, root, stored_at
)
INSERT INTO blobs (id, channel_id, account_id, size, root, seq, created_at) SELECT id, channel_id, account_id, size, root, $3, stored_at FROM u`

func bindBlobs(ctx context.Context, tx pgx.Tx, d *core.Draft) error {
	for _, a := range d.Message.Attachments {
		tag, err := tx.Exec(ctx, bindBlob, a.ID[:], d.Channel, int64(d.Placed.Position))
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return core.ErrBlobBound
		}
	}
	return nil
}
