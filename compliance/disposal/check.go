package disposal

import (
	"errors"
	"fmt"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// View is what a disposal is judged by: chains that the caller has verified.
type View interface {
	chain.Directory
	// Keepers are the recorders that must confirm a range. False is a channel that
	// the caller does not ask about.
	Keepers(envelope.DisposalRange) ([]envelope.KeyID, bool)
}

// Check tells whether two different people of the organisation approved the
// plan, one for compliance and one for legal, and every recorder of its
// channels confirmed that its own copies are gone.
func (b *Body) Check(in View) error {
	plan, err := b.Plan()
	if err != nil {
		return err
	}
	if plan.Org != in.Org().ID() {
		return fmt.Errorf("the plan is of organisation %s", plan.Org)
	}
	if err := b.checkApprovals(in); err != nil {
		return err
	}
	return b.checkConfirmations(in, plan)
}

// consent is one good approval.
type consent struct {
	user              envelope.UserID
	action            string
	compliance, legal bool // roles that the organisation listed the person in
}

// Policy's names of what people sign about a plan.
const (
	actionPlan    = "retention.plan"
	actionApprove = "retention.approve"
)

// checkApprovals looks for two people: one for compliance, who planned or
// approved, and another for legal, who approved.
func (b *Body) checkApprovals(in View) error {
	var given []consent
	for _, raw := range b.Approvals {
		g, err := checkApproval(in, raw, envelope.OrderHash(b.Order))
		if err != nil {
			return fmt.Errorf("approval: %w", err)
		}
		given = append(given, g)
	}
	for _, x := range given {
		for _, y := range given {
			if x.compliance && y.legal && y.action == actionApprove && x.user != y.user {
				return nil
			}
		}
	}
	return errors.New("two people, one for compliance and one for legal, must have approved the disposal")
}

// checkApproval checks that a device of its author signed an approval of a plan.
func checkApproval(in View, raw []byte, plan envelope.Hash) (g consent, err error) {
	signed, err := envelope.ParseSigned(raw)
	if err != nil {
		return g, err
	}
	var said envelope.Approval
	if err := envelope.Unmarshal(signed.Bytes, &said); err != nil {
		return g, err
	}
	user, ok := in.User(said.User)
	if !ok {
		return g, fmt.Errorf("by %s, whose chain is not there", said.User)
	}
	// Who approved may have revoked that device since, as they may have been
	// de-listed: what counts is that it was theirs when they signed.
	device, ok := user.DeviceWhen(said.Device, said.Time)
	if !ok {
		return g, fmt.Errorf("by a device that %s did not have then", said.User)
	}
	if _, err := envelope.OpenStatement[envelope.Approval](raw, envelope.LabelApproval, device.Key); err != nil {
		return g, err
	}
	known := said.Action == actionPlan || said.Action == actionApprove
	if said.Org != in.Org().ID() || said.Object != plan || !known {
		return g, fmt.Errorf("of %s on %s", said.Action, said.Object)
	}
	id := (&envelope.Party{User: said.User}).ID()
	_, compliance := EverListed(in.Org(), envelope.RoleCompliance, id)
	_, legal := EverListed(in.Org(), envelope.RoleLegal, id)
	return consent{said.User, said.Action, compliance, legal}, nil
}

// EverListed finds a party that was listed in a role at any time: the chain has
// no clock to hold a statement's time against.
func EverListed(org *chain.Org, role envelope.Role, id envelope.KeyID) (*envelope.Party, bool) {
	for seq := range org.Seq() + 1 {
		if p, ok := org.PartyAt(role, id, seq); ok {
			return p, true
		}
	}
	return nil, false
}

// checkConfirmations looks for the word of every recorder of a channel.
func (b *Body) checkConfirmations(in View, plan *envelope.DisposalPlan) error {
	confirmed := map[envelope.KeyID]bool{}
	for _, raw := range b.Confirmations {
		recorder, err := checkConfirmation(in, raw, envelope.OrderHash(b.Order))
		if err != nil {
			return fmt.Errorf("confirmation: %w", err)
		}
		confirmed[recorder] = true
	}
	for _, r := range plan.Ranges {
		recorders, here := in.Keepers(r)
		if !here {
			continue
		}
		for _, recorder := range recorders {
			if !confirmed[recorder] {
				return fmt.Errorf("recorder %s did not confirm", recorder)
			}
		}
	}
	return nil
}

// checkConfirmation checks that a recorder of the organisation signed that a
// plan has gone, and gives the recorder.
func checkConfirmation(in View, raw []byte, plan envelope.Hash) (envelope.KeyID, error) {
	signed, err := envelope.ParseSigned(raw)
	if err != nil {
		return envelope.KeyID{}, err
	}
	recorder := signed.Signature.Key
	party, ok := EverListed(in.Org(), envelope.RoleRecorder, recorder)
	if !ok {
		return recorder, fmt.Errorf("by %s, who was never a recorder", recorder)
	}
	said, err := envelope.OpenStatement[envelope.Confirmation](raw, envelope.LabelConfirmation, party.Key)
	if err != nil {
		return recorder, err
	}
	if said.Plan != plan || said.Org != in.Org().ID() || said.Recorder != recorder {
		return recorder, errors.New("of another plan")
	}
	return recorder, nil
}
