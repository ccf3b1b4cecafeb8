package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"chancery/compliance/archive"
	"chancery/compliance/dispute"
	"chancery/crypto/seal"
)

// maxCase bounds a dispute's file, in bytes.
const maxCase = 32 << 20

func newDispute() *cobra.Command {
	var t trustFlags
	var identity, passphrase string
	var asJSON bool
	c := &cobra.Command{
		Use:   "dispute FILE --identity FILE",
		Short: "Open a dispute about a recorder's coverage, and say who was wrong",
		Long: `Open a dispute that chancery dispute get has written, and say who was wrong: the recorder that
signed the coverage, or whoever disputes it. Exit code 3: the file does not verify;
2: its evidence does not tell; 6: it is not sealed to this key.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			v, err := judge(args[0], &t, identity, passphrase)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(v)
			}
			return printVerdict(c.OutOrStdout(), v)
		},
	}
	t.add(c)
	c.Flags().StringVar(&identity, "identity", "", "auditor's key: a file that only its owner may read, or a keyring directory")
	c.Flags().StringVar(&passphrase, "passphrase-file", "", "file with the keyring's passphrase")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func judge(path string, t *trustFlags, identity, passphrase string) (*dispute.Verdict, error) {
	trust, err := t.trust()
	if err != nil {
		return nil, err
	}
	if identity == "" {
		return nil, usage{errors.New("--identity is needed")}
	}
	id, err := loadIdentity(identity, passphrase)
	if err != nil {
		return nil, err
	}
	raw, err := readLimited(path, maxCase)
	if err != nil {
		return nil, usage{err}
	}
	var file dispute.Case
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, &archive.Refusal{Exit: archive.ExitTampered, Err: fmt.Errorf("reading %s: %w", path, err)}
	}
	v, err := file.Judge(trust.Org, id)
	return v, refusedCase(path, err)
}

func refusedCase(path string, err error) error {
	if err == nil {
		return nil
	}
	exit := archive.ExitSealed
	switch {
	case errors.Is(err, dispute.ErrCase):
		exit = archive.ExitTampered
	case errors.Is(err, seal.ErrEvidence):
		exit = archive.ExitExceptions
	}
	return &archive.Refusal{Exit: exit, Err: fmt.Errorf("judging %s: %w", path, err)}
}

func printVerdict(w io.Writer, v *dispute.Verdict) error {
	_, err := fmt.Fprintf(w, "channel   %s\ncoverage  %d (%s)\nrecorder  %q, %s\ndisputed  by user %s, device %s\nfault     of the %s: %s\n",
		v.Channel, v.Coverage.Position, v.Coverage.Hash, v.Name, v.Recorder, v.Disputer, v.Device, v.Fault, v.Why)
	return err
}
