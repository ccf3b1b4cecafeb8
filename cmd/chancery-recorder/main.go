// Command chancery-recorder is the compliance recorder: it holds no account and
// no database, only a keyring, a copy of its own, and a session by its key.
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

	"chancery/cmd/internal/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "chancery-recorder", Short: "Open, cover and keep what recorded channels carry",
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(initCommand(), serveCommand(), statusCommand())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "chancery-recorder:", err)
		return exitCode(err)
	}
	return 0
}

// usageError is a wrong flag or setting.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func exitCode(err error) int {
	if problem, ok := errors.AsType[*client.Problem](err); ok {
		return problem.Exit()
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return client.ExitUsage
	}
	if errors.Is(err, client.ErrUnavailable) {
		return client.ExitUnavailable
	}
	return client.ExitFailure
}
