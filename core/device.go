package core

import (
	"context"
	"fmt"

	"chancery/core/wire"
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

// Recovery is the caller's newest user seed, sealed to their recovery key; empty
// when none stands.
func (s *Service) Recovery(ctx context.Context, p identity.Principal) (wire.Recovery, error) {
	const op = "device.list"
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.DeviceList, self(p)); err != nil {
		return wire.Recovery{}, err
	}
	key, wrap, _, err := s.Store.RecoveryWrap(ctx, p.User)
	if err != nil {
		return wire.Recovery{}, internal(op, err)
	}
	return wire.Recovery{Key: key, Wrap: wrap}, nil
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
