package api

import (
	"context"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// maxNotice is the largest notice with its evidence, in bytes of JSON.
const maxNotice = core.MaxEvidence*4/3 + smallBody

type (
	newNoticeInput struct {
		Channel envelope.ChannelID `path:"channel"`
		Body    wire.NewNotice
	}
	noticesInput struct {
		Channel envelope.ChannelID `path:"channel"`
		After   uint64             `query:"after" maximum:"9223372036854775807" doc:"the number before the first wanted"`
	}
	evidenceInput struct {
		Channel envelope.ChannelID `path:"channel"`
		Notice  envelope.Hash      `path:"notice"`
	}
)

func (a *API) notices() {
	acts(a, route{method: "POST", path: "/v1/channels/{channel}/notices", action: policy.CaptureTell, limit: maxNotice, first: a.sees, summary: "Tell how far a device has written, an alarm, a dispute, or a ruling on one"},
		func(ctx context.Context, p identity.Principal, in *newNoticeInput) error {
			return a.Core.Tell(ctx, p, in.Channel, in.Body)
		})
	answers(a, route{method: "GET", path: "/v1/channels/{channel}/notices", action: policy.CaptureHear, summary: "Signed words beside a channel"},
		func(ctx context.Context, p identity.Principal, in *noticesInput) (wire.Notices, error) {
			return a.Core.Notices(ctx, p, in.Channel, in.After)
		})
	answers(a, route{method: "GET", path: "/v1/channels/{channel}/notices/{notice}/evidence", action: policy.CaptureHear, summary: "What lies sealed beside a dispute"},
		func(ctx context.Context, p identity.Principal, in *evidenceInput) (wire.Evidence, error) {
			return a.Core.Evidence(ctx, p, in.Channel, in.Notice)
		})
}
