package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
	"chancery/crypto/tlog"
)

// adoption says what counts as signed last: a note that this signer once
// signed, or a name with size and root.
type adoption struct {
	note         string // file
	origin, root string
	size         int64
}

func newAdopt() *cobra.Command {
	var dir string
	var in adoption
	c := &cobra.Command{
		Use:   "adopt --state DIR (--note FILE | --origin NAME --size N --root HEX)",
		Short: "Say what was signed last, after a new key or a restored server",
		Long: `Say what was signed last under a name: of a log its size and root, of a chain of
archives the ordinal and manifest hash of its last. After a server came back from a
backup, --note takes the newest note that it has: of the log what "chancery org
checkpoint" prints, of a chain of archives the archive.note of its last. Only a note
of this signer's own is taken. This gives up the signer's memory of what was lost, so
it is for people on the signer's host, while it does not run.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" {
				return usage{errors.New("--state is needed")}
			}
			s, err := openState(dir)
			if err != nil {
				return err
			}
			said, err := s.adoptAs(in)
			if err := errors.Join(err, s.Close()); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), said)
			return nil
		},
	}
	c.Flags().StringVar(&dir, "state", "", "directory that init made")
	c.Flags().StringVar(&in.note, "note", "", "file of a note that this signer signed")
	c.Flags().StringVar(&in.origin, "origin", "", "name of the log or of the chain of archives")
	c.Flags().Int64Var(&in.size, "size", 0, "tree size, or ordinal")
	c.Flags().StringVar(&in.root, "root", "", "root, or manifest hash, in hex")
	c.MarkFlagsMutuallyExclusive("note", "origin")
	return c
}

func (s *state) adoptAs(in adoption) (said string, err error) {
	origin, last := in.origin, signer.Last{Size: in.size}
	if in.note != "" {
		origin, last, err = s.signedNote(in.note)
	} else {
		last.Root, err = in.digest()
	}
	if err != nil {
		return "", err
	}
	before, err := s.adopt(origin, last)
	return fmt.Sprintf("%s: was %d:%s, is %d:%s", origin, before.Size, before.Root, last.Size, last.Root), err
}

func (in *adoption) digest() (signer.Digest, error) {
	root, err := envelope.ID[envelope.Hash](in.root)
	if in.origin == "" || in.size < 0 || err != nil {
		return signer.Digest{}, usage{errors.New("--note, or --origin, --size and --root (64 hex digits) are needed")}
	}
	return signer.Digest(root), nil
}

// signedNote reads a note that this signer's own key signed.
func (s *state) signedNote(file string) (origin string, last signer.Last, err error) {
	note, err := os.ReadFile(file)
	if err != nil {
		return "", last, usage{err}
	}
	origin, _, _ = strings.Cut(string(note), "\n")
	own, err := tlog.NewVerifier(origin, s.key.Public())
	if err != nil {
		return "", last, fmt.Errorf("reading note %s: %w", file, err)
	}
	c, _, err := tlog.OpenCheckpoint(note, origin, own)
	if err != nil {
		return "", last, fmt.Errorf("reading note %s: %w", file, err)
	}
	return origin, signer.Last{Size: c.Size, Root: signer.Digest(c.Root)}, nil
}
