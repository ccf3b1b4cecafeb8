package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
)

func channelCmd(a *app) *cobra.Command {
	return noun("channel", "Sealed channels and who is in them",
		channelCreateCmd(a), channelListCmd(a), channelShowCmd(a), channelJoinCmd(a), channelAddCmd(a), channelRemoveCmd(a),
		channelRankCmd(a), channelMembersCmd(a), channelRestoreCmd(a), channelRecorderCmd(a))
}

// creation is what channel create is told.
type creation struct {
	team, capture string
	private       bool
	recorders     []string
	lifetime      time.Duration
}

func channelCreateCmd(a *app) *cobra.Command {
	var in creation
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a channel that you own", Args: cobra.ExactArgs(1),
		Example: "  chancery channel create fx-desk --team trading --private --capture required",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			c, err := a.createChannel(ctx, s, args[0], in)
			if err != nil {
				return err
			}
			return a.said(map[string]any{"id": c.ID(), "name": args[0]}, "made channel %s\nid  %s", args[0], c.ID())
		}),
	}
	cmd.Flags().StringVar(&in.team, "team", "", "the team it belongs to")
	cmd.Flags().BoolVar(&in.private, "private", false, "only owners and moderators add members")
	cmd.Flags().StringVar(&in.capture, "capture", "", "off, or required: nothing is sent that no recorder can open (default: the organisation's)")
	cmd.Flags().StringArrayVar(&in.recorders, "recorder", nil, "name or id of a listed recorder (default: the only one)")
	cmd.Flags().DurationVar(&in.lifetime, "epoch", 7*24*time.Hour, "how long one channel key is used")
	must(cmd.MarkFlagRequired("team"))
	return cmd
}

func (a *app) createChannel(ctx context.Context, s *session.Session, name string, in creation) (*session.Channel, error) {
	t, err := findTeam(ctx, s.API, in.team)
	if err != nil {
		return nil, err
	}
	n := session.NewChannel{Team: t.ID, Name: name, Access: envelope.AccessPublic, Lifetime: in.lifetime}
	if in.private {
		n.Access = envelope.AccessPrivate
	}
	if n.Capture, n.Recorders, err = capture(s, in.capture, in.recorders); err != nil {
		return nil, err
	}
	return s.CreateChannel(ctx, n)
}

// capture settles a new channel's capture and who records it.
func capture(s *session.Session, want string, names []string) (envelope.Capture, []envelope.KeyID, error) {
	org := s.Dir.Org()
	c := envelope.Capture(want)
	if want == "" {
		c = org.Genesis.Capture
	}
	if c != envelope.CaptureRequired {
		return c, []envelope.KeyID{}, nil
	}
	listed := org.Parties(envelope.RoleRecorder)
	if len(names) == 0 && len(listed) == 1 {
		return c, []envelope.KeyID{listed[0].ID()}, nil
	}
	if len(names) == 0 {
		return c, nil, &usageError{fmt.Errorf("the organisation lists %d recorders: name one with --recorder", len(listed))}
	}
	ids := make([]envelope.KeyID, 0, len(names))
	for _, n := range names {
		id, err := findParty(listed, n)
		if err != nil {
			return c, nil, err
		}
		ids = append(ids, id)
	}
	return c, ids, nil
}

// findParty finds a listed party by name or id.
func findParty(listed []envelope.Party, name string) (envelope.KeyID, error) {
	for _, p := range listed {
		if p.Name == name || p.ID().String() == name {
			return p.ID(), nil
		}
	}
	return envelope.KeyID{}, &hint{fmt.Errorf("%w: the organisation does not list %s in that role", errNotFound, name), "chancery org show"}
}

func channelListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List your channels and the public ones of your teams", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Channels(ctx)
			if err != nil {
				return err
			}
			teams, err := api.Teams(ctx)
			if err != nil {
				return err
			}
			prefix := map[int64]string{}
			for _, t := range teams.Teams {
				prefix[t.ID] = t.Name + "/"
			}
			return a.table(all.Channels, "NAME\tACCESS\tCAPTURE\tRANK\tENTRIES\tID", func(row func(...any)) {
				for _, c := range all.Channels {
					row(prefix[c.Team]+c.Name, c.Access, c.Capture, c.Rank, c.Position, c.ID)
				}
			})
		}),
	}
}

