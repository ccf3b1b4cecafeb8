package chain

import (
	"bytes"
	"math"
	"slices"

	"chancery/crypto/envelope"
	"chancery/crypto/p384"
)

// Org is an organisation's chain: its roots, its suite and whom it lists.
type Org struct {
	spine
	Genesis envelope.OrgGenesisBody
	listed  []listing
	sources []source
	// Restores say, in their order, what the log has lost.
	Restores []envelope.LogRestoreBody
}

type listing struct {
	party envelope.Party
	from  uint64 // seq of the link that lists it
	until uint64 // seq of the link that ends it; 0 while it stands
}

// NewOrg starts the chain with its genesis, which is signed by every root.
func NewOrg(genesis *envelope.Entry) (*Org, error) {
	l, err := parse(genesis)
	if err != nil {
		return nil, err
	}
	b, err := body[envelope.OrgGenesisBody](l)
	if err != nil {
		return nil, err
	}
	if l.Type != envelope.OrgGenesis || l.Seq != 0 || !l.Org.IsZero() {
		return nil, refuse(Malformed, "not an organisation's genesis")
	}
	if err := checkOrgGenesis(b); err != nil {
		return nil, err
	}
	id := envelope.ChainOf(genesis.Header)
	o := &Org{spine: spine{id: id, org: envelope.OrgID(id), heads: []envelope.Hash{genesis.Hash()}}, Genesis: *b}
	return o, o.verifyRoots(genesis, len(b.Roots))
}

func checkOrgGenesis(b *envelope.OrgGenesisBody) error {
	byID := func(a, c []byte) int { return envelope.CompareKey(envelope.KeyOf(a), envelope.KeyOf(c)) }
	switch {
	case b.Suite != envelope.SuiteAge && b.Suite != envelope.SuiteFIPS:
		return refuse(SuiteBad, "suite %q", b.Suite)
	case b.Capture != envelope.CaptureOff && b.Capture != envelope.CaptureRequired:
		return refuse(Malformed, "capture %q", b.Capture)
	case b.Threshold == 0 || int(b.Threshold) > len(b.Roots) || len(b.Roots) > 16:
		return refuse(Malformed, "threshold %d of %d roots", b.Threshold, len(b.Roots))
	case len(b.Nonce) != 16 || b.Name == "" || len(b.Name) > 200:
		return refuse(Malformed, "name or nonce of a wrong length")
	case !slices.IsSortedFunc(b.Roots, byID):
		return refuse(Malformed, "roots are not sorted by key id")
	}
	for i, r := range b.Roots {
		if err := envelope.CheckPublicKey(r); err != nil {
			return &Refused{Malformed, err}
		}
		if i > 0 && bytes.Equal(b.Roots[i-1], r) {
			return refuse(Malformed, "root %d is listed twice", i)
		}
	}
	return nil
}

// ID names the organisation.
func (o *Org) ID() envelope.OrgID { return o.org }

// Suite is the organisation's suite.
func (o *Org) Suite() envelope.Suite { return o.Genesis.Suite }

// verifyRoots checks that at least need roots signed e, and nobody else.
func (o *Org) verifyRoots(e *envelope.Entry, need int) error {
	valid := 0
	for _, r := range o.Genesis.Roots {
		if e.Verify(r) == nil {
			valid++
		}
	}
	if valid < need || valid != len(e.Signatures) {
		return refuse(BadSignature, "%d of %d signatures are by roots, %d needed", valid, len(e.Signatures), need)
	}
	return nil
}

// SignedByRoots checks that as many roots signed an entry as it takes, and
// nobody else.
func (o *Org) SignedByRoots(e *envelope.Entry) error {
	return o.verifyRoots(e, int(o.Genesis.Threshold))
}

// Try tells whether Apply would take the entry, and changes nothing.
func (o *Org) Try(e *envelope.Entry) error {
	copied := *o
	copied.heads = slices.Clone(o.heads)
	copied.listed = slices.Clone(o.listed)
	copied.sources = slices.Clone(o.sources)
	copied.Restores = slices.Clone(o.Restores)
	return copied.Apply(e)
}

// Apply adds the next link.
func (o *Org) Apply(e *envelope.Entry) error {
	l, err := parse(e)
	if err != nil {
		return err
	}
	if err := o.follow(l); err != nil {
		return err
	}
	if err := o.verifyRoots(e, int(o.Genesis.Threshold)); err != nil {
		return err
	}
	switch l.Type {
	case envelope.OrgList:
		err = o.list(l)
	case envelope.OrgDelist:
		err = o.delist(l)
	case envelope.OrgRestore:
		err = o.restore(l)
	case envelope.OrgSource:
		err = o.listSource(l)
	case envelope.OrgSourceEnd:
		err = o.endSource(l)
	default:
		err = refuse(Malformed, "link type %q in an organisation's chain", l.Type)
	}
	if err == nil {
		o.heads = append(o.heads, e.Hash())
	}
	return err
}

