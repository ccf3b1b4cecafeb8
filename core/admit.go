package core

import (
	"context"
	"fmt"
	"strconv"

	"chancery/compliance/record"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/policy"
)

// permit loads what policy must see of the entry and asks. It fills the draft.
func (x *placing) permit(ctx context.Context, id envelope.ChannelID) error {
	const op = "entry.place"
	row, found, err := x.s.Store.Channel(ctx, id)
	if err != nil {
		return unavailable(op, "the channel can't be read at the moment; try again", err)
	}
	action, what := x.action(row)
	r := policy.Resource{Type: policy.ChannelResource, ID: id.String(), Recorders: []string{}}
	if found {
		x.room = x.s.rooms.get(row)
		if r, err = x.facts(ctx, action); err != nil {
			return internal(op, err)
		}
	}
	// Whoever opened a direct channel completes it; to everyone else it is not there.
	if found && action == policy.DMOpen && r.MemberRole != string(envelope.RankOwner) {
		return notFound(op, "that channel")
	}
	_, grant, e, err := x.s.Gate.Permit(ctx, x.p, action, r)
	if err != nil {
		return hideChannel(err, op, "that channel", r)
	}
	if !found {
		return notFound(op, "that channel")
	}
	x.draft = &Draft{Channel: row.Number, Grant: grant, Action: action, Resource: r, Event: e.of(what).on(""), Message: x.header, Cover: x.cover}
	return x.checkSigner()
}

func (x *placing) facts(ctx context.Context, action policy.Action) (policy.Resource, error) {
	var epoch uint64
	if x.header != nil {
		epoch = x.header.Epoch
	}
	r, err := x.s.channelFacts(ctx, x.p, x.room, epoch)
	if err == nil && action == policy.CaptureHandover {
		return r, x.askedFacts(ctx, &r)
	}
	if err != nil || (action != policy.MessageEdit && action != policy.MessageDelete) {
		return r, err
	}
	r.Type = policy.MessageResource
	r.ID = x.room.row.ID.String() + "/" + strconv.FormatUint(x.header.Target.Position, 10)
	r.Owner, err = x.author(ctx)
	return r, err
}

// author is the subject who wrote the message that this one targets, "" when
// there is none: policy then refuses.
func (x *placing) author(ctx context.Context) (string, error) {
	kept, found, err := x.s.Store.Entry(ctx, x.room.row.Number, x.header.Target.Position)
	if err != nil || !found || kept.Hash() != x.header.Target.Hash || kept.Entry.Kind != envelope.KindMessage {
		return "", err
	}
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: envelope.KindMessage, Header: kept.Entry.Header})
	if err != nil || h.Kind != envelope.Post {
		return "", err
	}
	a, found, err := x.s.Store.AccountByChain(ctx, h.User)
	if err != nil || !found {
		return "", err
	}
	return SubjectID(a.ID), nil
}

// action maps an entry to what policy is asked and what the record will say.
func (x *placing) action(row ChannelRow) (policy.Action, record.Op) {
	switch x.entry.Kind {
	case envelope.KindAcknowledgement:
		return policy.CaptureAck, record.EpochAcknowledge
	case envelope.KindCoverage:
		return policy.CaptureCover, record.Cover
	case envelope.KindLink:
		return x.linkAction(row)
	}
	switch x.header.Kind {
	case envelope.Edit:
		return policy.MessageEdit, record.MessageEdit
	case envelope.Delete:
		return policy.MessageDelete, record.MessageDelete
	}
	return policy.MessageCreate, record.MessageCreate
}

func (x *placing) linkAction(row ChannelRow) (policy.Action, record.Op) {
	switch x.link.Type {
	case envelope.MemberAdd:
		return x.addAction(row), record.MemberAdd
	case envelope.MemberRemove:
		if b, err := envelope.ParseBody[envelope.RemoveBody](x.link); err == nil && b.User == x.link.User {
			return policy.ChannelLeave, record.MemberRemove
		}
		return policy.MemberRemove, record.MemberRemove
	case envelope.MemberRole:
		return policy.MemberRoleSet, record.MemberRole
	case envelope.EpochStart:
		return policy.EpochCreate, record.EpochStart
	case envelope.Restore:
		return policy.ChannelRestore, record.ChannelRestore
	case envelope.Handover:
		return x.handoverAction(), record.ChannelHandover
	}
	return policy.EpochRotate, record.ChannelSync
}

func (x *placing) addAction(row ChannelRow) policy.Action {
	b, err := envelope.ParseBody[envelope.AddBody](x.link)
	switch {
	case row.Access == envelope.AccessDirect:
		return policy.DMOpen // who is in it is part of opening it
	case err == nil && b.User == x.link.User:
		return policy.ChannelJoin
	}
	return policy.MemberAdd
}

