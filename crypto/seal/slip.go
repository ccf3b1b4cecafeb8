package seal

import (
	"bytes"
	"fmt"
	"slices"

	"chancery/crypto/envelope"
)

// ArchiveKey is the purpose of an archive's key slip.
func ArchiveKey(org envelope.OrgID, archive envelope.Hash) Purpose {
	return Purpose{Type: "chancery/v1/archive-key", Org: org, About: archive}
}

// Copy is one reader's copy of what a key slip holds.
type Copy struct {
	_         struct{}       `cbor:",toarray"`
	Recipient envelope.KeyID // RecipientID of the reader
	File      []byte         // a wrap
}

// SealTo makes a key slip: plaintext, usually a data key and what it is for,
// wrapped to each reader, sorted by reader. Readers are public keys of suite s,
// and none may come twice.
func SealTo(s envelope.Suite, p Purpose, recipients [][]byte, plaintext []byte) ([]Copy, error) {
	slip := make([]Copy, 0, len(recipients))
	for i, r := range recipients {
		file, err := Wrap(s, p, r, plaintext)
		if err != nil {
			return nil, fmt.Errorf("sealing to reader %d: %w", i, err)
		}
		slip = append(slip, Copy{Recipient: RecipientID(r), File: file})
	}
	slices.SortFunc(slip, func(a, b Copy) int { return envelope.CompareKey(a.Recipient, b.Recipient) })
	for i := 1; i < len(slip); i++ {
		if slip[i-1].Recipient == slip[i].Recipient {
			return nil, fmt.Errorf("sealing to readers: %s comes twice", slip[i].Recipient)
		}
	}
	return slip, nil
}

// OpenSlip opens id's own copy. It fails with ErrWrap when there is none, or when
// the copies don't rise by reader: another implementation might find another one.
func OpenSlip(id *Identity, p Purpose, slip []Copy) ([]byte, error) {
	own := RecipientID(id.recipient)
	for i := 1; i < len(slip); i++ {
		if envelope.CompareKey(slip[i-1].Recipient, slip[i].Recipient) >= 0 {
			return nil, fmt.Errorf("opening key slip: %w: copies are not sorted by reader", ErrWrap)
		}
	}
	at, ok := slices.BinarySearchFunc(slip, own, func(c Copy, k envelope.KeyID) int {
		return bytes.Compare(c.Recipient[:], k[:])
	})
	if !ok {
		return nil, fmt.Errorf("opening key slip: %w: no copy for %s", ErrWrap, own)
	}
	plaintext, err := Unwrap(id, p, slip[at].File)
	if err != nil {
		return nil, fmt.Errorf("opening key slip: %w", err)
	}
	return plaintext, nil
}
