package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"chancery/compliance/archive"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// exit ends the command with a code after everything was said.
type exit struct{ code int }

func (e exit) Error() string { return fmt.Sprintf("exit %d", e.code) }

// usage marks an error as the caller's.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func run(args []string, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.Execute()
	if e, ok := errors.AsType[exit](err); ok {
		return e.code
	}
	if err == nil {
		return archive.ExitOK
	}
	fmt.Fprintf(errs, "chancery-audit: %v\n", err)
	if r, ok := errors.AsType[*archive.Refusal](err); ok {
		return r.Exit
	}
	if _, ok := errors.AsType[usage](err); ok {
		return archive.ExitUsage
	}
	return archive.ExitInternal
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "chancery-audit",
		Short: "Verify, open and convert signed archives, offline",
		Long: `Verify, open and convert signed archives, offline.

Exit codes: 0 ok, 1 internal, 2 complete with exceptions, 3 tampered,
4 incomplete, 5 untrusted signer, 6 cannot open, 64 usage.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage{fmt.Errorf("unknown command %q; see --help", args[0])}
			}
			return c.Help()
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.AddCommand(newVerify(), newOpen(), newConvert(), newDispute(), newWitness(), newKey())
	return root
}

// atLeast is cobra.MinimumNArgs with the exit code of a usage error.
func atLeast(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return usage{fmt.Errorf("%s takes %d arguments or more, got %d; see %s --help", c.Name(), n, len(args), c.CommandPath())}
		}
		return nil
	}
}

// exactly is cobra.ExactArgs with the exit code of a usage error.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usage{fmt.Errorf("%s takes %d arguments, got %d; see %s --help", c.Name(), n, len(args), c.CommandPath())}
		}
		return nil
	}
}
