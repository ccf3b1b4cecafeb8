package identity

import (
	"context"
	"time"
)

// SubjectKind names the identifier a connector uses. It is part of the key,
// so that the same text from two kinds never means the same person.
type SubjectKind string

const (
	EntryUUID      SubjectKind = "entryUUID"
	ObjectGUID     SubjectKind = "objectGUID"
	NSUniqueID     SubjectKind = "nsUniqueId"
	SAMLPersistent SubjectKind = "saml_persistent"
	OIDCSub        SubjectKind = "oidc_sub"
	EDIPI          SubjectKind = "edipi"
	WebAuthn       SubjectKind = "webauthn"
)

// ExternalID is the only key by which a returning person is recognised.
// It is comparable and unique in the store.
type ExternalID struct {
	Connector string
	Issuer    string
	Subject   string
	Kind      SubjectKind
}

// Group is a group at its source. ID outlives a rename; Name is for display.
type Group struct {
	ID   string
	Name string
}

// Claims is what a connector vouches for after it has verified someone.
// Username, DisplayName and Mail are for display and may change or be
// reassigned to someone else; never look a person up by them.
type Claims struct {
	Connector string
	Issuer    string
	Subject   string
	Kind      SubjectKind

	Username    string
	DisplayName string
	Mail        string
	Groups      []Group
	Attrs       map[string][]string

	AuthTime time.Time // zero when nobody signed in, as after a lookup
	AMR      []string
	Enabled  bool      // false: the source says this account may not act
	FreshAt  time.Time // when the source was read
}

// ExternalID returns the key to match these claims by.
func (c Claims) ExternalID() ExternalID {
	return ExternalID{Connector: c.Connector, Issuer: c.Issuer, Subject: c.Subject, Kind: c.Kind}
}

// Connector is one configured source of identity.
type Connector interface {
	Name() string // configured name, unique and permanent: part of every ExternalID
	Kind() string // protocol: "ldap", "saml", "oidc"
}

// PasswordConnector verifies a name and password, and looks up those it
// vouched for before. Lookup's claims of a disabled person have Enabled false;
// its errors are [ErrNoSubject] after a complete search without a hit, else
// [ErrUnavailable]. Authenticate returns claims
// with Enabled true, or an error that is one of [ErrCredentials],
// [ErrDisabled], [ErrLocked], [ErrUnavailable] by errors.Is.
type PasswordConnector interface {
	Connector
	Authenticate(ctx context.Context, username, password string) (Claims, error)
	Lookup(ctx context.Context, subject string) (Claims, error)
}
