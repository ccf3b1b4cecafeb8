package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
)

func tailCmd(a *app) *cobra.Command {
	var follow, log bool
	var since uint64
	var run func(*cobra.Command, []string) error
	cmd := &cobra.Command{
		Use: "tail CHANNEL", Short: "Read a channel", Args: cobra.ExactArgs(1),
		Long: "Prints posts with their edits applied. With -f new messages follow as they come, edits and deletes as lines of their own.",
		RunE: func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if follow && errors.Is(err, context.Canceled) {
				return nil // the usual end
			}
			return err
		},
	}
	run = a.withChannel(func(ctx context.Context, s *session.Session, c *session.Channel, _ []string) error {
		names, err := usernames(ctx, s.API)
		if err != nil {
			return err
		}
		if follow {
			return a.follow(ctx, s, c, since, names)
		}
		all, err := c.Read(ctx, since)
		if err != nil {
			return err
		}
		if !log {
			all = session.Fold(all)
		}
		for _, m := range all {
			if err := a.print(m, names); err != nil {
				return err
			}
		}
		return nil
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	cmd.Flags().BoolVar(&log, "log", false, "print edits and deletes as they were made instead of applying them")
	cmd.Flags().Uint64Var(&since, "since", 0, "only what stands after this position")
	return cmd
}

// follow prints what comes until the reader goes away. An agent has a live
// socket already.
func (a *app) follow(ctx context.Context, s *session.Session, c *session.Channel, since uint64, names map[envelope.UserID]string) error {
	group, ctx := errgroup.WithContext(ctx)
	if a.shared == nil {
		group.Go(func() error { return s.Live(ctx) })
	}
	group.Go(func() error {
		return c.Watch(ctx, since, func(m session.Message) error { return a.print(m, names) })
	})
	return group.Wait()
}

func (a *app) print(m session.Message, names map[envelope.UserID]string) error {
	m.Username = names[m.User]
	return a.show(m, func(w io.Writer) { fmt.Fprintln(w, printable(line(m))) })
}

// line is a message for people.
func line(m session.Message) string {
	who := m.Username
	if who == "" {
		who = m.User.String()[:12]
	}
	return fmt.Sprintf("%6d  %s  %s: %s", m.Position, m.Received.Format(time.DateTime), who, said(m))
}

func said(m session.Message) string {
	var b strings.Builder
	switch m.Kind {
	case "edit":
		fmt.Fprintf(&b, "(edits %d) ", m.Target)
	case "delete":
		return fmt.Sprintf("(deletes %d)", m.Target)
	}
	switch m.State {
	case "open":
		b.WriteString(m.Text)
	case "edited":
		b.WriteString(m.Text + " (edited)")
	default:
		b.WriteString("(" + m.State)
		if m.Why != "" {
			b.WriteString(": " + m.Why)
		}
		b.WriteString(")")
	}
	for i, f := range m.Files {
		fmt.Fprintf(&b, "\n        [%d] %s, %d bytes", i, f.Name, f.Size)
	}
	return b.String()
}
