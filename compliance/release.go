package compliance

import (
	"context"
	"errors"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// RequestRelease takes the order that ends a hold. The hold goes on.
func (s *Service) RequestRelease(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Hold, error) {
	const op = "hold.release_request"
	_, g, e, err := s.Gate.Permit(ctx, p, policy.HoldReleaseRequest, resource(policy.HoldResource, id.String()))
	if err != nil {
		return wire.Hold{}, err
	}
	h, found, err := s.Store.Hold(ctx, id)
	if err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	if !found {
		return wire.Hold{}, Missing(op, "that hold")
	}
	o, err := envelope.ParseOrder[envelope.ReleaseOrder](in.Order)
	if err == nil && (o.Version != envelope.Version || o.Org != h.Order.Org || o.Hold != id || o.Reason == "" || len(o.Reason) > 500) {
		err = errors.New("of another hold, or without a reason of up to 500 bytes")
	}
	if err != nil {
		return wire.Hold{}, Malformed(op, "order", err)
	}
	object := envelope.OrderHash(in.Order)
	c, err := Verify(s.Directory, in.Approval, Wanted{p, policy.HoldReleaseRequest, object, envelope.RoleCompliance, s.Now()})
	if err != nil {
		return wire.Hold{}, err
	}
	if h.State != Active {
		return wire.Hold{}, moved(op, "hold", h.State)
	}
	e.Op = record.HoldReleaseRequest
	release := Release{ID: object, Bytes: in.Order, Requester: p.User, Consents: []Consent{c}}
	if err := s.Store.RequestRelease(ctx, g, e, id, &release); err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	return s.reread(ctx, op, id)
}

// ApproveRelease lets a hold cool down: it goes on keeping for CoolingTime, and
// then ends. A release never deletes.
func (s *Service) ApproveRelease(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Hold, error) {
	const op = "hold.release_approve"
	h, found, err := s.Store.Hold(ctx, id)
	if err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	r := resource(policy.HoldResource, id.String())
	r.State, r.RequestedBy, r.Approvals = string(h.State), SubjectID(h.Release.Requester), PolicyApprovals(h.Release.Requester, h.Release.Consents)
	_, g, e, err := s.Gate.Permit(ctx, p, policy.HoldReleaseApprove, r)
	if err != nil {
		return wire.Hold{}, err
	}
	if !found {
		return wire.Hold{}, Missing(op, "that hold")
	}
	c, err := s.consent(p, in.Approval, policy.HoldReleaseApprove, h.Release.ID, h.Release.Consents)
	if err != nil {
		return wire.Hold{}, err
	}
	if h.State != ReleaseRequested {
		return wire.Hold{}, moved(op, "hold", h.State)
	}
	e.Op = record.HoldReleaseApprove
	if err := s.Store.ApproveRelease(ctx, g, e, id, c, s.Now()); err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	return s.reread(ctx, op, id)
}

// closeJob is how policy knows CloseHolds.
const closeJob = "holds.close"

// CloseHolds ends the holds that have cooled down, and says how many. A
// durable job calls it.
func (s *Service) CloseHolds(ctx context.Context) (int, error) {
	ids, err := s.Store.CooledHolds(ctx, s.Now().Add(-CoolingTime))
	if err != nil {
		return 0, Explain(closeJob, err)
	}
	for n, id := range ids {
		_, g, e, err := s.Gate.Permit(ctx, core.Job(closeJob), policy.JobRun, resource(policy.JobResource, closeJob))
		if err != nil {
			return n, err
		}
		e.Op, e.Object = record.HoldClose, "hold:"+id.String()
		if err := s.Store.CloseHold(ctx, g, e, id, s.Now().Add(-CoolingTime), s.Now()); err != nil {
			return n, Explain(closeJob, err)
		}
	}
	return len(ids), nil
}
