package main

import (
	"crypto/rand"
	"errors"
	"fmt"

	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

// identity is what the keyring holds for a recorder.
type identity struct {
	key    *seal.SigningKey
	open   *seal.Identity
	master seal.DataKey // of the copy
}

// Names of the keyring's items, each of 32 bytes. The first two are those of any
// service's keyring.
const (
	itemKey    = "signing"
	itemOpen   = "identity"
	itemMaster = "recorder-copy"
)

// readIdentity reads all three items. The master key is made when it is missing,
// because chancery key new does not know it. Should it have been lost, the seeds
// in the copy will not open, and the recorder stops there.
func readIdentity(ring *keyring.Ring) (*identity, error) {
	if err := makeItem(ring, itemMaster); err != nil {
		return nil, err
	}
	key, err := item(ring, itemKey)
	if err != nil {
		return nil, err
	}
	open, err := item(ring, itemOpen)
	if err != nil {
		return nil, err
	}
	master, err := item(ring, itemMaster)
	if err != nil {
		return nil, err
	}
	id := &identity{master: seal.DataKey(master)}
	if id.key, err = seal.SigningKeyFromSeed(key); err != nil {
		return nil, err
	}
	id.open, err = seal.IdentityFromSeed(ring.Suite(), open)
	return id, err
}

func item(ring *keyring.Ring, name string) ([]byte, error) {
	b, err := ring.Get(name)
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, fmt.Errorf("keyring holds no recorder: run chancery-recorder init first: %w", err)
	}
	if err == nil && len(b) != 32 {
		err = fmt.Errorf("keyring item %s has %d bytes, want 32", name, len(b))
	}
	return b, err
}

// makeIdentity fills in what the keyring lacks, so that an interrupted init may
// be run again.
func makeIdentity(ring *keyring.Ring) (*identity, error) {
	if err := errors.Join(makeItem(ring, itemKey), makeItem(ring, itemOpen)); err != nil {
		return nil, err
	}
	return readIdentity(ring)
}

// makeItem makes 32 random bytes, unless the item is there.
func makeItem(ring *keyring.Ring, name string) error {
	_, err := ring.Get(name)
	if !errors.Is(err, keyring.ErrNotFound) {
		return err
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	return ring.Put(name, secret)
}
