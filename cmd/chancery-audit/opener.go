package main

import (
	"fmt"
	"io"
	"os"

	"chancery/compliance/archive"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// maxSlip bounds a key slip, in bytes.
const maxSlip = 8 << 20

// opener opens one archive with the data key of its slip.
type opener struct {
	archive envelope.Hash
	key     seal.DataKey
}

// openSlip finds the auditor's copy in a key slip. Whatever is wrong with it,
// the archive can't be opened.
func openSlip(path string, id *seal.Identity, trust archive.Trust) (*opener, error) {
	cannot := func(err error) error {
		return &archive.Refusal{Exit: archive.ExitSealed, Err: fmt.Errorf("opening key slip %s: %w", path, err)}
	}
	raw, err := readLimited(path, maxSlip)
	if err != nil {
		return nil, usage{err}
	}
	var slip archive.Slip
	if err := envelope.Unmarshal(raw, &slip); err != nil {
		return nil, cannot(err)
	}
	if slip.Version != envelope.Version {
		return nil, cannot(fmt.Errorf("slip version %d", slip.Version))
	}
	copies := make([]seal.Copy, len(slip.Copies))
	for i, c := range slip.Copies {
		copies[i] = seal.Copy{Recipient: c.Recipient, File: c.File}
	}
	plain, err := seal.OpenSlip(id, seal.ArchiveKey(trust.Org, slip.Archive), copies)
	if err != nil {
		return nil, cannot(err)
	}
	var key archive.SlipKey
	if err := envelope.Unmarshal(plain, &key); err != nil {
		return nil, cannot(err)
	}
	if key.Type != archive.SlipKeyType || key.Org != trust.Org || key.Archive != slip.Archive || len(key.Key) != 32 {
		return nil, cannot(fmt.Errorf("it holds a key of archive %s of organisation %s", key.Archive, key.Org))
	}
	return &opener{key.Archive, seal.DataKey(key.Key)}, nil
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// Commit implements archive.Opener.
func (o *opener) Commit() envelope.Hash { return archive.KeyCommit(o.archive, o.key[:]) }

// Chunk implements archive.Opener.
func (o *opener) Chunk(aad, sealed []byte) ([]byte, error) {
	return seal.OpenBytes(o.key, aad, sealed)
}

// Message implements archive.Opener.
func (o *opener) Message(secret []byte, e *envelope.Entry) (*envelope.Body, []byte, error) {
	x := seal.Secret(secret)
	body, err := seal.OpenSecret(x, e)
	return body, x.Cov(), err
}

// File implements archive.Opener.
func (o *opener) File(dst io.Writer, src io.Reader, a envelope.Attachment, key []byte) error {
	if len(key) != len(seal.DataKey{}) {
		return fmt.Errorf("file key has %d bytes", len(key))
	}
	return seal.OpenFile(dst, src, a.ID, seal.DataKey(key), a.Size, a.Root)
}
