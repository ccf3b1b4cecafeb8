package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// CreateTeam makes a team with the caller as its owner.
func (t *Transport) CreateTeam(ctx context.Context, in wire.NewTeam) (*wire.Team, error) {
	return post[wire.Team](ctx, t, "v1/teams", in)
}

// Teams are all teams that the caller may see.
func (t *Transport) Teams(ctx context.Context) (*wire.Teams, error) {
	return get[wire.Teams](ctx, t, "v1/teams", nil)
}

// AddTeamMember takes a person into a team.
func (t *Transport) AddTeamMember(ctx context.Context, team int64, username string) error {
	_, err := post[none](ctx, t, "v1/teams/"+strconv.FormatInt(team, 10)+"/members", wire.TeamMember{Username: username})
	return err
}

// CreateChannel publishes a channel's genesis and returns its receipt.
func (t *Transport) CreateChannel(ctx context.Context, in wire.NewChannel) (receipt []byte, err error) {
	return answer(postAgain[wire.Answer](ctx, t, "v1/channels", in))
}

// Channels are the caller's, and the public ones of their teams.
func (t *Transport) Channels(ctx context.Context) (*wire.Channels, error) {
	return get[wire.Channels](ctx, t, "v1/channels", nil)
}

// Channel is what the server knows of one channel.
func (t *Transport) Channel(ctx context.Context, id envelope.ChannelID) (*wire.Channel, error) {
	return get[wire.Channel](ctx, t, channelPath(id, ""), nil)
}

// PostEntry asks for an entry to be placed and returns its receipt. A *Problem
// with a Refusal is final; with any other error the same bytes may be sent
// again. Neither the receipt nor the refusal has been verified.
func (t *Transport) PostEntry(ctx context.Context, id envelope.ChannelID, in wire.NewEntry) (receipt []byte, err error) {
	return answer(postAgain[wire.Answer](ctx, t, channelPath(id, "/entries"), in))
}

// answer makes a final refusal an error also when it came with success.
func answer(a *wire.Answer, err error) ([]byte, error) {
	switch {
	case err != nil:
		return nil, err
	case len(a.Refusal) > 0:
		return nil, &Problem{Status: http.StatusConflict, Title: "refused", Refusal: a.Refusal}
	case len(a.Receipt) == 0:
		return nil, fmt.Errorf("reading the server's answer: neither receipt nor refusal")
	}
	return a.Receipt, nil
}

// Page bounds one listing of entries.
type Page struct {
	After uint64 // the position before the first wanted
	Limit int    // at most 500; 0 takes the server's default
	Links bool   // only what is not a message
	// Restore asks for the same as whoever may restore the channel, who need
	// not be a member.
	Restore bool
	// Handover asks for the same as whoever may hand it to another recorder.
	Handover bool
}

// Entries is a page of a channel's entries, in rising order.
func (t *Transport) Entries(ctx context.Context, id envelope.ChannelID, p Page) (*wire.Entries, error) {
	q := url.Values{"after": {strconv.FormatUint(p.After, 10)}}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	switch {
	case p.Restore:
		q.Set("kind", "restore")
	case p.Handover:
		q.Set("kind", "handover")
	case p.Links:
		q.Set("kind", "link")
	}
	return get[wire.Entries](ctx, t, channelPath(id, "/entries"), q)
}

// EpochWrap is the caller's own wrap of an epoch's seed.
func (t *Transport) EpochWrap(ctx context.Context, id envelope.ChannelID, n uint64) (*wire.EpochWrap, error) {
	return get[wire.EpochWrap](ctx, t, channelPath(id, "/epochs/"+strconv.FormatUint(n, 10)), nil)
}

func channelPath(id envelope.ChannelID, rest string) string {
	return "v1/channels/" + id.String() + rest
}
