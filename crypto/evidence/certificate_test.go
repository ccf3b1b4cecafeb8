package evidence

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// authority issues cards.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: ecKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(template, template, a.key.Public())
	return a
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (a *authority) sign(template, parent *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// card is a person's certificate, with principal names.
func (a *authority) card(key *ecdsa.PrivateKey, edit func(*x509.Certificate), names ...string) *x509.Certificate {
	a.t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "DOE.ANN.1234567890"}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: subjectAltName, Value: a.names(names...)}},
	}
	edit(c)
	return a.sign(c, a.cert, key.Public())
}

func (a *authority) names(names ...string) []byte {
	a.t.Helper()
	list := []asn1.RawValue{}
	for _, n := range names {
		text, err := asn1.MarshalWithParams(n, "utf8")
		if err != nil {
			a.t.Fatal(err)
		}
		raw, err := asn1.MarshalWithParams(otherName{principalName, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: text}}, "tag:0")
		if err != nil {
			a.t.Fatal(err)
		}
		list = append(list, asn1.RawValue{FullBytes: raw})
	}
	der, err := asn1.Marshal(list)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

// TestCertificates: a card proves who holds a chain; another card, chain, time,
// purpose or name does not.
func TestAttack34Certificates(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	key, other := ecKey(t), ecKey(t)
	statement := []byte("this chain is mine")
	signed := func(k *ecdsa.PrivateKey, what []byte) []byte {
		digest := sha256.Sum256(what)
		s, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := func(*x509.Certificate) {}
	const upn = "1234567890117002@mil"
	good := ours.card(key, same, upn)
	who, err := VerifyCertificate([][]byte{good.Raw}, [][]byte{ours.cert.Raw}, statement, signed(key, statement), at)
	if err != nil || who != (Holder{"edipi", "1234567890"}) {
		t.Fatalf("%v, %v", who, err)
	}
	for name, c := range map[string]struct {
		card      *x509.Certificate
		root      *authority
		signature []byte
		at        time.Time
		want      string
	}{
		"of another authority":   {good, theirs, signed(key, statement), at, "named root"},
		"signed by another card": {good, ours, signed(other, statement), at, "did not sign"},
		"over another chain":     {good, ours, signed(key, []byte("another chain")), at, "did not sign"},
		"expired":                {good, ours, signed(key, statement), at.Add(2 * time.Hour), "named root"},
		"before it began":        {good, ours, signed(key, statement), at.Add(-2 * time.Hour), "named root"},
		"for a server":           {ours.card(key, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, upn), ours, signed(key, statement), at, "named root"},
		"not for signing":        {ours.card(key, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }, upn), ours, signed(key, statement), at, "signs for a person"},
		"no principal name":      {ours.card(key, same), ours, signed(key, statement), at, "0 principal names"},
		"two principal names":    {ours.card(key, same, upn, "9999999999@mil"), ours, signed(key, statement), at, "2 principal names"},
		"a name of another kind": {ours.card(key, same, "ann@example.org"), ours, signed(key, statement), at, "not one of a card"},
		"an authority itself":    {ours.cert, ours, signed(ours.key, statement), at, "signs for a person"},
	} {
		_, err := VerifyCertificate([][]byte{c.card.Raw}, [][]byte{c.root.cert.Raw}, statement, c.signature, c.at)
		wantRefused(t, name, err, c.want)
	}
	for name, chain := range map[string][][]byte{"empty": nil, "endless": make([][]byte, maxChain+1), "no certificate": {[]byte("x")}} {
		if _, err := VerifyCertificate(chain, [][]byte{ours.cert.Raw}, statement, nil, at); err == nil {
			t.Errorf("%s chain was taken", name)
		}
	}
}
