package chain

import (
	"errors"

	"chancery/crypto/envelope"
)

// Retrace takes the next entry of a past that was verified before: its place in
// the chain of heads and what links say are checked, who signed a message is
// not. It is worth nothing until the head at the end turns out to be one that
// was verified: then every entry was.
func (c *Channel) Retrace(p *envelope.Placed) error {
	if p.Entry.Kind != envelope.KindMessage {
		return c.Apply(p)
	}
	if err := p.Check(); err != nil {
		return &Refused{Malformed, err}
	}
	if err := c.checkOrder(p); err != nil {
		return err
	}
	c.Messages++
	c.advance(p)
	return nil
}

// Replay verifies an organisation's or a person's chain of encoded entries, from
// its genesis on. A chain without a genesis is an error.
func Replay[C interface{ Apply(*envelope.Entry) error }](links [][]byte, start func(*envelope.Entry) (C, error)) (c C, err error) {
	if len(links) == 0 {
		return c, errors.New("the chain has no genesis")
	}
	for i, raw := range links {
		e, err := envelope.ParseEntry(raw)
		if err != nil {
			return c, err
		}
		if i == 0 {
			c, err = start(e)
		} else {
			err = c.Apply(e)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}
