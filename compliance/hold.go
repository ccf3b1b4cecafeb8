package compliance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// States of a hold. It keeps what it names from active until closed.
const (
	Draft            wire.State = "draft"
	Active           wire.State = "active"
	ReleaseRequested wire.State = "release_requested"
	Cooling          wire.State = "cooling"
	Closed           wire.State = "closed"
)

// CoolingTime is how long a released hold goes on keeping, so that a release by
// mistake can be answered by a new hold.
const CoolingTime = 30 * 24 * time.Hour

// Hold is a legal hold with all that was said about it.
type Hold struct {
	ID        envelope.Hash
	Order     envelope.HoldOrder
	Bytes     []byte
	State     wire.State
	Requester identity.UserID
	Consents  []Consent

	Release  Release
	Messages uint64
	Root     envelope.Hash
	Created  time.Time
	Active   time.Time // zero in a draft
}

// Release is the order that ends a hold; its ID is zero before there is one.
type Release struct {
	ID        envelope.Hash
	Bytes     []byte
	Requester identity.UserID
	Consents  []Consent
}

// Wire is the hold as the API tells it.
func (h *Hold) Wire() wire.Hold {
	return wire.Hold{
		ID: h.ID, Matter: h.Order.Matter, Name: h.Order.Name, State: h.State, Order: h.Bytes, Release: h.Release.Bytes,
		Approvals: append(Statements(h.Consents), Statements(h.Release.Consents)...),
		Messages:  h.Messages, Root: h.Root, Created: h.Created, Active: h.Active,
	}
}

// CreateHold takes a hold order and its first consent. Nothing is held before
// another person approves it.
func (s *Service) CreateHold(ctx context.Context, p identity.Principal, in wire.Order) (wire.Hold, error) {
	const op = "hold.create"
	id := envelope.OrderHash(in.Order)
	_, g, e, err := s.Gate.Permit(ctx, p, policy.HoldCreate, resource(policy.HoldResource, id.String()))
	if err != nil {
		return wire.Hold{}, err
	}
	order, err := s.holdOrder(ctx, op, in.Order)
	if err != nil {
		return wire.Hold{}, err
	}
	c, err := Verify(s.Directory, in.Approval, Wanted{p, policy.HoldCreate, id, envelope.RoleCompliance, s.Now()})
	if err != nil {
		return wire.Hold{}, err
	}
	h := Hold{ID: id, Order: *order, Bytes: in.Order, State: Draft, Requester: p.User, Consents: []Consent{c}, Created: s.Now()}
	e.Op = record.HoldCreate
	if err := s.Store.CreateHold(ctx, g, e, &h); err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	return h.Wire(), nil
}

// holdOrder decodes an order. A person or channel that is not known is refused:
// a hold with a mistyped name would keep nothing, and nobody would see it.
func (s *Service) holdOrder(ctx context.Context, op string, b []byte) (*envelope.HoldOrder, error) {
	if err := s.founded(op); err != nil {
		return nil, err
	}
	o, err := envelope.ParseOrder[envelope.HoldOrder](b)
	if err != nil {
		return nil, Malformed(op, "order", err)
	}
	if err := checkHold(o, s.Directory.Org().ID()); err != nil {
		return nil, Malformed(op, "order", err)
	}
	if err := core.CheckName(op, "order", o.Name, 200); err != nil {
		return nil, err
	}
	unknown, err := s.Store.UnknownScope(ctx, o)
	if err != nil {
		return nil, Explain(op, err)
	}
	if len(unknown) > 0 {
		return nil, Refuse(op, core.Invalid, "hold.scope", "the order names what does not exist: "+strings.Join(unknown, ", "))
	}
	return o, nil
}

func checkHold(o *envelope.HoldOrder, org envelope.OrgID) error {
	channels := func(a, b envelope.ChannelID) int { return slices.Compare(a[:], b[:]) }
	switch {
	case o.Version != envelope.Version || o.Org != org:
		return errors.New("other version or organisation")
	case !name.MatchString(o.Matter):
		return errors.New("matter")
	case o.From < 0 || o.To < 0 || o.To != 0 && o.To < o.From:
		return errors.New("period ends before it starts")
	case len(o.Nonce) != 16:
		return errors.New("nonce has not 16 bytes")
	case !rising(o.Users, envelope.CompareUser) || !rising(o.Channels, channels):
		return errors.New("users or channels are not sorted")
	}
	return nil
}

func rising[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

// ApproveHold makes a hold active. From the moment this returns nothing in its
// scope is destroyed.
func (s *Service) ApproveHold(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.Order) (wire.Hold, error) {
	const op = "hold.approve"
	h, found, err := s.Store.Hold(ctx, id)
	if err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	r := resource(policy.HoldResource, id.String())
	r.State, r.RequestedBy, r.Approvals = string(h.State), SubjectID(h.Requester), PolicyApprovals(h.Requester, h.Consents)
	_, g, e, err := s.Gate.Permit(ctx, p, policy.HoldApprove, r)
	if err != nil {
		return wire.Hold{}, err
	}
	if !found {
		return wire.Hold{}, Missing(op, "that hold")
	}
	c, err := s.consent(p, in.Approval, policy.HoldApprove, id, h.Consents)
	if err != nil {
		return wire.Hold{}, err
	}
	if h.State != Draft {
		return wire.Hold{}, moved(op, "hold", h.State)
	}
	e.Op = record.HoldApprove
	if err := s.Store.ActivateHold(ctx, g, e, id, c, s.Now()); err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	return s.reread(ctx, op, id)
}

// consent verifies the second person's approval.
func (s *Service) consent(p identity.Principal, raw []byte, a policy.Action, object envelope.Hash, earlier []Consent) (Consent, error) {
	c, err := Verify(s.Directory, raw, Wanted{p, a, object, envelope.RoleLegal, s.Now()})
	if err != nil {
		return Consent{}, err
	}
	return c, c.Apart(earlier)
}

func moved(op, what string, state wire.State) error {
	return Refuse(op, core.Conflict, "state.moved", fmt.Sprintf("the %s is %s", what, state))
}

func (s *Service) reread(ctx context.Context, op string, id envelope.Hash) (wire.Hold, error) {
	h, _, err := s.Store.Hold(ctx, id)
	if err != nil {
		return wire.Hold{}, Explain(op, err)
	}
	return h.Wire(), nil
}

// Hold tells of one hold.
func (s *Service) Hold(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Hold, error) {
	const op = "hold.read"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.HoldRead, resource(policy.HoldResource, id.String())); err != nil {
		return wire.Hold{}, err
	}
	h, found, err := s.Store.Hold(ctx, id)
	if err == nil && !found {
		return wire.Hold{}, Missing(op, "that hold")
	}
	return h.Wire(), Explain(op, err)
}

// Holds lists all holds, with the generation that rises with each change.
func (s *Service) Holds(ctx context.Context, p identity.Principal) (wire.Holds, error) {
	const op = "hold.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.HoldList, s.orgResource()); err != nil {
		return wire.Holds{}, err
	}
	list, generation, err := s.Store.Holds(ctx)
	if err != nil {
		return wire.Holds{}, Explain(op, err)
	}
	out := wire.Holds{Generation: generation, Holds: make([]wire.Hold, len(list))}
	for i := range list {
		out.Holds[i] = list[i].Wire()
	}
	return out, nil
}
