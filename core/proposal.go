package core

import (
	"context"
	"fmt"
	"time"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// ProposalRule bounds how often a device may ask to be taken in. Each time is one
// guess at a code of 30 bits, by whoever has the account's password.
type ProposalRule struct {
	Most   int           // of an account, within Window
	Window time.Duration //
	Life   time.Duration // of one proposal
}

// Proposals is the rule in force: six guesses an hour.
func Proposals() ProposalRule {
	return ProposalRule{Most: 6, Window: time.Hour, Life: 10 * time.Minute}
}

// AskForDevice enters a device that one of the caller's others must approve. The
// device proves that it has its key: else anybody could enter somebody else's,
// and keep it from its owner.
func (s *Service) AskForDevice(ctx context.Context, p identity.Principal, in wire.NewDevice) error {
	const op = "device.enroll"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.DeviceEnroll, self(p))
	if err != nil {
		return err
	}
	if err := checkClaims(op, in); err != nil {
		return err
	}
	org := s.dir.Org()
	if org == nil {
		return notFound(op, "the organisation")
	}
	if _, err := s.proven(ctx, in.Statement, proof{op: op, label: wire.LabelEnrol, key: in.Public, org: org.ID(), session: p.Session}); err != nil {
		return err
	}
	if err := s.mayHave(ctx, op, p, envelope.KeyOf(in.Public)); err != nil {
		return err
	}
	asking := Proposal{Account: p.User, Created: s.Now(), Proposal: wire.Proposal{
		ID: in.Commitment, Name: in.Name, Public: in.Public, Recipient: in.Recipient, State: wire.ProposalWaiting,
	}}
	if err := s.Store.AskForDevice(ctx, grant, e.of(record.DevicePropose).on(proposalObject(in.Commitment)), asking, Proposals()); err != nil {
		return internal(op, err)
	}
	return nil
}

func proposalObject(id envelope.Hash) string { return "proposal:" + id.String() }

func checkClaims(op string, in wire.NewDevice) error {
	if err := envelope.CheckPublicKey(in.Public); err != nil {
		return invalid(op, "public", err)
	}
	if err := CheckName(op, "name", in.Name, maxDeviceName); err != nil {
		return err
	}
	if len(in.Recipient) == 0 || len(in.Recipient) > maxWrap {
		return invalid(op, "recipient", fmt.Errorf("%d bytes, want 1 to %d", len(in.Recipient), maxWrap))
	}
	return nil
}

// mayHave tells whether the account can have the device as one more.
func (s *Service) mayHave(ctx context.Context, op string, p identity.Principal, key envelope.KeyID) error {
	if _, found, err := s.Store.Device(ctx, key); err != nil {
		return internal(op, err)
	} else if found {
		return conflict(op, "device.exists", "this device was taken in before")
	}
	have, err := s.Store.Devices(ctx, p.User)
	if err != nil {
		return internal(op, err)
	}
	if len(have) >= maxDevices {
		return &Error{Op: op, Kind: Limited, Code: "device.too_many", Public: fmt.Sprintf("you have %d devices, the limit", len(have))}
	}
	return nil
}

// Proposal is one of the caller's, for both devices to follow.
func (s *Service) Proposal(ctx context.Context, p identity.Principal, id envelope.Hash) (wire.Proposal, error) {
	const op = "device.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.DeviceList, self(p)); err != nil {
		return wire.Proposal{}, err
	}
	x, err := s.ownProposal(ctx, op, p, id)
	if err != nil {
		return wire.Proposal{}, err
	}
	return x.Proposal, s.Present(ctx, p)
}

func (s *Service) ownProposal(ctx context.Context, op string, p identity.Principal, id envelope.Hash) (Proposal, error) {
	x, found, err := s.Store.Proposal(ctx, id)
	if err != nil {
		return Proposal{}, internal(op, err)
	}
	if !found || x.Account != p.User {
		return Proposal{}, notFound(op, "that proposal")
	}
	return x, nil
}

