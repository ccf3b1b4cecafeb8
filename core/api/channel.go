package api

import (
	"context"
	"net/http"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// maxEntry is the largest posted entry in bytes of JSON: the entry in base64,
// and beside an epoch link a wrap for each of 1,000 members.
const maxEntry = 8 << 20

type (
	newChannelInput struct{ Body wire.NewChannel }
	channelInput    struct {
		Channel envelope.ChannelID `path:"channel"`
	}
	newEntryInput struct {
		Channel envelope.ChannelID `path:"channel"`
		Body    wire.NewEntry
	}
	pageInput struct {
		Channel envelope.ChannelID `path:"channel"`
		After   uint64             `query:"after" maximum:"9223372036854775807" doc:"the position before the first wanted"`
		Limit   int                `query:"limit" minimum:"1" maximum:"500" default:"100"`
		Kind    string             `query:"kind" enum:"link,restore,handover" doc:"link: only what is not a message; restore and handover: the same, for whoever may restore the channel, or hand it to another recorder"`
	}
	epochInput struct {
		Channel envelope.ChannelID `path:"channel"`
		N       uint64             `path:"n" minimum:"1" maximum:"9223372036854775807"`
	}
)

var listings = map[string]core.Listing{"link": core.LinksOnly, "restore": core.ForRestore, "handover": core.ForHandover}

// sees asks whether the caller may know the channel at all.
func (a *API) sees(ctx context.Context, p identity.Principal, r *http.Request) error {
	var channel envelope.ChannelID
	if err := channel.UnmarshalText([]byte(r.PathValue("channel"))); err != nil {
		return malformed("channel", err.Error())
	}
	return a.Core.Sees(ctx, p, channel)
}

func (a *API) channels() {
	answers(a, route{method: "POST", path: "/v1/channels", action: policy.ChannelCreate, status: 201, summary: "Start a channel"},
		func(ctx context.Context, p identity.Principal, in *newChannelInput) (wire.Answer, error) {
			receipt, err := a.Core.CreateChannel(ctx, p, in.Body)
			return wire.Answer{Receipt: receipt}, err
		})
	answers(a, route{method: "GET", path: "/v1/channels", action: policy.ChannelList, summary: "The caller's channels"},
		func(ctx context.Context, p identity.Principal, _ *none) (wire.Channels, error) {
			return a.Core.Channels(ctx, p)
		})
	answers(a, route{method: "GET", path: "/v1/channels/{channel}", action: policy.ChannelRead, summary: "One channel as it stands"},
		func(ctx context.Context, p identity.Principal, in *channelInput) (wire.Channel, error) {
			return a.Core.Channel(ctx, p, in.Channel)
		})
	answers(a, route{method: "POST", path: "/v1/channels/{channel}/entries", action: policy.MessageCreate, status: 201, limit: maxEntry, first: a.sees, summary: "Place an entry; the action follows from what it is"},
		func(ctx context.Context, p identity.Principal, in *newEntryInput) (wire.Answer, error) {
			receipt, err := a.Core.Place(ctx, p, in.Channel, in.Body)
			return wire.Answer{Receipt: receipt}, err
		})
	answers(a, route{method: "GET", path: "/v1/channels/{channel}/entries", action: policy.MessageList, summary: "A page of entries in rising order"},
		func(ctx context.Context, p identity.Principal, in *pageInput) (wire.Entries, error) {
			return a.Core.Entries(ctx, p, in.Channel, in.After, in.Limit, listings[in.Kind])
		})
	answers(a, route{method: "GET", path: "/v1/channels/{channel}/epochs/{n}", action: policy.EpochFetchWrap, summary: "The caller's own wrap of an epoch seed"},
		func(ctx context.Context, p identity.Principal, in *epochInput) (wire.EpochWrap, error) {
			return a.Core.EpochWrap(ctx, p, in.Channel, in.N)
		})
}
