package vault

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"

	"chancery/crypto/keytree"
)

// saltLabel is the HKDF info under which a leaf becomes the key of its salt, and
// the start of the associated data: saltLabel ‖ channel (32) ‖ leaf (8).
const saltLabel = "chancery/v1/vault/salt"

// SealedSaltSize is the size of a sealed salt in bytes: nonce (12), ciphertext
// (32), tag (16).
const SealedSaltSize = 60

// SealSalt seals the salt of record i of a channel under its leaf. It returns
// ErrMissingTree, ErrPunctured, or ErrCopyLost if a copy is not there any more,
// wrapped.
func (v *Vault) SealSalt(channel Channel, i uint64, salt [32]byte) ([]byte, error) {
	if err := v.present(); err != nil {
		return nil, fmt.Errorf("sealing salt: %w", err)
	}
	aead, err := v.leaf(channel, i)
	if err != nil {
		return nil, fmt.Errorf("sealing salt: %w", err)
	}
	return aead.Seal(nil, nil, salt[:], saltData(channel, i)), nil
}

// present tells whether every copy still has its file in full. It looks at the
// size alone, which costs microseconds: a disk that was unmounted or emptied is
// noticed before anything relies on it; damage inside is for Doctor.
func (v *Vault) present() error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, c := range v.copies {
		info, err := os.Stat(c.path(genName(v.gen.number)))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCopyLost, err)
		}
		if info.Size() < v.gen.size {
			return fmt.Errorf("%w: copy %s has %d bytes of %d", ErrCopyLost, c.dir, info.Size(), v.gen.size)
		}
	}
	return nil
}

// OpenSalt opens what SealSalt returned for the same channel and record. It
// returns ErrMissingTree, ErrPunctured or ErrSalt, wrapped.
func (v *Vault) OpenSalt(channel Channel, i uint64, sealed []byte) (salt [32]byte, err error) {
	if len(sealed) != SealedSaltSize {
		return salt, fmt.Errorf("opening salt: %d bytes: %w", len(sealed), ErrSalt)
	}
	aead, err := v.leaf(channel, i)
	if err != nil {
		return salt, fmt.Errorf("opening salt: %w", err)
	}
	plain, err := aead.Open(nil, nil, sealed, saltData(channel, i))
	if err != nil {
		return salt, fmt.Errorf("opening salt: leaf %d: %w", i, ErrSalt)
	}
	defer clear(plain)
	return [32]byte(plain), nil
}

// leaf returns the cipher of one leaf. A leaf seals one salt; the nonce is random
// all the same, so that a post retried after a crash repeats none.
func (v *Vault) leaf(channel Channel, i uint64) (cipher.AEAD, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	at, ok := v.gen.trees[channel]
	if !ok {
		return nil, fmt.Errorf("channel %x: %w", channel, ErrMissingTree)
	}
	leaf, err := v.cache.leaf(channel, i, func() (*keytree.Tree, error) { return v.load(at) })
	if err != nil {
		return nil, err
	}
	defer clear(leaf[:])
	key, err := hkdf.Expand(sha256.New, leaf[:], saltLabel, keySize)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return newAEAD(key)
}

// load reads a tree from the first copy that still has it whole.
func (v *Vault) load(at span) (tree *keytree.Tree, err error) {
	for _, c := range v.copies {
		var record []byte
		if record, err = readSpan(c.path(genName(v.gen.number)), at); err != nil {
			continue
		}
		if tree, err = v.gen.openTree(record); err == nil {
			return tree, nil
		}
	}
	return nil, err
}

func readSpan(path string, at span) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, at.length)
	_, err = f.ReadAt(b, at.offset)
	return b, err
}

func saltData(channel Channel, i uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(saltLabel), channel[:]...), i)
}
