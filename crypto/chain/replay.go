package chain

import (
	"errors"

	"chancery/crypto/envelope"
)

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
