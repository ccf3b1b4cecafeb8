package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
)

func deviceCmd(a *app) *cobra.Command {
	return noun("device", "This device and your others", deviceEnrollCmd(a), deviceListCmd(a), deviceApproveCmd(a))
}

func deviceEnrollCmd(a *app) *cobra.Command {
	var name string
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "enroll", Short: "Make this a device of yours", Args: cobra.NoArgs,
		Long: "Makes the device's keys in a new keyring. Your first device starts your chain; a later one waits until another device approves it.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) (err error) {
			org, err := a.org(ctx, api)
			if err != nil {
				return err
			}
			ring, err := a.openRing(a.file("keyring"), "New passphrase for this device's keyring: ", org.Suite())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, ring.Close()) }()
			s, err := a.openSession(ctx, ring)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(ctx, wait, &hint{errors.New("nobody approved this device in time"), "chancery device enroll, to go on waiting"})
			defer cancel()
			if err := a.enroll(ctx, s, name); err != nil {
				return err
			}
			return a.said(map[string]string{"device": s.Device().String(), "name": name}, "enrolled %s as device %s", name, s.Device())
		}),
	}
	host, err := os.Hostname()
	if err != nil {
		host = "command line"
	}
	cmd.Flags().StringVar(&name, "name", host, "how your other devices call it")
	cmd.Flags().DurationVar(&wait, "wait", 10*time.Minute, "how long to wait for approval")
	return cmd
}

func (a *app) enroll(ctx context.Context, s *session.Session, name string) error {
	err := s.Enrolled(ctx)
	switch {
	case !errors.Is(err, session.ErrNotEnrolled):
		return err
	case s.Me.Chain.IsZero():
		return s.EnrollFirst(ctx, name)
	}
	return s.EnrollNext(ctx, name, func(code string) {
		fmt.Fprintf(a.err, "Compare this code on your other device, then approve it there:\n\n    %s\n\n    chancery device approve %q\n\n", code, code)
	})
}

// deviceView is one device in a list.
type deviceView struct {
	wire.Device
	Code string `json:"code"`
}

func deviceListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List your devices, and those that wait for approval", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Devices(ctx)
			if err != nil {
				return err
			}
			views := make([]deviceView, len(all.Devices))
			for i, d := range all.Devices {
				views[i] = deviceView{d, session.Code(d.Public, d.Recipient)}
			}
			return a.table(views, "NAME\tSTATE\tCODE\tKEY", func(row func(...any)) {
				for _, d := range views {
					row(d.Name, map[bool]string{true: "approved", false: "waiting"}[d.Approved], d.Code, d.Key)
				}
			})
		}),
	}
}

func deviceApproveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "approve CODE", Short: "Take in a new device whose screen shows this code", Args: cobra.ExactArgs(1),
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			waiting, err := s.Pending(ctx)
			if err != nil {
				return err
			}
			for _, d := range waiting {
				if session.Code(d.Public, d.Recipient) != args[0] {
					continue
				}
				if err := s.ApproveDevice(ctx, d); err != nil {
					return fmt.Errorf("approving device %s: %w", d.Name, err)
				}
				return a.show(d.Key, func(w io.Writer) { fmt.Fprintln(w, "approved", printable(d.Name)) })
			}
			return &hint{fmt.Errorf("%w: no waiting device shows the code %s", errNotFound, args[0]), "chancery device list"}
		}),
	}
}
