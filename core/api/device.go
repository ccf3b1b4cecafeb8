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
		Proposal envelope.Hash `path:"proposal"`
	}
	answerInput struct {
		Proposal envelope.Hash `path:"proposal"`
		Body     wire.DeviceAnswer
	}
	revealInput struct {
		Proposal envelope.Hash `path:"proposal"`
		Body     wire.DeviceReveal
	}
	deviceLinkInput struct {
		Proposal envelope.Hash `path:"proposal"`
		Body     wire.NewLink
	}
	refusalInput struct {
		Proposal envelope.Hash `path:"proposal"`
		Body     wire.DeviceRefusal
	}
)

func (a *API) devices() {
	answers(a, route{method: "GET", path: "/v1/devices", action: policy.DeviceList, summary: "The caller's devices, and those that ask to be"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Devices, error) {
			return a.Core.Devices(ctx, p)
		})
	answers(a, route{method: "GET", path: "/v1/devices/{key}/wrap", action: policy.DeviceList, summary: "The user seed, sealed to a device"},
		func(ctx context.Context, p identity.Principal, in *keyInput) (wire.Wrap, error) {
			return a.Core.DeviceWrap(ctx, p, in.Key)
		})
	acts(a, route{method: "POST", path: "/v1/devices", action: policy.DeviceEnroll, summary: "Ask that another device takes this one in"},
		func(ctx context.Context, p identity.Principal, in *deviceInput) error {
			return a.Core.AskForDevice(ctx, p, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/devices/recovery", action: policy.DeviceList, summary: "The user seed, sealed to the recovery key"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Recovery, error) {
			return a.Core.Recovery(ctx, p)
		})
	a.proposals()
}

func (a *API) proposals() {
	answers(a, route{method: "GET", path: "/v1/proposals/{proposal}", action: policy.DeviceList, summary: "A device that asks, and how far that is"},
		func(ctx context.Context, p identity.Principal, in *proposalInput) (wire.Proposal, error) {
			return a.Core.Proposal(ctx, p, in.Proposal)
		})
	acts(a, route{method: "PUT", path: "/v1/proposals/{proposal}/answer", action: policy.DeviceApprove, summary: "Take a device's proposal on, by an approved one"},
		func(ctx context.Context, p identity.Principal, in *answerInput) error {
			return a.Core.AnswerDevice(ctx, p, in.Proposal, in.Body)
		})
	acts(a, route{method: "PUT", path: "/v1/proposals/{proposal}/reveal", action: policy.DeviceEnroll, summary: "Reveal what the new device committed to"},
		func(ctx context.Context, p identity.Principal, in *revealInput) error {
			return a.Core.RevealDevice(ctx, p, in.Proposal, in.Body)
		})
	acts(a, route{method: "PUT", path: "/v1/proposals/{proposal}/link", action: policy.DeviceApprove, summary: "Sign the link that takes a device in"},
		func(ctx context.Context, p identity.Principal, in *deviceLinkInput) error {
			return a.Core.LinkDevice(ctx, p, in.Proposal, in.Body)
		})
	acts(a, route{method: "PUT", path: "/v1/proposals/{proposal}/refusal", action: policy.DeviceEnroll, summary: "End a proposal"},
		func(ctx context.Context, p identity.Principal, in *refusalInput) error {
			return a.Core.RefuseDevice(ctx, p, in.Proposal, in.Body)
		})
}
