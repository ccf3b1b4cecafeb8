package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/compliance"
	"chancery/core"
	"chancery/crypto/envelope"
	"chancery/policy"
	"chancery/retention"
)

const insertRule = `
INSERT INTO rules (id, revision, hash, order_bytes, channel, min_retain, max_retain, locked, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// SetRule implements retention.Store. What may follow a locked rule is checked
// by the table's trigger, which sees the newest revision under the lock that
// raising the generation takes.
func (db *DB) SetRule(ctx context.Context, g policy.Grant, e core.Event, r *retention.Rule, now time.Time) error {
	err := db.mutate(ctx, g, on{policy.RetentionRuleSet, policy.RuleResource, r.Hash.String()}, e, func(tx pgx.Tx) error {
		if err := bump(ctx, tx, "rules"); err != nil {
			return err
		}
		o := &r.Order
		_, err := tx.Exec(ctx, insertRule, o.ID, int64(o.Revision), r.Hash[:], r.Bytes, orNil(o.Channel), int64(o.MinRetain), int64(o.MaxRetain), o.Lock, now)
		if err != nil {
			return err
		}
		return addConsent(ctx, tx, r.Consents[0])
	})
	switch {
	case violates(err, "rules_extend_only"):
		return retention.ErrLocked
	case violates(err, "rules_revision_follows"), violates(err, "rules_hash_unique"), violates(err, "rules_pkey"):
		return compliance.ErrMoved
	}
	return err
}

const selectRules = `
SELECT DISTINCT ON (id) hash, order_bytes FROM rules ORDER BY id, revision DESC`

// Rules implements retention.Store.
func (db *DB) Rules(ctx context.Context) (list []retention.Rule, err error) {
	err = snapshot(ctx, db.app, func(tx pgx.Tx) error {
		list, err = rulesInForce(ctx, tx)
		for i := range list {
			if err == nil {
				list[i].Consents, err = consents(ctx, tx, list[i].Hash)
			}
		}
		return err
	})
	return list, err
}

// rulesInForce are the newest revisions, without their consents.
func rulesInForce(ctx context.Context, q querier) ([]retention.Rule, error) {
	rows, err := q.Query(ctx, selectRules)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r retention.Rule, err error) {
		if err := row.Scan(bytes32{(*[32]byte)(&r.Hash)}, &r.Bytes); err != nil {
			return r, err
		}
		o, err := envelope.ParseOrder[envelope.RuleOrder](r.Bytes)
		if err != nil {
			return r, fmt.Errorf("reading rule %s: %w", r.Hash, err)
		}
		r.Order = *o
		return r, nil
	})
}

// Survey implements retention.Store. It reads in the role that can only read.
func (db *DB) Survey(ctx context.Context, look func(*retention.Law, retention.Clock, iter.Seq2[*retention.Channel, error]) error) error {
	return snapshot(ctx, db.export, func(tx pgx.Tx) error {
		law, clock, err := lawAndClock(ctx, tx)
		if err != nil {
			return err
		}
		_, horizon := clock.Horizon()
		cutoff := law.Cutoff(horizon)
		list, err := judgedChannels(ctx, tx, nil)
		if err != nil {
			return err
		}
		plans, err := accountedFor(ctx, tx)
		if err != nil {
			return err
		}
		return look(law, clock, func(yield func(*retention.Channel, error) bool) {
			for i := range list {
				c := &list[i]
				err := c.fill(ctx, tx, selectJudged, c.number, cutoff)
				c.reopen(plans)
				if !yield(&c.Channel, err) || err != nil {
					return
				}
				list[i] = judged{} // a channel's messages are let go once it is done
			}
		})
	})
}

// Look implements retention.Store.
func (db *DB) Look(ctx context.Context, id envelope.ChannelID, position uint64, look func(*retention.Law, retention.Clock, *retention.Channel) error) error {
	return snapshot(ctx, db.export, func(tx pgx.Tx) error {
		law, clock, err := lawAndClock(ctx, tx)
		if err != nil {
			return err
		}
		list, err := judgedChannels(ctx, tx, id[:])
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return look(law, clock, nil)
		}
		c := &list[0]
		root, found, err := rootOf(ctx, tx, c.number, position)
		if err != nil || !found {
			return errors.Join(err, look(law, clock, nil))
		}
		if err := c.fill(ctx, tx, selectFamily, c.number, []int64{int64(root), int64(position)}); err != nil {
			return err
		}
		return look(law, clock, &c.Channel)
	})
}

const selectTarget = `SELECT header FROM entries WHERE channel_id = $1 AND seq = $2 AND kind = 2`

// rootOf follows a revision to the post that it belongs to.
func rootOf(ctx context.Context, tx pgx.Tx, channel int64, position uint64) (uint64, bool, error) {
	for {
		var header []byte
		err := tx.QueryRow(ctx, selectTarget, channel, int64(position)).Scan(&header)
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		target, err := targetOf(header)
		if err != nil || target == 0 || target >= position {
			return position, true, err
		}
		position = target
	}
}

func targetOf(header []byte) (uint64, error) {
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: envelope.KindMessage, Header: header})
	if err != nil {
		return 0, err
	}
	return h.Target.Position, nil
}

const selectOrg = `SELECT chain FROM organisation`

const selectHoldsInForce = `SELECT h.id, h.order_bytes FROM holds h WHERE ` + inForce + ` ORDER BY h.id`

func lawAndClock(ctx context.Context, tx pgx.Tx) (*retention.Law, retention.Clock, error) {
	law := new(retention.Law)
	var clock retention.Clock
	// Reading every channel takes as long as it takes.
	if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
		return nil, clock, err
	}
	err := tx.QueryRow(ctx, selectOrg).Scan(bytes32{(*[32]byte)(&law.Org)})
	if err == nil {
		law.HoldsGeneration, err = generation(ctx, tx, "holds")
	}
	if err == nil {
		law.RulesGeneration, err = generation(ctx, tx, "rules")
	}
	if err == nil {
		law.Rules, err = rulesInForce(ctx, tx)
	}
	if err == nil {
		law.Holds, err = holdsInForce(ctx, tx)
	}
	if err == nil {
		clock, err = readClock(ctx, tx)
	}
	return law, clock, err
}

func holdsInForce(ctx context.Context, q querier) ([]retention.Hold, error) {
	rows, err := q.Query(ctx, selectHoldsInForce)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h retention.Hold, err error) {
		var b []byte
		if err := row.Scan(bytes32{(*[32]byte)(&h.ID)}, &b); err != nil {
			return h, err
		}
		o, err := envelope.ParseOrder[envelope.HoldOrder](b)
		if err != nil {
			return h, fmt.Errorf("reading hold %s: %w", h.ID, err)
		}
		h.Order = *o
		return h, nil
	})
}

const selectClock = `
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, coalesce(n.size, 0), coalesce(n.at_us, 0), w.last_us, w.owed_us
FROM watch w LEFT JOIN LATERAL (SELECT c.size, c.at_us FROM checkpoints c ORDER BY c.size DESC LIMIT 1) n ON true`

func readClock(ctx context.Context, q querier) (c retention.Clock, err error) {
	err = q.QueryRow(ctx, selectClock).Scan(&c.Database, &c.Newest.Size, &c.Newest.Time, &c.Watch.Last, &c.Watch.Owed)
	return c, err
}

// The row's lock puts the looks of several servers in a row.
const lockWatch = `SELECT last_us, owed_us FROM watch FOR UPDATE`

const saveWatch = `UPDATE watch SET last_us = $1, owed_us = $2`

// LookAtClock implements retention.Store. It is no event: nobody did anything.
func (db *DB) LookAtClock(ctx context.Context, now time.Time) error {
	return inTx(ctx, db.app, func(tx pgx.Tx) error {
		var w retention.Watch
		if err := tx.QueryRow(ctx, lockWatch).Scan(&w.Last, &w.Owed); err != nil {
			return err
		}
		w = w.Look(now.UnixMicro())
		_, err := tx.Exec(ctx, saveWatch, w.Last, w.Owed)
		return err
	})
}

// judged is a channel on its way to retention.
type judged struct {
	retention.Channel
	number int64
}

const selectJudgedChannels = `SELECT chain, id FROM channels WHERE $1::bytea IS NULL OR chain = $1 ORDER BY chain`

func judgedChannels(ctx context.Context, tx pgx.Tx, id []byte) ([]judged, error) {
	rows, err := tx.Query(ctx, selectJudgedChannels, id)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c judged, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&c.ID)}, &c.number)
		return c, err
	})
}

const judgedColumns = `
SELECT e.seq, e.recv_us, e.hash, a.chain, e.body IS NULL, CASE WHEN e.msg_kind <> 1 THEN e.header END
FROM entries e JOIN devices d ON d.id = e.device_id JOIN accounts a ON a.id = d.account_id WHERE e.channel_id = $1 AND e.kind = 2 AND `

// Later revisions matter because a message goes only together with them.
const selectJudged = judgedColumns + `(e.recv_us <= $2 OR e.msg_kind <> 1 AND e.body IS NOT NULL) ORDER BY e.seq`

const selectFamily = judgedColumns + `(e.seq = ANY ($2) OR e.msg_kind <> 1) ORDER BY e.seq`

func (c *judged) fill(ctx context.Context, tx pgx.Tx, query string, args ...any) (err error) {
	if c.Covered, err = covered(ctx, tx, c.number); err != nil {
		return err
	}
	if c.Members, err = memberships(ctx, tx, c.number); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	c.Messages, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m retention.Message, err error) {
		var header []byte
		err = row.Scan(&m.Position, &m.Received, bytes32{(*[32]byte)(&m.Entry)}, bytes32{(*[32]byte)(&m.Author)}, &m.Disposed, &header)
		if err == nil && header != nil {
			m.Target, err = targetOf(header)
		}
		return m, err
	})
	return err
}

const selectAccounted = planColumns + ` WHERE state IN ('running', 'pending', 'certified')`

// accountedFor are the plans that tell, or will tell, why something has gone.
func accountedFor(ctx context.Context, tx pgx.Tx) ([]retention.Plan, error) {
	rows, err := tx.Query(ctx, selectAccounted)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanPlan)
}

// reopen has messages judged again that went with a plan that was stopped: no
// certificate tells of them, so the next plan must.
func (c *judged) reopen(plans []retention.Plan) {
	for i := range c.Messages {
		if m := &c.Messages[i]; m.Disposed && !named(plans, c.ID, m.Position) {
			m.Disposed = false
		}
	}
}

func named(plans []retention.Plan, channel envelope.ChannelID, position uint64) bool {
	for i := range plans {
		for _, r := range plans[i].Order.Ranges {
			if r.Channel == channel && r.From <= position && position <= r.To {
				return true
			}
		}
	}
	return false
}

const selectMemberships = `
SELECT a.chain, m.joined_seq, coalesce(m.left_seq, 9223372036854775807) FROM channel_members m JOIN accounts a ON a.id = m.account_id
WHERE m.channel_id = $1 AND a.chain IS NOT NULL ORDER BY m.joined_seq, a.chain`

func memberships(ctx context.Context, q querier, channel int64) ([]retention.Membership, error) {
	rows, err := q.Query(ctx, selectMemberships, channel)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m retention.Membership, err error) {
		err = row.Scan(bytes32{(*[32]byte)(&m.User)}, &m.From, &m.To)
		return m, err
	})
}
