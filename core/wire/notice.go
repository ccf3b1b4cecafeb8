package wire

import "chancery/crypto/envelope"

// NewNotice is POST /v1/channels/{channel}/notices.
type NewNotice struct {
	Statement []byte `json:"statement" doc:"envelope.Signed over Notice"`
	Evidence  []byte `json:"evidence,omitempty" doc:"beside a dispute: sealed to the listed auditors"`
}

// Notice is one signed word beside a channel.
type Notice struct {
	Number    uint64 `json:"number" doc:"rising in the order of arrival"`
	Statement []byte `json:"statement" doc:"envelope.Signed over Notice"`
}

// Notices is GET /v1/channels/{channel}/notices?after=: at most 500. Recorders
// get the newest statement of each device too.
type Notices struct {
	Notices []Notice `json:"notices"`
}

// Evidence is GET /v1/channels/{channel}/notices/{notice}/evidence.
type Evidence struct {
	Notice envelope.Hash `json:"notice"`
	Sealed []byte        `json:"sealed"`
}
