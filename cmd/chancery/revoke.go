package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
)

func deviceRevokeCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "End another device of yours, by its name or key", Args: cobra.ExactArgs(1),
		Long: "Ends a device that was lost, sold or taken, at once and for ever: its sessions close, and your channels change to a key that it never had. What it has read, it keeps.",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			d, err := findDevice(ctx, s, args[0])
			if err != nil {
				return err
			}
			if err := s.RevokeDevice(ctx, envelope.KeyOf(d.Key)); err != nil {
				return fmt.Errorf("revoking device %s: %w", d.Name, err)
			}
			return a.show(envelope.KeyOf(d.Key), func(w io.Writer) { fmt.Fprintln(w, "revoked", printable(d.Name)) })
		}),
	}
}

// findDevice looks in the person's own chain, not in what the server says of it.
func findDevice(ctx context.Context, s *session.Session, name string) (*envelope.DeviceBody, error) {
	all, err := s.Devices(ctx)
	if err != nil {
		return nil, err
	}
	var found []envelope.DeviceBody
	for _, d := range all {
		if d.Name == name || envelope.KeyOf(d.Key).String() == name {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return nil, &hint{fmt.Errorf("%w: you have no device %s", errNotFound, name), "chancery device list"}
	case 1:
		return &found[0], nil
	}
	return nil, &hint{fmt.Errorf("%d of your devices are called %s", len(found), name), "chancery device revoke KEY, with the key that chancery device list shows"}
}

func deviceRenewCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "renew", Short: "Give yourself a new key, on all of your devices", Args: cobra.NoArgs,
		Long: "Starts a new key for the devices that you have, for when somebody may have seen the old one. What is said from now on is sealed to the new one.",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, _ []string) error {
			if err := s.RenewKey(ctx); err != nil {
				return fmt.Errorf("renewing your key: %w", err)
			}
			return a.said(map[string]string{"user": s.Me.Chain.String()}, "your key is new")
		}),
	}
}
