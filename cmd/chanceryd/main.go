package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitVerify  = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o := &options{env: os.LookupEnv}
	root := &cobra.Command{
		Use: "chanceryd", Short: "The Chancery server",
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	o.bind(root.PersistentFlags())
	root.AddCommand(serveCmd(o), initCmd(o), cardCmd(o), migrateCmd(o), doctorCmd(o), configCmd(o), versionCmd())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "chanceryd:", err)
		return exitCode(err)
	}
	return 0
}

// usage is a wrong flag or setting.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// errUnsound is what doctor ends with when a check failed.
var errUnsound = errors.New("a check failed")

func exitCode(err error) int {
	if _, ok := errors.AsType[usage](err); ok {
		return exitUsage
	}
	if errors.Is(err, errUnsound) {
		return exitVerify
	}
	return exitFailure
}
