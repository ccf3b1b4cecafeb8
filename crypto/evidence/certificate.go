package evidence

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"regexp"
	"time"
)

const (
	maxChain       = 6
	maxCertificate = 8 << 10 // bytes
)

// VerifyCertificate checks that the holder of a CAC or PIV card signed
// statement: chain is DER, the card's certificate first; anchors are the roots
// that the organisation names; signature is ECDSA (ASN.1) or RSA PKCS #1 v1.5
// over SHA-256 of the statement. The card's principal name gives the EDIPI. At
// is when it was used; whether the card was revoked then is not judged here. It
// returns ErrEvidence, wrapped.
func VerifyCertificate(chain, anchors [][]byte, statement, signature []byte, at time.Time) (Holder, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return Holder{}, refused("a chain of %d certificates", len(chain))
	}
	leaf, options, err := parseChain(chain, anchors)
	if err != nil {
		return Holder{}, err
	}
	options.CurrentTime = at
	if _, err := leaf.Verify(*options); err != nil {
		return Holder{}, refused("the certificate does not lead to a named root: %v", err)
	}
	if leaf.IsCA || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return Holder{}, refused("the certificate is not one that signs for a person")
	}
	if err := verifyBy(leaf.PublicKey, statement, signature); err != nil {
		return Holder{}, err
	}
	id, err := edipi(leaf)
	return Holder{Source: "edipi", Subject: id}, err
}

func parseChain(chain, anchors [][]byte) (*x509.Certificate, *x509.VerifyOptions, error) {
	options := &x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	var leaf *x509.Certificate
	for i, der := range chain {
		c, err := parseCertificate(der)
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			leaf = c
			continue
		}
		options.Intermediates.AddCert(c)
	}
	for _, der := range anchors {
		c, err := parseCertificate(der)
		if err != nil {
			return nil, nil, err
		}
		options.Roots.AddCert(c)
	}
	return leaf, options, nil
}

func parseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, refused("a certificate of %d bytes", len(der))
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refused("a certificate does not parse")
	}
	return c, nil
}

func verifyBy(key crypto.PublicKey, statement, signature []byte) error {
	digest := sha256.Sum256(statement)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(k, digest[:], signature) {
			return nil
		}
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSA && rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature) == nil {
			return nil
		}
	}
	return refused("the card did not sign this chain")
}

var (
	subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	principalName  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
	edipiName      = regexp.MustCompile(`^([0-9]{10})[0-9]{0,6}@mil$`)
)

// otherName is the form of a subject alternative name that has a type of its own.
type otherName struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue // [0], around the value itself
}

// edipi finds the ten digits in the one principal name of a certificate.
func edipi(c *x509.Certificate) (string, error) {
	var found []string
	for _, e := range c.Extensions {
		if e.Id.Equal(subjectAltName) {
			found = append(found, principals(e.Value)...)
		}
	}
	if len(found) != 1 {
		return "", refused("%d principal names in the certificate", len(found))
	}
	m := edipiName.FindStringSubmatch(found[0])
	if m == nil {
		return "", refused("the principal name is not one of a card")
	}
	return m[1], nil
}

func principals(san []byte) (found []string) {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(san, &names); err != nil || len(rest) > 0 {
		return nil
	}
	for _, n := range names {
		if n.Class != asn1.ClassContextSpecific || n.Tag != 0 {
			continue
		}
		var o otherName
		if _, err := asn1.UnmarshalWithParams(n.FullBytes, &o, "tag:0"); err != nil || !o.Type.Equal(principalName) {
			continue
		}
		var name string
		if rest, err := asn1.UnmarshalWithParams(o.Value.Bytes, &name, "utf8"); err == nil && len(rest) == 0 {
			found = append(found, name)
		}
	}
	return found
}
