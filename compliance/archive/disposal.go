package archive

import (
	"chancery/compliance/disposal"
	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
)

// Disposal is the predicate of data/certs/<plan>.dsse.
type Disposal = disposal.Body

// NewCertificate is what the signer is asked to sign when a disposal is done.
// The signer wants evidence beside it.
func NewCertificate(org envelope.OrgID, d *Disposal) (*signer.Certificate, error) {
	body, err := record.JSON(d)
	if err != nil {
		return nil, err
	}
	return &signer.Certificate{
		Predicate: signer.DisposalPredicate, Org: signer.Digest(org),
		Subject: signer.Digest(envelope.OrderHash(d.Order)), Body: body,
	}, nil
}

// DisposalStatement is the payload of a disposal certificate.
func DisposalStatement(org envelope.OrgID, d *Disposal) ([]byte, error) {
	cert, err := NewCertificate(org, d)
	if err != nil {
		return nil, err
	}
	return cert.Statement()
}
