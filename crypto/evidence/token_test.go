package evidence

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var (
	nonce  = []byte("the binding value of one chain..")
	at     = time.Unix(1_763_800_000, 0)
	client = Client{Issuer: "https://login.example", ID: "chancery-device"}
)

// provider is an issuer with one key of each kind.
type provider struct {
	t   *testing.T
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &provider{t, r, e}
}

func (p *provider) keys() KeySet { return p.keySet(client.Issuer, p.public()...) }

func (p *provider) public() []jose.JSONWebKey {
	return []jose.JSONWebKey{
		{Key: p.rsa.Public(), KeyID: "rsa", Use: "sig", Algorithm: "RS256"},
		{Key: p.ec.Public(), KeyID: "ec", Use: "sig"},
	}
}

func (p *provider) keySet(issuer string, keys ...jose.JSONWebKey) KeySet {
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		p.t.Fatal(err)
	}
	return KeySet{Issuer: issuer, JWKS: raw, Fetched: at}
}

// good are the claims of a token that counts.
func good() map[string]any {
	return map[string]any{
		"iss": client.Issuer, "sub": "ann", "aud": client.ID, "nonce": base64.RawURLEncoding.EncodeToString(nonce),
		"iat": at.Unix() - 30, "exp": at.Unix() + 300, "auth_time": at.Unix() - 31,
	}
}

func (p *provider) token(alg jose.SignatureAlgorithm, kid string, key any, claims any) string {
	p.t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	payload, ok := claims.([]byte)
	if !ok {
		if payload, err = json.Marshal(claims); err != nil {
			p.t.Fatal(err)
		}
	}
	o, err := s.Sign(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	raw, err := o.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return raw
}

func (p *provider) ordinary(claims any) string { return p.token(jose.RS256, "rsa", p.rsa, claims) }

func TestTokenThatCounts(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	list := good()
	list["aud"], list["azp"] = []string{client.ID}, client.ID
	for name, raw := range map[string]string{
		"RS256": p.ordinary(good()), "ES256": p.token(jose.ES256, "ec", p.ec, good()), "audience in a list": p.ordinary(list),
	} {
		who, err := VerifyToken(raw, client, p.keys(), nonce, at)
		if err != nil || who != (Holder{client.Issuer, "ann"}) {
			t.Errorf("%s: %v, %v", name, who, err)
		}
	}
}

// TestAttack34LoginTokenAsEvidence: a token that was made for something else
// than binding this chain, on the device, just now, proves nothing.
func TestAttack34LoginTokenAsEvidence(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	with := func(name string, v any) map[string]any {
		m := maps.Clone(good())
		if m[name] = v; v == nil {
			delete(m, name)
		}
		return m
	}
	for name, c := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"of the login client":     {with("aud", "chancery-login"), "another client"},
		"for two clients":         {with("aud", []string{client.ID, "chancery-login"}), "another client"},
		"given to another":        {with("azp", "chancery-login"), "another client"},
		"of another issuer":       {with("iss", "https://login.example/"), "issued by"},
		"other nonce":             {with("nonce", base64.RawURLEncoding.EncodeToString([]byte("of the server's making........."))), "nonce"},
		"nonce in another coding": {with("nonce", base64.URLEncoding.EncodeToString(nonce)), "nonce"},
		"no nonce":                {with("nonce", nil), "nonce"},
		"nonce in another case":   {func() map[string]any { m := with("nonce", nil); m["Nonce"] = good()["nonce"]; return m }(), "nonce"},
		"no subject":              {with("sub", ""), "subject"},
		"an old session":          {with("auth_time", at.Unix()-3600), "nobody signed in"},
		"nobody signed in":        {with("auth_time", nil), "auth_time"},
		"signed in later":         {with("auth_time", at.Unix()+3600), "nobody signed in"},
		"expired":                 {with("exp", at.Unix()-1), "outside its life"},
		"for ever":                {with("exp", at.Unix()+10*365*86400), "it lives"},
		"without end":             {with("exp", nil), "exp"},
		"from the future":         {func() map[string]any { m := with("iat", at.Unix()+250); m["auth_time"] = at.Unix() + 250; return m }(), "outside its life"},
		"not yet":                 {with("nbf", at.Unix()+200), "nbf"},
		"of a hybrid flow":        {with("c_hash", "x"), "hybrid"},
	} {
		_, err := VerifyToken(p.ordinary(c.claims), client, p.keys(), nonce, at)
		wantRefused(t, name, err, c.want)
	}
	raw, _ := json.Marshal(good())
	twice := append(raw[:len(raw)-1:len(raw)-1], `,"nonce":"x"}`...)
	_, err := VerifyToken(p.ordinary(twice), client, p.keys(), nonce, at)
	wantRefused(t, "a claim twice", err, "no JSON object")
}

