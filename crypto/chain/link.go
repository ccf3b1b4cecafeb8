package chain

import (
	"chancery/crypto/envelope"
)

// spine is what every chain has in common: links that follow one another.
type spine struct {
	id    envelope.Hash
	org   envelope.OrgID
	heads []envelope.Hash // by seq
}

// Seq is the number of the newest link.
func (s *spine) Seq() uint64 { return uint64(len(s.heads) - 1) }

// Head is the hash of the newest link.
func (s *spine) Head() envelope.Hash { return s.heads[len(s.heads)-1] }

// HasHead tells whether the chain's link seq has the hash head.
func (s *spine) HasHead(seq uint64, head envelope.Hash) bool {
	return seq < uint64(len(s.heads)) && s.heads[seq] == head
}

// follow checks that l is the next link of this chain.
func (s *spine) follow(l *envelope.Link) error {
	switch {
	case l.Org != s.org || l.Chain != s.id:
		return refuse(WrongChain, "link of chain %s in chain %s", l.Chain, s.id)
	case l.Seq != s.Seq()+1:
		return refuse(Broken, "link %d after link %d", l.Seq, s.Seq())
	case l.Prev != s.Head():
		return refuse(Broken, "link %d follows %s, the head is %s", l.Seq, l.Prev, s.Head())
	}
	return nil
}

// parse decodes a link entry of one of the wanted types.
func parse(e *envelope.Entry) (*envelope.Link, error) {
	l, err := envelope.ParseLink(e)
	if err != nil {
		return nil, &Refused{Malformed, err}
	}
	return l, nil
}

func body[T any](l *envelope.Link) (*T, error) {
	b, err := envelope.ParseBody[T](l)
	if err != nil {
		return nil, &Refused{Malformed, err}
	}
	return b, nil
}

// verifyOnly checks that key signed, and nobody else: further signatures would
// give one entry several hashes.
func verifyOnly(e *envelope.Entry, public []byte) error {
	return verifyAll(e, public)
}

// verifyAll checks that each of these keys signed, and nobody else.
func verifyAll(e *envelope.Entry, keys ...[]byte) error {
	if len(e.Signatures) != len(keys) {
		return refuse(BadSignature, "%d signatures, want %d", len(e.Signatures), len(keys))
	}
	for _, k := range keys {
		if err := verify(e, k); err != nil {
			return err
		}
	}
	return nil
}

func verify(e *envelope.Entry, public []byte) error {
	if err := e.Verify(public); err != nil {
		return &Refused{BadSignature, err}
	}
	return nil
}
