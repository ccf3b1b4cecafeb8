package policy

import (
	"errors"
	"fmt"
)

// InputSchema is the version of what rules read.
const InputSchema = "chancery.input/v1"

// Question is everything a decision may depend on. Absent is not empty: a nil
// pointer, a nil slice and an empty string are left out of the input, a zero
// behind a pointer and an empty slice are not, and rules refuse on what is
// missing. It holds identifiers and states, never content.
type Question struct {
	Action   Action
	Subject  Subject
	Resource Resource
	Context  Context
}

// Kind says what sort of principal asks.
type Kind string

const (
	KindUser      Kind = "user"
	KindRecorder  Kind = "recorder"
	KindSigner    Kind = "signer"
	KindJob       Kind = "job"       // the server's own durable jobs
	KindAnonymous Kind = "anonymous" // nobody yet; may only ask for system.health
)

// Roles of a person in the organisation, mapped from directory groups.
const (
	RoleMember  = "member" // everyone with an account
	RoleAdmin   = "admin"
	RoleOfficer = "officer" // compliance officer
	RoleLegal   = "legal"
	RoleAuditor = "auditor"
	RoleISSO    = "isso"
)

// Subject is who asks.
type Subject struct {
	ID     string   `json:"id,omitzero"`
	Kind   Kind     `json:"kind,omitzero"`
	State  string   `json:"state,omitzero"` // active | disabled
	Roles  []string `json:"roles,omitzero"`
	Scopes []string `json:"scopes,omitzero"` // actions a token is limited to; nil for a full session
}

// Resource is what is asked about, as it stands when the question is put.
type Resource struct {
	Type        ResourceType `json:"type,omitzero"`
	ID          string       `json:"id,omitzero"`
	Team        string       `json:"team,omitzero"`
	Owner       string       `json:"owner,omitzero"`        // subject id of the owner or author
	Privacy     string       `json:"privacy,omitzero"`      // public | private | direct
	State       string       `json:"state,omitzero"`        // active | archived
	TeamRole    string       `json:"team_role,omitzero"`    // of the subject: owner | member | none
	MemberRole  string       `json:"member_role,omitzero"`  // of the subject: owner | moderator | member | none
	MemberState string       `json:"member_state,omitzero"` // of the member who is to go: active | disabled
	FirstDevice *bool        `json:"first_device,omitzero"` // its owner has no approved device yet
	Holds       *int64       `json:"holds,omitzero"`        // holds in force on it, or on anything in it
	RequestedBy string       `json:"requested_by,omitzero"` // subject id of who asked for it
	Approvals   []Approval   `json:"approvals,omitzero"`
	Auditors    []string     `json:"auditors,omitzero"`  // subject ids an archive is addressed to
	Recorders   []string     `json:"recorders,omitzero"` // subject ids of the recorders listed for it
	Crypto      *Crypto      `json:"crypto,omitzero"`
}

// Approval is one person's consent to what another requested.
type Approval struct {
	By   string `json:"by,omitzero"`
	Role string `json:"role,omitzero"` // the role it was given in
}

// Crypto is the state of a channel's keys.
type Crypto struct {
	Capture       string `json:"capture,omitzero"` // off | required; anything else counts as required
	Epoch         *int64 `json:"epoch,omitzero"`
	RecorderAcked *bool  `json:"recorder_acked,omitzero"` // every required recorder acknowledged that epoch
}

// Context is the circumstances. Times are Unix seconds.
type Context struct {
	Time      *int64     `json:"time,omitzero"`
	Transport string     `json:"transport,omitzero"` // http | ws | job | cli
	Device    *Device    `json:"device,omitzero"`
	Session   *Session   `json:"session,omitzero"`
	Overrides []Override `json:"overrides,omitzero"`
}

// Device is the client installation the request comes from.
type Device struct {
	ID    string `json:"id,omitzero"`
	State string `json:"state,omitzero"` // pending | approved | revoked
}

// Session is what the request was authenticated by.
type Session struct {
	ID        string `json:"id,omitzero"`
	AuthAt    *int64 `json:"auth_at,omitzero"` // when the person last proved who they are
	ExpiresAt *int64 `json:"expires_at,omitzero"`
}

// Override is an approved exception to a soft denial.
type Override struct {
	Code  string `json:"code,omitzero"`
	Until *int64 `json:"until,omitzero"`
}

// ErrQuestion reports a question that no bundle could answer.
var ErrQuestion = errors.New("malformed question")

// check refuses what the caller got wrong, before any rule sees it.
func (q *Question) check() error {
	spec, known := q.Action.Spec()
	switch {
	case !known:
		return fmt.Errorf("%w: unknown action %q", ErrQuestion, q.Action)
	case q.Resource.Type != spec.Resource:
		return fmt.Errorf("%w: %s is asked of %q, not of %q", ErrQuestion, q.Action, spec.Resource, q.Resource.Type)
	case q.Resource.ID == "":
		return fmt.Errorf("%w: %s: no resource id", ErrQuestion, q.Action)
	case q.Subject.ID == "" && q.Subject.Kind != KindAnonymous:
		return fmt.Errorf("%w: %s: no subject", ErrQuestion, q.Action)
	}
	return nil
}
