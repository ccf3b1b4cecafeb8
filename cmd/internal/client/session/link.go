package session

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// tip is where a chain's next link attaches.
type tip interface {
	Seq() uint64
	Head() envelope.Hash
}

// next builds the link after t and signs it with keys. The first key is the
// one that the link names; user is zero for a root.
func next(org envelope.OrgID, id envelope.Hash, t tip, kind envelope.LinkType, body any, user envelope.UserID, now time.Time, keys ...*seal.SigningKey) *envelope.Entry {
	return signLink(&envelope.Link{
		Version: envelope.Version, Org: org, Chain: id, Seq: t.Seq() + 1, Prev: t.Head(),
		Type: kind, Body: envelope.Marshal(body), User: user, Key: keys[0].ID(), Time: now.UnixMicro(),
	}, keys...)
}

// genesis builds the first link of a chain.
func genesis(org envelope.OrgID, kind envelope.LinkType, body any, user envelope.UserID, now time.Time, keys ...*seal.SigningKey) *envelope.Entry {
	return signLink(&envelope.Link{
		Version: envelope.Version, Org: org, Type: kind, Body: envelope.Marshal(body),
		User: user, Key: keys[0].ID(), Time: now.UnixMicro(),
	}, keys...)
}

func signLink(l *envelope.Link, keys ...*seal.SigningKey) *envelope.Entry {
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l)}
	for _, k := range keys {
		seal.SignEntry(e, k)
	}
	return e
}

func nonce() []byte {
	b := make([]byte, 16)
	rand.Read(b) // never fails: the runtime ends the process instead
	return b
}

// NewOrg makes the genesis of an organisation of a suite, signed by all of its roots; threshold
// of them sign what follows.
func NewOrg(suite envelope.Suite, name string, capture envelope.Capture, threshold uint, now time.Time, roots ...*seal.SigningKey) (*envelope.Entry, error) {
	slices.SortFunc(roots, func(a, b *seal.SigningKey) int { return envelope.CompareKey(a.ID(), b.ID()) })
	b := &envelope.OrgGenesisBody{Name: name, Suite: suite, Threshold: threshold, Capture: capture, Nonce: nonce()}
	for _, r := range roots {
		b.Roots = append(b.Roots, r.Public())
	}
	e := genesis(envelope.OrgID{}, envelope.OrgGenesis, b, envelope.UserID{}, now, roots...)
	if _, err := chain.NewOrg(e); err != nil {
		return nil, fmt.Errorf("making the organisation's genesis: %w", err)
	}
	return e, nil
}

// ListParty makes the link that lists p, signed by roots, and applies it to o.
func ListParty(o *chain.Org, p envelope.Party, now time.Time, roots ...*seal.SigningKey) (*envelope.Entry, error) {
	return extendOrg(o, envelope.OrgList, &p, now, roots)
}

// DelistParty makes the link that ends a listing, and applies it to o.
func DelistParty(o *chain.Org, role envelope.Role, party envelope.KeyID, now time.Time, roots ...*seal.SigningKey) (*envelope.Entry, error) {
	return extendOrg(o, envelope.OrgDelist, &envelope.DelistBody{Role: role, Party: party}, now, roots)
}

// RestoreLog makes the link that says what the log has lost, and applies it to o.
func RestoreLog(o *chain.Org, b envelope.LogRestoreBody, now time.Time, roots ...*seal.SigningKey) (*envelope.Entry, error) {
	return extendOrg(o, envelope.OrgRestore, &b, now, roots)
}

func extendOrg(o *chain.Org, kind envelope.LinkType, body any, now time.Time, roots []*seal.SigningKey) (*envelope.Entry, error) {
	e := next(o.ID(), envelope.Hash(o.ID()), o, kind, body, envelope.UserID{}, now, roots...)
	if err := o.Apply(e); err != nil {
		return nil, fmt.Errorf("extending the organisation's chain: %w", err)
	}
	return e, nil
}