func wantRefused(t *testing.T, name string, err error, text string) {
	t.Helper()
	if !errors.Is(err, ErrEvidence) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %v, want a refusal that says %q", name, err, text)
	}
}

// TestAttack34KeysOfTheServersMaking: signatures, algorithms and keys that are
// not the issuer's.
func TestAttack34KeysOfTheServersMaking(t *testing.T) {
	t.Parallel()
	p, server := newProvider(t), newProvider(t)
	public := p.public()
	old := p.keys()
	old.Fetched = at.Add(-26 * time.Hour)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		weak = nil // such a key can't even be made where FIPS is enforced
	}
	ordinary := p.ordinary(good())
	parts := strings.Split(ordinary, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "."
	for name, c := range map[string]struct {
		raw  string
		keys KeySet
		want string
	}{
		"signed by the server":        {server.ordinary(good()), p.keys(), "does not verify"},
		"keys of another issuer":      {ordinary, p.keySet("https://other.example", public...), "keys of"},
		"keys fetched long before":    {ordinary, old, "fetched"},
		"two keys of one id":          {ordinary, p.keySet(client.Issuer, public[0], public[0]), "2 keys"},
		"no such key":                 {ordinary, p.keySet(client.Issuer, public[1]), "0 keys"},
		"a key for encryption":        {ordinary, p.keySet(client.Issuer, jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "rsa", Use: "enc"}), "is for"},
		"a key for another algorithm": {ordinary, p.keySet(client.Issuer, jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "rsa", Algorithm: "PS256"}), "is for"},
		"a private key":               {ordinary, p.keySet(client.Issuer, jose.JSONWebKey{Key: p.rsa, KeyID: "rsa"}), "not a public key"},
		"keys that are none":          {ordinary, KeySet{client.Issuer, []byte("<html>"), at}, "no JWKS"},
		"alg none":                    {none, p.keys(), "accepted algorithm"},
		"HMAC with the public key":    {p.token(jose.HS256, "rsa", []byte(strings.Repeat("k", 64)), good()), p.keys(), "accepted algorithm"},
		"no key id":                   {p.token(jose.RS256, "", p.rsa, good()), p.keys(), "names no key"},
		"another payload":             {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"x"}`)) + "." + parts[2], p.keys(), "does not verify"},
		"a key of another kind":       {p.token(jose.RS256, "ec", p.rsa, good()), p.keys(), "does not verify"},
		"nothing":                     {"", p.keys(), "accepted algorithm"},
		"longer than any token":       {ordinary + strings.Repeat("A", maxToken), p.keys(), "bytes"},
	} {
		_, err := VerifyToken(c.raw, client, c.keys, nonce, at)
		wantRefused(t, name, err, c.want)
	}
	if weak != nil {
		_, err := VerifyToken(p.token(jose.RS256, "weak", weak, good()), client, p.keySet(client.Issuer, jose.JSONWebKey{Key: weak.Public(), KeyID: "weak"}), nonce, at)
		wantRefused(t, "a short key", err, "1024 bits")
	}
}
