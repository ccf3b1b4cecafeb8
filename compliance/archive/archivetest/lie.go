package archivetest

import (
	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

// Lie puts an entry at the end of a channel that no honest server would place:
// a post by who whose header edit changes, or whose place place changes. The
// channel can't be used after it.
func (c *Channel) Lie(who *Person, edit func(*envelope.Header), place func(*envelope.Placed)) {
	c.w.TB.Helper()
	h := c.header(who, envelope.Post)
	if edit != nil {
		edit(&h)
	}
	e, salt, err := seal.Seal(c.key, h, envelope.Body{Text: "lie"}, who.Key)
	c.w.check(err)
	p := &envelope.Placed{Position: c.Position + 1, Received: c.w.tick(), Entry: *e, Payload: envelope.SumBytes(e.Payload), Salt: salt[:]}
	p.Head = envelope.NextHead(c.Top, p.Position, p.Received, p.Hash())
	if place != nil {
		place(p)
	}
	c.keep(record.MessageCreate, p)
	c.Entries[len(c.Entries)-1] = p
	r := &c.w.Records[len(c.w.Records)-1]
	if r.Entry != p.Hash() {
		c.w.TB.Fatal("the record of a lie must fit it")
	}
}

// SwapSecrets exchanges what opens two messages.
func (c *Channel) SwapSecrets(a, b *envelope.Placed) {
	x, y := secretKey{c.ID(), a.Position}, secretKey{c.ID(), b.Position}
	c.w.secrets[x], c.w.secrets[y] = c.w.secrets[y], c.w.secrets[x]
}

// Forget loses what opens a message.
func (c *Channel) Forget(p *envelope.Placed) { delete(c.w.secrets, secretKey{c.ID(), p.Position}) }

// CoverFalsely covers everything so far with a root that nobody can compute.
func (c *Channel) CoverFalsely() {
	c.leaves = append(c.leaves, coverLeaf{c.Position, tlog.LeafHash([]byte("not opened"))})
	c.Cover()
}
