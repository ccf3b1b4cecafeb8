package core

import (
	"context"
	"fmt"

	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/policy"
)

// handoverAction tells a handover by two people, the second of whom asks, from a
// change that the root signed, which whoever runs the organisation brings.
func (x *placing) handoverAction() policy.Action {
	if x.link.User.IsZero() {
		return policy.CaptureChange
	}
	return policy.CaptureHandover
}

// askedFacts shows policy who asked for the handover. Whether that person signed
// is the validator's to judge, before anything is placed.
func (x *placing) askedFacts(ctx context.Context, r *policy.Resource) error {
	b, err := envelope.ParseBody[envelope.HandoverBody](x.link)
	if err != nil {
		return nil // policy then sees nobody
	}
	asked, err := b.AskedBy()
	if err != nil {
		return nil
	}
	a, found, err := x.s.Store.AccountByChain(ctx, asked.User)
	if err != nil || !found {
		return err
	}
	r.RequestedBy = SubjectID(a.ID)
	r.Approvals = []policy.Approval{{By: r.RequestedBy, Role: policy.RoleOfficer}}
	return nil
}

// checkHandover wants both people at the newest links of their chains: a channel
// whose members they are not knows of no later ones. First the channel is told of
// the listings that the order rests on.
func (x *placing) checkHandover(ctx context.Context) error {
	const op = "entry.place"
	b, err := envelope.ParseBody[envelope.HandoverBody](x.link)
	if err != nil {
		return invalid(op, "entry", err)
	}
	if x.draft.Handover, err = envelope.ParseOrder[envelope.HandoverOrder](b.Order); err != nil {
		return invalid(op, "entry", err)
	}
	if told, err := x.tellListings(ctx); told || err != nil {
		if err == nil {
			err = conflict(op, string(chain.Broken), "the channel was told of the organisation's newest listings first; read it and try again")
		}
		return err
	}
	if x.link.User.IsZero() {
		return nil
	}
	asked, err := b.AskedBy()
	if err != nil {
		return invalid(op, "entry", err)
	}
	for user, seq := range map[envelope.UserID]uint64{x.link.User: b.UserSeq, asked.User: b.AskedSeq} {
		if u, ok := x.s.dir.User(user); !ok || u.Seq() != seq {
			return conflict(op, string(chain.HeadUnknown), fmt.Sprintf("the chain of user %s has other links than the handover names; sign it again", user))
		}
	}
	return nil
}

// tellListings has the channel know the organisation's newest link.
func (x *placing) tellListings(ctx context.Context) (told bool, err error) {
	x.room.mu.Lock()
	if err := x.s.rooms.load(ctx, x.room); err != nil {
		x.room.mu.Unlock()
		return false, unavailable("entry.place", "the channel can't be read at the moment; try again", err)
	}
	org := x.s.dir.Org()
	_, listed := org.PartyAt(envelope.RoleReceipt, envelope.KeyOf(x.s.Receipts.Public()), x.room.state.OrgSeq)
	if org.Seq() <= x.room.state.OrgSeq || !listed {
		x.room.mu.Unlock()
		return false, nil
	}
	news := &envelope.SyncBody{Chain: envelope.Hash(org.ID()), Seq: org.Seq(), Head: org.Head()}
	next, err := x.s.signLink(x.room, envelope.Sync, news, x.s.Receipts)
	x.room.mu.Unlock()
	if err != nil {
		return false, internal("entry.place", err)
	}
	d := &Draft{Channel: x.draft.Channel, Grant: x.draft.Grant, Action: x.draft.Action, Resource: x.draft.Resource, Event: x.draft.Event.of(record.ChannelSync).on("")}
	_, err = (&placing{s: x.s, p: x.p, room: x.room, entry: next.entry, link: next.link, draft: d}).commit(ctx)
	return err == nil, err
}
