package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

func exportCmd(a *app) *cobra.Command {
	return noun("export", "Archives that auditors verify and open offline",
		scheduleCmd(a), exportApproveCmd(a), exportRunCmd(a), exportListCmd(a), exportShowCmd(a))
}

// exporting is what export schedule is told.
type exporting struct {
	channels, auditors []string
	cron, zone         string
	valid              time.Duration
}

func scheduleCmd(a *app) *cobra.Command {
	var in exporting
	cmd := &cobra.Command{
		Use: "schedule [ID]", Short: "Order an export schedule, or list schedules", Args: cobra.MaximumNArgs(1),
		Example: "  chancery export schedule fx-daily --channel trading/fx-desk --auditor 'FX auditors' --cron '0 2 * * *' --zone Europe/Zurich",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			if len(args) == 0 {
				return a.schedules(ctx, s.API)
			}
			return a.schedule(ctx, s, args[0], in)
		}),
	}
	cmd.Flags().StringArrayVar(&in.channels, "channel", nil, "a channel; may be repeated (default: every channel)")
	cmd.Flags().StringArrayVar(&in.auditors, "auditor", nil, "name or id of a listed auditor; may be repeated")
	cmd.Flags().StringVar(&in.cron, "cron", "", "five fields; without it only when asked")
	cmd.Flags().StringVar(&in.zone, "zone", "UTC", "time zone of the schedule")
	cmd.Flags().DurationVar(&in.valid, "valid", 365*24*time.Hour, "how long the approval holds")
	return cmd
}

func (a *app) schedules(ctx context.Context, api *client.Transport) error {
	all, err := api.Schedules(ctx)
	if err != nil {
		return err
	}
	return a.table(all.Schedules, "ID\tREVISION\tSTATE\tNEXT", func(row func(...any)) {
		for _, s := range all.Schedules {
			next := "when asked"
			if !s.Next.IsZero() {
				next = s.Next.Format(time.RFC3339)
			}
			row(s.ID, s.Revision, s.State, next)
		}
	})
}

func (a *app) schedule(ctx context.Context, s *session.Session, id string, in exporting) error {
	if len(in.auditors) == 0 {
		return &usageError{fmt.Errorf("an export needs somebody who can open it: --auditor NAME")}
	}
	channels, err := findChannels(ctx, s.API, in.channels)
	if err != nil {
		return err
	}
	if err := s.Dir.RefreshOrg(ctx); err != nil {
		return err
	}
	o := &envelope.ExportOrder{
		Version: envelope.Version, Org: s.Dir.Org().ID(), Schedule: id, Revision: 1, Channels: channels,
		Cron: in.cron, Zone: in.zone, NotAfter: a.now().Add(in.valid).UnixMicro(),
	}
	for _, name := range in.auditors {
		key, err := findParty(s.Dir.Org().Parties(envelope.RoleAuditor), name)
		if err != nil {
			return err
		}
		o.Auditors = append(o.Auditors, key)
	}
	slices.SortFunc(o.Auditors, envelope.CompareKey)
	if old, err := findSchedule(ctx, s.API, id); err == nil {
		o.Revision = old.Revision + 1
	}
	order, err := sign(s, actScheduleSet, o)
	if err != nil {
		return err
	}
	done, err := s.API.SetSchedule(ctx, order)
	if err != nil {
		return err
	}
	return a.said(done, "schedule %s, revision %d, is %s\nnext: another person runs chancery export approve %s", id, done.Revision, done.State, id)
}

func findSchedule(ctx context.Context, api *client.Transport, id string) (*wire.Schedule, error) {
	all, err := api.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all.Schedules, func(s wire.Schedule) bool { return s.ID == id })
	if i < 0 {
		return nil, &hint{fmt.Errorf("%w: schedule %s", errNotFound, id), "chancery export schedule"}
	}
	return &all.Schedules[i], nil
}

func exportApproveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "approve SCHEDULE", Short: "Consent to an export schedule, for all of its runs", Args: cobra.ExactArgs(1),
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			x, err := findSchedule(ctx, s.API, args[0])
			if err != nil {
				return err
			}
			o, err := envelope.ParseOrder[envelope.ExportOrder](x.Order)
			if err != nil {
				return fmt.Errorf("reading schedule %s: %w", x.ID, err)
			}
			if o.Schedule != args[0] || o.Org != s.Dir.Org().ID() {
				return fmt.Errorf("schedule %s: %w: the server shows another order", args[0], envelope.ErrFormat)
			}
			fmt.Fprintf(a.err, "schedule %s, revision %d: channels %s, auditors %s, cron %q in %s, until %s\n",
				printable(o.Schedule), o.Revision, short(o.Channels), short(o.Auditors), printable(o.Cron), printable(o.Zone), when(o.NotAfter))
			in, err := consent(s, actScheduleApprove, x.Order)
			if err != nil {
				return err
			}
			if x, err = s.API.ApproveSchedule(ctx, args[0], in); err != nil {
				return err
			}
			return a.said(x, "schedule %s is %s", x.ID, x.State)
		}),
	}
}

func exportRunCmd(a *app) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "run SCHEDULE", Short: "Export now, on an approved schedule", Args: cobra.ExactArgs(1),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			x, err := api.RunSchedule(ctx, args[0])
			if err != nil {
				return err
			}
			if x, err = awaitExport(ctx, api, x, wait); err != nil {
				return err
			}
			if x.State != "delivered" {
				a.note("next: chancery export show " + x.ID.String())
			}
			return a.said(x, "export %s is %s: %d records, %d messages %s", x.ID, x.State, x.Records, x.Messages, x.Path)
		}),
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait this long for it to be delivered")
	return cmd
}

func awaitExport(ctx context.Context, api *client.Transport, x *wire.Export, wait time.Duration) (*wire.Export, error) {
	deadline := time.Now().Add(wait)
	for x.State != "delivered" && x.State != "failed" && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(250 * time.Millisecond):
		}
		var err error
		if x, err = api.Export(ctx, x.ID); err != nil {
			return nil, err
		}
	}
	switch {
	case x.State == "failed":
		return nil, fmt.Errorf("export %s failed: %s", x.ID, x.Why)
	case wait > 0 && x.State != "delivered":
		return nil, fmt.Errorf("%w: export %s is still %s", client.ErrUnavailable, x.ID, x.State)
	}
	return x, nil
}

func exportListCmd(a *app) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List exports", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Exports(ctx, wire.State(state))
			if err != nil {
				return err
			}
			return a.table(all.Exports, "ORDINAL\tSCHEDULE\tSTATE\tRECORDS\tMESSAGES\tID", func(row func(...any)) {
				for _, x := range all.Exports {
					row(x.Ordinal, x.Schedule, x.State, x.Records, x.Messages, x.ID)
				}
			})
		}),
	}
	cmd.Flags().StringVar(&state, "state", "", "cut, writing, sealed, signed, delivered or failed")
	return cmd
}

func exportShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show EXPORT", Short: "Show an export", Args: cobra.ExactArgs(1),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			id, err := hashArg(args[0])
			if err != nil {
				return err
			}
			x, err := api.Export(ctx, id)
			if err != nil {
				return err
			}
			return a.show(x, func(w io.Writer) {
				fmt.Fprintf(w, "export    %s\nschedule  %s\nordinal   %d\nstate     %s\nrecords   %d to %d (%d)\nmessages  %d, %d excepted\npath      %s\n",
					x.ID, printable(x.Schedule), x.Ordinal, x.State, x.From, x.To, x.Records, x.Messages, x.Exceptions, printable(x.Path))
				if x.Why != "" {
					fmt.Fprintln(w, "why      ", printable(x.Why))
				}
			})
		}),
	}
}
