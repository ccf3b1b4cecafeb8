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
	d := Device{Account: p.User, Body: u.Devices()[0], Wrap: in.Wrap, Created: s.Now()}
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
	if err := s.Store.AddUserDevice(ctx, grant, e.of(record.DeviceAdd).link(entry), link, *body, s.Now()); err != nil {
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
	const op = "device.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.DeviceList, self(p)); err != nil {
		return wire.Devices{}, err
	}
	devices, err := s.Store.Devices(ctx, p.User)
	if err != nil {
		return wire.Devices{}, internal(op, err)
	}
	waiting, err := s.Store.Waiting(ctx, p.User, s.Now())
	if err != nil {
		return wire.Devices{}, internal(op, err)
	}
	out := wire.Devices{Devices: make([]wire.Device, len(devices)), Waiting: make([]wire.Proposal, len(waiting))}
	for i, d := range devices {
		out.Devices[i] = wire.Device{Key: envelope.KeyOf(d.Body.Key), Name: d.Body.Name, Public: d.Body.Key, Recipient: d.Body.Recipient}
	}
	for i, w := range waiting {
		out.Waiting[i] = w.Proposal
	}
	return out, nil
}

// DeviceWrap is the user seed, sealed to one of the caller's devices.
func (s *Service) DeviceWrap(ctx context.Context, p identity.Principal, key envelope.KeyID) (wire.Wrap, error) {
	const op = "device.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.DeviceList, self(p)); err != nil {
		return wire.Wrap{}, err
	}
	d, found, err := s.Store.Device(ctx, key)
	if err != nil {
		return wire.Wrap{}, internal(op, err)
	}
	if !found || d.Account != p.User {
		return wire.Wrap{}, notFound(op, "that device")
	}
	return wire.Wrap{Wrap: d.Wrap}, s.Present(ctx, p)
}
