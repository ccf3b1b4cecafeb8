package main

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"chancery/cmd/internal/client"
	"chancery/compliance/recorder"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/fips"
)

type serveFlags struct {
	server, ca, org         string
	keyring, passphraseFile string
	copy, vaultKeys, status string
	poll, cooling, cosign   time.Duration
	fips                    bool
}

func serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "Follow the channels that name this recorder",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := settle(c); err != nil {
				return err
			}
			return f.run(c.Context(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.server, "server", "", "address of the server, https://host[:port]")
	flags.StringVar(&f.ca, "ca", "", "PEM file of certificates to trust instead of the system's")
	flags.StringVar(&f.org, "org", "", "id of the organisation, as its root published it")
	flags.StringVar(&f.keyring, "keyring", "", "directory of the keyring")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "file of the keyring's passphrase, readable by its owner only")
	flags.StringVar(&f.copy, "copy", "", "directory of the recorder's own copy")
	flags.StringVar(&f.vaultKeys, "vault-keys", "", "directory of the keys to the copy's trees, better on another disk")
	flags.StringVar(&f.status, "status", "", "loopback address for /livez and /status; empty for none")
	flags.DurationVar(&f.poll, "poll", 2*time.Second, "how often to look for what nothing has announced")
	flags.DurationVar(&f.cosign, "cosign", time.Minute, "how often to read what is new in the log and to vouch for it")
	flags.DurationVar(&f.cooling, "hold-cooling", 30*24*time.Hour, "how long a hold keeps after its release")
	flags.BoolVar(&f.fips, "fips-required", false, "refuse to run outside FIPS 140-3 mode")
	flags.String("config", "", "YAML file of settings")
	return c
}

func (f *serveFlags) run(ctx context.Context, stderr io.Writer) error {
	slog.SetDefault(slog.New(slog.NewJSONHandler(stderr, nil)))
	if err := fips.Check(f.fips); err != nil {
		return err
	}
	org, err := f.check()
	if err != nil {
		return err
	}
	passphrase, err := keyring.PassphraseFromFile(f.passphraseFile)
	if err != nil {
		return err
	}
	ring, err := keyring.Open(f.keyring, passphrase)
	if err != nil {
		return err
	}
	defer ring.Close() // its lock keeps a second recorder away from the copy
	id, err := readIdentity(ring)
	if err != nil {
		return err
	}
	return f.record(ctx, org, id)
}

func (f *serveFlags) check() (envelope.OrgID, error) {
	err := require(map[string]string{
		"server": f.server, "org": f.org, "keyring": f.keyring, "passphrase-file": f.passphraseFile,
		"copy": f.copy, "vault-keys": f.vaultKeys,
	})
	if err != nil {
		return envelope.OrgID{}, err
	}
	if f.poll < 10*time.Millisecond || f.cooling < 0 || f.cosign < time.Second || f.cosign > 5*time.Minute {
		return envelope.OrgID{}, usage("--poll is at least 10ms, --hold-cooling not negative, --cosign from 1s to 5m")
	}
	org, err := envelope.ID[envelope.OrgID](f.org)
	if err != nil {
		return org, usage("--org: %w", err)
	}
	return org, nil
}

func (f *serveFlags) record(ctx context.Context, org envelope.OrgID, id *identity) error {
	transport, err := client.New(client.Config{URL: f.server, CA: f.ca})
	if err != nil {
		return usage("%w", err)
	}
	defer transport.Close()
	for _, dir := range []string{f.copy, f.vaultKeys} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	session := &session{org: org, key: id.key, transport: transport}
	journal := newJournal()
	r, err := recorder.Open(recorder.Config{
		Org: org, Copy: f.copy, VaultKeys: f.vaultKeys, Key: id.key, Identity: id.open, Master: id.master,
		Server: server{session}, Now: time.Now, Random: rand.Reader, Report: journal.report, Poll: f.poll, Cooling: f.cooling, Every: f.cosign,
	})
	if err != nil {
		return err
	}
	defer r.Close()
	slog.Info("recording", "recorder", id.key.ID(), "org", org, "server", f.server, "channels", len(r.Standings()))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { r.Run(ctx); return nil })
	group.Go(func() error { follow(ctx, session, r, f.poll, journal.report); return nil })
	if f.status != "" {
		group.Go(func() error { return serveStatus(ctx, f.status, func() status { return journal.status(r) }) })
	}
	err = group.Wait()
	slog.Info("stopped")
	return err
}
