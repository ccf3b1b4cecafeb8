package archive

import (
	"fmt"

	"chancery/crypto/chain"
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
	if err := cert.body.Check(view{c}); err != nil {
		return at(8, tampered("%w", err))
	}
	return nil
}

// view is what a disposal is judged by: the chains that the archive brings.
type view struct{ c *climb }

func (v view) Org() *chain.Org { return v.c.dir.Org() }

func (v view) User(id envelope.UserID) (*chain.User, bool) { return v.c.dir.User(id) }

// Keepers are known of the archive's own channels. Those of others are asked for
// where their messages are.
func (v view) Keepers(r envelope.DisposalRange) ([]envelope.KeyID, bool) {
	s, here := v.c.channels[r.Channel]
	if !here {
		return nil, false
	}
	return chain.Keepers(s.chain.Duties(), r.From, r.To), true
}
