package coretest

import (
	"time"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Handover is a handover of the channel as it stands, which one person asks for
// and another signs.
func (c *Channel) Handover(asks, signs *Person, edit func(*envelope.HandoverOrder)) wire.NewEntry {
	c.s.T.Helper()
	o := envelope.HandoverOrder{
		Version: envelope.Version, Org: c.State.Org(), Channel: c.ID, Seen: envelope.Ref{Position: c.State.Position, Hash: c.State.Top},
		Reason: "host replaced", NotAfter: time.Now().Add(time.Hour).UnixMicro(),
	}
	edit(&o)
	order := envelope.Marshal(&o)
	asked, err := seal.SignStatement(envelope.LabelApproval, &envelope.Approval{
		Version: envelope.Version, Org: o.Org, Action: envelope.ActionHandover, Object: envelope.OrderHash(order),
		User: asks.User, Device: asks.Key.ID(), Time: time.Now().UnixMicro(),
	}, asks.Key)
	c.s.Must(err)
	c.view.users[asks.User], c.view.users[signs.User] = asks.Chain, signs.Chain
	return wire.NewEntry{Entry: envelope.Marshal(c.Link(signs, envelope.Handover, &envelope.HandoverBody{
		Order: order, Asked: asked, AskedSeq: asks.Chain.Seq(), AskedHead: asks.Chain.Head(), UserSeq: signs.Chain.Seq(), UserHead: signs.Chain.Head(),
	}))}
}
