package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"chancery/crypto/envelope"
	"chancery/crypto/sign"
)

// Exit codes of the command lines, from web.md.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usage marks an error as the caller's.
type usage struct{ error }

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := &cobra.Command{
		Use: "chancery-signer", Short: "Sign checkpoints, archives and certificates, apart from the server",
		SilenceUsage: true, SilenceErrors: true, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage{fmt.Errorf("unknown command %q; see --help", args[0])}
			}
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(newInit(), newServe(errs), newAdopt())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(errs, "chancery-signer: %v\n", err)
	if _, ok := errors.AsType[usage](err); ok {
		return exitUsage
	}
	return exitFailure
}

// card is what the organisation lists the signer by.
type card struct {
	Version int           `json:"version"` // 1
	Role    envelope.Role `json:"role"`
	Name    string        `json:"name"`
	Key     []byte        `json:"key"` // Ed25519 public key, P-384 in suite fips
}

func newInit() *cobra.Command {
	var dir, name, suite, org string
	c := &cobra.Command{
		Use: "init --state DIR [--org ID]", Short: "Make the signer's key, and the card by which the organisation lists it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dir == "" || name == "" {
				return usage{errors.New("--state and --name are needed")}
			}
			id, err := initState(dir, name, envelope.Suite(suite), org)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "signer %s: give %s to whoever holds the organisation's root\n", id, filepath.Join(dir, "card.json"))
			return nil
		},
	}
	c.Flags().StringVar(&dir, "state", "", "directory for the key and for what was signed last")
	c.Flags().StringVar(&name, "name", "signer", "name of the signer, for people")
	c.Flags().StringVar(&suite, "suite", string(envelope.SuiteAge), "suite of the organisation: age or fips")
	c.Flags().StringVar(&org, "org", "", "id of the organisation that it signs for; else the first one that asks")
	return c
}

// newKey makes a key of the algorithm that a suite's signers have.
func newKey(suite envelope.Suite) (*sign.Key, error) {
	switch suite {
	case envelope.SuiteAge:
		return sign.NewKey(rand.Reader)
	case envelope.SuiteFIPS:
		return sign.NewP384Key()
	}
	return nil, usage{fmt.Errorf("suite %q is not known: use age or fips", suite)}
}

// initState makes a state for an organisation. The first signer is made before
// there is one: then org is empty.
func initState(dir, name string, suite envelope.Suite, org string) (sign.KeyID, error) {
	var own envelope.OrgID
	if org != "" {
		id, err := envelope.ID[envelope.OrgID](org)
		if err != nil {
			return sign.KeyID{}, usage{fmt.Errorf("--org %q: %w", org, err)}
		}
		own = id
	}
	key, err := newKey(suite)
	if err != nil {
		return sign.KeyID{}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return sign.KeyID{}, err
	}
	if !own.IsZero() { // before the key: with a key alone it would serve the first that asks
		if err := (&state{dir: dir}).pin(own); err != nil {
			return sign.KeyID{}, err
		}
	}
	if err := key.Save(filepath.Join(dir, keyFile)); err != nil {
		return sign.KeyID{}, err
	}
	raw, err := json.Marshal(card{1, envelope.RoleSigner, name, key.Public()})
	if err != nil {
		return sign.KeyID{}, err
	}
	return sign.IDOf(key.Public()), os.WriteFile(filepath.Join(dir, "card.json"), append(raw, '\n'), 0o644)
}

func newServe(errs io.Writer) *cobra.Command {
	var dir, socket, mode string
	c := &cobra.Command{
		Use: "serve --state DIR --socket PATH", Short: "Answer the server's requests on a unix socket", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			bits, err := strconv.ParseUint(mode, 8, 32)
			if dir == "" || socket == "" || err != nil || bits > 0o777 {
				return usage{errors.New("--state and --socket are needed, and --socket-mode is octal")}
			}
			s, err := openState(dir)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewJSONHandler(errs, nil))
			return errors.Join(serve(c.Context(), s, socket, os.FileMode(bits), log), s.Close())
		},
	}
	c.Flags().StringVar(&dir, "state", "", "directory that init made")
	c.Flags().StringVar(&socket, "socket", "", "path of the unix socket")
	c.Flags().StringVar(&mode, "socket-mode", "0660", "mode of the socket: who may connect may ask")
	return c
}
