package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

func retentionCmd(a *app) *cobra.Command {
	return noun("retention", "How long messages are kept, and their disposal",
		ruleCmd(a), planCmd(a), planApproveCmd(a), planRunCmd(a), planListCmd(a), planShowCmd(a))
}

// fuse is what retention rule is told.
type fuse struct {
	channel  string
	min, max time.Duration
	lock     bool
	revision uint64
}

func ruleCmd(a *app) *cobra.Command {
	var in fuse
	cmd := &cobra.Command{
		Use: "rule [ID]", Short: "Set a retention rule, or list those in force", Args: cobra.MaximumNArgs(1),
		Example: "  chancery retention rule desk --channel trading/fx-desk --min 43800h --max 61320h --lock",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			if len(args) == 0 {
				return a.rules(ctx, s.API)
			}
			return a.setRule(ctx, s, args[0], in)
		}),
	}
	cmd.Flags().StringVar(&in.channel, "channel", "", "only this channel (default: every channel)")
	cmd.Flags().DurationVar(&in.min, "min", 0, "keep at least this long")
	cmd.Flags().DurationVar(&in.max, "max", 0, "dispose after this long; 0 keeps for ever")
	cmd.Flags().BoolVar(&in.lock, "lock", false, "the minimum can never be shortened")
	cmd.Flags().Uint64Var(&in.revision, "revision", 0, "number of this revision (default: the next)")
	return cmd
}

func (a *app) rules(ctx context.Context, api *client.Transport) error {
	all, err := api.Rules(ctx)
	if err != nil {
		return err
	}
	orders := make([]*envelope.RuleOrder, len(all.Rules))
	for i, r := range all.Rules {
		if orders[i], err = envelope.ParseOrder[envelope.RuleOrder](r.Order); err != nil {
			return fmt.Errorf("reading rule %d: %w", i, err)
		}
	}
	return a.table(all.Rules, "ID\tREVISION\tCHANNEL\tMIN\tMAX\tLOCK", func(row func(...any)) {
		for _, o := range orders {
			row(o.ID, o.Revision, o.Channel, time.Duration(o.MinRetain)*time.Second, time.Duration(o.MaxRetain)*time.Second, o.Lock)
		}
	})
}

func (a *app) setRule(ctx context.Context, s *session.Session, id string, in fuse) error {
	o := &envelope.RuleOrder{
		Version: envelope.Version, Org: s.Dir.Org().ID(), ID: id, Revision: in.revision,
		MinRetain: uint64(in.min / time.Second), MaxRetain: uint64(in.max / time.Second), Lock: in.lock,
	}
	var err error
	if in.channel != "" {
		if o.Channel, err = findChannel(ctx, s.API, in.channel); err != nil {
			return err
		}
	}
	if o.Revision == 0 {
		if o.Revision, err = nextRevision(ctx, s.API, id); err != nil {
			return err
		}
	}
	order, err := sign(s, actRuleSet, o)
	if err != nil {
		return err
	}
	r, err := s.API.SetRule(ctx, order)
	if err != nil {
		return err
	}
	return a.said(r, "rule %s, revision %d", id, o.Revision)
}

func nextRevision(ctx context.Context, api *client.Transport, id string) (uint64, error) {
	all, err := api.Rules(ctx)
	if err != nil {
		return 0, err
	}
	next := uint64(1)
	for _, r := range all.Rules {
		o, err := envelope.ParseOrder[envelope.RuleOrder](r.Order)
		if err != nil {
			return 0, fmt.Errorf("reading rules: %w", err)
		}
		if o.ID == id {
			next = max(next, o.Revision+1)
		}
	}
	return next, nil
}

func planCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "plan", Short: "List what is past its time, and sign the list; nothing is disposed of yet", Args: cobra.NoArgs,
		RunE: a.withSession(func(ctx context.Context, s *session.Session, _ []string) error {
			p, err := s.API.CreatePlan(ctx)
			if err != nil {
				return err
			}
			if envelope.OrderHash(p.Order) != p.ID {
				return fmt.Errorf("plan %s: %w: the server shows another order", p.ID, envelope.ErrFormat)
			}
			in, err := consent(s, actPlan, p.Order)
			if err != nil {
				return err
			}
			if p, err = s.API.ApprovePlan(ctx, p.ID, in); err != nil {
				return err
			}
			return a.said(p, "plan %s would dispose of %d messages; holds keep %d\nnext: chancery retention approve %s", p.ID, p.Messages, p.Blocked, p.ID)
		}),
	}
}

