package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"chancery/compliance/archive"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// witnessing is what the witness command is told.
type witnessing struct {
	trust            trustFlags
	state, out       string
	ring, passphrase string
	json             bool
	now              func() time.Time
}

// seen is what a witness must not forget, and what it reports.
type seen struct {
	Org     envelope.OrgID `json:"org"`
	Links   uint64         `json:"links"` // of the organisation's chain
	Head    envelope.Hash  `json:"head"`
	Last    witness.Last   `json:"last"`
	Counted []cosignature  `json:"cosigned"` // on this checkpoint
}

type cosignature struct {
	By envelope.KeyID `json:"by"`
	At time.Time      `json:"at"`
}

func newWitness() *cobra.Command {
	in := witnessing{now: time.Now}
	c := &cobra.Command{
		Use:   "witness DIR",
		Short: "Follow an organisation's log from its published files, and cosign it",
		Long: `Follow an organisation's log from its published files, and cosign it.

DIR is what "chancery org mirror" writes: the file checkpoint, the organisation's
chain in org.jsonl and tiles below tile/. The checkpoint must extend the one that
was followed last, which --state keeps. With --keyring, of the role witness, the
checkpoint and one more signature go to the file of --out, which somebody brings
back by "chancery org cosign".

Exit codes: 0 it extends what was followed, 3 it does not, 4 files are missing,
5 signed by nobody whom the organisation lists, 64 usage.`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := in.look(args[0])
			if err != nil {
				return err
			}
			if in.json {
				return json.NewEncoder(c.OutOrStdout()).Encode(s)
			}
			fmt.Fprintf(c.OutOrStdout(), "log of %d records, root %s: extends what was followed; %d others cosigned it\n", s.Last.Size, s.Last.Root, len(s.Counted))
			return nil
		},
	}
	in.trust.add(c)
	c.Flags().StringVar(&in.state, "state", "", "file that keeps what was followed")
	c.Flags().StringVar(&in.ring, "keyring", "", "keyring of a witness, to cosign with")
	c.Flags().StringVar(&in.passphrase, "passphrase-file", "", "file of its passphrase")
	c.Flags().StringVar(&in.out, "out", "", "file for the cosigned checkpoint")
	c.Flags().BoolVar(&in.json, "json", false, "print JSON")
	c.MarkFlagsRequiredTogether("keyring", "passphrase-file", "out")
	return c
}

func refuse(code int, format string, args ...any) error {
	return &archive.Refusal{Exit: code, Err: fmt.Errorf(format, args...)}
}

// look follows the log to the published checkpoint. What was followed is on disk
// before anything is cosigned.
func (in *witnessing) look(dir string) (*seen, error) {
	trust, err := in.trust.trust()
	if err != nil {
		return nil, err
	}
	if in.state == "" {
		return nil, usage{errors.New("--state is needed")}
	}
	files, done, err := openBag(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := in.remembered(trust.Org)
	if err != nil {
		return nil, err
	}
	org, err := s.follow(files)
	if err != nil {
		return nil, err
	}
	raw, err := fs.ReadFile(files, "checkpoint")
	if err != nil {
		return nil, refuse(archive.ExitIncomplete, "reading the checkpoint: %w", err)
	}
	note, err := witness.Read(org, raw)
	if err != nil {
		return nil, refuse(archive.ExitUntrusted, "%w", err)
	}
	if err := s.extend(org, note, files); err != nil {
		return nil, err
	}
	if err := in.remember(s); err != nil {
		return nil, err
	}
	return s, in.cosign(org, note, raw)
}

func (in *witnessing) remembered(org envelope.OrgID) (*seen, error) {
	s := &seen{Org: org}
	raw, err := os.ReadFile(in.state)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, s)
	}
	if err != nil || s.Org != org {
		return nil, usage{fmt.Errorf("%s is no state of a witness of organisation %s: %w", in.state, org, err)}
	}
	return s, nil
}

func (in *witnessing) remember(s *seen) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(in.state), ".witness-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), in.state)
}

// follow reads the organisation's chain, which may only have grown.
func (s *seen) follow(files fs.FS) (*chain.Org, error) {
	raw, err := fs.ReadFile(files, "org.jsonl")
	if err != nil {
		return nil, refuse(archive.ExitIncomplete, "reading the organisation's chain: %w", err)
	}
	var links [][]byte
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l archive.ChainLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, refuse(archive.ExitTampered, "reading the organisation's chain: %w", err)
		}
		links = append(links, l.Entry)
	}
	org, err := chain.Replay(links, chain.NewOrg)
	if err := errors.Join(err, lines.Err()); err != nil {
		return nil, refuse(archive.ExitTampered, "verifying the organisation's chain: %w", err)
	}
	if org.ID() != s.Org {
		return nil, refuse(archive.ExitUntrusted, "the chain is of organisation %s, trusted is %s", org.ID(), s.Org)
	}
	if !s.Head.IsZero() && !org.HasHead(s.Links, s.Head) {
		return nil, refuse(archive.ExitTampered, "the organisation's chain lacks link %d that was followed", s.Links)
	}
	s.Links, s.Head = org.Seq(), org.Head()
	return org, nil
}

// extend proves by the tiles that the checkpoint extends what was followed.
func (s *seen) extend(org *chain.Org, note *witness.Note, files fs.FS) error {
	s.Last.Restore(org)
	from, to := min(s.Last.Size, note.Size), max(s.Last.Size, note.Size)
	var proof []tlog.Hash
	if from > 0 && to == note.Size {
		var err error
		if proof, err = tlog.ProveConsistency(from, to, tlog.OpenTiles(files, note.Checkpoint)); err != nil {
			return refuse(archive.ExitIncomplete, "reading tiles: %w", err)
		}
	}
	if note.Size < s.Last.Size {
		return refuse(archive.ExitTampered, "%w: signed is a log of %d, followed was %d:%s", witness.ErrFork, note.Size, s.Last.Size, s.Last.Root)
	}
	if err := s.Last.Extend(org, note.Checkpoint, proof); err != nil {
		return refuse(archive.ExitTampered, "%w", err)
	}
	s.Counted = nil
	for by, at := range note.Cosigned {
		s.Counted = append(s.Counted, cosignature{by, at})
	}
	return nil
}

// cosign writes the checkpoint with the witness's own signature.
func (in *witnessing) cosign(org *chain.Org, note *witness.Note, raw []byte) error {
	if in.ring == "" {
		return nil
	}
	passphrase, err := keyring.PassphraseFromFile(in.passphrase)
	if err != nil {
		return usage{err}
	}
	ring, err := keyring.Open(in.ring, passphrase)
	if err != nil {
		return cannotOpen(err)
	}
	seed, err := ring.Get("signing")
	if err := errors.Join(err, ring.Close()); err != nil {
		return cannotOpen(err)
	}
	key, err := seal.SigningKeyFromSeed(seed)
	if err != nil {
		return cannotOpen(err)
	}
	line := seal.Cosign(note.Text, witness.CosignerName(org.ID(), key.ID()), in.now().Unix(), key)
	return os.WriteFile(in.out, append(without(raw, witness.CosignerName(org.ID(), key.ID())), line...), 0o644)
}

// without leaves out the signature that a name has on a note already.
func without(note []byte, name string) []byte {
	var out []byte
	for line := range bytes.Lines(note) {
		if !bytes.HasPrefix(line, []byte("— "+name+" ")) {
			out = append(out, line...)
		}
	}
	return out
}
