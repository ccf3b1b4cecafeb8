package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"chancery/compliance/archive"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

// identityHeaders are the first line of an identity file, by suite; the second
// is the seed in base64.
var identityHeaders = map[envelope.Suite]string{
	envelope.SuiteAge:  "chancery/v1/identity-seed",
	envelope.SuiteFIPS: "chancery/v1/fips-identity-seed",
}

// identityItem names the seed in a keyring.
const identityItem = "identity"

// card is what an auditor gives to the organisation to be listed.
type card struct {
	Version   int           `json:"version"` // 1
	Role      envelope.Role `json:"role"`
	Name      string        `json:"name"`
	Recipient []byte        `json:"recipient"`
}

func newKey() *cobra.Command {
	var out, name, suite string
	create := &cobra.Command{
		Use:   "new --out DIR --name NAME",
		Short: "Make an auditor's key, and the card by which the organisation lists it",
		Args:  exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" || name == "" {
				return usage{errors.New("--out and --name are needed")}
			}
			if err := newIdentity(envelope.Suite(suite), out, name); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s stays with you; give %s to whoever holds the organisation's root\n",
				filepath.Join(out, "identity"), filepath.Join(out, "card.json"))
			return nil
		},
	}
	create.Flags().StringVar(&out, "out", "", "new directory for the key and the card")
	create.Flags().StringVar(&name, "name", "", "name of the auditor, for people")
	create.Flags().StringVar(&suite, "suite", string(envelope.SuiteAge), "suite of the organisation: age or fips")
	key := &cobra.Command{Use: "key", Short: "Auditor's keys"}
	key.AddCommand(create)
	return key
}

func newIdentity(suite envelope.Suite, dir, name string) error {
	if err := seal.CheckSuite(suite); err != nil {
		return usage{err}
	}
	id, err := seal.GenerateIdentity(suite, rand.Reader)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return usage{err}
	}
	text := identityHeaders[suite] + "\n" + base64.StdEncoding.EncodeToString(id.Seed()) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "identity"), []byte(text), 0o600); err != nil {
		return err
	}
	raw, err := json.Marshal(card{Version: 1, Role: envelope.RoleAuditor, Name: name, Recipient: id.Recipient()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "card.json"), append(raw, '\n'), 0o644)
}

// loadIdentity reads an auditor's key from a file or a keyring.
func loadIdentity(path, passphraseFile string) (*seal.Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, usage{err}
	}
	if info.IsDir() {
		return identityFromKeyring(path, passphraseFile)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, usage{fmt.Errorf("%s has mode %v: others may read it; chmod 600 it", path, info.Mode().Perm())}
	}
	raw, err := readLimited(path, 1024)
	if err != nil {
		return nil, usage{err}
	}
	header, seed64, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), "\n")
	for suite, want := range identityHeaders {
		if seed, err := base64.StdEncoding.Strict().DecodeString(seed64); header == want && err == nil {
			return identityFromSeed(suite, seed)
		}
	}
	return nil, cannotOpen(fmt.Errorf("%s is not an identity file", path))
}

func identityFromKeyring(dir, passphraseFile string) (*seal.Identity, error) {
	if passphraseFile == "" {
		return nil, usage{errors.New("a keyring needs --passphrase-file")}
	}
	passphrase, err := keyring.PassphraseFromFile(passphraseFile)
	if err != nil {
		return nil, usage{err}
	}
	ring, err := keyring.Open(dir, passphrase)
	if err != nil {
		return nil, cannotOpen(err)
	}
	seed, err := ring.Get(identityItem)
	if err := errors.Join(err, ring.Close()); err != nil {
		return nil, cannotOpen(err)
	}
	return identityFromSeed(ring.Suite(), seed)
}

func identityFromSeed(suite envelope.Suite, seed []byte) (*seal.Identity, error) {
	id, err := seal.IdentityFromSeed(suite, seed)
	if err != nil {
		return nil, cannotOpen(err)
	}
	return id, nil
}

func cannotOpen(err error) error {
	return &archive.Refusal{Exit: archive.ExitSealed, Err: err}
}
