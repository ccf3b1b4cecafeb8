package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

// Names of the items in a service's keyring.
const (
	itemSigning  = "signing"
	itemIdentity = "identity"
)

// card is the public half of a key, as it is handed to the organisation's root.
type card struct {
	Version   int           `json:"version"` // 1
	Role      envelope.Role `json:"role"`
	Name      string        `json:"name"`
	Key       []byte        `json:"key,omitempty"`       // Ed25519
	Recipient []byte        `json:"recipient,omitempty"` // of the suite
}

// brings says which keys a role has; people bring their own chain instead.
var brings = map[envelope.Role]struct{ signing, identity bool }{
	envelope.RoleRecorder:  {true, true},
	envelope.RoleAuditor:   {false, true},
	envelope.RoleCustodian: {false, true},
	envelope.RoleSigner:    {true, false},
	envelope.RoleReceipt:   {true, false},
	envelope.RoleRemoval:   {true, false},
	envelope.RoleWitness:   {true, false},
}

func keyCmd(a *app) *cobra.Command {
	return noun("key", "Keys of services and auditors", keyNewCmd(a), keyShowCmd(a))
}

func keyNewCmd(a *app) *cobra.Command {
	var role, name, out, suite string
	cmd := &cobra.Command{
		Use: "new", Short: "Make a keyring for a role, and its public card", Args: cobra.NoArgs,
		Long:    "Makes the private keys of a recorder, auditor, custodian, signer, receipt or removal key in a new keyring, and card.json beside it for chancery org list-party.",
		Example: "  chancery key new --role auditor --name 'FX auditors' --out ./auditor --passphrase-file pass",
		RunE: a.run(func(context.Context, []string) error {
			return a.newKey(envelope.Suite(suite), envelope.Role(role), name, a.path(out))
		}),
	}
	cmd.Flags().StringVar(&role, "role", "", "recorder, auditor, custodian, signer, receipt, removal or witness")
	cmd.Flags().StringVar(&name, "name", "", "the name that people will read")
	cmd.Flags().StringVar(&out, "out", "", "directory to make")
	cmd.Flags().StringVar(&suite, "suite", string(envelope.SuiteAge), "suite of the organisation: age or fips")
	must(cmd.MarkFlagRequired("role"), cmd.MarkFlagRequired("name"), cmd.MarkFlagRequired("out"))
	return cmd
}

// must is for mistakes in this program's own tables.
func must(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		panic(err)
	}
}

func (a *app) newKey(suite envelope.Suite, role envelope.Role, name, dir string) (err error) {
	want, ok := brings[role]
	if !ok {
		return &usageError{fmt.Errorf("role %q has no keys of its own", role)}
	}
	if err := seal.CheckSuite(suite); err != nil {
		return &usageError{err}
	}
	if role == envelope.RoleSigner && suite == envelope.SuiteFIPS {
		return &hint{&usageError{errors.New("a signer's key of suite fips is not Ed25519")}, "chancery-signer init --suite fips"}
	}
	passphrase, err := a.passphrase("New passphrase for "+dir+": ", true)
	if err != nil {
		return err
	}
	ring, err := keyring.Create(dir, passphrase, keyring.Suite(suite))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	c := card{Version: 1, Role: role, Name: name}
	if want.signing {
		k, err := session.SigningKey(ring, itemSigning)
		if err != nil {
			return err
		}
		c.Key = k.Public()
	}
	if want.identity {
		id, err := session.Identity(ring, itemIdentity)
		if err != nil {
			return err
		}
		c.Recipient = id.Recipient()
	}
	path := filepath.Join(dir, "card.json")
	if err := writeJSON(path, &c); err != nil {
		return err
	}
	return a.said(cardView{c, c.id(), path}, "made the keys of %s %q\nid    %s\ncard  %s", role, name, c.id(), path)
}

type cardView struct {
	card
	ID   envelope.KeyID `json:"id"`
	Path string         `json:"path"`
}

func (c *card) id() envelope.KeyID {
	p := c.party()
	return p.ID()
}

func (c *card) party() envelope.Party {
	return envelope.Party{Role: c.Role, Name: c.Name, Key: c.Key, Recipient: c.Recipient}
}

func readCard(path string) (*card, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("reading card: %w", err)
	}
	var c card
	if err := readJSON(path, &c); err != nil {
		return nil, err
	}
	if want, ok := brings[c.Role]; c.Version > 1 || !ok || want.signing != (len(c.Key) > 0) || want.identity != (len(c.Recipient) > 0) {
		return nil, fmt.Errorf("reading card %s: not a card of version 1 for role %q", path, c.Role)
	}
	return &c, nil
}

func keyShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show CARD", Short: "Show a public card", Args: cobra.ExactArgs(1),
		RunE: a.run(func(_ context.Context, args []string) error {
			c, err := readCard(a.path(args[0]))
			if err != nil {
				return err
			}
			return a.said(cardView{*c, c.id(), a.path(args[0])}, "%s %q\nid  %s", c.Role, c.Name, c.id())
		}),
	}
}

// roles that a party may be listed in, for help and completion.
var roles = slices.Sorted(slices.Values([]string{
	"recorder", "auditor", "custodian", "signer", "receipt", "removal", "witness", "compliance", "legal",
}))
