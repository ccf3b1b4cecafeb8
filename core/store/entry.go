package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/crypto/envelope"
)

const keptColumns = `e.kind, e.header, e.body, e.sigs, e.body_hash, e.seq, e.recv_us, e.head, e.sealed_salt`

func scanKept(row pgx.CollectableRow) (core.Kept, error) { return scanWith(row) }

// scanWith reads further columns after those of the entry.
func scanWith(row pgx.CollectableRow, more ...any) (k core.Kept, err error) {
	var sigs, payload, head []byte
	into := []any{&k.Entry.Kind, &k.Entry.Header, &k.Entry.Payload, &sigs, &payload, &k.Position, &k.Received, &head, &k.SealedSalt}
	err = row.Scan(append(into, more...)...)
	if err != nil {
		return k, err
	}
	copy(k.Payload[:], payload)
	copy(k.Head[:], head)
	if k.Entry.Payload == nil {
		k.Entry.Payload = []byte{}
	}
	k.Salt = []byte{}
	return k, envelope.Unmarshal(sigs, &k.Entry.Signatures)
}

// Sizes add up before a payload is read: what does not fit the page never leaves
// the database.
const withinBytes = `SELECT ` + keptColumns + `, e.found FROM (
    SELECT e.*, row_number() OVER w AS n, count(*) OVER () AS found,
        sum(octet_length(e.header) + coalesce(octet_length(e.body), 0) + octet_length(e.sigs)) OVER w AS total
    FROM found e WINDOW w AS (ORDER BY e.seq)
) e WHERE e.total <= $4 OR e.n = 1 ORDER BY e.seq`

const (
	selectEntries   = `WITH found AS (SELECT * FROM entries WHERE channel_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) ` + withinBytes
	selectLinksOnly = `WITH found AS (SELECT * FROM entries WHERE channel_id = $1 AND seq > $2 AND kind <> 2 ORDER BY seq LIMIT $3) ` + withinBytes
)

// Entries is a page in rising order, and whether there may be more after it.
func (db *DB) Entries(ctx context.Context, channel int64, span core.Span) ([]core.Kept, bool, error) {
	sql := selectEntries
	if span.LinksOnly {
		sql = selectLinksOnly
	}
	rows, err := db.app.Query(ctx, sql, channel, int64(span.After), int64(span.Limit), int64(span.Bytes))
	if err != nil {
		return nil, false, err
	}
	var found int
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (core.Kept, error) { return scanWith(row, &found) })
	return page, len(page) < found || found == span.Limit, err
}

const selectEntry = `SELECT ` + keptColumns + ` FROM entries e WHERE e.channel_id = $1 AND e.seq = $2`

// Entry finds the entry at a position.
func (db *DB) Entry(ctx context.Context, channel int64, position uint64) (core.Kept, bool, error) {
	return one(ctx, db.app, scanKept, selectEntry, channel, int64(position))
}

const selectEntryByCounter = `SELECT ` + keptColumns + ` FROM devices d
JOIN device_numbers n ON n.channel_id = $1 AND n.device_id = d.id AND n.dev_seq = $3
JOIN entries e ON e.channel_id = n.channel_id AND e.seq = n.seq WHERE d.key = $2`

// EntryByCounter finds a device's message by its number.
func (db *DB) EntryByCounter(ctx context.Context, channel int64, device envelope.KeyID, seq uint64) (core.Kept, bool, error) {
	return one(ctx, db.app, scanKept, selectEntryByCounter, channel, device[:], int64(seq))
}

const selectEntryByHash = `SELECT ` + keptColumns + ` FROM entries e WHERE e.channel_id = $1 AND e.hash = $2 AND e.kind <> 2`

// EntryByHash finds an entry that is not a message.
func (db *DB) EntryByHash(ctx context.Context, channel int64, h envelope.Hash) (core.Kept, bool, error) {
	return one(ctx, db.app, scanKept, selectEntryByHash, channel, h[:])
}

const selectRefusal = `SELECT n.refused, n.statement FROM device_numbers n JOIN devices d ON d.id = n.device_id
WHERE n.channel_id = $1 AND d.key = $2 AND n.dev_seq = $3 AND n.seq IS NULL`

type refusal struct {
	Entry     []byte
	Statement []byte
}

// Refusal finds what was refused under a device's number.
func (db *DB) Refusal(ctx context.Context, channel int64, device envelope.KeyID, seq uint64) (entry envelope.Hash, statement []byte, found bool, err error) {
	r, found, err := one(ctx, db.app, pgx.RowToStructByPos[refusal], selectRefusal, channel, device[:], int64(seq))
	copy(entry[:], r.Entry)
	return entry, r.Statement, found, err
}

// Only while the channel stands where it was judged: another server may have
// placed what the message has seen, or the epoch that it is sealed in.
const insertRefusal = `INSERT INTO device_numbers (channel_id, device_id, dev_seq, refused, statement)
SELECT $1, d.id, $3, $4, $5 FROM devices d
WHERE d.key = $2 AND NOT EXISTS (SELECT FROM entries e WHERE e.channel_id = $1 AND e.seq > $6)`

// AddRefusal uses up a device's number for good.
func (db *DB) AddRefusal(ctx context.Context, e core.Event, channel int64, position uint64, r envelope.Refusal, statement []byte) error {
	return taken(inTx(ctx, db.app, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, insertRefusal, channel, r.Device[:], int64(r.DeviceSeq), r.Entry[:], statement, int64(position))
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return core.ErrTaken
		}
		return addRecord(ctx, tx, e)
	}))
}

const selectWrap = `
SELECT w.wrap, x.hashes FROM epoch_wraps w JOIN epochs x ON x.channel_id = w.channel_id AND x.n = w.n
WHERE w.recipient = $1 AND w.channel_id = $2 AND w.n = $3`

type wrapRow struct {
	Wrap   []byte
	Hashes []byte
}

// EpochWrap finds a recipient's own wrap and the hashes of all.
func (db *DB) EpochWrap(ctx context.Context, channel int64, n uint64, recipient envelope.Hash) ([]byte, []envelope.Hash, bool, error) {
	r, found, err := one(ctx, db.app, pgx.RowToStructByPos[wrapRow], selectWrap, recipient[:], channel, int64(n))
	hashes := make([]envelope.Hash, len(r.Hashes)/32)
	for i := range hashes {
		copy(hashes[i][:], r.Hashes[32*i:])
	}
	return r.Wrap, hashes, found, err
}
