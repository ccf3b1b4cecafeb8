package wire

import (
	"time"

	"chancery/crypto/envelope"
)

// Login is POST /v1/session: a person signs in through a directory.
type Login struct {
	Connector string `json:"connector,omitempty" maxLength:"100" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters" doc:"which directory; may be left out when there is one"`
	Username  string `json:"username" maxLength:"256" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters"`
	Password  string `json:"password" maxLength:"1024"`
}

// KeyLogin is POST /v1/session/key: a listed service (recorder, auditor's
// fetcher) signs in by its key.
type KeyLogin struct {
	Statement []byte `json:"statement" doc:"envelope.Signed with label login over LoginStatement"`
}

// LoginStatement is what a key signs to sign in, to bind a session or to ask to
// be taken in. It is for one organisation, one host and one session; Nonce comes
// from POST /v1/session/nonce and works once.
type LoginStatement struct {
	_       struct{} `cbor:",toarray"`
	Org     envelope.OrgID
	Nonce   []byte
	Role    envelope.Role // empty for a device
	Key     envelope.KeyID
	Host    string // the name or address that the client verified by TLS, lower case, without port
	Session int64  // GET /v1/session's; 0 to sign in
}

// Labels of statements that only the API uses.
const (
	LabelLogin  = "login"  // a listed key signs in
	LabelDevice = "device" // a device of the person's chain binds the session
	LabelEnrol  = "enrol"  // a new device asks the person's others to take it in
)

// Nonce is the answer to POST /v1/session/nonce.
type Nonce struct {
	Nonce []byte         `json:"nonce"`
	Org   envelope.OrgID `json:"org" doc:"zero while the organisation has no genesis"`
}

// Session is the answer to a login. Token is sent as "Authorization: Bearer".
type Session struct {
	Token     string    `json:"token"`
	Expires   time.Time `json:"expires"`
	Person    Person    `json:"person"`
	LastLogin time.Time `json:"last_login,omitzero"`
}

// BindDevice is PUT /v1/session/device: a live device proves that the session
// is its own. Content can't be asked for before.
type BindDevice struct {
	Statement []byte `json:"statement" doc:"envelope.Signed with label device over LoginStatement"`
}

// Person is someone with an account. Chain is zero before a first device.
type Person struct {
	Account  int64           `json:"account,string" doc:"internal number"`
	Username string          `json:"username"`
	Name     string          `json:"name"`
	Chain    envelope.UserID `json:"chain"`
	Roles    []string        `json:"roles"`
	Device   envelope.KeyID  `json:"device" doc:"the session's device; zero before it is bound"`
	Session  int64           `json:"session,string" doc:"the caller's own; 0 for others"`
	Disabled bool            `json:"disabled"`
}

// People is GET /v1/people.
type People struct {
	People []Person `json:"people"`
}

// Chain is a whole chain: its entries, oldest first, each an encoded
// envelope.Entry.
type Chain struct {
	Entries [][]byte `json:"entries"`
}

// NewChain is PUT /v1/people/me/chain and POST /v1/org: a genesis. Wrap is the
// user seed sealed to the first device; empty for an organisation.
type NewChain struct {
	Entry []byte `json:"entry"`
	Wrap  []byte `json:"wrap,omitempty"`
}

// NewLink is POST /v1/people/me/chain and POST /v1/org/links.
type NewLink struct {
	Entry []byte   `json:"entry"`
	Wrap  []byte   `json:"wrap,omitempty" doc:"the user seed sealed to the added device"`
	Wraps [][]byte `json:"wraps,omitempty" doc:"of a link that starts a key generation: its seed, sealed to each device and to the recovery key, by key id"`
}

// Device is one of a person's chain.
type Device struct {
	Key       envelope.KeyID `json:"key"`
	Name      string         `json:"name"`
	Public    []byte         `json:"public" doc:"Ed25519 public key"`
	Recipient []byte         `json:"recipient"`
}

// Devices is GET /v1/devices: the caller's own, and those that ask to be.
type Devices struct {
	Devices []Device   `json:"devices"`
	Waiting []Proposal `json:"waiting"`
}

// Recovery is GET /v1/devices/recovery: the newest user seed, sealed to the
// recovery key that stands.
type Recovery struct {
	Key  envelope.KeyID `json:"key"`
	Wrap []byte         `json:"wrap"`
}

// Wrap is a sealed seed.
type Wrap struct {
	Wrap []byte `json:"wrap"`
}