// checkSigner lets a session place only what its own device or key signed. The
// root, which signs restores and some handovers, has no session.
func (x *placing) checkSigner() error {
	user, key := envelope.UserID(x.p.UserChain), envelope.KeyID(x.p.Device)
	var ok bool
	switch x.entry.Kind {
	case envelope.KindMessage:
		ok = x.header.User == user && x.header.Device == key
	case envelope.KindLink:
		rooted := x.link.Type == envelope.Restore || x.link.Type == envelope.Handover && x.link.User.IsZero()
		ok = rooted || x.link.User == user && x.link.Key == key
	case envelope.KindAcknowledgement:
		ok = x.ack.Recorder == envelope.KeyID(x.p.Service)
	case envelope.KindCoverage:
		ok = x.cover.Recorder == envelope.KeyID(x.p.Service)
	}
	if ok {
		return nil
	}
	return &Error{Op: "entry.place", Kind: Denied, Code: string(chain.BadSignature), Public: "the entry is signed by another device than this session's"}
}

// checkParts checks what travels beside the entry, and what it names.
func (x *placing) checkParts(ctx context.Context) error {
	const op = "entry.place"
	if x.header == nil && len(x.in.Salt) != 0 {
		return invalid(op, "salt", fmt.Errorf("only a message has one"))
	}
	switch {
	case x.header != nil:
		return x.checkMessage(ctx)
	case x.link != nil:
		return x.checkLink(ctx)
	}
	return nil
}

func (x *placing) checkMessage(ctx context.Context) error {
	const op = "entry.place"
	if len(x.in.Salt) != 32 || envelope.SaltCommit(x.in.Salt) != x.header.SaltCommit {
		return invalid(op, "salt", fmt.Errorf("not the 32 bytes that the header commits to"))
	}
	for i, a := range x.header.Attachments {
		if err := x.checkFile(ctx, fmt.Sprintf("attachments[%d]", i), a); err != nil {
			return err
		}
	}
	return nil
}

func (x *placing) checkFile(ctx context.Context, field string, a envelope.Attachment) error {
	const op = "entry.place"
	u, found, err := x.s.Store.Upload(ctx, a.ID)
	if err != nil {
		return internal(op, err)
	}
	if found && u.Whole && !u.Dropped && u.Channel == x.room.row.Number && u.Account == x.p.User && u.Size == a.Size && u.Root == a.Root {
		return nil
	}
	b, bound, err := x.s.Store.Blob(ctx, a.ID)
	if err != nil {
		return internal(op, err)
	}
	if bound && b.Channel == x.room.row.Number {
		return conflict(op, "file.bound", "one of the files belongs to another message already")
	}
	return invalid(op, field, fmt.Errorf("no such file was uploaded to this channel by you"))
}

func (x *placing) checkLink(ctx context.Context) error {
	const op = "entry.place"
	switch x.link.Type {
	case envelope.EpochStart:
		return x.checkEpoch(ctx)
	case envelope.Handover:
		return x.checkHandover(ctx)
	case envelope.MemberAdd:
		b, err := envelope.ParseBody[envelope.AddBody](x.link)
		if err != nil {
			return invalid(op, "entry", err)
		}
		x.draft.Member = &MemberChange{User: b.User, Rank: b.Rank, Join: true}
	case envelope.MemberRole:
		b, err := envelope.ParseBody[envelope.RoleBody](x.link)
		if err != nil {
			return invalid(op, "entry", err)
		}
		x.draft.Member = &MemberChange{User: b.User, Rank: b.Rank}
	case envelope.MemberRemove:
		b, err := envelope.ParseBody[envelope.RemoveBody](x.link)
		if err != nil {
			return invalid(op, "entry", err)
		}
		x.draft.Member = &MemberChange{User: b.User}
	}
	return nil
}

// checkEpoch checks that there is a wrap for everyone, and that they are the
// wraps that the link commits to. What is inside them only their readers see.
func (x *placing) checkEpoch(ctx context.Context) error {
	const op = "entry.place"
	b, err := envelope.ParseBody[envelope.EpochBody](x.link)
	if err != nil {
		return invalid(op, "entry", err)
	}
	recipients, err := x.recipients(ctx)
	if err != nil {
		return internal(op, err)
	}
	if len(x.in.Wraps) != len(recipients) {
		return conflict(op, string(chain.EpochBad), fmt.Sprintf("%d wraps for %d recipients; read the channel and try again", len(x.in.Wraps), len(recipients)))
	}
	rows := &EpochRows{N: b.N, Wraps: x.in.Wraps, Hashes: make([]envelope.Hash, len(recipients)), Recipients: make([]envelope.Hash, len(recipients))}
	for i, w := range x.in.Wraps {
		if err := checkWrap(op, w); err != nil {
			return err
		}
		rows.Hashes[i], rows.Recipients[i] = envelope.SumBytes(w), recipients[i].ID
	}
	if chain.WrapsRoot(recipients, rows.Hashes) != b.WrapsRoot {
		return conflict(op, string(chain.EpochBad), "the wraps are not those that the link commits to, or the members have changed")
	}
	x.draft.Epoch = rows
	return nil
}

func (x *placing) recipients(ctx context.Context) ([]envelope.Recipient, error) {
	x.room.mu.Lock()
	defer x.room.mu.Unlock()
	if err := x.s.rooms.load(ctx, x.room); err != nil {
		return nil, err
	}
	return x.room.state.Recipients()
}
