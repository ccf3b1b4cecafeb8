package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// configFile is the one clear file. It holds the wrapped master key too, so
// that changing a passphrase replaces a single file.
const configFile = "keyring.json"

const maxConfig = 16 << 10 // bytes

type configJSON struct {
	Version int    `json:"version"` // 1
	KDF     string `json:"kdf"`     // age-scrypt; the work factor is in the file below
	Master  []byte `json:"master"`  // age file with one scrypt stanza
}

const kdfScrypt = "age-scrypt"

func (r *Ring) writeMaster(passphrase string) error {
	file, err := protect(r.master, passphrase, r.config.logN)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(configJSON{1, kdfScrypt, file}, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(r.dir, configFile, append(b, '\n'))
}

func (r *Ring) readMaster(passphrase string) error {
	b, err := readFile(r.path(configFile), maxConfig)
	if err != nil {
		return err
	}
	var c configJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return fmt.Errorf("%w: %s: %v", ErrDamaged, configFile, err)
	}
	if c.Version != 1 || c.KDF != kdfScrypt {
		return fmt.Errorf("%s: version %d with kdf %q is not known", configFile, c.Version, c.KDF)
	}
	r.master, err = unprotect(c.Master, passphrase)
	return err
}

func protect(master seal.DataKey, passphrase string, logN int) ([]byte, error) {
	if err := usable(passphrase); err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(logN)
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(master[:]); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}

func unprotect(file []byte, passphrase string) (seal.DataKey, error) {
	if err := usable(passphrase); err != nil {
		return seal.DataKey{}, err
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return seal.DataKey{}, err
	}
	id.SetMaxWorkFactor(maxLogN)
	plain, err := age.Decrypt(bytes.NewReader(file), id)
	if errors.Is(err, age.ErrIncorrectIdentity) {
		return seal.DataKey{}, ErrPassphrase
	}
	if err != nil {
		return seal.DataKey{}, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	master, err := io.ReadAll(plain)
	if err != nil || len(master) != 32 {
		return seal.DataKey{}, fmt.Errorf("%w: master key", ErrDamaged)
	}
	return seal.DataKey(master), nil
}

// usable keeps empty passphrases out, and age away from FIPS enforcement.
func usable(passphrase string) error {
	if passphrase == "" {
		return fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	return seal.CheckSuite(envelope.SuiteAge)
}
