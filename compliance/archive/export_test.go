package archive

import (
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
)

// StatementOf is what the signer signs for a bag with these tag manifests.
func StatementOf(h *Header, manifest, other envelope.Hash) *signer.Archive {
	return h.statement(manifest, other)
}

// EncodeLine is the one encoding of a line.
func EncodeLine(l *Line) string {
	b, err := encodeLine(l)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// PayloadLeaf is a leaf of the payload root.
func PayloadLeaf(path string, plain [32]byte) tlog.Hash { return payloadLeaf(path, plain) }
