package api

import (
	"context"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

type (
	keyInput struct {
		Key envelope.KeyID `path:"key"`
	}
	deviceInput   struct{ Body wire.NewDevice }
	proposalInput struct {
		Key  envelope.KeyID `path:"key"`
		Body wire.Device
	}
)

func (a *API) devices() {
	answers(a, route{method: "GET", path: "/v1/devices", action: policy.DeviceList, summary: "The caller's devices"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Devices, error) {
			return a.Core.Devices(ctx, p)
		})
	acts(a, route{method: "POST", path: "/v1/devices", action: policy.DeviceEnroll, summary: "Ask that another device takes this one in"},
		func(ctx context.Context, p identity.Principal, in *deviceInput) error {
			return a.Core.AskForDevice(ctx, p, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/devices/{key}", action: policy.DeviceList, summary: "One of the caller's devices"},
		func(ctx context.Context, p identity.Principal, in *keyInput) (wire.Device, error) {
			return a.Core.Device(ctx, p, in.Key)
		})
	answers(a, route{method: "GET", path: "/v1/devices/{key}/wrap", action: policy.DeviceList, summary: "The user seed, sealed to a device"},
		func(ctx context.Context, p identity.Principal, in *keyInput) (wire.Wrap, error) {
			d, err := a.Core.Device(ctx, p, in.Key)
			return wire.Wrap{Wrap: d.Wrap}, err
		})
	acts(a, route{method: "PUT", path: "/v1/devices/{key}/proposal", action: policy.DeviceApprove, summary: "Propose the link that takes a device in"},
		func(ctx context.Context, p identity.Principal, in *proposalInput) error {
			return a.Core.ProposeDevice(ctx, p, in.Key, in.Body)
		})
}
