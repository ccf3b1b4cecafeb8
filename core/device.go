package core

import (
	"context"
	"fmt"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

const (
	maxWrap    = 4 << 10 // bytes of one wrap in any suite
	maxDevices = 32      // of one account, with those that wait

	maxDeviceName = 100 // bytes
)

func checkWrap(op string, wrap []byte) error {
	if len(wrap) == 0 || len(wrap) > maxWrap {
		return invalid(op, "wrap", fmt.Errorf("%d bytes, want 1 to %d", len(wrap), maxWrap))
	}
	return nil
}

// StartUser takes the genesis of the caller's chain, with its first device.
func (s *Service) StartUser(ctx context.Context, p identity.Principal, in wire.NewChain) error {
	const op = "user.chain_publish"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.UserChainPublish, self(p))
	if err != nil {
		return err
	}
	if p.UserChain != [32]byte{} {
		return conflict(op, "user.chain_exists", "you have a first device already; approve the new one from there")
	}
	entry, u, err := s.parseUser(op, in)
	if err != nil {
		return err
	}
	d := Device{Account: p.User, Body: u.Devices()[0], Approved: true, Wrap: in.Wrap, Created: s.Now()}
	link := ChainLink{Chain: envelope.Hash(u.ID()), Entry: envelope.Marshal(entry)}
	if err := s.Store.StartUser(ctx, grant, e.of(record.UserCreate).link(entry), p.User, link, d); err != nil {
		return internal(op, err)
	}
	return nil
}

func (s *Service) parseUser(op string, in wire.NewChain) (*envelope.Entry, *chain.User, error) {
	org := s.dir.Org()
	if org == nil {
		return nil, nil, conflict(op, "org.missing", "the organisation has no genesis yet: an administrator runs chancery org init")
	}
	entry, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return nil, nil, invalid(op, "entry", err)
	}
	u, err := chain.NewUser(org, entry)
	if err != nil {
		return nil, nil, refusedLink(op, err)
	}
	if err := CheckName(op, "entry", u.Devices()[0].Name, maxDeviceName); err != nil {
		return nil, nil, err
	}
	if err := checkWrap(op, in.Wrap); err != nil {
		return nil, nil, err
	}
	if u.Devices()[0].Wrap != envelope.SumBytes(in.Wrap) {
		return nil, nil, invalid(op, "wrap", fmt.Errorf("the genesis names another wrap"))
	}
	return entry, u, nil
}

// AddDevice takes the link that adds an approved device to the caller's chain.
func (s *Service) AddDevice(ctx context.Context, p identity.Principal, in wire.NewLink) error {
	const op = "user.chain_publish"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.UserChainPublish, self(p))
	if err != nil {
		return err
	}
	entry, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return invalid(op, "entry", err)
	}
	u, err := s.dir.reloadUser(ctx, envelope.UserID(p.UserChain))
	if err != nil {
		return internal(op, err)
	}
	if u == nil {
		return notFound(op, "your chain of devices")
	}
	if err := u.Try(entry); err != nil {
		return refusedLink(op, err)
	}
	body, err := newDevice(entry)
	if err != nil {
		return invalid(op, "entry", err)
	}
	link := ChainLink{Chain: envelope.Hash(u.ID()), Seq: u.Seq() + 1, Entry: in.Entry}
	if err := s.Store.AddUserDevice(ctx, grant, e.of(record.DeviceAdd).link(entry), link, envelope.KeyOf(body.Key), s.Now()); err != nil {
		return internal(op, err)
	}
	_, err = s.dir.reloadUser(ctx, envelope.UserID(p.UserChain))
	return err
}

func newDevice(e *envelope.Entry) (*envelope.DeviceBody, error) {
	l, err := envelope.ParseLink(e)
	if err != nil {
		return nil, err
	}
	return envelope.ParseBody[envelope.DeviceBody](l)
}