// withChannel runs a command on the channel that its first argument names.
func (a *app) withChannel(work func(context.Context, *session.Session, *session.Channel, []string) error) func(*cobra.Command, []string) error {
	return a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
		id, err := findChannel(ctx, s.API, args[0])
		if err != nil {
			return err
		}
		c, err := s.Channel(ctx, id)
		if err != nil {
			return err
		}
		return work(ctx, s, c, args[1:])
	})
}

func channelShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show CHANNEL", Short: "Verify a channel and show its state", Args: cobra.ExactArgs(1),
		RunE: a.withChannel(func(ctx context.Context, s *session.Session, c *session.Channel, _ []string) error {
			st, err := a.state(ctx, s, c)
			if err != nil {
				return err
			}
			return a.show(st, func(w io.Writer) { printState(w, st) })
		}),
	}
}

func (a *app) state(ctx context.Context, s *session.Session, c *session.Channel) (*session.State, error) {
	st, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	names, err := usernames(ctx, s.API)
	for i, m := range st.Members {
		st.Members[i].Username = names[m.User]
	}
	return st, err
}

func printState(w io.Writer, s *session.State) {
	fmt.Fprintf(w, "id        %s\naccess    %s\ncapture   %s\nentries   %d, %d of them messages\nhead      %s\nepoch     %d until %s\n",
		s.ID, s.Access, s.Capture, s.Position, s.Messages, s.Head, s.Epoch, s.EpochEnds.Format(time.RFC3339))
	for _, r := range s.Recorders {
		fmt.Fprintf(w, "recorded  by %s: covered to %d, newest epoch acknowledged: %t\n", printable(r.Name), r.Covered, r.Acknowledged)
	}
	fmt.Fprintf(w, "members   %d\n", len(s.Members))
	for _, x := range s.Words {
		fmt.Fprintf(w, "%-9s %s, by %s: %s\n", x.Label, x.Time.Format(time.RFC3339), x.Signer(), printable(x.Text))
	}
	switch v := s.Vouched; {
	case v == nil:
		fmt.Fprintln(w, "log       nobody but the server vouches for it: a second one, shown to others, would not be noticed")
	case v.By != "":
		fmt.Fprintf(w, "log       %d records, vouched for by %s at %s\n", v.Size, printable(v.By), v.At.Format(time.RFC3339))
	}
	if s.Attention != "" {
		fmt.Fprintln(w, "Needs attention:", s.Attention)
	}
}

func channelMembersCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "members CHANNEL", Short: "List a channel's members, as its chain says", Args: cobra.ExactArgs(1),
		RunE: a.withChannel(func(ctx context.Context, s *session.Session, c *session.Channel, _ []string) error {
			st, err := a.state(ctx, s, c)
			if err != nil {
				return err
			}
			return a.table(st.Members, "USERNAME\tRANK\tSINCE\tUSER", func(row func(...any)) {
				for _, m := range st.Members {
					row(m.Username, m.Rank, m.Joined, m.User)
				}
			})
		}),
	}
}

func channelJoinCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "join CHANNEL", Short: "Become a member of a public channel", Args: cobra.ExactArgs(1),
		RunE: a.withChannel(func(ctx context.Context, s *session.Session, c *session.Channel, _ []string) error {
			if err := c.Add(ctx, s.Me.Chain, envelope.RankMember); err != nil {
				return err
			}
			return a.said(map[string]any{"channel": c.ID()}, "joined")
		}),
	}
}

