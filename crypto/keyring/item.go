package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

const itemSuffix = ".item"

// MaxItem is the largest item, in bytes.
const MaxItem = 1 << 20

// Put keeps secret as item name, in place of what was there. It costs two
// flushes of the disk; state that changes often goes to PutDurable.
func (r *Ring) Put(name string, secret []byte) error {
	return r.with(name, "writing item", func() error {
		if len(secret) > MaxItem {
			return fmt.Errorf("%d bytes, limit %d", len(secret), MaxItem)
		}
		sealed := seal.SealBytes(r.key("item", name), nil, secret)
		return writeFile(r.dir, name+itemSuffix, sealed)
	})
}

// Get reads item name. It fails with ErrNotFound or ErrDamaged.
func (r *Ring) Get(name string) (secret []byte, err error) {
	err = r.with(name, "reading item", func() error {
		sealed, err := readFile(r.path(name+itemSuffix), MaxItem+seal.Overhead)
		if err != nil {
			return err
		}
		if secret, err = seal.OpenBytes(r.key("item", name), nil, sealed); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil
	})
	return secret, err
}

// List gives the names of all that Put and PutDurable keep, sorted.
func (r *Ring) List() ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	files, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("listing keyring: %w", err)
	}
	var names []string
	for _, f := range files {
		for _, suffix := range []string{itemSuffix, slotSuffix} {
			if name, ok := strings.CutSuffix(f.Name(), suffix); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Delete removes all that is kept under name. The disk may still hold the bytes.
func (r *Ring) Delete(name string) error {
	return r.with(name, "deleting item", func() error {
		delete(r.slots, name)
		item := os.Remove(r.path(name + itemSuffix))
		slots := os.Remove(r.path(name + slotSuffix))
		for _, err := range []error{item, slots} {
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if item != nil && slots != nil {
			return ErrNotFound
		}
		return syncDir(r.dir)
	})
}

// with runs do alone, on an open ring, for a well-formed name.
func (r *Ring) with(name, doing string, do func() error) error {
	if !validName(name) {
		return fmt.Errorf("%s: %w: %q", doing, ErrName, name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %s: %w", doing, name, err)
	}
	return nil
}

// validName keeps names usable as file names, and away from keyring.json.
func validName(name string) bool {
	if name == "" || len(name) > 128 || strings.ContainsRune("-_.", rune(name[0])) {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// key is the key of one item alone, so that a file moved to another name, or
// from items to slots, does not open.
func (r *Ring) key(what, name string) seal.DataKey {
	info := string(envelope.Frame("keyring", what, name))
	k, err := hkdf.Key(sha256.New, r.master[:], nil, info, 32)
	if err != nil {
		panic(fmt.Sprintf("deriving 32 bytes from 32: %v", err)) // lengths are fixed
	}
	return seal.DataKey(k)
}
