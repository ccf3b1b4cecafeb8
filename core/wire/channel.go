package wire

import "chancery/crypto/envelope"

// Team groups channels. Its name is clear to the server.
type Team struct {
	ID    int64  `json:"id,string"`
	Name  string `json:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"1 to 63 lower-case letters, digits and hyphens"`
	Title string `json:"title" maxLength:"200"`
	Rank  string `json:"rank" enum:"owner,member,none"`
}

// NewTeam is POST /v1/teams.
type NewTeam struct {
	Name  string `json:"name" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"1 to 63 lower-case letters, digits and hyphens"`
	Title string `json:"title,omitempty" maxLength:"200" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters"`
}

// Teams is GET /v1/teams.
type Teams struct {
	Teams []Team `json:"teams"`
}

// TeamMember is POST /v1/teams/{team}/members.
type TeamMember struct {
	Username string `json:"username" maxLength:"256" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters"`
}

// NewChannel is POST /v1/channels. Team is 0 for a direct channel.
type NewChannel struct {
	Team    int64  `json:"team,string,omitempty"`
	Name    string `json:"name,omitempty" maxLength:"64" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters" doc:"clear to the server; empty for a direct channel"`
	Genesis []byte `json:"genesis" doc:"encoded envelope.Entry"`
}

// Channel is what the server knows of a channel.
type Channel struct {
	ID       envelope.ChannelID `json:"id"`
	Team     int64              `json:"team,string"`
	Name     string             `json:"name"`
	Access   envelope.Access    `json:"access"`
	Capture  envelope.Capture   `json:"capture"`
	Position uint64             `json:"position"`
	Head     envelope.Hash      `json:"head"`
	Messages uint64             `json:"messages"`
	Rank     string             `json:"rank" enum:"owner,moderator,member,none"`
	Archived bool               `json:"archived"`
	Held     bool               `json:"held" doc:"a legal hold or minimum retention keeps what is deleted"`
}

// Channels is GET /v1/channels: the caller's, and public ones of their teams.
type Channels struct {
	Channels []Channel `json:"channels"`
}

// NewEntry is POST /v1/channels/{channel}/entries.
type NewEntry struct {
	Entry []byte   `json:"entry" doc:"encoded envelope.Entry"`
	Salt  []byte   `json:"salt,omitempty" doc:"32 bytes beside a message"`
	Wraps [][]byte `json:"wraps,omitempty" doc:"beside an epoch link: the seed for each recipient, in order"`
}

// Answer is the server's signed word on an entry: exactly one is set. A
// refusal is final; any other failure is a problem document and "not now".
type Answer struct {
	Receipt []byte `json:"receipt,omitempty" doc:"envelope.Signed over Receipt"`
	Refusal []byte `json:"refusal,omitempty" doc:"envelope.Signed over Refusal"`
}

// Entries is GET /v1/channels/{channel}/entries?after=&limit=&kind=: a page in
// rising order. With kind=link only entries that are not messages are listed.
type Entries struct {
	Entries  [][]byte      `json:"entries" doc:"encoded envelope.Placed"`
	Position uint64        `json:"position" doc:"the channel's newest position"`
	Head     envelope.Hash `json:"head"`
}

// NewFile is POST /v1/channels/{channel}/files: what its sender will sign.
type NewFile struct {
	ID   envelope.BlobID `json:"id"`
	Size uint64          `json:"size" minimum:"28" maximum:"10742005760" doc:"sealed bytes"`
	Root envelope.Hash   `json:"root" doc:"RFC 6962 root over the sealed chunks"`
}

// Held tells how much of a file the server has.
type Held struct {
	Have uint64 `json:"have" doc:"chunks, from the first on"`
}

// EpochWrap is GET /v1/channels/{channel}/epochs/{n}: the caller's own wrap and
// the hashes of all wraps, from which wraps_root follows.
type EpochWrap struct {
	Wrap   []byte          `json:"wrap"`
	Hashes []envelope.Hash `json:"hashes"`
}

// Frame kinds of the live socket. Frames are binary CBOR arrays.
const (
	FrameSubscribe = 1 // client → server: Subscribe
	FrameEntry     = 2 // server → client: EntryFrame
	FrameResync    = 3 // server → client: ResyncFrame: fetch by HTTP from there
	FrameTyping    = 4 // both ways: TypingFrame
	FrameReady     = 5 // server → client: ReadyFrame after a subscription took effect
)

// Frame is any frame; Body is the CBOR of its kind.
type Frame struct {
	_    struct{} `cbor:",toarray"`
	Kind uint8
	Body []byte
}

// Subscribe asks for the entries of a channel after a position.
type Subscribe struct {
	_       struct{} `cbor:",toarray"`
	Channel envelope.ChannelID
	After   uint64
}

// EntryFrame carries one placed entry; Channel tells where.
type EntryFrame struct {
	_       struct{} `cbor:",toarray"`
	Channel envelope.ChannelID
	Placed  []byte // encoded envelope.Placed
}

// ReadyFrame tells that everything up to Position was sent and that what
// follows is live.
type ReadyFrame struct {
	_        struct{} `cbor:",toarray"`
	Channel  envelope.ChannelID
	Position uint64
}

// ResyncFrame tells that entries were left out.
type ResyncFrame struct {
	_        struct{} `cbor:",toarray"`
	Channel  envelope.ChannelID
	Position uint64
}

// TypingFrame tells that someone is typing.
type TypingFrame struct {
	_       struct{} `cbor:",toarray"`
	Channel envelope.ChannelID
	User    envelope.UserID
}

// Close codes of the live socket. Below 4400 a client comes back by itself.
const (
	CloseSlow     = 4008 // too slow to follow; reconnect and resume
	CloseRestart  = 4012 // the server is restarting; reconnect after a pause
	CloseFull     = 4029 // too many connections at once; reconnect after a pause
	CloseSession  = 4401 // the session has ended; sign in again
	CloseDenied   = 4403 // policy does not allow it
	CloseTooMany  = 4413 // too many channels on one connection
	CloseProtocol = 4400 // the frame is malformed
)
