package tlog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// cosignatureType is C2SP's type of Ed25519 cosignatures with a time.
const cosignatureType = "\x04"

// Cosignature tells who, besides the log, vouched for a checkpoint, and when.
type Cosignature struct {
	Name string
	Time int64 // seconds since 1970, UTC, by the cosigner's clock
}

// Cosigned is what a cosigner signs (C2SP tlog-cosignature, cosignature/v1): the
// text of a checkpoint's note under the time, in seconds since 1970.
func Cosigned(text string, at int64) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text)
}

// CosignatureLine is the line that a cosigner adds to a note. The key is
// Ed25519; sig is its signature over Cosigned.
func CosignatureLine(name string, public []byte, at int64, sig []byte) string {
	b := binary.BigEndian.AppendUint32(nil, cosignerHash(name, public))
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	return "— " + name + " " + base64.StdEncoding.EncodeToString(append(b, sig...)) + "\n"
}

// NewCosigner returns the verifier of a cosigner's Ed25519 key, which must
// already be accepted as NewVerifier says.
func NewCosigner(name string, public []byte) (Verifier, error) {
	if !validName(name) || len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("making cosigner %q: bad name, or key of %d bytes", name, len(public))
	}
	return cosigner{name, public}, nil
}

type cosigner struct {
	name   string
	public []byte
}

func cosignerHash(name string, public []byte) uint32 {
	h := sha256.Sum256(append([]byte(name+"\n"+cosignatureType), public...))
	return binary.BigEndian.Uint32(h[:])
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return cosignerHash(c.name, c.public) }

func (c cosigner) Verify(text, sig []byte) bool {
	at, ok := cosignedAt(sig)
	return ok && ed25519.Verify(c.public, Cosigned(string(text), at), sig[8:])
}

// cosignedAt reads the time in front of a cosignature. One that does not fit a
// signed number is no time.
func cosignedAt(sig []byte) (at int64, ok bool) {
	if len(sig) != 8+ed25519.SignatureSize {
		return 0, false
	}
	at = int64(binary.BigEndian.Uint64(sig))
	return at, at >= 0
}
