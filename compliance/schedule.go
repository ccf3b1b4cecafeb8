package compliance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Schedule is one revision of an export schedule.
type Schedule struct {
	Order     envelope.ExportOrder
	Bytes     []byte
	Hash      envelope.Hash
	Requester identity.UserID
	Consents  []Consent
	Active    bool      // another person approved it
	Due       time.Time // zero when it runs only when asked, or is superseded
}

// Wire is the schedule as the API tells it.
func (s *Schedule) Wire(now time.Time) wire.Schedule {
	out := wire.Schedule{
		ID: s.Order.Schedule, Revision: s.Order.Revision, State: Draft, Order: s.Bytes, Approvals: Statements(s.Consents), Next: s.Due,
	}
	switch {
	case s.expired(now):
		out.State, out.Next = "expired", time.Time{}
	case s.Active:
		out.State = Active
	}
	return out
}

func (s *Schedule) expired(now time.Time) bool { return now.UnixMicro() >= s.Order.NotAfter }

// resource is what policy must see of a schedule.
func (s *Schedule) resource(id string) policy.Resource {
	r := resource(policy.ScheduleResource, id)
	r.RequestedBy, r.Approvals = SubjectID(s.Requester), PolicyApprovals(s.Requester, s.Consents)
	return r
}

// SetSchedule takes a revision of a schedule and its first consent. It runs
// once another person has approved it; until then the one before goes on.
func (s *Service) SetSchedule(ctx context.Context, p identity.Principal, in wire.Order) (wire.Schedule, error) {
	const op = "export.schedule_set"
	hash := envelope.OrderHash(in.Order)
	_, g, e, err := s.Gate.Permit(ctx, p, policy.ExportScheduleSet, resource(policy.ScheduleResource, hash.String()))
	if err != nil {
		return wire.Schedule{}, err
	}
	if err := s.founded(op); err != nil {
		return wire.Schedule{}, err
	}
	o, err := envelope.ParseOrder[envelope.ExportOrder](in.Order)
	if err == nil {
		err = s.checkExport(o)
	}
	if err != nil {
		return wire.Schedule{}, Malformed(op, "order", err)
	}
	if err := s.checkAudience(ctx, op, o); err != nil {
		return wire.Schedule{}, err
	}
	c, err := Verify(s.Directory, in.Approval, Wanted{p, policy.ExportScheduleSet, hash, envelope.RoleCompliance, s.Now()})
	if err != nil {
		return wire.Schedule{}, err
	}
	x := Schedule{Order: *o, Bytes: in.Order, Hash: hash, Requester: p.User, Consents: []Consent{c}}
	e.Op, e.Object = record.ScheduleSet, "schedule:"+o.Schedule
	if err := s.Store.SetSchedule(ctx, g, e, &x, s.Now()); err != nil {
		return wire.Schedule{}, Explain(op, err)
	}
	return x.Wire(s.Now()), nil
}

func (s *Service) checkExport(o *envelope.ExportOrder) error {
	channels := func(a, b envelope.ChannelID) int { return slices.Compare(a[:], b[:]) }
	switch {
	case o.Version != envelope.Version || o.Org != s.Directory.Org().ID():
		return errors.New("other version or organisation")
	case !name.MatchString(o.Schedule):
		return errName
	case o.Revision == 0 || o.NotAfter <= s.Now().UnixMicro():
		return errors.New("revision 0, or it has ended already")
	case len(o.Auditors) == 0 || !rising(o.Auditors, envelope.CompareKey) || !rising(o.Channels, channels):
		return errors.New("no auditors, or auditors or channels are not sorted")
	}
	_, err := ParseTiming(o)
	return err
}

// checkAudience refuses auditors who are not listed and channels that are not there.
func (s *Service) checkAudience(ctx context.Context, op string, o *envelope.ExportOrder) error {
	for _, id := range o.Auditors {
		party, ok := s.Directory.Org().Party(envelope.RoleAuditor, id)
		if !ok {
			return Refuse(op, core.Invalid, "export.auditor", fmt.Sprintf("the organisation lists no auditor %s", id))
		}
		if len(party.Scope) > 0 && (len(o.Channels) == 0 || slices.ContainsFunc(o.Channels, func(c envelope.ChannelID) bool { return !party.Covers(c) })) {
			return Refuse(op, core.Invalid, "export.scope", fmt.Sprintf("auditor %q may not read all of these channels", party.Name))
		}
	}
	unknown, err := s.Store.UnknownChannels(ctx, o.Channels)
	if err != nil {
		return Explain(op, err)
	}
	if len(unknown) > 0 {
		return Refuse(op, core.Invalid, "export.scope", fmt.Sprintf("channel %s does not exist", unknown[0]))
	}
	return nil
}

// ApproveSchedule puts the newest revision in force.
func (s *Service) ApproveSchedule(ctx context.Context, p identity.Principal, id string, in wire.Order) (wire.Schedule, error) {
	const op = "export.schedule_approve"
	x, found, err := s.Store.Schedule(ctx, id, false)
	if err != nil {
		return wire.Schedule{}, Explain(op, err)
	}
	_, g, e, err := s.Gate.Permit(ctx, p, policy.ExportScheduleApprove, x.resource(id))
	if err != nil {
		return wire.Schedule{}, err
	}
	if !found {
		return wire.Schedule{}, Missing(op, "that schedule")
	}
	c, err := s.consent(p, in.Approval, policy.ExportScheduleApprove, x.Hash, x.Consents)
	if err != nil {
		return wire.Schedule{}, err
	}
	if x.Active || x.expired(s.Now()) {
		return wire.Schedule{}, moved(op, "schedule", x.Wire(s.Now()).State)
	}
	timing, err := ParseTiming(&x.Order)
	if err != nil {
		return wire.Schedule{}, Explain(op, err)
	}
	e.Op, e.Object = record.ScheduleApprove, "schedule:"+id
	if err := s.Store.ApproveSchedule(ctx, g, e, &x, c, s.Now(), timing.Next(s.Now())); err != nil {
		return wire.Schedule{}, Explain(op, err)
	}
	x, _, err = s.Store.Schedule(ctx, id, false)
	return x.Wire(s.Now()), Explain(op, err)
}

// Schedules lists the newest revision of each schedule.
func (s *Service) Schedules(ctx context.Context, p identity.Principal) (wire.Schedules, error) {
	const op = "export.schedule_list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.ExportScheduleList, s.orgResource()); err != nil {
		return wire.Schedules{}, err
	}
	list, err := s.Store.Schedules(ctx)
	out := wire.Schedules{Schedules: make([]wire.Schedule, len(list))}
	for i := range list {
		out.Schedules[i] = list[i].Wire(s.Now())
	}
	return out, Explain(op, err)
}
