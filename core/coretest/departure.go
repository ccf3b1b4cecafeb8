package coretest

import (
	"time"

	"chancery/core"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
)

// Departure is the removal of someone by removal keys, the first of which the
// link names.
func (c *Channel) Departure(who *Person, keys ...*sign.Key) []byte {
	return c.ByKeys(envelope.MemberRemove, &envelope.RemoveBody{User: who.User, Reason: "departed"}, keys...)
}

// ByKeys is a link that keys of no person sign.
func (c *Channel) ByKeys(t envelope.LinkType, body any, keys ...*sign.Key) []byte {
	c.s.T.Helper()
	l := envelope.Link{
		Version: envelope.Version, Org: c.State.Org(), Chain: envelope.Hash(c.ID), Seq: c.State.Seq() + 1, Prev: c.State.Head(),
		Type: t, Body: envelope.Marshal(body), Key: envelope.KeyOf(keys[0].Public()), Time: time.Now().UnixMicro(),
	}
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(&l), Payload: []byte{}}
	for _, k := range keys {
		c.s.Must(Sign(e, k))
	}
	return envelope.Marshal(e)
}

// Sign adds a signature to an entry.
func Sign(e *envelope.Entry, k sign.Signer) error {
	sig, err := k.Sign(envelope.SigningInput(e.Kind, envelope.SumBytes(e.Header), envelope.SumBytes(e.Payload)))
	e.Attach(envelope.Signature{Key: envelope.KeyOf(k.Public()), Bytes: sig})
	return err
}

// See has the members know the organisation's newest links.
func (c *Channel) See(org *chain.Org) { c.view.org = org }

// CatchUp follows what others placed.
func (c *Channel) CatchUp(p *Person) {
	c.s.T.Helper()
	page, err := c.s.Entries(c.s.T.Context(), p.P, c.ID, c.State.Position, 500, core.AllEntries)
	c.s.Must(err)
	for _, raw := range page.Entries {
		placed, err := envelope.ParsePlaced(raw)
		c.s.Must(err)
		c.s.Must(c.State.Apply(placed))
	}
}
