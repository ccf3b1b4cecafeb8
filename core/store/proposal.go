package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// The account's row puts its proposals in a row, whichever server they come to:
// of several at once each counts those before it.
const lockAccount = `SELECT 1 FROM accounts WHERE id = $1 FOR UPDATE`

const (
	sweepProposals   = `DELETE FROM proposals WHERE account_id = $1 AND created_at <= $2`
	replaceProposals = `UPDATE proposals SET state = 'refused', why = $3
WHERE account_id = $1 AND device = $2 AND state NOT IN ('added', 'refused')`
	countProposals = `SELECT count(*) FROM proposals WHERE account_id = $1`
	insertProposal = `INSERT INTO proposals (id, account_id, device, name, public, recipient, state, created_at)
VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7)`
)

// AskForDevice enters a proposal, if the account has not made too many.
func (db *DB) AskForDevice(ctx context.Context, g policy.Grant, e core.Event, p core.Proposal, rule core.ProposalRule) error {
	what := on{policy.DeviceEnroll, policy.UserResource, core.SubjectID(p.Account)}
	err := db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		account, device := int64(p.Account), envelope.KeyOf(p.Public)
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{lockAccount, []any{account}},
			{sweepProposals, []any{account, p.Created.Add(-rule.Window)}},
			{replaceProposals, []any{account, device[:], wire.RefusedReplaced}},
		} {
			if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
				return err
			}
		}
		made, _, err := one(ctx, tx, pgx.RowTo[int], countProposals, account)
		if err != nil {
			return err
		}
		if made >= rule.Most {
			return &core.Error{Op: string(what.action), Kind: core.Limited, Code: "device.too_often",
				Public: fmt.Sprintf("your account has asked %d times within %s; wait, and change your password if that wasn't you", made, rule.Window)}
		}
		_, err = tx.Exec(ctx, insertProposal, p.ID[:], account, device[:], p.Name, p.Public, p.Recipient, p.Created)
		return err
	})
	if violates(err, "proposals_pkey") {
		return &core.Error{Op: string(what.action), Kind: core.Conflict, Code: "device.commitment_used", Public: "this commitment was made before"}
	}
	return err
}

const selectProposal = `SELECT account_id, created_at, id, name, public, recipient, state, coalesce(approver, ''), coalesce(chain_seq, 0),
coalesce(chain_head, ''), answer, proof, reveal, entry, wrap, coalesce(why, '') FROM proposals `

func scanProposal(row pgx.CollectableRow) (p core.Proposal, err error) {
	var id, approver, head []byte
	var a wire.DeviceAnswer
	err = row.Scan(&p.Account, &p.Created, &id, &p.Name, &p.Public, &p.Recipient, &p.State, &approver, &a.Seq,
		&head, &a.Nonce, &a.Proof, &p.Reveal, &p.Entry, &p.Wrap, &p.Why)
	copy(p.ID[:], id)
	if a.Nonce != nil {
		copy(a.Approver[:], approver)
		copy(a.Head[:], head)
		p.Answer = &a
	}
	p.Expires = p.Created.Add(core.Proposals().Life)
	return p, err
}

// Waiting are an account's proposals that no device has answered, while they
// are in time.
func (db *DB) Waiting(ctx context.Context, account identity.UserID, now time.Time) ([]core.Proposal, error) {
	rows, err := db.app.Query(ctx, selectProposal+`WHERE account_id = $1 AND state = 'waiting' AND created_at > $2 ORDER BY created_at`,
		int64(account), begun(now))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanProposal)
}

// begun is when a proposal that is in time at now was made at the earliest.
func begun(now time.Time) time.Time { return now.Add(-core.Proposals().Life) }

// Proposal finds a proposal by its commitment.
func (db *DB) Proposal(ctx context.Context, id envelope.Hash) (core.Proposal, bool, error) {
	return one(ctx, db.app, scanProposal, selectProposal+`WHERE id = $1`, id[:])
}

const answerProposal = `UPDATE proposals SET state = 'answered', approver = $3, chain_seq = $4, chain_head = $5, answer = $6, proof = $7
WHERE id = $1 AND created_at > $2 AND state = 'waiting'`

// AnswerProposal keeps the first answer.
func (db *DB) AnswerProposal(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, a wire.DeviceAnswer, now time.Time) error {
	var proof any
	if len(a.Proof) > 0 {
		proof = a.Proof
	}
	return db.step(ctx, g, approving(id), e, answerProposal, id[:], begun(now), a.Approver[:], int64(a.Seq), a.Head[:], a.Nonce, proof)
}

const revealProposal = `UPDATE proposals SET state = 'revealed', reveal = $3
WHERE id = $1 AND created_at > $2 AND state = 'answered' AND proof IS NULL`

// RevealProposal keeps the new device's nonce.
func (db *DB) RevealProposal(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, nonce []byte, now time.Time) error {
	return db.step(ctx, g, enrolling(e), e, revealProposal, id[:], begun(now), nonce)
}

const linkProposal = `UPDATE proposals SET state = 'linked', entry = $3, wrap = $4
WHERE id = $1 AND created_at > $2 AND (state = 'revealed' OR state = 'answered' AND proof IS NOT NULL)`

// LinkProposal keeps the half-signed link.
func (db *DB) LinkProposal(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, l wire.NewLink, now time.Time) error {
	return db.step(ctx, g, approving(id), e, linkProposal, id[:], begun(now), l.Entry, l.Wrap)
}

const refuseProposal = `UPDATE proposals SET state = 'refused', why = $2 WHERE id = $1 AND state NOT IN ('added', 'refused')`

// RefuseProposal ends a proposal.
func (db *DB) RefuseProposal(ctx context.Context, g policy.Grant, e core.Event, id envelope.Hash, why string) error {
	return db.step(ctx, g, enrolling(e), e, refuseProposal, id[:], why)
}

func approving(id envelope.Hash) on {
	return on{policy.DeviceApprove, policy.DeviceResource, id.String()}
}

func enrolling(e core.Event) on {
	return on{policy.DeviceEnroll, policy.UserResource, core.SubjectID(e.Actor)}
}

// step moves one proposal on. That it stood where it must, the update itself
// finds: of two at once one moves it.
func (db *DB) step(ctx context.Context, g policy.Grant, what on, e core.Event, update string, args ...any) error {
	return db.mutate(ctx, g, what, e, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, update, args...)
		if err == nil && tag.RowsAffected() == 0 {
			err = &core.Error{Op: string(what.action), Kind: core.Conflict, Code: "device.proposal_over",
				Public: "that proposal has gone on, was refused or has run out of time; the new device asks again"}
		}
		return err
	})
}
