package identity

import "time"

// UserID is the server's own number for a person or service. It is never
// parsed from anything a directory sends.
type UserID int64

// SessionID is the server's own number for a session. It is not a secret and
// may be logged; the secret is the [Token].
type SessionID int64

// Kind says what sort of actor a principal is.
type Kind string

const (
	Person   Kind = "person"
	Service  Kind = "service"
	Recorder Kind = "recorder"
	Auditor  Kind = "auditor"
	Signer   Kind = "signer"
)

// Principal is who acts in one request: user, device and session, or a
// service. Policy sees these values and nothing of the token.
type Principal struct {
	User    UserID
	Session SessionID
	Kind    Kind
	Name    string

	UserChain [32]byte // head of the user's chain; zero when there is none
	Device    [32]byte // device id; zero until the device is enrolled
	Service   [32]byte // key id of a service that signed in by its key; zero for a person

	Roles  []string
	Groups []string // group ids as the connector gave them, not names

	AuthTime time.Time // when the person last proved who they are
	Expires  time.Time // when the session ends if nothing more happens
	StepUpAt time.Time // zero when there was no step-up
	AMR      []string  // methods used (RFC 8176)
	ACR      string    // assurance reached

	Attrs        map[string][]string
	AttrsFreshAt time.Time // when Attrs, Roles and Groups were read at the source
	AttrsSource  string    // "ldap:corp"
}

// HasDevice reports whether the principal speaks from an enrolled device.
func (p Principal) HasDevice() bool { return p.Device != [32]byte{} }