func (o *Org) list(l *envelope.Link) error {
	p, err := body[envelope.Party](l)
	if err != nil {
		return err
	}
	if err := checkParty(o.Suite(), p); err != nil {
		return err
	}
	if _, ok := o.Party(p.Role, p.ID()); ok {
		return refuse(Duplicate, "%s %q is listed already", p.Role, p.Name)
	}
	o.listed = append(o.listed, listing{party: *p, from: l.Seq})
	return nil
}

// needs says what a party in each role must bring.
var needs = map[envelope.Role]struct{ key, recipient, user bool }{
	envelope.RoleRecorder:   {key: true, recipient: true},
	envelope.RoleAuditor:    {recipient: true},
	envelope.RoleCustodian:  {recipient: true},
	envelope.RoleSigner:     {key: true},
	envelope.RoleReceipt:    {key: true},
	envelope.RoleRemoval:    {key: true},
	envelope.RoleOfficer:    {key: true},
	envelope.RoleWitness:    {key: true},
	envelope.RoleCompliance: {user: true},
	envelope.RoleLegal:      {user: true},
}

func checkParty(s envelope.Suite, p *envelope.Party) error {
	need, known := needs[p.Role]
	switch {
	case !known:
		return refuse(Malformed, "role %q", p.Role)
	case need.key != (len(p.Key) > 0) || need.recipient != (len(p.Recipient) > 0) || need.user == p.User.IsZero():
		return refuse(Malformed, "%s %q has the wrong kind of keys", p.Role, p.Name)
	case p.Name == "" || len(p.Name) > 200:
		return refuse(Malformed, "%s without a name of at most 200 bytes", p.Role)
	}
	if need.key {
		return checkKey(s, p)
	}
	return nil
}

// checkKey holds a listed key to its algorithm: in suite fips the signer's is
// P-384, every other key is Ed25519 in both suites.
func checkKey(s envelope.Suite, p *envelope.Party) error {
	check := envelope.CheckPublicKey
	if s == envelope.SuiteFIPS && p.Role == envelope.RoleSigner {
		check = p384.CheckPublic
	}
	err := check(p.Key)
	switch {
	case err == nil:
		return nil
	case p.Role == envelope.RoleSigner && (envelope.CheckPublicKey(p.Key) == nil || p384.CheckPublic(p.Key) == nil):
		return refuse(SuiteBad, "signer %q has a key of another suite than %q", p.Name, s)
	}
	return &Refused{Malformed, err}
}

func (o *Org) delist(l *envelope.Link) error {
	b, err := body[envelope.DelistBody](l)
	if err != nil {
		return err
	}
	for i := range o.listed {
		x := &o.listed[i]
		if x.until == 0 && x.party.Role == b.Role && x.party.ID() == b.Party {
			x.until = l.Seq
			return nil
		}
	}
	return refuse(NotListed, "%s %s", b.Role, b.Party)
}

// restore takes the root's word for what the log lost. Whether a follower of the
// log needs it, that follower judges.
func (o *Org) restore(l *envelope.Link) error {
	b, err := body[envelope.LogRestoreBody](l)
	if err != nil {
		return err
	}
	if b.NewSize == 0 || b.NewSize >= b.OldSize || b.OldSize > math.MaxInt64 {
		return refuse(RestoreBad, "log of %d goes on after %d", b.OldSize, b.NewSize)
	}
	if b.Reason == "" || len(b.Reason) > 500 {
		return refuse(Malformed, "restore of the log without a reason of at most 500 bytes")
	}
	o.Restores = append(o.Restores, *b)
	return nil
}

// Restricts tells whether the links after from, up to to, end a listing.
func (o *Org) Restricts(from, to uint64) bool {
	return slices.ContainsFunc(o.listed, func(x listing) bool { return from < x.until && x.until <= to })
}

// Party finds who is listed in a role now.
func (o *Org) Party(role envelope.Role, id envelope.KeyID) (*envelope.Party, bool) {
	return o.PartyAt(role, id, o.Seq())
}

// PartyAt finds who was listed in a role when the chain had the link seq.
func (o *Org) PartyAt(role envelope.Role, id envelope.KeyID, seq uint64) (*envelope.Party, bool) {
	for i := range o.listed {
		x := &o.listed[i]
		if x.party.Role == role && x.party.ID() == id && x.from <= seq && (x.until == 0 || seq < x.until) {
			return &x.party, true
		}
	}
	return nil, false
}

// Parties are all who are listed in a role now, in the order of their listing.
func (o *Org) Parties(role envelope.Role) []envelope.Party {
	var out []envelope.Party
	for _, x := range o.listed {
		if x.party.Role == role && x.until == 0 {
			out = append(out, x.party)
		}
	}
	return out
}
