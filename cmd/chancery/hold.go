package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

func holdCmd(a *app) *cobra.Command {
	return noun("hold", "Legal holds: what they name is kept until two people release it",
		holdCreateCmd(a), holdApproveCmd(a), holdListCmd(a), holdShowCmd(a), holdReleaseCmd(a), holdReleaseApproveCmd(a))
}

// scoping is what hold create is told.
type scoping struct {
	matter, from, to string
	users, channels  []string
}

func holdCreateCmd(a *app) *cobra.Command {
	var in scoping
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Order a hold; another person approves it", Args: cobra.ExactArgs(1),
		Example: "  chancery hold create 'FX inquiry' --matter fx-2026 --user carol --channel trading/fx-desk",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			o, err := holdOrder(ctx, s, args[0], in)
			if err != nil {
				return err
			}
			in, err := sign(s, actHoldCreate, o)
			if err != nil {
				return err
			}
			h, err := s.API.CreateHold(ctx, in)
			if err != nil {
				return err
			}
			return a.said(h, "ordered hold %s (%s)\nnext: another person runs chancery hold approve %s", h.ID, h.State, h.ID)
		}),
	}
	cmd.Flags().StringVar(&in.matter, "matter", "", "the case it belongs to")
	cmd.Flags().StringArrayVar(&in.users, "user", nil, "a custodian; may be repeated (default: everyone)")
	cmd.Flags().StringArrayVar(&in.channels, "channel", nil, "a channel; may be repeated (default: every channel)")
	cmd.Flags().StringVar(&in.from, "from", "", "received from this date or time on")
	cmd.Flags().StringVar(&in.to, "to", "", "received before this date or time")
	must(cmd.MarkFlagRequired("matter"))
	return cmd
}

func holdOrder(ctx context.Context, s *session.Session, name string, in scoping) (*envelope.HoldOrder, error) {
	users, err := findUsers(ctx, s.API, in.users)
	if err != nil {
		return nil, err
	}
	channels, err := findChannels(ctx, s.API, in.channels)
	if err != nil {
		return nil, err
	}
	from, err := instant(in.from)
	if err != nil {
		return nil, err
	}
	to, err := instant(in.to)
	if err != nil {
		return nil, err
	}
	return &envelope.HoldOrder{
		Version: envelope.Version, Org: s.Dir.Org().ID(), Matter: in.matter, Name: name,
		Users: users, Channels: channels, From: from, To: to, Nonce: orderNonce(),
	}, nil
}

// onHold runs a command on the hold whose id is its first argument.
func (a *app) onHold(work func(context.Context, *session.Session, *wire.Hold) error) func(*cobra.Command, []string) error {
	return a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
		id, err := hashArg(args[0])
		if err != nil {
			return err
		}
		h, err := s.API.Hold(ctx, id)
		if err != nil {
			return err
		}
		if envelope.OrderHash(h.Order) != id {
			return fmt.Errorf("hold %s: %w: the server shows another order", id, envelope.ErrFormat)
		}
		return work(ctx, s, h)
	})
}

func holdApproveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "approve HOLD", Short: "Make a hold active that another person ordered", Args: cobra.ExactArgs(1),
		RunE: a.onHold(func(ctx context.Context, s *session.Session, h *wire.Hold) error {
			in, err := consent(s, actHoldApprove, h.Order)
			if err != nil {
				return err
			}
			h, err = s.API.ApproveHold(ctx, h.ID, in)
			if err != nil {
				return err
			}
			return a.said(h, "hold %s is %s: %d messages are held", h.ID, h.State, h.Messages)
		}),
	}
}

func holdListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List holds", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Holds(ctx)
			if err != nil {
				return err
			}
			return a.table(all, "STATE\tMATTER\tNAME\tMESSAGES\tID", func(row func(...any)) {
				for _, h := range all.Holds {
					row(h.State, h.Matter, h.Name, h.Messages, h.ID)
				}
			})
		}),
	}
}

func holdShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show HOLD", Short: "Show a hold as it was signed", Args: cobra.ExactArgs(1),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			id, err := hashArg(args[0])
			if err != nil {
				return err
			}
			h, err := api.Hold(ctx, id)
			if err != nil {
				return err
			}
			o, err := envelope.ParseOrder[envelope.HoldOrder](h.Order)
			if err != nil {
				return fmt.Errorf("reading hold %s: %w", id, err)
			}
			given, err := approvals(h.Approvals)
			if err != nil {
				return fmt.Errorf("reading the approvals of hold %s: %w", id, err)
			}
			return a.show(h, func(w io.Writer) { printHold(w, h, o, given) })
		}),
	}
}

func printHold(w io.Writer, h *wire.Hold, o *envelope.HoldOrder, given []envelope.Approval) {
	fmt.Fprintf(w, "hold      %s\nname      %s\nmatter    %s\nstate     %s\npeople    %s\nchannels  %s\nreceived  %s to %s\nmessages  %d\n",
		h.ID, printable(o.Name), printable(o.Matter), h.State, short(o.Users), short(o.Channels), when(o.From), when(o.To), h.Messages)
	for _, a := range given {
		fmt.Fprintf(w, "%-22s by %s at %s\n", a.Action, a.User.String()[:12], when(a.Time))
	}
}

func holdReleaseCmd(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "release HOLD", Short: "Ask that a hold ends; another person approves it", Args: cobra.ExactArgs(1),
		RunE: a.onHold(func(ctx context.Context, s *session.Session, h *wire.Hold) error {
			in, err := sign(s, actHoldRelease, releaseOrder(h, s, reason))
			if err != nil {
				return err
			}
			h, err = s.API.ReleaseHold(ctx, h.ID, in)
			if err != nil {
				return err
			}
			return a.said(h, "hold %s is %s\nnext: another person runs chancery hold release-approve %s --reason %q", h.ID, h.State, h.ID, reason)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why it may end")
	must(cmd.MarkFlagRequired("reason"))
	return cmd
}

func releaseOrder(h *wire.Hold, s *session.Session, reason string) *envelope.ReleaseOrder {
	return &envelope.ReleaseOrder{Version: envelope.Version, Org: s.Dir.Org().ID(), Hold: h.ID, Reason: reason}
}

func holdReleaseApproveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "release-approve HOLD", Short: "Consent to the end of a hold", Args: cobra.ExactArgs(1),
		RunE: a.onHold(func(ctx context.Context, s *session.Session, h *wire.Hold) error {
			if len(h.Release) == 0 {
				return &hint{fmt.Errorf("%w: nobody asked for the end of hold %s", errNotFound, h.ID), "chancery hold release " + h.ID.String()}
			}
			o, err := envelope.ParseOrder[envelope.ReleaseOrder](h.Release)
			if err != nil {
				return fmt.Errorf("reading the release of hold %s: %w", h.ID, err)
			}
			if o.Hold != h.ID || o.Org != s.Dir.Org().ID() {
				return fmt.Errorf("hold %s: %w: the server shows the release of another", h.ID, envelope.ErrFormat)
			}
			fmt.Fprintf(a.err, "release of hold %s, because: %s\n", h.ID, printable(o.Reason))
			in, err := consent(s, actHoldReleaseApprove, h.Release)
			if err != nil {
				return err
			}
			h, err = s.API.ApproveRelease(ctx, h.ID, in)
			if err != nil {
				return err
			}
			return a.said(h, "hold %s is %s", h.ID, h.State)
		}),
	}
}
