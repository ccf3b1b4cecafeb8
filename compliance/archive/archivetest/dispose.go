package archivetest

import (
	"chancery/compliance/archive"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
)

// Dispose drops the payload of an entry under a certificate. The test may change
// the plan before it is approved and the certificate before it is signed. Those
// who ask and approve must be listed; see ListPerson.
func (c *Channel) Dispose(p *envelope.Placed, asks, approves *Person, change func(*envelope.DisposalPlan), edit func(*archive.Disposal)) {
	c.w.TB.Helper()
	c.Drop(p)
	d := c.Disposal(p, asks, approves, change, edit)
	cert, err := archive.NewCertificate(c.Org(), d)
	c.w.check(err)
	dsse, err := cert.Sign(c.w.Signer)
	c.w.check(err)
	c.w.Certs[envelope.OrderHash(d.Order)] = dsse
}

// Disposal is what the server would have certified of an entry.
func (c *Channel) Disposal(p *envelope.Placed, asks, approves *Person, change func(*envelope.DisposalPlan), edit func(*archive.Disposal)) *archive.Disposal {
	c.w.TB.Helper()
	hash := p.Hash()
	order := &envelope.DisposalPlan{
		Version: 1, Org: c.Org(), Size: uint64(c.w.Tree.Size), Horizon: c.w.Now,
		Ranges: []envelope.DisposalRange{{Channel: c.ID(), From: p.Position, To: p.Position, Messages: 1, Root: envelope.Hash(tlog.Root([][]byte{hash[:]}))}},
	}
	if change != nil {
		change(order)
	}
	plan := envelope.Marshal(order)
	approvals := [][]byte{c.approve(plan, "retention.plan", asks), c.approve(plan, "retention.approve", approves)}
	confirmation, err := seal.SignStatement(envelope.LabelConfirmation, &envelope.Confirmation{
		Version: 1, Org: c.Org(), Plan: envelope.OrderHash(plan), Recorder: c.w.Recorder.ID(), Disposed: 1, Time: c.w.Now,
	}, c.w.Recorder)
	c.w.check(err)
	d := &archive.Disposal{
		Approvals: approvals, Confirmations: [][]byte{confirmation}, Backup: "none", Destroyed: 1, Order: plan, Time: c.w.Now,
	}
	if edit != nil {
		edit(d)
	}
	return d
}

// Evidence is what the signer wants to see beside a certificate: the chains of
// the organisation and of all people, and where channels start.
func (w *World) Evidence(channels ...*Channel) signer.Evidence {
	var e signer.Evidence
	for i := range w.links {
		e.Org = append(e.Org, envelope.Marshal(&w.links[i]))
	}
	for _, p := range w.people {
		links := make([][]byte, len(p.entries))
		for i := range links {
			links[i] = envelope.Marshal(&p.entries[i])
		}
		e.Users = append(e.Users, links)
	}
	for _, c := range channels {
		e.Channels = append(e.Channels, envelope.Marshal(&c.Entries[0].Entry))
	}
	return e
}

func (c *Channel) approve(plan []byte, action string, who *Person) []byte {
	c.w.TB.Helper()
	b, err := seal.SignStatement(envelope.LabelApproval, &envelope.Approval{
		Version: 1, Org: c.Org(), Action: action, Object: envelope.OrderHash(plan), User: who.Chain.ID(), Device: who.Key.ID(), Time: c.w.Now,
	}, who.Key)
	c.w.check(err)
	return b
}

// Drop drops the payload of an entry without a word.
func (c *Channel) Drop(p *envelope.Placed) { p.Entry.Payload, p.Salt = nil, nil }

// ListPerson lists someone in a role for people.
func (w *World) ListPerson(p *Person, role envelope.Role) {
	w.TB.Helper()
	w.List(envelope.Party{Role: role, Name: p.Name, User: p.Chain.ID()})
}
