package archive

import (
	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
)

// Certificate is what the signer is asked to sign when a disposal is done.
func (d *Disposal) Certificate(org envelope.OrgID) (*signer.Certificate, error) {
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
	cert, err := d.Certificate(org)
	if err != nil {
		return nil, err
	}
	return cert.Statement()
}
