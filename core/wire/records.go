package wire

import (
	"time"

	"chancery/crypto/envelope"
)

// Order is what a person orders or approves: the canonical bytes of an
// envelope order and the approval that the person's device signed
// (envelope.Signed with label approval).
type Order struct {
	Order    []byte `json:"order,omitempty" doc:"left out when approving what the server already has"`
	Approval []byte `json:"approval"`
}

// Matter is a case that holds and exports belong to.
type Matter struct {
	ID     string `json:"id" pattern:"^[a-z0-9][a-z0-9-]{0,62}$" patternDescription:"1 to 63 lower-case letters, digits and hyphens"`
	Title  string `json:"title" maxLength:"200" pattern:"^\\P{Cc}*$" patternDescription:"free of control characters"`
	Closed bool   `json:"closed"`
}

// Matters is GET /v1/matters.
type Matters struct {
	Matters []Matter `json:"matters"`
}

// State of a hold, plan, schedule or export.
type State string

// Hold is GET /v1/holds/{hold}. States: draft → active → release_requested →
// cooling → closed.
type Hold struct {
	ID        envelope.Hash `json:"id"`
	Matter    string        `json:"matter"`
	Name      string        `json:"name"`
	State     State         `json:"state" enum:"draft,active,release_requested,cooling,closed"`
	Order     []byte        `json:"order"`
	Release   []byte        `json:"release,omitempty" doc:"envelope.ReleaseOrder, once its end was asked for"`
	Approvals [][]byte      `json:"approvals" doc:"of the order and of the release"`
	Messages  uint64        `json:"messages" doc:"held when it became active"`
	Root      envelope.Hash `json:"root" doc:"RFC 6962 root over the held entries' hashes, in channel and position order"`
	Created   time.Time     `json:"created"`
	Active    time.Time     `json:"active,omitzero"`
}

// Holds is GET /v1/holds.
type Holds struct {
	Generation uint64 `json:"generation" doc:"rises with every change to any hold"`
	Holds      []Hold `json:"holds"`
}

// Rule is one retention rule in force.
type Rule struct {
	Order     []byte   `json:"order"`
	Approvals [][]byte `json:"approvals"`
}

// Rules is GET /v1/retention/rules.
type Rules struct {
	Rules []Rule `json:"rules"`
}

// Plan is one disposal. States: planned → approved → running → pending (until
// every recorder confirms) → certified; or stopped.
type Plan struct {
	ID            envelope.Hash `json:"id"`
	State         State         `json:"state" enum:"planned,approved,running,pending,certified,stopped"`
	Order         []byte        `json:"order" doc:"envelope.DisposalPlan"`
	Messages      uint64        `json:"messages"`
	Blocked       uint64        `json:"blocked"`
	Approvals     [][]byte      `json:"approvals"`
	Confirmations [][]byte      `json:"confirmations"`
	Certificate   []byte        `json:"certificate,omitempty" doc:"DSSE, once certified"`
	Why           string        `json:"why,omitempty" doc:"of a stop"`
}

// Plans is GET /v1/retention/plans.
type Plans struct {
	Plans []Plan `json:"plans"`
}

// Statement carries one envelope.Signed.
type Statement struct {
	Statement []byte `json:"statement"`
}

// Why is GET /v1/channels/{channel}/entries/{position}/why.
type Why struct {
	Verdict string          `json:"verdict" enum:"kept,expires,expired,disposed"`
	Code    string          `json:"code" doc:"the rule that decides, such as hold.active or retention.max"`
	Text    string          `json:"text"`
	At      time.Time       `json:"at,omitzero" doc:"when it expires, or was disposed of"`
	Holds   []envelope.Hash `json:"holds,omitempty"`
	Rules   []string        `json:"rules,omitempty"`
}

// Schedule is GET /v1/exports/schedules/{schedule}.
type Schedule struct {
	ID        string    `json:"id"`
	Revision  uint64    `json:"revision"`
	State     State     `json:"state" enum:"draft,active,expired"`
	Order     []byte    `json:"order"`
	Approvals [][]byte  `json:"approvals"`
	Next      time.Time `json:"next,omitzero"`
}

// Schedules is GET /v1/exports/schedules.
type Schedules struct {
	Schedules []Schedule `json:"schedules"`
}

// Export is one run. States: cut → writing → sealed → signed → delivered;
// or failed. Sealed means that the recorder has added the openings.
type Export struct {
	ID         envelope.Hash `json:"id"`
	Schedule   string        `json:"schedule"`
	Ordinal    uint64        `json:"ordinal"`
	State      State         `json:"state" enum:"cut,writing,sealed,signed,delivered,failed"`
	From       uint64        `json:"from_idx"`
	To         uint64        `json:"to_idx"`
	Records    uint64        `json:"records"`
	Messages   uint64        `json:"messages"`
	Exceptions uint64        `json:"exceptions"`
	Path       string        `json:"path,omitempty" doc:"where it was delivered, on the server's host"`
	Why        string        `json:"why,omitempty"`
	Order      []byte        `json:"order" doc:"the approved schedule"`
	Approvals  [][]byte      `json:"approvals"`
	Channels   []ExportRange `json:"channels" doc:"what the recorder adds openings for"`
}

// ExportRange is a channel's part of an export.
type ExportRange struct {
	Channel envelope.ChannelID `json:"channel"`
	From    uint64             `json:"from"`
	To      uint64             `json:"to"`
}

// Exports is GET /v1/exports.
type Exports struct {
	Exports []Export `json:"exports"`
}

// Openings is PUT /v1/exports/{export}/openings, by a recorder: the sealed
// openings file, the key slip that stays outside the bag, and the commitment to
// the data key that the manifest carries.
type Openings struct {
	Sealed     []byte        `json:"sealed"`
	Slip       []byte        `json:"slip"`
	KeyCommit  envelope.Hash `json:"key_commit"`
	Count      uint64        `json:"count"`
	Exceptions uint64        `json:"exceptions"`
}
