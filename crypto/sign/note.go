package sign

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// noteTypes are the C2SP signed-note signature types: 0x01 is plain Ed25519;
// 0xff is followed by a name that nobody else uses.
var noteTypes = map[Algorithm]string{Ed25519: "\x01", P384: "\xffchancery/v1/ecdsa-p384-sha384"}

// SignNote returns text, which must end in a newline, as a C2SP signed note with
// one signature by s under the given key name. tlog.OpenNote reads it.
func SignNote(text, name string, s Signer) ([]byte, error) {
	msg, err := note.Sign(&note.Note{Text: text}, noteSigner{name, s})
	if err != nil {
		return nil, fmt.Errorf("signing note as %q: %w", name, err)
	}
	return msg, nil
}

// noteSigner gives a Signer the name and key hash that notes carry.
type noteSigner struct {
	name string
	Signer
}

func (s noteSigner) Name() string { return s.name }

func (s noteSigner) KeyHash() uint32 {
	a, _ := AlgorithmOf(s.Public())
	h := sha256.Sum256(append([]byte(s.name+"\n"+noteTypes[a]), s.Public()...))
	return binary.BigEndian.Uint32(h[:])
}
