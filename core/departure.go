package core

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/identity"
	"chancery/policy"
)

// leaving is the state of the departures: only figures. What is left to do
// follows from the database alone, so that it can be done again at any time.
type leaving struct {
	now     chan struct{}
	waiting atomic.Int64 // memberships that the server can't end alone
}

func newLeaving() *leaving { return &leaving{now: make(chan struct{}, 1)} }

// hurry has the next round begin at once.
func (l *leaving) hurry() {
	select {
	case l.now <- struct{}{}:
	default:
	}
}

// departEvery bounds how long a membership outlives a failure, or an addition
// that was under way when the account ended.
const departEvery = 30 * time.Second

// followDepartures ends memberships when accounts end, and at start what an
// earlier process left.
func (s *Service) followDepartures(ctx context.Context) {
	tick := time.NewTicker(departEvery)
	defer tick.Stop()
	for {
		s.departAll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-s.leaving.now:
		case <-tick.C:
		}
	}
}

// departAll ends what the server's own key may end, and counts what waits.
func (s *Service) departAll(ctx context.Context) {
	all, err := s.Store.Departures(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "looking for memberships of disabled accounts failed", "err", err)
		}
		return
	}
	waiting := int64(0)
	for i := range all {
		why, err := s.depart(ctx, &all[i])
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "ending a membership failed; trying again", "account", all[i].Account.ID, "channel", all[i].Channel.ID, "err", err)
		}
		if err != nil || why != "" {
			waiting++
		}
	}
	if before := s.leaving.waiting.Swap(waiting); waiting > before {
		s.Log.WarnContext(ctx, "disabled people are still members: see chancery people leaving", "memberships", waiting)
	}
}

// Why a departure waits.
const (
	waitsForKey     = "second_key"             // for a person with another removal key
	waitsForListing = "removal_key_not_listed" // for the organisation's root
	waitsForChannel = "channel_unreadable"     // for the operator, who finds why in the log
	waitsForSync    = "channel_is_behind"      // for a member's client to tell the channel of the listing
)

// janitor is whom policy sees when the server ends a membership.
func (s *Service) janitor() identity.Principal {
	p := Job("departures")
	p.Service = envelope.KeyOf(s.Removals.Public())
	return p
}

// depart ends one membership, or says what that waits for.
func (s *Service) depart(ctx context.Context, d *Departure) (why string, err error) {
	x := s.rooms.get(d.Channel)
	var refused error
	for range tries {
		next, err := s.nextStep(ctx, x, d.Account.Chain)
		if errors.Is(err, errDeparted) {
			return "", nil
		}
		if err != nil || next.waits != "" {
			return next.waits, err
		}
		_, err = s.placeStep(ctx, s.janitor(), x, d, next)
		if err != nil && KindOf(err) != Conflict {
			return "", err
		}
		refused = err // moved on, perhaps; a sync before the removal is none
	}
	return "", errors.Join(conflict("member.depart", "channel.busy", "the channel's chain moved on each time"), refused)
}

var errDeparted = errors.New("not a member any more")

// step is the server's next link on the way to a departure: the removal, or
// first a sync, when the channel has not heard of the removal keys yet.
type step struct {
	entry *envelope.Entry // nil when nobody's signature would help yet
	link  *envelope.Link
	waits string
}

// nextStep makes the next link at the end of the channel's chain.
func (s *Service) nextStep(ctx context.Context, x *room, user envelope.UserID) (step, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := s.rooms.load(ctx, x); err != nil {
		return step{}, err
	}
	member, ok := x.state.Member(user)
	if !ok {
		return step{}, errDeparted
	}
	org := s.dir.Org()
	lists := func(role envelope.Role, key []byte, seq uint64) bool {
		_, ok := org.PartyAt(role, envelope.KeyOf(key), seq)
		return ok
	}
	// The second key must be known to the channel as well as the server's own.
	unknown := slices.ContainsFunc(org.Parties(envelope.RoleRemoval), func(p envelope.Party) bool {
		return !lists(envelope.RoleRemoval, p.Key, x.state.OrgSeq)
	})
	switch {
	case !lists(envelope.RoleRemoval, s.Removals.Public(), org.Seq()):
		return step{waits: waitsForListing}, nil
	case unknown && lists(envelope.RoleReceipt, s.Receipts.Public(), x.state.OrgSeq):
		return s.signLink(x, envelope.Sync, &envelope.SyncBody{Chain: envelope.Hash(org.ID()), Seq: org.Seq(), Head: org.Head()}, s.Receipts)
	case !lists(envelope.RoleRemoval, s.Removals.Public(), x.state.OrgSeq):
		return step{waits: waitsForSync}, nil
	}
	next, err := s.signLink(x, envelope.MemberRemove, &envelope.RemoveBody{User: user, Reason: "departed"}, s.Removals)
	if x.state.RemovalKeys(member, max(s.Now().UnixMicro(), x.state.Received)) > 1 {
		next.waits = waitsForKey
	}
	return next, err
}

// signLink makes the channel's next link by a key of the server's own.
func (s *Service) signLink(x *room, t envelope.LinkType, body any, by sign.Signer) (step, error) {
	l := &envelope.Link{
		Version: envelope.Version, Org: x.state.Org(), Chain: envelope.Hash(x.row.ID), Seq: x.state.Seq() + 1, Prev: x.state.Head(),
		Type: t, Body: envelope.Marshal(body), Key: envelope.KeyOf(by.Public()), Time: s.Now().UnixMicro(),
	}
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l), Payload: []byte{}}
	sig, err := by.Sign(envelope.SigningInput(e.Kind, envelope.SumBytes(e.Header), envelope.SumBytes(nil)))
	e.Attach(envelope.Signature{Key: l.Key, Bytes: sig})
	return step{entry: e, link: l}, err
}

