package chain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"chancery/crypto/envelope"
	"chancery/crypto/evidence"
	"chancery/crypto/seal"
)

// idp is an identity provider that the organisation lists as a source.
type idp struct {
	w    *world
	key  *ecdsa.PrivateKey
	body envelope.SourceBody
	id   envelope.Hash
}

func (w *world) provider() *idp {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	p := &idp{w: w, key: k, body: envelope.SourceBody{Kind: envelope.SourceOIDC, Issuer: "https://login.example", Client: "device"}}
	w.must(w.org.Apply(w.orgLink(envelope.OrgSource, &p.body)))
	p.id = envelope.SourceID(envelope.Marshal(&p.body))
	return p
}

// token is one that a person got for a chain.
func (p *idp) token(subject string, user envelope.UserID, edit ...func(map[string]any)) []byte {
	now, binding := p.w.now/1e6, envelope.EvidenceBinding(p.w.org.ID(), user)
	claims := map[string]any{"iss": p.body.Issuer, "sub": subject, "aud": p.body.Client, "iat": now, "exp": now + 300, "auth_time": now,
		"nonce": base64.RawURLEncoding.EncodeToString(binding[:])}
	for _, e := range edit {
		e(claims)
	}
	payload, err := json.Marshal(claims)
	p.w.must(err)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k"}}, nil)
	p.w.must(err)
	o, err := s.Sign(payload)
	p.w.must(err)
	raw, err := o.CompactSerialize()
	p.w.must(err)
	return []byte(raw)
}

// fetched is the provider's keys, for which somebody stands.
func (p *idp) fetched(by *seal.SigningKey, edit ...func(*envelope.KeySnapshot)) []byte {
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k"}}})
	p.w.must(err)
	s := envelope.KeySnapshot{Version: envelope.Version, Org: p.w.org.ID(), Source: p.id, JWKS: jwks, Fetched: p.w.now}
	for _, e := range edit {
		e(&s)
	}
	raw, err := seal.SignStatement(envelope.LabelKeySnapshot, &s, by)
	p.w.must(err)
	return raw
}

func (w *world) evidence(who *person, b envelope.EvidenceBody, edits ...func(*envelope.EvidenceBody)) *envelope.Entry {
	b.OrgSeq, b.OrgHead = w.org.Seq(), w.org.Head()
	for _, edit := range edits {
		edit(&b)
	}
	if b.Grade != 1 {
		return w.userLink(who, envelope.Evidence, &b, who.device)
	}
	l := w.next(&who.spine, envelope.Evidence, &b)
	l.Key = w.officer.ID()
	return linkEntry(l, w.officer)
}

func (p *idp) proof(who *person, subject string, edits ...func(map[string]any)) envelope.EvidenceBody {
	return envelope.EvidenceBody{Grade: 2, Source: p.id, Token: p.token(subject, who.ID(), edits...), Keys: p.fetched(p.w.recorder)}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	p := w.provider()
	word := envelope.EvidenceBody{Grade: 1, Subject: "ldap:corp alice"}
	w.must(w.alice.Apply(w.evidence(w.alice, word)))
	if grade, who := w.alice.Grade(); grade != 1 || who != (evidence.Holder{Source: "officer", Subject: "ldap:corp alice"}) {
		t.Errorf("grade %d of %v", grade, who)
	}
	w.must(w.alice.Apply(w.evidence(w.alice, p.proof(w.alice, "a-1"))))
	if grade, who := w.alice.Grade(); grade != 2 || who != (evidence.Holder{Source: p.body.Issuer, Subject: "a-1"}) {
		t.Errorf("grade %d of %v", grade, who)
	}
	if grade, _ := w.bob.Grade(); grade != 0 {
		t.Errorf("bob, of whom nobody knows, has grade %d", grade)
	}
}

