package sign

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// noteEd25519 is the C2SP signed-note type of plain Ed25519 signatures. ECDSA
// P-384 keys will use type 0xff with the identifier
// "chancery/v1/ecdsa-p384-sha384".
const noteEd25519 = 1

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
	h := sha256.Sum256(append([]byte(s.name+"\n"), append([]byte{noteEd25519}, s.Public()...)...))
	return binary.BigEndian.Uint32(h[:])
}
