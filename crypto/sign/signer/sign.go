package signer

import (
	"chancery/crypto/sign"
	"chancery/crypto/tlog"
)

// Sign makes the signed note over a state of the log.
func (c *Checkpoint) Sign(key sign.Signer) ([]byte, error) {
	text, err := c.State().MarshalText()
	if err != nil {
		return nil, err
	}
	return sign.SignNote(string(text), c.Origin, key)
}

// State is the state that the request wants signed.
func (c *Checkpoint) State() tlog.Checkpoint {
	return tlog.Checkpoint{Origin: c.Origin, Size: c.Size, Root: tlog.Hash(c.Root)}
}

// Sign makes archive.dsse and archive.note.
func (a *Archive) Sign(key sign.Signer) (*SignedArchive, error) {
	statement, err := a.Statement()
	if err != nil {
		return nil, err
	}
	text, err := a.Note()
	if err != nil {
		return nil, err
	}
	dsse, err := sign.SignDSSE(PayloadType, statement, key)
	if err != nil {
		return nil, err
	}
	note, err := sign.SignNote(string(text), a.Origin(), key)
	if err != nil {
		return nil, err
	}
	return &SignedArchive{DSSE: dsse, Note: note}, nil
}

// Sign makes the DSSE envelope of a certificate.
func (c *Certificate) Sign(key sign.Signer) ([]byte, error) {
	statement, err := c.Statement()
	if err != nil {
		return nil, err
	}
	return sign.SignDSSE(PayloadType, statement, key)
}
