package archive

import (
	"fmt"

	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
)

// certificate is one disposal whose signer is listed, with what was found of it.
type certificate struct {
	name   string
	plan   envelope.Hash
	body   Disposal
	ranges []*disposedRange
}

// disposedRange counts the disposed messages of one range of a plan.
type disposedRange struct {
	envelope.DisposalRange
	root tlog.RootBuilder
}

// dispose finds the certificate that names an entry as disposed of.
func (c *climb) dispose(channel envelope.ChannelID, p *envelope.Placed) error {
	for _, cert := range c.certificates {
		for _, r := range cert.ranges {
			if r.Channel == channel && r.From <= p.Position && p.Position <= r.To {
				hash := p.Hash()
				r.root.Append(tlog.LeafHash(hash[:]))
				return nil
			}
		}
	}
	return incomplete("channel %s: the payload at %d is gone, and no certificate says why", channel, p.Position)
}

// checkCertificates checks, once everything was replayed, that certificates
// name the messages that are gone, and who wanted and confirmed it.
func (c *climb) checkCertificates() error {
	for _, cert := range c.certificates {
		if err := c.checkCertificate(cert); err != nil {
			return fmt.Errorf("%s: %w", cert.name, err)
		}
	}
	return nil
}

func (c *climb) checkCertificate(cert *certificate) error {
	for _, r := range cert.ranges {
		switch n := uint64(r.root.Size()); {
		case n > r.Messages:
			return tampered("%d messages of channel %s in %d to %d are gone, the plan names %d", n, r.Channel, r.From, r.To, r.Messages)
		case n == r.Messages && envelope.Hash(r.root.Root()) != r.Root:
			return tampered("other messages of channel %s in %d to %d are gone than the plan names", r.Channel, r.From, r.To)
		}
	}
	if err := c.checkApprovals(cert); err != nil {
		return at(8, err)
	}
	return at(8, c.checkConfirmations(cert))
}

// consent is one good approval.
type consent struct {
	user              envelope.UserID
	action            string
	compliance, legal bool // roles that the organisation listed the person in
}

// checkApprovals checks that two people wanted the disposal: one for
// compliance, who planned or approved it, and another for legal, who approved.
func (c *climb) checkApprovals(cert *certificate) error {
	var given []consent
	for _, raw := range cert.body.Approvals {
		g, err := c.checkApproval(raw, cert.plan)
		if err != nil {
			return tampered("approval: %w", err)
		}
		given = append(given, g)
	}
	for _, x := range given {
		for _, y := range given {
			if x.compliance && y.legal && y.action == "retention.approve" && x.user != y.user {
				return nil
			}
		}
	}
	return tampered("two people, one for compliance and one for legal, must have approved the disposal")
}

// checkApproval checks that a device of its author signed an approval of a plan.
func (c *climb) checkApproval(raw []byte, plan envelope.Hash) (g consent, err error) {
	signed, err := envelope.ParseSigned(raw)
	if err != nil {
		return g, err
	}
	var said envelope.Approval
	if err := envelope.Unmarshal(signed.Bytes, &said); err != nil {
		return g, err
	}
	chain, ok := c.dir.User(said.User)
	if !ok {
		return g, fmt.Errorf("by %s, whose chain is not in the archive", said.User)
	}
	device, ok := chain.DeviceAt(said.Device, chain.Seq())
	if !ok {
		return g, fmt.Errorf("by a device that %s does not have", said.User)
	}
	if _, err := envelope.OpenStatement[envelope.Approval](raw, envelope.LabelApproval, device.Key); err != nil {
		return g, err
	}
	known := said.Action == "retention.plan" || said.Action == "retention.approve"
	if said.Org != c.about.Org || said.Object != plan || !known {
		return g, fmt.Errorf("of %s on %s", said.Action, said.Object)
	}
	id := (&envelope.Party{User: said.User}).ID()
	_, compliance := c.everListed(envelope.RoleCompliance, id)
	_, legal := c.everListed(envelope.RoleLegal, id)
	return consent{said.User, said.Action, compliance, legal}, nil
}

// everListed finds a party that was listed in a role at any time: the chain has
// no clock to hold a statement's time against.
func (c *climb) everListed(role envelope.Role, id envelope.KeyID) (*envelope.Party, bool) {
	for seq := range c.dir.org.Seq() + 1 {
		if p, ok := c.dir.org.PartyAt(role, id, seq); ok {
			return p, true
		}
	}
	return nil, false
}

// checkConfirmations checks that every recorder of a channel confirmed that its
// own copies are gone too.
func (c *climb) checkConfirmations(cert *certificate) error {
	confirmed := map[envelope.KeyID]bool{}
	for _, raw := range cert.body.Confirmations {
		signed, err := envelope.ParseSigned(raw)
		if err != nil {
			return tampered("confirmation: %w", err)
		}
		recorder := signed.Signature.Key
		party, ok := c.everListed(envelope.RoleRecorder, recorder)
		if !ok {
			return tampered("confirmation by %s, who was never a recorder", recorder)
		}
		said, err := envelope.OpenStatement[envelope.Confirmation](raw, envelope.LabelConfirmation, party.Key)
		if err != nil {
			return tampered("confirmation: %w", err)
		}
		if said.Plan != cert.plan || said.Org != c.about.Org || said.Recorder != recorder {
			return tampered("confirmation of another plan")
		}
		confirmed[recorder] = true
	}
	for _, r := range cert.ranges {
		s, here := c.channels[r.Channel]
		if !here {
			continue
		}
		for _, recorder := range s.chain.Genesis.Recorders {
			if !confirmed[recorder] {
				return tampered("recorder %s did not confirm", recorder)
			}
		}
	}
	return nil
}
