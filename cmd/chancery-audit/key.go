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

// identityHeader is the first line of an identity file; the second is the seed
// in base64.
const identityHeader = "chancery/v1/identity-seed"

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
	var out, name string
	create := &cobra.Command{
		Use:   "new --out DIR --name NAME",
		Short: "Make an auditor's key, and the card by which the organisation lists it",
		Args:  exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" || name == "" {
				return usage{errors.New("--out and --name are needed")}
			}
			if err := newIdentity(out, name); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s stays with you; give %s to whoever holds the organisation's root\n",
				filepath.Join(out, "identity"), filepath.Join(out, "card.json"))
			return nil
		},
	}
	create.Flags().StringVar(&out, "out", "", "new directory for the key and the card")
	create.Flags().StringVar(&name, "name", "", "name of the auditor, for people")
	key := &cobra.Command{Use: "key", Short: "Auditor's keys"}
	key.AddCommand(create)
	return key
}

func newIdentity(dir, name string) error {
	id, err := seal.GenerateIdentity(rand.Reader)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return usage{err}
	}
	text := identityHeader + "\n" + base64.StdEncoding.EncodeToString(id.Seed()) + "\n"
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
	seed64, ok := strings.CutPrefix(strings.TrimSuffix(string(raw), "\n"), identityHeader+"\n")
	seed, err := base64.StdEncoding.Strict().DecodeString(seed64)
	if !ok || err != nil {
		return nil, cannotOpen(fmt.Errorf("%s is not an identity file", path))
	}
	return identityFromSeed(seed)
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
	return identityFromSeed(seed)
}

func identityFromSeed(seed []byte) (*seal.Identity, error) {
	id, err := seal.IdentityFromSeed(seed)
	if err != nil {
		return nil, cannotOpen(err)
	}
	return id, nil
}

func cannotOpen(err error) error {
	return &archive.Refusal{Exit: archive.ExitSealed, Err: err}
}
