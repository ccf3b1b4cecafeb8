package keyring

import (
	"bytes"
	"encoding/json"
	"fmt"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// configFile is the one clear file. It holds the wrapped master key too, so
// that changing a passphrase replaces a single file.
const configFile = "keyring.json"

const maxConfig = 16 << 10 // bytes

type configJSON struct {
	Version    int    `json:"version"`              // 1
	KDF        string `json:"kdf"`                  // names the suite too
	Iterations int    `json:"iterations,omitempty"` // of PBKDF2; scrypt's work factor is in the file below
	Salt       []byte `json:"salt,omitempty"`       // of PBKDF2
	Master     []byte `json:"master"`               // the sealed master key
}

// protector is how a suite protects a master key by a passphrase.
type protector interface {
	// protect fills what a configuration needs to be opened again.
	protect(master seal.DataKey, passphrase string, cheap bool) (configJSON, error)
	// unprotect fails with ErrPassphrase or ErrDamaged.
	unprotect(c configJSON, passphrase string) ([]byte, error)
}

var protectors = map[envelope.Suite]protector{envelope.SuiteAge: scrypt{}, envelope.SuiteFIPS: pbkdf{}}

// suites tells the suite of a keyring by its KDF.
var suites = map[string]envelope.Suite{kdfScrypt: envelope.SuiteAge, kdfPBKDF2: envelope.SuiteFIPS}

func (r *Ring) writeMaster(passphrase string) error {
	if err := r.usable(passphrase); err != nil {
		return err
	}
	c, err := protectors[r.config.suite].protect(r.master, passphrase, r.config.cheap)
	if err != nil {
		return err
	}
	c.Version = 1
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(r.dir, configFile, append(b, '\n'))
}

func (r *Ring) readMaster(passphrase string) error {
	c, err := r.readConfig()
	if err != nil {
		return err
	}
	r.config.suite = suites[c.KDF]
	if err := r.usable(passphrase); err != nil {
		return err
	}
	master, err := protectors[r.config.suite].unprotect(c, passphrase)
	if err == nil && len(master) != len(r.master) {
		err = fmt.Errorf("%w: master key has %d bytes", ErrDamaged, len(master))
	}
	if err != nil {
		return err
	}
	r.master = seal.DataKey(master)
	return nil
}

func (r *Ring) readConfig() (configJSON, error) {
	b, err := readFile(r.path(configFile), maxConfig)
	if err != nil {
		return configJSON{}, err
	}
	var c configJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("%w: %s: %v", ErrDamaged, configFile, err)
	}
	if _, known := suites[c.KDF]; c.Version != 1 || !known {
		return c, fmt.Errorf("%s: version %d with kdf %q is not known", configFile, c.Version, c.KDF)
	}
	return c, nil
}

// usable keeps empty passphrases out, and suites that are not known or that
// this process may not use.
func (r *Ring) usable(passphrase string) error {
	if passphrase == "" {
		return fmt.Errorf("%w: it is empty", ErrPassphrase)
	}
	return seal.CheckSuite(r.config.suite)
}