// approver permits a step that an approved device takes with a proposal.
func (s *Service) approver(ctx context.Context, op string, p identity.Principal, id envelope.Hash) (Proposal, policy.Grant, Event, error) {
	x, unknown := s.ownProposal(ctx, op, p, id)
	if unknown != nil && KindOf(unknown) != NotFound {
		return x, policy.Grant{}, Event{}, unknown
	}
	r := policy.Resource{Type: policy.DeviceResource, ID: id.String()}
	if unknown == nil {
		r.Owner = SubjectID(p.User)
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.DeviceApprove, r)
	if err != nil && unknown != nil {
		err = Hide(err, op, "that proposal")
	}
	return x, grant, e.on(proposalObject(id)), err
}

// AnswerDevice has one of the caller's devices take a proposal on. The first
// answer stands.
func (s *Service) AnswerDevice(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.DeviceAnswer) error {
	const op = "device.approve"
	_, grant, e, err := s.approver(ctx, op, p, id)
	if err != nil {
		return err
	}
	if _, err := approval.ParseNonce(in.Nonce); err != nil {
		return invalid(op, "nonce", err)
	}
	if in.Approver != p.Device {
		return invalid(op, "approver", fmt.Errorf("it is not this session's device"))
	}
	if len(in.Proof) != 0 && len(in.Proof) != 32 {
		return invalid(op, "proof", fmt.Errorf("%d bytes, want 32", len(in.Proof)))
	}
	if err := s.Store.AnswerProposal(ctx, grant, e.of(record.DeviceAnswer), id, in, s.Now()); err != nil {
		return internal(op, err)
	}
	return nil
}

// RevealDevice takes the new device's nonce, once it is answered.
func (s *Service) RevealDevice(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.DeviceReveal) error {
	const op = "device.enroll"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.DeviceEnroll, self(p))
	if err != nil {
		return err
	}
	x, err := s.ownProposal(ctx, op, p, id)
	if err != nil {
		return err
	}
	nonce, err := approval.ParseNonce(in.Nonce)
	if err != nil {
		return invalid(op, "nonce", err)
	}
	claims := approval.Claims{Name: x.Name, Key: x.Public, Recipient: x.Recipient}
	opening := approval.Opening{Org: s.dir.Org().ID(), User: envelope.UserID(p.UserChain), Claims: claims.Hash(), Nonce: nonce}
	if err := opening.Check(id); err != nil {
		return invalid(op, "nonce", err)
	}
	if err := s.Store.RevealProposal(ctx, grant, e.of(record.DeviceReveal).on(proposalObject(id)), id, in.Nonce, s.Now()); err != nil {
		return internal(op, err)
	}
	return nil
}

// LinkDevice gives a waiting device the link that the approver signed, and the
// user seed sealed to it. The person has compared the codes before.
func (s *Service) LinkDevice(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.NewLink) error {
	const op = "device.approve"
	x, grant, e, err := s.approver(ctx, op, p, id)
	if err != nil {
		return err
	}
	if err := checkWrap(op, in.Wrap); err != nil {
		return err
	}
	entry, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return invalid(op, "entry", err)
	}
	body, err := newDevice(entry)
	if err != nil {
		return invalid(op, "entry", err)
	}
	want := envelope.DeviceBody{Name: x.Name, Key: x.Public, Recipient: x.Recipient, Wrap: envelope.SumBytes(in.Wrap)}
	if string(envelope.Marshal(body)) != string(envelope.Marshal(&want)) {
		return invalid(op, "entry", fmt.Errorf("it is not for the device that asked"))
	}
	if x.Answer == nil || x.Answer.Approver != p.Device {
		return conflict(op, "device.other_approver", "another of your devices has taken this on")
	}
	if err := s.Store.LinkProposal(ctx, grant, e.of(record.DeviceSign), id, in, s.Now()); err != nil {
		return internal(op, err)
	}
	return nil
}

// RefuseDevice ends a proposal, by either device: an approved one, or the one
// that asks.
func (s *Service) RefuseDevice(ctx context.Context, p identity.Principal, id envelope.Hash, in wire.DeviceRefusal) error {
	const op = "device.enroll"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.DeviceEnroll, self(p))
	if err != nil {
		return err
	}
	if _, err := s.ownProposal(ctx, op, p, id); err != nil {
		return err
	}
	e = e.of(record.DeviceRefuse).on(proposalObject(id))
	e.Detail = fmt.Sprintf(`{"why":%q}`, in.Why)
	if err := s.Store.RefuseProposal(ctx, grant, e, id, in.Why); err != nil {
		return internal(op, err)
	}
	return nil
}
