package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// findPerson finds someone by exact username.
func findPerson(ctx context.Context, api *client.Transport, username string) (*wire.Person, error) {
	found, err := api.People(ctx, username)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(found.People, func(p wire.Person) bool { return strings.EqualFold(p.Username, username) })
	if i < 0 {
		return nil, fmt.Errorf("%w: nobody called %s has signed in here", errNotFound, username)
	}
	return &found.People[i], nil
}

// findUser is a person's chain, which exists once they have a device.
func findUser(ctx context.Context, api *client.Transport, name string) (envelope.UserID, error) {
	if id, err := envelope.ID[envelope.UserID](name); err == nil {
		return id, nil
	}
	p, err := findPerson(ctx, api, name)
	if err != nil {
		return envelope.UserID{}, err
	}
	if p.Chain.IsZero() {
		return envelope.UserID{}, &hint{fmt.Errorf("%w: %s has no device yet", errNotFound, name), "chancery device enroll, by " + name}
	}
	return p.Chain, nil
}

// findTeam finds a team by name.
func findTeam(ctx context.Context, api *client.Transport, name string) (*wire.Team, error) {
	all, err := api.Teams(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all.Teams, func(t wire.Team) bool { return t.Name == name })
	if i < 0 {
		return nil, &hint{fmt.Errorf("%w: team %s", errNotFound, name), "chancery team list"}
	}
	return &all.Teams[i], nil
}

// findChannel takes an id, TEAM/NAME, or a NAME that is the only one.
func findChannel(ctx context.Context, api *client.Transport, name string) (envelope.ChannelID, error) {
	if id, err := envelope.ID[envelope.ChannelID](name); err == nil {
		return id, nil
	}
	all, err := api.Channels(ctx)
	if err != nil {
		return envelope.ChannelID{}, err
	}
	var team int64
	if t, rest, ok := strings.Cut(name, "/"); ok {
		found, err := findTeam(ctx, api, t)
		if err != nil {
			return envelope.ChannelID{}, err
		}
		team, name = found.ID, rest
	}
	fits := slices.DeleteFunc(all.Channels, func(c wire.Channel) bool { return c.Name != name || team != 0 && c.Team != team })
	switch len(fits) {
	case 0:
		return envelope.ChannelID{}, &hint{fmt.Errorf("%w: channel %s", errNotFound, name), "chancery channel list; one that you are not in goes by its id"}
	case 1:
		return fits[0].ID, nil
	}
	return envelope.ChannelID{}, &hint{fmt.Errorf("%w: %d channels are called %s", errAmbiguous, len(fits), name), "use TEAM/NAME or the id"}
}

// findChannels finds several, sorted by id as orders carry them.
func findChannels(ctx context.Context, api *client.Transport, names []string) ([]envelope.ChannelID, error) {
	ids := make([]envelope.ChannelID, 0, len(names))
	for _, n := range names {
		id, err := findChannel(ctx, api, n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b envelope.ChannelID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids), nil
}

// usernames maps chains to names, as the server says them.
func usernames(ctx context.Context, api *client.Transport) (map[envelope.UserID]string, error) {
	all, err := api.People(ctx, "")
	if err != nil {
		return nil, err
	}
	names := map[envelope.UserID]string{}
	for _, p := range all.People {
		if !p.Chain.IsZero() {
			names[p.Chain] = p.Username
		}
	}
	return names, nil
}
