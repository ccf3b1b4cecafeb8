package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client/session"
	"chancery/compliance/dispute"
	"chancery/crypto/envelope"
)

func disputeCmd(a *app) *cobra.Command {
	return noun("dispute", "Disputes about what recorders signed, and rulings on them",
		disputeListCmd(a), disputeGetCmd(a), disputeRuleCmd(a))
}

// withDispute runs a command on a channel's dispute that its first two arguments
// name.
func (a *app) withDispute(work func(context.Context, *session.Session, envelope.ChannelID, *session.Word, []string) error) func(*cobra.Command, []string) error {
	return a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
		channel, err := findChannel(ctx, s.API, args[0])
		if err != nil {
			return err
		}
		all, err := s.Disputes(ctx, channel)
		if err != nil {
			return err
		}
		for i := range all {
			if strings.HasPrefix(all[i].ID.String(), args[1]) {
				return work(ctx, s, channel, &all[i], args[2:])
			}
		}
		return &hint{fmt.Errorf("%w: dispute %s", errNotFound, args[1]), "chancery dispute list " + args[0]}
	})
}

func disputeListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list CHANNEL", Short: "List the disputes about a channel", Args: cobra.ExactArgs(1),
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			channel, err := findChannel(ctx, s.API, args[0])
			if err != nil {
				return err
			}
			all, err := s.Disputes(ctx, channel)
			if err != nil {
				return err
			}
			return a.table(all, "ID\tTIME\tUSER\tTEXT", func(row func(...any)) {
				for _, w := range all {
					row(w.ID.String()[:16], w.Time.Format(time.RFC3339), w.User, w.Text)
				}
			})
		}),
	}
}

func disputeGetCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "get CHANNEL DISPUTE FILE", Short: "Write a dispute to a file, for an auditor", Args: cobra.ExactArgs(3),
		Long: "The file holds nothing that anybody but the listed auditors can open: chancery-audit dispute FILE.",
		RunE: a.withDispute(func(ctx context.Context, s *session.Session, channel envelope.ChannelID, w *session.Word, args []string) error {
			file, err := disputeCase(ctx, s, channel, w)
			if err != nil {
				return err
			}
			b, err := json.Marshal(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(a.path(args[0]), append(b, '\n'), 0o600); err != nil {
				return fmt.Errorf("writing dispute: %w", err)
			}
			return a.said(map[string]any{"dispute": w.ID, "file": a.path(args[0])}, "wrote %s\nnext: an auditor runs chancery-audit dispute %s", a.path(args[0]), args[0])
		}),
	}
}

func disputeCase(ctx context.Context, s *session.Session, channel envelope.ChannelID, w *session.Word) (*dispute.Case, error) {
	org, err := s.API.Org(ctx)
	if err != nil {
		return nil, err
	}
	user, err := s.API.UserChain(ctx, w.User)
	if err != nil {
		return nil, err
	}
	evidence, err := s.API.Evidence(ctx, channel, w.ID)
	if err != nil {
		return nil, fmt.Errorf("fetching evidence of dispute %s: %w", w.ID, err)
	}
	return &dispute.Case{Org: org.Entries, User: user.Entries, Statement: w.Statement, Evidence: evidence.Sealed}, nil
}

func disputeRuleCmd(a *app) *cobra.Command {
	var fault string
	cmd := &cobra.Command{
		Use: "rule CHANNEL DISPUTE", Short: "Sign your finding; the channel goes on once a second person has found the same", Args: cobra.ExactArgs(2),
		Long: "One person listed for compliance and another listed for legal rule on a dispute. Let an auditor look first.",
		RunE: a.withDispute(func(ctx context.Context, s *session.Session, channel envelope.ChannelID, w *session.Word, _ []string) error {
			found := envelope.Fault(fault)
			if found != envelope.FaultRecorder && found != envelope.FaultDisputer {
				return &usageError{errors.New("--fault is recorder or disputer")}
			}
			if err := s.Rule(ctx, channel, w.Coverage, found); err != nil {
				return fmt.Errorf("ruling on dispute %s: %w", w.ID, err)
			}
			return a.said(map[string]any{"dispute": w.ID, "fault": found}, "you find that the %s was wrong\nnext: a person in the other role runs the same", found)
		}),
	}
	cmd.Flags().StringVar(&fault, "fault", "", "who was wrong: recorder or disputer")
	must(cmd.MarkFlagRequired("fault"))
	return cmd
}
