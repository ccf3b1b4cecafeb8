package policy

import "slices"

// DecisionSchema is the version of what rules answer.
const DecisionSchema = "chancery.decision/v1"

// PolicyError is the reason of every refusal that no rule decided: the policy
// could not be evaluated, or its answer could not be trusted.
const PolicyError = "policy.error"

// NoRule is the reason when no rule grants what was asked.
const NoRule = "main.no_rule"

// Level says how much weight a reason has. Levels belong to the bundle's
// enforcement.json, so a rule is written once and enforced as strictly as wanted.
type Level string

const (
	LevelHard     Level = "hard"     // refuses
	LevelSoft     Level = "soft"     // refuses unless an approved override names it
	LevelAdvisory Level = "advisory" // only recorded
	LevelGrant    Level = "grant"    // the rule that allowed
)

// Reason is one rule that took part in a decision. Its code is Package.Rule.
type Reason struct {
	Code     string `json:"code"`
	Package  string `json:"package"`
	Rule     string `json:"rule"`
	Level    Level  `json:"level"`
	UserText string `json:"user_text,omitempty"` // the only part meant for the person refused
}

// Phase says when an obligation is due.
type Phase string

const (
	PhaseBefore Phase = "before" // before anything changes; blocks
	PhaseWith   Phase = "with"   // in the transaction of the change
	PhaseAfter  Phase = "after"  // as a job once it has committed
)

// The closed registry of obligations. A bundle that asks for another is refused,
// because nobody would carry it out.
const (
	RequireAck      = "require_ack"      // args: epoch; its acknowledgement is re-checked in the transaction
	RequireRecorder = "require_recorder" // the conversation starts with the listed recorders in it
	RequireApproval = "require_approval" // args: role, quorum; stored as pending until approved
	Retain          = "retain"           // args: class; hide but keep
	RotateEpoch     = "rotate_epoch"     // args: reason; the next writer makes a new epoch
)

func knownObligation(name string) bool {
	return slices.Contains([]string{RequireAck, RequireRecorder, RequireApproval, Retain, RotateEpoch}, name)
}

// Obligation is what the server must do when it acts on an allowing decision.
type Obligation struct {
	Type  string         `json:"type"`
	Args  map[string]any `json:"args"` // strings, booleans and json.Number
	Phase Phase          `json:"phase"`
}

// Needs says what would turn a refusal into permission.
type Needs struct {
	Approval *ApprovalNeed `json:"approval,omitempty"`
}

// ApprovalNeed asks for quorum different people in a role.
type ApprovalNeed struct {
	Role   string `json:"role"`
	Quorum int    `json:"quorum"`
}

// Decision is the answer to a Question. Equal questions may share the slices and
// maps of one answer: they are to be read only.
type Decision struct {
	Allow       bool
	Reasons     []Reason // ordered by code
	Obligations []Obligation
	Needs       Needs
	ValidUntil  int64 // Unix seconds after which to ask again; 0 when no limit was named

	ID         string // UUIDv7
	Generation uint64 // of the bundle that decided
	Digest     string // SHA-256 of that bundle, hex
}

// Denial is the reason to tell: the first rule that refused, or main.no_rule when
// none did and none allowed. It is the zero Reason when the decision allows.
func (d Decision) Denial() Reason {
	var denial Reason
	for _, reason := range d.Reasons {
		switch {
		case d.Allow || reason.Level == LevelAdvisory:
		case denial.Code == "" || denial.Code == NoRule:
			denial = reason
		}
	}
	return denial
}

// Has reports whether the rule with this code took part.
func (d Decision) Has(code string) bool {
	return slices.ContainsFunc(d.Reasons, func(r Reason) bool { return r.Code == code })
}

// Owes returns the obligation of the given type, if the decision carries it.
func (d Decision) Owes(name string) (Obligation, bool) {
	for _, duty := range d.Obligations {
		if duty.Type == name {
			return duty, true
		}
	}
	return Obligation{}, false
}

// failed is the refusal given when evaluation itself went wrong.
func failed() Decision {
	return Decision{Reasons: []Reason{{
		Code: PolicyError, Package: "policy", Rule: "error", Level: LevelHard,
		UserText: "The policy could not be evaluated. Nothing was changed.",
	}}}
}
