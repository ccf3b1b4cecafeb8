package archive

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
)

// Limits on what a verifier holds in memory, in bytes.
const (
	maxPlainChains = 8 << 30 // streamed, not held
	maxStatement   = 4 << 20
	maxNote        = 16 << 10
)

// checkSignatures is rung 2.
func (c *climb) checkSignatures() ([]string, error) {
	org, err := c.readOrg()
	if err != nil {
		return nil, err
	}
	if err := c.checkGrowth(org); err != nil {
		return nil, err
	}
	c.dir.org = org
	c.signers = org.Parties(envelope.RoleSigner)
	if err := c.checkStatement(); err != nil {
		return nil, err
	}
	if err := c.checkNote(); err != nil {
		return nil, err
	}
	certs, err := c.readCertificates()
	if err != nil {
		return nil, err
	}
	return []string{
		fmt.Sprintf("organisation %q is %s, %d links", org.Genesis.Name, org.ID(), org.Seq()+1),
		fmt.Sprintf("%d signers are listed; the manifests and the archive's note carry a good signature", len(c.signers)),
		fmt.Sprintf("%d disposal certificates carry a good signature", certs),
	}, nil
}

// readOrg follows the organisation's chain from the genesis that the auditor
// trusts.
func (c *climb) readOrg() (org *chain.Org, err error) {
	c.links = map[envelope.Hash]bool{}
	err = eachOf(c, orgPath, maxPlainChains, func(l *ChainLine) error {
		e, err := envelope.ParseEntry(l.Entry)
		if err != nil {
			return tampered("%w", err)
		}
		c.links[e.Hash()] = true
		switch {
		case l.Chain != envelope.Hash(c.trust.Org):
			return untrusted("chain of organisation %s, trusted is %s", l.Chain, c.trust.Org)
		case org != nil:
			err = org.Apply(e)
		default:
			if org, err = chain.NewOrg(e); err == nil && org.ID() != c.trust.Org {
				return untrusted("genesis of organisation %s, trusted is %s", org.ID(), c.trust.Org)
			}
		}
		if err != nil {
			return tampered("%w", err)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case org == nil:
		return nil, incomplete("%s is empty", orgPath)
	case c.about.Org != org.ID():
		return nil, tampered("the archive is of organisation %s", c.about.Org)
	case c.about.Suite != org.Suite():
		return nil, tampered("suite %q, the organisation's is %q", c.about.Suite, org.Suite())
	}
	return org, nil
}

// checkGrowth checks that the organisation's chain continues the one that the
// archive before had: a shorter one could bring back a signer who was delisted.
func (c *climb) checkGrowth(org *chain.Org) error {
	before := c.dir.org
	if before != nil && !org.HasHead(before.Seq(), before.Head()) {
		return tampered("the organisation's chain does not continue that of the archive before")
	}
	return nil
}

func (c *climb) keys() [][]byte {
	keys := make([][]byte, len(c.signers))
	for i, p := range c.signers {
		keys[i] = p.Key
	}
	return keys
}

func (c *climb) verifiers(origin string) ([]tlog.Verifier, error) {
	var out []tlog.Verifier
	for _, key := range c.keys() {
		v, err := tlog.NewVerifier(origin, key)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// openDSSE checks an envelope that a listed signer alone has signed.
func (c *climb) openDSSE(name string) (*sign.Document, error) {
	raw, err := c.readFile(name, maxStatement)
	if err != nil {
		return nil, err
	}
	doc, err := sign.VerifyDSSE(raw, c.keys()...)
	switch {
	case err != nil && !c.namesSigner(raw):
		return nil, untrusted("%s: no listed signer signed it: %w", name, err)
	case err != nil:
		return nil, tampered("%s: %w", name, err)
	case doc.Unknown != 0:
		return nil, untrusted("%s: %d signatures are by keys that are not listed", name, doc.Unknown)
	case doc.PayloadType != signer.PayloadType:
		return nil, tampered("%s: payload type %q", name, doc.PayloadType)
	}
	return doc, nil
}

// namesSigner tells a broken signature of a listed signer from a stranger's.
func (c *climb) namesSigner(raw []byte) bool {
	var env struct {
		Signatures []struct{ KeyID string }
	}
	if json.Unmarshal(raw, &env) != nil || len(env.Signatures) == 0 {
		return true // malformed, not a stranger's
	}
	for _, s := range env.Signatures {
		for _, p := range c.signers {
			if s.KeyID == envelope.KeyOf(p.Key).String() {
				return true
			}
		}
	}
	return false
}

func (c *climb) checkStatement() error {
	doc, err := c.openDSSE(dssePath)
	if err != nil {
		return err
	}
	want, err := c.about.statement(c.manifest, c.other).Statement()
	if err != nil {
		return tampered("%s: %w", aboutPath, err)
	}
	if string(doc.Payload) != string(want) {
		return tampered("%s signs another archive than this one", dssePath)
	}
	return nil
}

func (c *climb) checkNote() error {
	raw, err := c.readFile(notePath, maxNote)
	if err != nil {
		return err
	}
	s := c.about.statement(c.manifest, c.other)
	trusted, err := c.verifiers(s.Origin())
	if err != nil {
		return err
	}
	point, err := c.openNote(notePath, raw, s.Origin(), trusted)
	if err != nil {
		return err
	}
	if point.Size != s.Ordinal || point.Root != tlog.Hash(s.Manifest) {
		return tampered("%s is of archive %d with another manifest", notePath, point.Size)
	}
	return nil
}

// strangers tells whether a note is signed, but by no key of the trusted.
func strangers(note string, trusted []tlog.Verifier) bool {
	signed := false
	for line := range strings.Lines(note) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "—" {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil || len(raw) < 4 {
			return false
		}
		signed = true
		hash := binary.BigEndian.Uint32(raw)
		if slices.ContainsFunc(trusted, func(v tlog.Verifier) bool { return v.Name() == fields[1] && v.KeyHash() == hash }) {
			return false
		}
	}
	return signed
}

// openNote checks a note that nobody but the trusted has signed, the origin's
// own key among them.
func (c *climb) openNote(name string, raw []byte, origin string, trusted []tlog.Verifier) (tlog.Checkpoint, error) {
	point, note, err := tlog.OpenCheckpoint(raw, origin, trusted...)
	if err != nil {
		if strangers(string(raw), trusted) {
			return point, untrusted("%s: %w", name, err)
		}
		return point, tampered("%s: %w", name, err)
	}
	if note.Unknown != 0 {
		return point, untrusted("%s: %d signatures are by keys that are not listed", name, note.Unknown)
	}
	return point, nil
}

// certificateStatement is the in-toto statement inside a disposal certificate.
type certificateStatement struct {
	Predicate     Disposal `json:"predicate"`
	PredicateType string   `json:"predicateType"`
}

// readCertificates checks who signed the disposal certificates and keeps what
// they say was disposed of.
func (c *climb) readCertificates() (int, error) {
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if !strings.HasPrefix(name, certsDir) {
			continue
		}
		if err := c.readCertificate(name); err != nil {
			return 0, err
		}
	}
	return len(c.certificates), nil
}

func (c *climb) readCertificate(name string) error {
	doc, err := c.openDSSE(name)
	if err != nil {
		return err
	}
	var s certificateStatement
	if err := json.Unmarshal(doc.Payload, &s); err != nil {
		return tampered("%s: %w", name, err)
	}
	plan, err := envelope.ParseOrder[envelope.DisposalPlan](s.Predicate.Order)
	if err != nil {
		return tampered("%s: %w", name, err)
	}
	digest := envelope.OrderHash(s.Predicate.Order)
	again, err := DisposalStatement(c.about.Org, &s.Predicate)
	switch {
	case err != nil || string(again) != string(doc.Payload):
		return tampered("%s is not a canonical disposal certificate of this organisation", name)
	case plan.Org != c.about.Org || path.Base(name) != digest.String()+".dsse":
		return tampered("%s is not the certificate of plan %s", name, digest)
	}
	cert := &certificate{name: name, plan: digest, body: s.Predicate}
	for _, r := range plan.Ranges {
		cert.ranges = append(cert.ranges, &disposedRange{DisposalRange: r})
	}
	c.certificates = append(c.certificates, cert)
	return nil
}

// checkPlace is rung 3.
func (c *climb) checkPlace() ([]string, error) {
	a := &c.about
	if c.last == nil {
		if a.Previous == nil {
			return []string{"first archive of schedule " + a.Schedule}, nil
		}
		return []string{fmt.Sprintf("archive %d of schedule %s names %s as the one before, which was not given", a.Ordinal, a.Schedule, a.Previous.ID)}, nil
	}
	before := &c.last.about
	switch {
	case a.Schedule != before.Schedule:
		return nil, tampered("archive of schedule %q after one of %q", a.Schedule, before.Schedule)
	case a.Ordinal <= before.Ordinal:
		return nil, tampered("archive %d comes after archive %d", a.Ordinal, before.Ordinal)
	case a.Ordinal > before.Ordinal+1:
		return nil, incomplete("archive %d comes after archive %d: what lies between is missing", a.Ordinal, before.Ordinal)
	case a.Previous == nil || a.Previous.Manifest != c.last.manifest || a.Previous.ID != before.ID:
		return nil, tampered("archive %d does not name this archive %d as the one before", a.Ordinal, before.Ordinal)
	case a.From != before.To:
		return nil, tampered("the period starts at %d, the one before ended at %d", a.From, before.To)
	case a.Previous.Checkpoint != before.Checkpoint:
		return nil, tampered("the checkpoint of the archive before is not the one that it carries")
	}
	return []string{fmt.Sprintf("archive %d continues archive %d", a.Ordinal, before.Ordinal)}, nil
}
