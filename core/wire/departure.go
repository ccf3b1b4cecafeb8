package wire

import (
	"time"

	"chancery/crypto/envelope"
)

// Disable is POST /v1/accounts/{username}/disable.
type Disable struct {
	Reason string `json:"reason" pattern:"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$" doc:"why, in a few words, for the record"`
}

// Departures is GET /v1/departures: memberships of people whose accounts are
// disabled, the longest disabled first, at most 200.
type Departures struct {
	Departures []Departure `json:"departures"`
}

// Departure is one membership that is to end.
type Departure struct {
	Username    string             `json:"username"`
	Name        string             `json:"name"`
	User        envelope.UserID    `json:"user"`
	Channel     envelope.ChannelID `json:"channel"`
	ChannelName string             `json:"channel_name" doc:"empty for a direct channel"`
	Rank        string             `json:"rank"`
	Since       time.Time          `json:"since" doc:"when the account was disabled"`
	Waits       string             `json:"waits" doc:"second_key, removal_key_not_listed or channel_is_behind; empty: about to happen"`
	Entry       []byte             `json:"entry,omitempty" doc:"the removal that a second removal key has to sign, when it waits for one"`
}

// Countersigned is POST /v1/departures: a removal with both signatures.
type Countersigned struct {
	Entry []byte `json:"entry"`
}