// TestAttack34Evidence: what does not show that this very person holds this very
// chain changes nothing.
func TestAttack34Evidence(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	p := w.provider()
	server := &idp{w: w, body: p.body, id: p.id}
	server.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := p.proof(w.alice, "a-1")
	with := func(edit func(*envelope.EvidenceBody)) *envelope.Entry { return w.evidence(w.alice, good, edit) }
	byServer := w.next(&w.alice.spine, envelope.Evidence, &envelope.EvidenceBody{Grade: 1, Subject: "ldap:corp alice", OrgSeq: w.org.Seq(), OrgHead: w.org.Head()})
	byServer.Key = key("server").ID()
	for name, c := range map[string]struct {
		e    *envelope.Entry
		want Reason
	}{
		"keys of the server's making": {with(func(b *envelope.EvidenceBody) {
			b.Keys = server.fetched(key("server"))
			b.Token = server.token("a-1", w.alice.ID())
		}), NotListed},
		"a token of the server's": {with(func(b *envelope.EvidenceBody) { b.Token = server.token("a-1", w.alice.ID()) }), EvidenceBad},
		"of the login client":     {w.evidence(w.alice, p.proof(w.alice, "a-1", func(c map[string]any) { c["aud"] = "login" })), EvidenceBad},
		"for another's chain":     {with(func(b *envelope.EvidenceBody) { b.Token = p.token("a-1", w.bob.ID()) }), EvidenceBad},
		"keys of another source": {with(func(b *envelope.EvidenceBody) {
			b.Keys = p.fetched(w.recorder, func(s *envelope.KeySnapshot) { s.Source = envelope.Hash{1} })
		}), EvidenceBad},
		"keys of another label": {with(func(b *envelope.EvidenceBody) { b.Keys = w.statement("receipt", w.recorder) }), EvidenceBad},
		"an unlisted source":    {with(func(b *envelope.EvidenceBody) { b.Source = envelope.Hash{1} }), NotListed},
		"before the source":     {with(func(b *envelope.EvidenceBody) { b.OrgSeq, b.OrgHead = 1, w.org.heads[1] }), NotListed},
		"an unknown head":       {with(func(b *envelope.EvidenceBody) { b.OrgHead = envelope.Hash{1} }), HeadUnknown},
		"a token as a card":     {with(func(b *envelope.EvidenceBody) { b.Grade = 3 }), Malformed},
		"a card from a provider": {with(func(b *envelope.EvidenceBody) {
			b.Grade, b.Token, b.Keys, b.Certificates, b.Signature = 3, nil, nil, [][]byte{{1}}, []byte{1}
		}), EvidenceBad},
		"a subject of one's own": {with(func(b *envelope.EvidenceBody) { b.Subject = "ceo" }), Malformed},
		"grade 4":                {with(func(b *envelope.EvidenceBody) { b.Grade = 4 }), Malformed},
		"an officer who is none": {linkEntry(byServer, key("server")), NotListed},
		"another's device":       {w.userLinkBy(w.alice, w.bob, envelope.Evidence, &good), DeviceUnknown},
	} {
		if err := w.alice.Try(c.e); ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	w.must(w.alice.Apply(with(func(*envelope.EvidenceBody) {})))
	if err := w.alice.Try(w.evidence(w.alice, p.proof(w.alice, "b-2"))); ReasonOf(err) != EvidenceBad {
		t.Errorf("another subject of one source: %v", err)
	}
}

// TestAttack34SecondGenesis: one subject has one chain; another one needs an
// officer who lets it replace the first.
func TestAttack34SecondGenesis(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	p := w.provider()
	var known Subjects
	w.must(w.alice.Apply(w.evidence(w.alice, p.proof(w.alice, "a-1"))))
	w.must(known.Take(w.alice.User))
	w.must(known.Take(w.alice.User))
	w.must(known.Take(w.bob.User))
	w.must(w.bob.Apply(w.evidence(w.bob, p.proof(w.bob, "a-1"))))
	if err := known.Take(w.bob.User); ReasonOf(err) != Duplicate {
		t.Errorf("a second chain of one person: %v", err)
	}
	genesis, _ := w.restart(w.alice, "alice again")
	u, err := NewUser(w.org, genesis)
	w.must(err)
	again := &person{key("alice again's device"), u}
	w.must(u.Apply(w.evidence(again, p.proof(again, "a-1"))))
	w.must(known.Take(u))
}

func TestSources(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	p := w.provider()
	for name, c := range map[string]struct {
		body any
		want Reason
	}{
		"twice":                   {&p.body, Duplicate},
		"of no kind":              {&envelope.SourceBody{Kind: "saml", Issuer: "x", Client: "y"}, Malformed},
		"without an issuer":       {&envelope.SourceBody{Kind: envelope.SourceOIDC, Client: "y"}, Malformed},
		"provider without client": {&envelope.SourceBody{Kind: envelope.SourceOIDC, Issuer: "x"}, Malformed},
		"provider with roots":     {&envelope.SourceBody{Kind: envelope.SourceOIDC, Issuer: "x", Client: "y", Anchors: [][]byte{{1}}}, Malformed},
		"cards without roots":     {&envelope.SourceBody{Kind: envelope.SourceX509, Issuer: "x"}, Malformed},
		"cards with a client":     {&envelope.SourceBody{Kind: envelope.SourceX509, Issuer: "x", Client: "y", Anchors: [][]byte{{1}}}, Malformed},
	} {
		if err := w.org.Try(w.orgLink(envelope.OrgSource, c.body)); ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	end := envelope.SourceEndBody{Source: p.id}
	listed := w.org.Seq()
	w.must(w.org.Apply(w.orgLink(envelope.OrgSourceEnd, &end)))
	if err := w.org.Try(w.orgLink(envelope.OrgSourceEnd, &end)); ReasonOf(err) != NotListed {
		t.Errorf("ended twice: %v", err)
	}
	if _, ok := w.org.SourceAt(p.id, listed); !ok || len(w.org.Sources()) != 0 {
		t.Error("an ended source stands for what came before, and no more")
	}
	w.must(w.org.Apply(w.orgLink(envelope.OrgSource, &p.body)))
}

// statement is a signed statement of another kind.
func (w *world) statement(label string, by *seal.SigningKey) []byte {
	raw, err := seal.SignStatement(label, &envelope.Receipt{Version: envelope.Version}, by)
	w.must(err)
	return raw
}

// userLinkBy is a link of p's chain that another person's device signs as p.
func (w *world) userLinkBy(p, by *person, kind envelope.LinkType, body any) *envelope.Entry {
	l := w.next(&p.spine, kind, body)
	l.User, l.Key = p.ID(), by.device.ID()
	return linkEntry(l, by.device)
}
