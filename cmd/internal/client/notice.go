package client

import (
	"context"
	"net/url"
	"strconv"

	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// Tell delivers a signed word beside a channel. The same may be told again.
func (t *Transport) Tell(ctx context.Context, id envelope.ChannelID, in wire.NewNotice) error {
	_, err := postAgain[none](ctx, t, channelPath(id, "/notices"), in)
	return err
}

// Notices are the signed words beside a channel after a number, not verified.
func (t *Transport) Notices(ctx context.Context, id envelope.ChannelID, after uint64) (*wire.Notices, error) {
	return get[wire.Notices](ctx, t, channelPath(id, "/notices"), url.Values{"after": {strconv.FormatUint(after, 10)}})
}

// Evidence is what lies sealed beside a dispute.
func (t *Transport) Evidence(ctx context.Context, id envelope.ChannelID, notice envelope.Hash) (*wire.Evidence, error) {
	return get[wire.Evidence](ctx, t, channelPath(id, "/notices/"+notice.String()+"/evidence"), nil)
}