// onPlan runs a command on the plan whose id is its first argument, after
// checking that the server shows the order of that id.
func (a *app) onPlan(work func(context.Context, *session.Session, *wire.Plan, *envelope.DisposalPlan) error) func(*cobra.Command, []string) error {
	return a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
		id, err := hashArg(args[0])
		if err != nil {
			return err
		}
		p, err := s.API.Plan(ctx, id)
		if err != nil {
			return err
		}
		if envelope.OrderHash(p.Order) != id {
			return fmt.Errorf("plan %s: %w: the server shows another order", id, envelope.ErrFormat)
		}
		o, err := envelope.ParseOrder[envelope.DisposalPlan](p.Order)
		if err != nil {
			return fmt.Errorf("reading plan %s: %w", id, err)
		}
		return work(ctx, s, p, o)
	})
}

func planApproveCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "approve PLAN", Short: "Consent to a disposal", Args: cobra.ExactArgs(1),
		RunE: a.onPlan(func(ctx context.Context, s *session.Session, p *wire.Plan, _ *envelope.DisposalPlan) error {
			in, err := consent(s, actPlanApprove, p.Order)
			if err != nil {
				return err
			}
			if p, err = s.API.ApprovePlan(ctx, p.ID, in); err != nil {
				return err
			}
			return a.said(p, "plan %s is %s", p.ID, p.State)
		}),
	}
}

func planRunCmd(a *app) *cobra.Command {
	var confirmed string
	cmd := &cobra.Command{
		Use: "run PLAN", Short: "Make what an approved plan lists unreadable, for ever", Args: cobra.ExactArgs(1),
		Long: "Without --confirm it only shows what would go. With --confirm N, where N is the number of messages, it goes.",
		RunE: a.onPlan(func(ctx context.Context, s *session.Session, p *wire.Plan, o *envelope.DisposalPlan) error {
			var total uint64
			for _, r := range o.Ranges {
				total += r.Messages
			}
			if n, err := strconv.ParseUint(confirmed, 10, 64); err != nil || n != total {
				return a.show(p, func(w io.Writer) {
					printPlan(w, p, o)
					fmt.Fprintf(w, "nothing was disposed of; to go on: chancery retention run %s --confirm %d\n", p.ID, total)
				})
			}
			p, err := s.API.RunPlan(ctx, p.ID)
			if err != nil {
				return err
			}
			return a.said(p, "plan %s is %s", p.ID, p.State)
		}),
	}
	cmd.Flags().StringVar(&confirmed, "confirm", "", "the number of messages that will go")
	return cmd
}

func planListCmd(a *app) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use: "list", Short: "List disposals", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Plans(ctx, wire.State(state))
			if err != nil {
				return err
			}
			return a.table(all.Plans, "STATE\tMESSAGES\tBLOCKED\tID", func(row func(...any)) {
				for _, p := range all.Plans {
					row(p.State, p.Messages, p.Blocked, p.ID)
				}
			})
		}),
	}
	cmd.Flags().StringVar(&state, "state", "", "planned, approved, running, pending, certified or stopped")
	return cmd
}

func planShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show PLAN", Short: "Show a disposal as it was signed", Args: cobra.ExactArgs(1),
		RunE: a.onPlan(func(_ context.Context, _ *session.Session, p *wire.Plan, o *envelope.DisposalPlan) error {
			return a.show(p, func(w io.Writer) { printPlan(w, p, o) })
		}),
	}
}

func printPlan(w io.Writer, p *wire.Plan, o *envelope.DisposalPlan) {
	fmt.Fprintf(w, "plan         %s\nstate        %s\nreceived by  %s\nheld back    %d by holds, %d not covered yet\n", p.ID, p.State, when(o.Horizon), o.Blocked, o.Unconfirmed)
	for _, r := range o.Ranges {
		fmt.Fprintf(w, "channel %s  entries %d to %d  %d messages\n", r.Channel.String()[:12], r.From, r.To, r.Messages)
	}
	fmt.Fprintf(w, "approvals    %d\nrecorders    %d confirmed\n", len(p.Approvals), len(p.Confirmations))
	if p.Why != "" {
		fmt.Fprintf(w, "stopped      %s\n", printable(p.Why))
	}
}

func whyCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "why CHANNEL POSITION", Short: "Tell what keeps a message, or when it goes", Args: cobra.ExactArgs(2),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			position, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil {
				return &usageError{err}
			}
			id, err := findChannel(ctx, api, args[0])
			if err != nil {
				return err
			}
			v, err := api.Why(ctx, id, position)
			if err != nil {
				return err
			}
			return a.said(v, "%s (%s): %s", v.Verdict, v.Code, v.Text)
		}),
	}
}