// Devices lists the caller's devices and those that wait for approval.
func (s *Service) Devices(ctx context.Context, p identity.Principal) (wire.Devices, error) {
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.DeviceList, self(p)); err != nil {
		return wire.Devices{}, err
	}
	devices, err := s.Store.Devices(ctx, p.User)
	if err != nil {
		return wire.Devices{}, internal("device.list", err)
	}
	out := wire.Devices{Devices: make([]wire.Device, len(devices))}
	for i, d := range devices {
		out.Devices[i] = viewDevice(d)
	}
	return out, nil
}

func viewDevice(d Device) wire.Device {
	return wire.Device{
		Key: envelope.KeyOf(d.Body.Key), Name: d.Body.Name, Public: d.Body.Key, Recipient: d.Body.Recipient,
		Approved: d.Approved, Proposal: d.Proposal, Wrap: d.Wrap,
	}
}

// Device is one of the caller's devices, with its wrap or proposal.
func (s *Service) Device(ctx context.Context, p identity.Principal, key envelope.KeyID) (wire.Device, error) {
	const op = "device.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.DeviceList, self(p)); err != nil {
		return wire.Device{}, err
	}
	d, found, err := s.Store.Device(ctx, key)
	if err != nil {
		return wire.Device{}, internal(op, err)
	}
	if !found || d.Account != p.User {
		return wire.Device{}, notFound(op, "that device")
	}
	if err := s.Present(ctx, p); err != nil {
		return wire.Device{}, err
	}
	return viewDevice(d), nil
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
	if err := envelope.CheckPublicKey(in.Public); err != nil {
		return invalid(op, "public", err)
	}
	if err := CheckName(op, "name", in.Name, maxDeviceName); err != nil {
		return err
	}
	if len(in.Recipient) == 0 || len(in.Recipient) > maxWrap {
		return invalid(op, "recipient", fmt.Errorf("%d bytes, want 1 to %d", len(in.Recipient), maxWrap))
	}
	org := s.dir.Org()
	if org == nil {
		return notFound(op, "the organisation")
	}
	if _, err := s.proven(ctx, in.Statement, proof{op: op, label: wire.LabelEnrol, key: in.Public, org: org.ID(), session: p.Session}); err != nil {
		return err
	}
	have, err := s.Store.Devices(ctx, p.User)
	if err != nil {
		return internal(op, err)
	}
	if len(have) >= maxDevices {
		return &Error{Op: op, Kind: Limited, Code: "device.too_many", Public: fmt.Sprintf("you have %d devices, the limit", len(have))}
	}
	d := Device{Account: p.User, Body: envelope.DeviceBody{Name: in.Name, Key: in.Public, Recipient: in.Recipient}, Created: s.Now()}
	if err := s.Store.AskForDevice(ctx, grant, e.of(record.DevicePropose), d); err != nil {
		return internal(op, err)
	}
	return nil
}

// ProposeDevice gives a waiting device the link that an approved one signed,
// and the user seed sealed to it.
func (s *Service) ProposeDevice(ctx context.Context, p identity.Principal, key envelope.KeyID, in wire.Device) error {
	const op = "device.approve"
	d, found, err := s.Store.Device(ctx, key)
	if err != nil {
		return internal(op, err)
	}
	mine := found && d.Account == p.User
	r := policy.Resource{Type: policy.DeviceResource, ID: key.String()}
	if mine {
		r.Owner = SubjectID(p.User)
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.DeviceApprove, r)
	if err != nil {
		return Hide(err, op, "that device")
	}
	if err := checkWrap(op, in.Wrap); err != nil {
		return err
	}
	if _, err := envelope.ParseEntry(in.Proposal); err != nil {
		return invalid(op, "proposal", err)
	}
	if d.Approved {
		return conflict(op, "device.approved", "that device is approved already")
	}
	if err := s.Store.ProposeDevice(ctx, grant, e.of(record.DevicePropose), key, in.Proposal, in.Wrap); err != nil {
		return internal(op, err)
	}
	return nil
}
