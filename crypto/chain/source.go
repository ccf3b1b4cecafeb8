package chain

import (
	"chancery/crypto/envelope"
)

// source is an outsider whose word counts as evidence.
type source struct {
	span
	id   envelope.Hash
	body envelope.SourceBody
}

// SourceAt finds a source that was listed when the chain had the link seq.
func (o *Org) SourceAt(id envelope.Hash, seq uint64) (*envelope.SourceBody, bool) {
	for i := range o.sources {
		if s := &o.sources[i]; s.id == id && s.at(seq) {
			return &s.body, true
		}
	}
	return nil, false
}

// Sources are all that are listed now, by their ids.
func (o *Org) Sources() map[envelope.Hash]envelope.SourceBody {
	out := map[envelope.Hash]envelope.SourceBody{}
	for _, s := range o.sources {
		if s.until == 0 {
			out[s.id] = s.body
		}
	}
	return out
}

func (o *Org) listSource(l *envelope.Link) error {
	b, err := body[envelope.SourceBody](l)
	if err != nil {
		return err
	}
	oidc := b.Kind == envelope.SourceOIDC
	switch {
	case !oidc && b.Kind != envelope.SourceX509:
		return refuse(Malformed, "source of kind %q", b.Kind)
	case b.Issuer == "" || len(b.Issuer) > 255 || len(b.Client) > 255:
		return refuse(Malformed, "source without an issuer of at most 255 bytes")
	case oidc != (b.Client != "") || oidc == (len(b.Anchors) > 0):
		return refuse(Malformed, "a provider needs a client, cards need roots, and neither the other")
	}
	id := envelope.SourceID(l.Body)
	if _, twice := o.SourceAt(id, o.Seq()); twice {
		return refuse(Duplicate, "source %q is listed already", b.Issuer)
	}
	o.sources = append(o.sources, source{span{from: l.Seq}, id, *b})
	return nil
}

func (o *Org) endSource(l *envelope.Link) error {
	b, err := body[envelope.SourceEndBody](l)
	if err != nil {
		return err
	}
	for i := range o.sources {
		if s := &o.sources[i]; s.until == 0 && s.id == b.Source {
			s.until = l.Seq
			return nil
		}
	}
	return refuse(NotListed, "source %s", b.Source)
}
