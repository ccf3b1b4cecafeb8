package archivetest

import (
	"chancery/compliance/archive"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

// Dispose drops the payload of an entry under a certificate. The test may change
// the plan before it is approved and the certificate before it is signed. Those
// who ask and approve must be listed; see ListPerson.
func (c *Channel) Dispose(p *envelope.Placed, asks, approves *Person, change func(*envelope.DisposalPlan), edit func(*archive.Disposal)) {
	c.w.TB.Helper()
	c.Drop(p)
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
	cert, err := d.Certificate(c.Org())
	c.w.check(err)
	dsse, err := cert.Sign(c.w.Signer)
	c.w.check(err)
	c.w.Certs[envelope.OrderHash(d.Order)] = dsse
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
