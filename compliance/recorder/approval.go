package recorder

import (
	"context"
	"errors"

	"chancery/crypto/envelope"
)

// Actions that approvals name: policy's names of what was decided.
const (
	actionHold           = "hold.create"
	actionHoldApprove    = "hold.approve"
	actionRelease        = "hold.release_request"
	actionReleaseApprove = "hold.release_approve"
	actionRule           = "retention.rule_set"
	actionPlan           = "retention.plan"
	actionPlanApprove    = "retention.approve"
	actionSchedule       = "export.schedule_set"
	actionScheduleAgree  = "export.schedule_approve"
)

// consent is a verified approval by a person in one of the two roles.
type consent struct {
	user   envelope.UserID
	role   envelope.Role
	action string
}

// ballot says whose consent an order needs: one person who asks and, where
// approve is not empty, another who approves.
type ballot struct {
	ask     []string // actions that a compliance person may have signed
	approve string   // the action that a legal person must have signed
}

var (
	holdBallot     = ballot{[]string{actionHold}, actionHoldApprove}
	releaseBallot  = ballot{[]string{actionRelease}, actionReleaseApprove}
	ruleBallot     = ballot{[]string{actionRule}, ""}
	planBallot     = ballot{[]string{actionPlan, actionPlanApprove}, actionPlanApprove}
	scheduleBallot = ballot{[]string{actionSchedule}, actionScheduleAgree}
)

// approved checks that the people whom a ballot wants signed this very order.
// Approvals that do not verify count for nothing.
func (d *directory) approved(ctx context.Context, o *Order, b ballot) error {
	object := envelope.OrderHash(o.Bytes)
	var given []consent
	var why []error
	for _, raw := range o.Approvals {
		c, err := d.consents(ctx, raw, object)
		if err != nil {
			why = append(why, err)
		}
		given = append(given, c...)
	}
	if b.met(given) {
		return nil
	}
	return alarm(NotApproved, "order %s: %d consents in a needed role: %w", object, len(given), errors.Join(why...))
}

// met looks for two different people: one person in both roles is one person.
func (b ballot) met(given []consent) bool {
	for _, x := range given {
		if !b.asks(x) {
			continue
		}
		if b.approve == "" {
			return true
		}
		for _, y := range given {
			if y.role == envelope.RoleLegal && y.action == b.approve && y.user != x.user {
				return true
			}
		}
	}
	return false
}

func (b ballot) asks(c consent) bool {
	for _, action := range b.ask {
		if c.role == envelope.RoleCompliance && c.action == action {
			return true
		}
	}
	return false
}

// consents verifies one approval and gives it once for each role in which the
// organisation lists its signer.
func (d *directory) consents(ctx context.Context, raw []byte, object envelope.Hash) ([]consent, error) {
	a, err := d.verifyApproval(ctx, raw)
	if err != nil {
		return nil, err
	}
	now := d.now().UnixMicro()
	if a.Version != envelope.Version || a.Org != d.pin || a.Object != object {
		return nil, alarm(OrderMalformed, "approval of another object, %s", a.Object)
	}
	var out []consent
	party := envelope.Party{User: a.User}
	for _, role := range []envelope.Role{envelope.RoleCompliance, envelope.RoleLegal} {
		if p, ok := d.Org().Party(role, party.ID()); ok && !ended(p, now) {
			out = append(out, consent{a.User, role, a.Action})
		}
	}
	if len(out) == 0 {
		return nil, alarm(NotApproved, "user %s is listed neither for compliance nor legal", a.User)
	}
	return out, nil
}

// ended tells whether a listing is past its own end.
func ended(p *envelope.Party, now int64) bool { return p.NotAfter != 0 && p.NotAfter <= now }

// verifyApproval checks that a live device of the user signed the approval.
func (d *directory) verifyApproval(ctx context.Context, raw []byte) (*envelope.Approval, error) {
	signed, err := envelope.ParseSigned(raw)
	if err != nil {
		return nil, err
	}
	var claim envelope.Approval
	if err := envelope.Unmarshal(signed.Bytes, &claim); err != nil {
		return nil, err
	}
	device, err := d.device(ctx, claim.User, claim.Device)
	if err != nil {
		return nil, err
	}
	return envelope.OpenStatement[envelope.Approval](raw, envelope.LabelApproval, device.Key)
}

// device finds a person's live device in the newest chain that the server shows:
// one that was revoked since approves nothing.
func (d *directory) device(ctx context.Context, u envelope.UserID, key envelope.KeyID) (*envelope.DeviceBody, error) {
	if err := d.refresh(ctx, u); err != nil {
		return nil, err
	}
	if body, ok := d.knownDevice(u, key); ok {
		return body, nil
	}
	return nil, alarm(NotApproved, "device %s is not user %s's", key, u)
}

func (d *directory) knownDevice(u envelope.UserID, key envelope.KeyID) (*envelope.DeviceBody, bool) {
	user, ok := d.User(u)
	if !ok {
		return nil, false
	}
	return user.DeviceAt(key, user.Seq())
}