// placeStep asks policy and puts the link into the channel.
func (s *Service) placeStep(ctx context.Context, p identity.Principal, x *room, d *Departure, next step) (receipt []byte, err error) {
	r, grant, e, err := s.permitDeparture(ctx, p, x, d)
	if err != nil {
		return nil, err
	}
	draft := &Draft{Channel: x.row.Number, Grant: grant, Action: policy.MemberDepart, Resource: r, Event: e.of(record.ChannelSync).on("")}
	if next.link.Type == envelope.MemberRemove {
		draft.Event = e.of(record.MemberRemove).on("user:" + SubjectID(d.Account.ID))
		draft.Member = &MemberChange{User: d.Account.Chain}
	}
	placing := &placing{s: s, p: p, room: x, entry: next.entry, link: next.link, draft: draft}
	return placing.commit(ctx)
}

func (s *Service) permitDeparture(ctx context.Context, p identity.Principal, x *room, d *Departure) (policy.Resource, policy.Grant, Event, error) {
	r, err := s.channelFacts(ctx, p, x, 0)
	if err != nil {
		return r, policy.Grant{}, Event{}, internal("member.depart", err)
	}
	now, _, err := s.Store.Account(ctx, d.Account.ID) // who was enabled meanwhile stays
	if err != nil {
		return r, policy.Grant{}, Event{}, internal("member.depart", err)
	}
	r.MemberState = "active"
	if now.Disabled {
		r.MemberState = "disabled"
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.MemberDepart, r)
	return r, grant, e, err
}

// maxDepartures bounds one answer. The longest waiting come first.
const maxDepartures = 200

// Departures lists what memberships of disabled people wait for, and gives the
// links that another removal key has to sign.
func (s *Service) Departures(ctx context.Context, p identity.Principal) (wire.Departures, error) {
	const op = "member.departure_list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.MemberDepartureList, orgResource()); err != nil {
		return wire.Departures{}, err
	}
	all, err := s.Store.Departures(ctx)
	if err != nil {
		return wire.Departures{}, internal(op, err)
	}
	out := wire.Departures{Departures: []wire.Departure{}}
	for i := range all {
		if len(out.Departures) == maxDepartures {
			break
		}
		d := &all[i]
		next, err := s.nextStep(ctx, s.rooms.get(d.Channel), d.Account.Chain)
		if errors.Is(err, errDeparted) {
			continue
		}
		if err != nil { // which must not hide the others
			s.Log.ErrorContext(ctx, "reading a channel for a departure failed", "channel", d.Channel.ID, "err", err)
			next.waits = waitsForChannel
		}
		out.Departures = append(out.Departures, viewDeparture(d, next))
	}
	return out, nil
}

func viewDeparture(d *Departure, next step) wire.Departure {
	v := wire.Departure{
		Username: d.Account.Username, Name: d.Account.Name, User: d.Account.Chain, Channel: d.Channel.ID,
		ChannelName: d.Channel.Name, Rank: d.Channel.Rank, Since: d.Since, Waits: next.waits,
	}
	if next.waits == waitsForKey {
		v.Entry = envelope.Marshal(next.entry)
	}
	return v
}

// Countersign takes a waiting removal that a second key has signed, and gives
// the receipt. A Conflict means that the channel's chain has moved on: the
// removal has to be fetched and signed again.
func (s *Service) Countersign(ctx context.Context, p identity.Principal, raw []byte) (receipt []byte, err error) {
	const op = "member.depart"
	next, user, err := parseRemoval(raw)
	if err != nil {
		return nil, invalid(op, "entry", err)
	}
	d, err := s.departure(ctx, envelope.ChannelID(next.link.Chain), user)
	if err != nil {
		return nil, internal(op, err)
	}
	if d == nil {
		nothing := policy.Resource{Type: policy.ChannelResource, ID: envelope.ChannelID(next.link.Chain).String()}
		if _, _, _, err := s.Gate.Permit(ctx, p, policy.MemberDepart, nothing); err != nil {
			return nil, Hide(err, op, "that departure")
		}
		return nil, notFound(op, "that departure")
	}
	receipt, err = s.placeStep(ctx, p, s.rooms.get(d.Channel), d, next)
	return receipt, Hide(err, op, "that departure")
}

func parseRemoval(raw []byte) (next step, user envelope.UserID, err error) {
	if next.entry, err = envelope.ParseEntry(raw); err != nil {
		return next, user, err
	}
	if next.link, err = envelope.ParseLink(next.entry); err != nil {
		return next, user, err
	}
	if next.link.Type != envelope.MemberRemove || !next.link.User.IsZero() {
		return next, user, errNoRemoval
	}
	body, err := envelope.ParseBody[envelope.RemoveBody](next.link)
	if err != nil {
		return next, user, err
	}
	return next, body.User, nil
}

var errNoRemoval = errors.New("not a removal by removal keys")

// departure finds one that is left to do, nil when there is none.
func (s *Service) departure(ctx context.Context, channel envelope.ChannelID, user envelope.UserID) (*Departure, error) {
	all, err := s.Store.Departures(ctx)
	for i := range all {
		if all[i].Channel.ID == channel && all[i].Account.Chain == user {
			return &all[i], err
		}
	}
	return nil, err
}
