package compliance

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"chancery/core"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Codes of refused approvals.
const (
	BadApproval  = "approval.malformed"   // not an approval, or not signed by its device
	OtherObject  = "approval.object"      // of another order, action or organisation
	Expired      = "approval.time"        // signed too long ago, or in the future
	OtherPerson  = "approval.person"      // not by who is signed in
	NotListed    = "approval.not_listed"  // the organisation does not list the person in this role
	SamePerson   = "approval.same_person" // one person in two roles is one person
	approvalLife = 15 * time.Minute       // either way of the server's clock
)

// Consent is one person's verified approval of one order.
type Consent struct {
	Object    envelope.Hash
	Action    policy.Action
	Person    envelope.UserID
	Account   identity.UserID
	Role      envelope.Role
	Statement []byte // envelope.Signed over envelope.Approval
	At        int64  // µs since 1970, UTC, by the person's clock
}

// Wanted is what an approval must be: by whom, of what, in which role.
type Wanted struct {
	By     identity.Principal
	Action policy.Action
	Object envelope.Hash
	Role   envelope.Role
	Now    time.Time
}

// Verify checks an approval by the organisation's and the person's chains: a
// live device of the person who is signed in signed it, for this order and this
// action, within 15 minutes of now, and the organisation lists the person.
func Verify(dir chain.Directory, raw []byte, w Wanted) (Consent, error) {
	op := string(w.Action)
	if err := Founded(op, dir); err != nil {
		return Consent{}, err
	}
	claim, err := parseApproval(raw)
	if err != nil {
		return Consent{}, &core.Error{Op: op, Kind: core.Invalid, Code: BadApproval, Field: "approval", Public: "the approval is malformed", Err: err}
	}
	if claim.User != envelope.UserID(w.By.UserChain) || claim.User.IsZero() {
		return Consent{}, Refuse(op, core.Denied, OtherPerson, "the approval is not signed by who is signed in")
	}
	user, ok := dir.User(claim.User)
	if !ok {
		return Consent{}, Refuse(op, core.Denied, BadApproval, "the person who approves has no chain")
	}
	device, ok := user.DeviceAt(claim.Device, user.Seq())
	if !ok {
		return Consent{}, Refuse(op, core.Denied, BadApproval, "the approval is not by a device of this person")
	}
	a, err := envelope.OpenStatement[envelope.Approval](raw, envelope.LabelApproval, device.Key)
	if err != nil {
		return Consent{}, &core.Error{Op: op, Kind: core.Denied, Code: BadApproval, Public: "the approval is not signed by its device", Err: err}
	}
	if err := w.judge(dir.Org(), a); err != nil {
		return Consent{}, err
	}
	return Consent{Object: a.Object, Action: w.Action, Person: a.User, Account: w.By.User, Role: w.Role, Statement: raw, At: a.Time}, nil
}

func parseApproval(raw []byte) (*envelope.Approval, error) {
	signed, err := envelope.ParseSigned(raw)
	if err != nil {
		return nil, err
	}
	var a envelope.Approval
	return &a, envelope.Unmarshal(signed.Bytes, &a)
}

// ActionOf is the action that an approval names, before anything is verified.
func ActionOf(raw []byte) policy.Action {
	a, err := parseApproval(raw)
	if err != nil {
		return ""
	}
	return policy.Action(a.Action)
}

func (w *Wanted) judge(org *chain.Org, a *envelope.Approval) error {
	op := string(w.Action)
	if a.Version != envelope.Version || a.Org != org.ID() || a.Object != w.Object || a.Action != op {
		return Refuse(op, core.Denied, OtherObject, fmt.Sprintf("the approval is of %s %s, not of %s %s", a.Action, a.Object, op, w.Object))
	}
	if d := w.Now.Sub(time.UnixMicro(a.Time)); d > approvalLife || d < -approvalLife {
		return Refuse(op, core.Denied, Expired, "the approval was signed at another time; sign again")
	}
	party, ok := org.Party(w.Role, (&envelope.Party{User: a.User}).ID())
	if !ok || party.NotAfter != 0 && w.Now.UnixMicro() > party.NotAfter {
		return Refuse(op, core.Denied, NotListed, fmt.Sprintf("the organisation does not list this person for %s", w.Role))
	}
	return nil
}

// Apart checks that none of the earlier consents is of the same person.
func (c *Consent) Apart(earlier []Consent) error {
	same := func(x Consent) bool { return x.Person == c.Person || x.Account == c.Account }
	if slices.ContainsFunc(earlier, same) {
		return Refuse(string(c.Action), core.Denied, SamePerson, "another person must consent: you have already")
	}
	return nil
}

// PolicyApprovals is how policy sees consents. The requester's own signature is
// the request, and no approval of it.
func PolicyApprovals(requester identity.UserID, list []Consent) []policy.Approval {
	out := []policy.Approval{}
	for _, c := range list {
		if c.Account != requester {
			out = append(out, policy.Approval{By: SubjectID(c.Account), Role: string(c.Role)})
		}
	}
	return out
}

// Statements are the signed approvals, in the order in which they were given.
func Statements(list []Consent) [][]byte {
	out := make([][]byte, len(list))
	for i, c := range list {
		out[i] = c.Statement
	}
	return out
}

// SubjectID is how policy names an account.
func SubjectID(u identity.UserID) string { return strconv.FormatInt(int64(u), 10) }
