package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"chancery/crypto/envelope"
	"chancery/crypto/sign"
)

// card is what the organisation lists one of the server's keys by.
type card struct {
	Version int           `json:"version"`
	Role    envelope.Role `json:"role"`
	Name    string        `json:"name"`
	Key     []byte        `json:"key"`
}

func initCmd(o *options) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "init", Short: "Make the configuration, the directories and the server's keys, and print the receipt key's card", Args: cobra.NoArgs,
		Long: "Makes what is missing and never overwrites. The card on standard output is public: give it to whoever holds the\n" +
			"organisation's root, for: chancery org list-party receipt --card FILE\n" +
			"\"chanceryd card removal\" prints that of the removal key, for: chancery org list-party removal --card FILE",
		RunE: func(c *cobra.Command, _ []string) error {
			conf, _, err := o.load()
			if err != nil {
				return err
			}
			if err := makeAll(o.path(), conf); err != nil {
				return err
			}
			fmt.Fprintln(c.ErrOrStderr(), "configuration:", o.path())
			return printCard(c.OutOrStdout(), conf.Keys.Receipt, envelope.RoleReceipt, name)
		},
	}
	c.Flags().StringVar(&name, "name", "server", "name of the receipt key, for people")
	return c
}

func makeAll(path string, c config) error {
	if err := makeState(c); err != nil {
		return err
	}
	own := []string{c.Files.Dir, c.Exports.Work, c.Exports.Archives, c.Exports.Slips}
	for _, dir := range slices.Concat(own, c.Vault.Copies, c.Vault.Keys) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making directories: %w", err)
		}
	}
	if err := writeNew(path, template(&c)); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return errors.Join(makeKey(c.Keys.Receipt), makeKey(c.Keys.Removal))
}

// makeKey makes a private key unless it is there.
func makeKey(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := sign.NewKey(rand.Reader)
	if err != nil {
		return err
	}
	return key.Save(path)
}

func cardCmd(o *options) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "card ROLE", Short: "Print the public card of a key of the server: receipt or removal", Args: cobra.ExactArgs(1),
		ValidArgs: []string{string(envelope.RoleReceipt), string(envelope.RoleRemoval)},
		RunE: func(c *cobra.Command, args []string) error {
			conf, _, err := o.load()
			if err != nil {
				return err
			}
			role := envelope.Role(args[0])
			path, ok := map[envelope.Role]string{envelope.RoleReceipt: conf.Keys.Receipt, envelope.RoleRemoval: conf.Keys.Removal}[role]
			if !ok {
				return usage{fmt.Errorf("the server has no %s key: use receipt or removal", role)}
			}
			return printCard(c.OutOrStdout(), path, role, name)
		},
	}
	c.Flags().StringVar(&name, "name", "server", "name of the key, for people")
	return c
}

// writeNew writes a file unless it is there.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func printCard(w io.Writer, path string, role envelope.Role, name string) error {
	key, err := sign.LoadKey(path)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(card{1, role, name, key.Public()})
}
