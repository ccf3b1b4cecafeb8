package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/envelope"
)

func deviceCmd(a *app) *cobra.Command {
	return noun("device", "This device and your others", deviceEnrollCmd(a), deviceListCmd(a), deviceApproveCmd(a), deviceRefuseCmd(a),
		deviceRevokeCmd(a), deviceRenewCmd(a))
}

func deviceEnrollCmd(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "enroll", Short: "Make this a device of yours", Args: cobra.NoArgs,
		Long: "Makes the device's keys in a new keyring. Your first device starts your chain. A later one shows a ticket and then a code, and waits up to ten minutes for another device of yours to take it in.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			return a.withNewRing(ctx, api, func(s *session.Session) error {
				if err := a.enroll(ctx, s, name); err != nil {
					return err
				}
				return a.said(map[string]string{"device": s.Device().String(), "name": name}, "enrolled %s as device %s", name, s.Device())
			})
		}),
	}
	cmd.Flags().StringVar(&name, "name", hostName(), "how your other devices call it")
	return cmd
}

func hostName() string {
	host, err := os.Hostname()
	if err != nil {
		return "command line"
	}
	return host
}

// withNewRing runs work as a device that need not be the person's yet. Its keyring
// is made if it isn't there.
func (a *app) withNewRing(ctx context.Context, api *client.Transport, work func(*session.Session) error) (err error) {
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
	return work(s)
}

func (a *app) enroll(ctx context.Context, s *session.Session, name string) error {
	err := s.Enrolled(ctx)
	switch {
	case !errors.Is(err, session.ErrNotEnrolled):
		return err
	case s.Me.Chain.IsZero():
		return s.EnrollFirst(ctx, name)
	}
	return s.EnrollNext(ctx, name, &screen{a})
}

// deviceView is one device in a list.
type deviceView struct {
	State string         `json:"state"`
	Name  string         `json:"name"`
	Key   envelope.KeyID `json:"key"`
}

func deviceListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List your devices, and those that wait for approval", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Devices(ctx)
			if err != nil {
				return err
			}
			views := []deviceView{}
			for _, d := range all.Devices {
				views = append(views, deviceView{"approved", d.Name, d.Key})
			}
			for _, p := range all.Waiting {
				views = append(views, deviceView{"waiting", p.Name, envelope.KeyOf(p.Public)})
			}
			return a.table(views, "NAME\tSTATE\tKEY", func(row func(...any)) {
				for _, d := range views {
					row(d.Name, d.State, d.Key)
				}
			})
		}),
	}
}

func deviceApproveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "approve [NAME | TICKET]", Short: "Take in a new device that asks, by its code or its ticket", Args: cobra.MaximumNArgs(1),
		Long: "By a code: the new device shows one, you type it here, and type there the one that is shown here. There is one try. " +
			"By a ticket: the text that the new device shows, also as a QR code; nothing has to be compared.",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			if len(args) == 1 && approval.IsTicket(args[0]) {
				return a.approveByTicket(ctx, s, args[0])
			}
			p, err := a.waiting(ctx, s, args)
			if err != nil {
				return err
			}
			a.note(printable(p.Name) + " asks to become a device of yours. If you are not adding one now: chancery device refuse")
			if err := s.ApproveByCode(ctx, *p, &screen{a}); err != nil {
				return fmt.Errorf("approving device %s: %w", p.Name, err)
			}
			return a.approved(p)
		}),
	}
}

func (a *app) approveByTicket(ctx context.Context, s *session.Session, text string) error {
	t, err := approval.ParseTicket(text)
	if err != nil {
		return &hint{fmt.Errorf("reading the ticket: %w", err), "copy all of it, from CHANCERY-DEVICE: on"}
	}
	p, err := s.ApproveByTicket(ctx, t)
	if err != nil {
		return fmt.Errorf("approving by the ticket: %w", err)
	}
	return a.approved(p)
}

func (a *app) approved(p *wire.Proposal) error {
	return a.said(deviceView{"approved", p.Name, envelope.KeyOf(p.Public)}, "took in %s", p.Name)
}

func deviceRefuseCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "refuse [NAME]", Short: "Turn down a device that asks and isn't yours", Args: cobra.MaximumNArgs(1),
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			p, err := a.waiting(ctx, s, args)
			if err != nil {
				return err
			}
			if err := s.Refuse(ctx, *p); err != nil {
				return fmt.Errorf("refusing device %s: %w", p.Name, err)
			}
			a.note("somebody signed in as you to ask: change your password, unless that was you")
			return a.said(deviceView{"refused", p.Name, envelope.KeyOf(p.Public)}, "refused %s", p.Name)
		}),
	}
}

// waiting finds the device that asks: the one of that name, or the only one.
func (a *app) waiting(ctx context.Context, s *session.Session, args []string) (*wire.Proposal, error) {
	all, err := s.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	var fit []wire.Proposal
	for _, p := range all {
		if len(args) == 0 || p.Name == args[0] {
			fit = append(fit, p)
		}
	}
	switch len(fit) {
	case 0:
		return nil, &hint{fmt.Errorf("%w: no such device asks to be taken in", errNotFound), "chancery device enroll, on the new device"}
	case 1:
		return &fit[0], nil
	}
	return nil, &hint{fmt.Errorf("%w: %d devices ask", errAmbiguous, len(fit)), "chancery device list, then approve NAME; or approve TICKET"}
}
