package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
)

// card is what the organisation's root lists. It holds nothing secret.
type card struct {
	Version   int           `json:"version"` // 1
	Role      envelope.Role `json:"role"`
	Name      string        `json:"name"`
	Key       []byte        `json:"key"`       // Ed25519
	Recipient []byte        `json:"recipient"` // of the suite
}

type initFlags struct{ keyring, passphraseFile, name, card, suite string }

func initCommand() *cobra.Command {
	var f initFlags
	c := &cobra.Command{
		Use: "init", Short: "Make the recorder's keys and its public card",
		Long: "Makes the recorder's keys in its keyring and writes the public card that\n" +
			"chancery org list-party --card takes. Run again, it writes the same card.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := settle(c); err != nil {
				return err
			}
			return f.run(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&f.keyring, "keyring", "", "directory of the keyring")
	c.Flags().StringVar(&f.passphraseFile, "passphrase-file", "", "file of the keyring's passphrase, readable by its owner only")
	c.Flags().StringVar(&f.name, "name", "recorder", "name that people see in the banner")
	c.Flags().StringVar(&f.suite, "suite", string(envelope.SuiteAge), "suite of the organisation: age or fips")
	c.Flags().StringVar(&f.card, "card", "-", "file of the public card; - prints it")
	c.Flags().String("config", "", "YAML file of settings")
	return c
}

func (f *initFlags) run(stdout io.Writer) error {
	if err := require(map[string]string{"keyring": f.keyring, "passphrase-file": f.passphraseFile, "name": f.name}); err != nil {
		return err
	}
	passphrase, err := keyring.PassphraseFromFile(f.passphraseFile)
	if err != nil {
		return err
	}
	ring, err := keyring.Create(f.keyring, passphrase, keyring.Suite(envelope.Suite(f.suite)))
	if errors.Is(err, keyring.ErrExists) {
		ring, err = keyring.Open(f.keyring, passphrase)
	}
	if err != nil {
		return err
	}
	defer ring.Close()
	if string(ring.Suite()) != f.suite {
		return fmt.Errorf("making the recorder's keys: %s is a keyring of suite %s, not %s", f.keyring, ring.Suite(), f.suite)
	}
	id, err := makeIdentity(ring)
	if err != nil {
		return fmt.Errorf("making the recorder's keys: %w", err)
	}
	return f.writeCard(stdout, card{1, envelope.RoleRecorder, f.name, id.key.Public(), id.open.Recipient()})
}

func (f *initFlags) writeCard(stdout io.Writer, c card) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if f.card == "-" {
		_, err = stdout.Write(b)
		return err
	}
	return os.WriteFile(f.card, b, 0o644)
}
