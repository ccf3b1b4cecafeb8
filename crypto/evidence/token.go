package evidence

import (
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // refuses a name twice, and one in another case
)

// Client is the one public client whose tokens count: it keeps redirect and PKCE
// verifier on the device. Tokens of the client that people sign in with never
// do, because the server picks their nonce.
type Client struct {
	Issuer string
	ID     string
}

// KeySet is an issuer's signing keys as somebody trusted fetched them from the
// issuer itself.
type KeySet struct {
	Issuer  string
	JWKS    []byte // RFC 7517
	Fetched time.Time
}

// Holder is whom the evidence names.
type Holder struct {
	Source  string // issuer, or "edipi"
	Subject string
}

// Limits of a token.
const (
	maxToken     = 8 << 10     // bytes
	maxKeySet    = 64 << 10    // bytes
	interactive  = time.Minute // auth_time may be so much older than iat: the person has just signed in
	skew         = 2 * time.Minute
	maxLife      = 24 * time.Hour // of a token
	keySetWithin = 24 * time.Hour // keys were fetched so near to the token's issue
	minRSA       = 2048           // bits
)

// algorithms are all that is accepted. None, HMAC and what is not approved are out.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384}

// claims are those that are judged. Pointers tell absent from zero.
type claims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	Party     *string         `json:"azp"`
	Nonce     string          `json:"nonce"`
	Issued    *int64          `json:"iat"`
	Expires   *int64          `json:"exp"`
	NotBefore *int64          `json:"nbf"`
	Signed    *int64          `json:"auth_time"`
	CodeHash  *string         `json:"c_hash"`
}

// VerifyToken checks an ID token (compact JWS) that was got for nonce, the raw
// bytes of which it must carry in unpadded base64url. At is when the token was
// put to use, by the signed time of what carries it. It returns ErrEvidence,
// wrapped.
func VerifyToken(raw string, c Client, keys KeySet, nonce []byte, at time.Time) (Holder, error) {
	if len(raw) > maxToken || len(keys.JWKS) > maxKeySet {
		return Holder{}, refused("token of %d bytes, keys of %d", len(raw), len(keys.JWKS))
	}
	if keys.Issuer != c.Issuer {
		return Holder{}, refused("keys of %q for a token of %q", keys.Issuer, c.Issuer)
	}
	payload, err := verifyJWS(raw, keys.JWKS)
	if err != nil {
		return Holder{}, err
	}
	var t claims
	if err := json.Unmarshal(payload, &t); err != nil {
		return Holder{}, refused("claims are no JSON object")
	}
	if err := t.check(c, nonce); err != nil {
		return Holder{}, err
	}
	return Holder{Source: t.Issuer, Subject: t.Subject}, t.checkTimes(keys.Fetched, at)
}

// verifyJWS finds the one key that the token names, of the kind that its
// algorithm needs, and gives the payload.
func verifyJWS(raw string, jwks []byte) ([]byte, error) {
	token, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, refused("not a token of an accepted algorithm")
	}
	header := token.Signatures[0].Protected
	if header.KeyID == "" || header.JSONWebKey != nil {
		return nil, refused("the token names no key, or brings its own")
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &set); err != nil {
		return nil, refused("keys are no JWKS")
	}
	found := set.Key(header.KeyID)
	if len(found) != 1 {
		return nil, refused("%d keys have the token's key id", len(found))
	}
	if err := checkKey(&found[0], header.Algorithm); err != nil {
		return nil, err
	}
	payload, err := token.Verify(found[0].Key)
	if err != nil {
		return nil, refused("the signature does not verify")
	}
	return payload, nil
}

func checkKey(k *jose.JSONWebKey, algorithm string) error {
	switch {
	case !k.IsPublic() || !k.Valid():
		return refused("the issuer's key is not a public key")
	case k.Use != "" && k.Use != "sig":
		return refused("the issuer's key is for %q", k.Use)
	case k.Algorithm != "" && k.Algorithm != algorithm:
		return refused("the issuer's key is for %s, the token says %s", k.Algorithm, algorithm)
	}
	if r, ok := k.Key.(*rsa.PublicKey); ok && r.N.BitLen() < minRSA {
		return refused("the issuer's RSA key has %d bits", r.N.BitLen())
	}
	return nil
}

func (t *claims) check(c Client, nonce []byte) error {
	switch {
	case t.Issuer != c.Issuer:
		return refused("issued by %q", t.Issuer)
	case t.Subject == "" || len(t.Subject) > 255:
		return refused("no subject of 1 to 255 bytes")
	case !slices.Equal(audience(t.Audience), []string{c.ID}):
		return refused("made for another client")
	case t.Party != nil && *t.Party != c.ID:
		return refused("given to another client")
	case len(nonce) == 0 || t.Nonce != base64.RawURLEncoding.EncodeToString(nonce):
		return refused("another nonce: it does not name this chain")
	case t.CodeHash != nil:
		return refused("from a hybrid flow")
	}
	return nil
}

// audience is a string or an array of strings.
func audience(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	return many
}

// checkTimes demands that the person signed in for this very token, that it was
// fresh when used, and that the keys are of those days.
func (t *claims) checkTimes(fetched, at time.Time) error {
	if t.Issued == nil || t.Expires == nil || t.Signed == nil {
		return refused("no iat, exp or auth_time")
	}
	issued, expires, signed := time.Unix(*t.Issued, 0), time.Unix(*t.Expires, 0), time.Unix(*t.Signed, 0)
	switch {
	case !expires.After(issued) || expires.Sub(issued) > maxLife:
		return refused("it lives from %d to %d", *t.Issued, *t.Expires)
	case signed.Before(issued.Add(-interactive)) || signed.After(issued.Add(skew)):
		return refused("nobody signed in for it: auth_time %d, iat %d", *t.Signed, *t.Issued)
	case at.Before(issued.Add(-skew)) || at.After(expires):
		return refused("used at %d, outside its life", at.Unix())
	case t.NotBefore != nil && at.Before(time.Unix(*t.NotBefore, 0).Add(-skew)):
		return refused("used before nbf")
	case fetched.Sub(issued).Abs() > keySetWithin:
		return refused("the issuer's keys were fetched at %d, more than a day away", fetched.Unix())
	}
	return nil
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrEvidence, fmt.Sprintf(format, args...))
}