func channelAddCmd(a *app) *cobra.Command {
	var rank string
	cmd := &cobra.Command{
		Use: "add CHANNEL USERNAME…", Short: "Make people members", Args: cobra.MinimumNArgs(2),
		RunE: a.withChannel(func(ctx context.Context, s *session.Session, c *session.Channel, who []string) error {
			for _, name := range who {
				user, err := findUser(ctx, s.API, name)
				if err != nil {
					return err
				}
				if err := c.Add(ctx, user, envelope.MemberRank(rank)); err != nil {
					return fmt.Errorf("adding %s: %w", name, err)
				}
			}
			return a.said(map[string]any{"channel": c.ID(), "added": who}, "added %d", len(who))
		}),
	}
	cmd.Flags().StringVar(&rank, "rank", "member", "member, moderator or owner")
	return cmd
}

func channelRemoveCmd(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "remove CHANNEL USERNAME", Short: "End a membership; your own is leaving", Args: cobra.ExactArgs(2),
		RunE: a.withChannel(func(ctx context.Context, s *session.Session, c *session.Channel, who []string) error {
			user, err := findUser(ctx, s.API, who[0])
			if err != nil {
				return err
			}
			if err := c.Remove(ctx, user, reason); err != nil {
				return fmt.Errorf("removing %s: %w", who[0], err)
			}
			return a.said(map[string]any{"channel": c.ID(), "removed": who[0]}, "removed %s; the next message starts a new epoch", who[0])
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "removed", "a short code")
	return cmd
}

func channelRankCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "rank CHANNEL USERNAME RANK", Short: "Make someone member, moderator or owner", Args: cobra.ExactArgs(3),
		RunE: a.withChannel(func(ctx context.Context, s *session.Session, c *session.Channel, args []string) error {
			user, err := findUser(ctx, s.API, args[0])
			if err != nil {
				return err
			}
			if err := c.SetRank(ctx, user, envelope.MemberRank(args[1])); err != nil {
				return fmt.Errorf("changing the rank of %s: %w", args[0], err)
			}
			return a.said(map[string]any{"channel": c.ID(), "username": args[0], "rank": args[1]}, "%s is %s now", args[0], args[1])
		}),
	}
}

func dmCmd(a *app) *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use: "dm USERNAME", Short: "Open the direct channel with someone", Args: cobra.ExactArgs(1),
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			user, err := findUser(ctx, s.API, args[0])
			if err != nil {
				return err
			}
			c, err := a.direct(ctx, s, user)
			if err != nil {
				return err
			}
			if text != "" {
				sent, err := c.Post(ctx, session.Draft{Kind: envelope.Post, Text: text})
				if err != nil {
					return err
				}
				return a.said(sentView{Channel: c.ID(), Sent: *sent}, "sent to %s in %s", args[0], c.ID())
			}
			return a.said(map[string]any{"id": c.ID()}, "%s", c.ID())
		}),
	}
	cmd.Flags().StringVarP(&text, "message", "m", "", "send this")
	return cmd
}

// direct finds the direct channel of exactly these two people, or makes it.
func (a *app) direct(ctx context.Context, s *session.Session, user envelope.UserID) (*session.Channel, error) {
	all, err := s.API.Channels(ctx)
	if err != nil {
		return nil, err
	}
	for _, x := range all.Channels {
		if x.Access != envelope.AccessDirect {
			continue
		}
		c, err := s.Channel(ctx, x.ID)
		if err != nil {
			return nil, err
		}
		st, err := c.State(ctx)
		if err != nil {
			return nil, err
		}
		if between(st, s.Me.Chain, user) {
			return c, nil
		}
	}
	return a.newDirect(ctx, s, user)
}

func between(st *session.State, a, b envelope.UserID) bool {
	has := map[envelope.UserID]bool{}
	for _, m := range st.Members {
		has[m.User] = true
	}
	return len(has) == 2 && has[a] && has[b]
}

func (a *app) newDirect(ctx context.Context, s *session.Session, user envelope.UserID) (*session.Channel, error) {
	n := session.NewChannel{Access: envelope.AccessDirect, Lifetime: 7 * 24 * time.Hour}
	var err error
	if n.Capture, n.Recorders, err = capture(s, "", nil); err != nil {
		return nil, err
	}
	c, err := s.CreateChannel(ctx, n)
	if err != nil {
		return nil, err
	}
	return c, c.Add(ctx, user, envelope.RankOwner)
}
