package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
)

func loginCmd(a *app) *cobra.Command {
	var connector, passwordFile string
	cmd := &cobra.Command{
		Use: "login USERNAME", Short: "Sign in through the directory", Args: cobra.MaximumNArgs(1),
		Example: "  chancery login alice --server https://chat.example:8443 --org 3f…\n  chancery login alice --password-file FILE",
		RunE: a.run(func(ctx context.Context, args []string) error {
			c, err := a.config()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				c.Username = args[0]
			}
			return a.login(ctx, c, wire.Login{Connector: connector, Username: c.Username}, passwordFile)
		}),
	}
	cmd.Flags().StringVar(&connector, "connector", "", "which directory, if there are several")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password")
	return cmd
}

func (a *app) login(ctx context.Context, c config, in wire.Login, passwordFile string) (err error) {
	if in.Username == "" {
		return &usageError{errors.New("whose name? chancery login USERNAME")}
	}
	if in.Password, err = a.password(passwordFile, in.Username); err != nil {
		return err
	}
	api, err := client.New(client.Config{URL: c.Server, CA: c.CA})
	if err != nil {
		return err
	}
	s, err := api.SignIn(ctx, in)
	if err != nil {
		return fmt.Errorf("signing in as %s: %w", in.Username, err)
	}
	if err := writePrivate(a.file("token"), []byte(s.Token)); err != nil {
		return fmt.Errorf("keeping the session: %w", err)
	}
	if err := writeJSON(a.file("config.json"), c); err != nil {
		return fmt.Errorf("keeping the configuration: %w", err)
	}
	if c.Org.IsZero() {
		a.note("needs attention: no --org was given, so the organisation that this server shows first is believed;\n" +
			"  compare its id (chancery org show) with the one that your organisation gave you")
	}
	if _, err := os.Stat(a.file("keyring")); errors.Is(err, os.ErrNotExist) {
		a.note("next: chancery device enroll")
	}
	return a.said(s.Person, "signed in as %s (%s)", s.Person.Username, strings.Join(s.Person.Roles, ", "))
}

func (a *app) password(file, username string) (string, error) {
	if file == "" {
		return a.secret("Password of " + username + ": ")
	}
	b, err := os.ReadFile(a.path(file))
	if err != nil {
		return "", fmt.Errorf("reading password: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func logoutCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the session on the server and forget it", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			err := api.SignOut(ctx)
			if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == 401 {
				err = nil // it had ended already
			}
			return errors.Join(err, os.Remove(a.file("token")))
		}),
	}
}

func whoamiCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show whom the session belongs to", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			p, err := api.Me(ctx)
			if err != nil {
				return err
			}
			return a.said(p, "%s (%s)\nroles   %s\nchain   %s\ndevice  %s", p.Username, p.Name, strings.Join(p.Roles, ", "), p.Chain, p.Device)
		}),
	}
}
