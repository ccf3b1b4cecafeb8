package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

func channelRecorderCmd(a *app) *cobra.Command {
	return noun("recorder", "Who records a channel, and handing that over",
		recorderShowCmd(a), recorderProposeCmd(a), recorderApproveCmd(a), recorderChangeCmd(a))
}

// duty is one line of who records a channel.
type duty struct {
	Name     string         `json:"name"`
	Recorder envelope.KeyID `json:"recorder"`
	Since    uint64         `json:"since"`
	Until    uint64         `json:"until,omitempty"`
	Covered  uint64         `json:"covered"`
	State    string         `json:"state"`
}

func recorderShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show CHANNEL", Short: "Tell who records a channel and who did", Args: cobra.ExactArgs(1),
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			r, err := recording(ctx, s, args[0])
			if err != nil {
				return err
			}
			rows := dutiesOf(s.Dir.Org(), r)
			return a.table(rows, "RECORDER\tSINCE\tUNTIL\tCOVERED TO\tSTATE", func(row func(...any)) {
				for _, d := range rows {
					row(d.Name, d.Since, d.Until, d.Covered, d.State)
				}
			})
		}),
	}
}

func dutiesOf(org *chain.Org, r *session.Recording) []duty {
	var out []duty
	for _, d := range r.Duties() {
		x := duty{Name: d.Recorder.String(), Recorder: d.Recorder, Since: d.Since, Until: d.Until, Covered: r.Covered(d.Recorder), State: "records"}
		p, listed := org.Party(envelope.RoleRecorder, d.Recorder)
		if listed {
			x.Name = p.Name
		}
		switch {
		case d.Until != 0 && x.Covered < d.Until:
			x.State = "went, and has yet to cover the end of its duty"
		case d.Until != 0:
			x.State = "went; keeps its copy and confirms disposals"
		case !listed:
			x.State = "not listed any more: no new epoch can start until it is handed over"
		}
		out = append(out, x)
	}
	return out
}

// recording reads who records a channel, which may be one of one's own or, by its
// id, any.
func recording(ctx context.Context, s *session.Session, channel string) (*session.Recording, error) {
	id, err := findChannel(ctx, s.API, channel)
	if err != nil {
		return nil, err
	}
	return session.ReadRecording(ctx, s.API, s.Dir, id)
}

// succession is what a handover is told.
type succession struct {
	from, to, reason, out string
	lost                  bool
	within                time.Duration
}

func (x *succession) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&x.from, "from", "", "name or id of the recorder that goes")
	cmd.Flags().StringVar(&x.to, "to", "", "name or id of the listed recorder that comes")
	cmd.Flags().BoolVar(&x.lost, "lost", false, "the copy of the one that goes is lost: what it has not covered is written off for good")
	cmd.Flags().StringVar(&x.reason, "reason", "", "why, for everyone in the channel")
	cmd.Flags().DurationVar(&x.within, "within", 24*time.Hour, "how long the order may wait to be signed")
	must(cmd.MarkFlagRequired("reason"))
}

func (x *succession) order(r *session.Recording, now time.Time) ([]byte, error) {
	s := session.Successors{Lost: x.lost, Reason: x.reason, Within: x.within}
	var err error
	if x.from != "" {
		s.From, err = r.Named(x.from)
	}
	if x.to != "" && err == nil {
		s.To, err = r.Named(x.to)
	}
	return r.Order(s, now), err
}

func recorderProposeCmd(a *app) *cobra.Command {
	var in succession
	cmd := &cobra.Command{
		Use: "propose CHANNEL", Short: "Ask for a channel to be handed to another recorder; another person signs", Args: cobra.ExactArgs(1),
		Long: "Writes an order for somebody in the legal role to sign. Once they have, nothing is sent in the channel until a\n" +
			"new epoch has started that the new recorder acknowledged. The one that goes covers what was said until then\n" +
			"and keeps its copy, unless it is --lost.",
		Example: "  chancery channel recorder propose trading/fx-desk --from rec-1 --to rec-2 --reason 'host replaced' --out handover.json",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			r, err := recording(ctx, s, args[0])
			if err != nil {
				return err
			}
			order, err := in.order(r, a.now())
			if err != nil {
				return err
			}
			asked, err := s.Approve(envelope.ActionHandover, envelope.OrderHash(order))
			if err != nil {
				return err
			}
			h := &session.Handover{Order: order, Asked: asked}
			if err := writeHandover(a.path(in.out), h); err != nil {
				return err
			}
			return a.said(h, "wrote %s\nnext: somebody in the legal role runs chancery channel recorder approve %s", in.out, in.out)
		}),
	}
	in.bind(cmd)
	cmd.Flags().StringVar(&in.out, "out", "handover.json", "file of the order, for the other person")
	must(cmd.MarkFlagRequired("from"), cmd.MarkFlagRequired("to"))
	return cmd
}

func writeHandover(path string, h *session.Handover) error {
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func recorderApproveCmd(a *app) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "approve FILE", Short: "Sign a handover that another person asked for, and place it", Args: cobra.ExactArgs(1),
		RunE: a.withSession(func(ctx context.Context, s *session.Session, args []string) error {
			h, o, err := readHandover(a.path(args[0]))
			if err != nil {
				return err
			}
			text := a.describe(s.Dir.Org(), o)
			if !yes {
				return a.said(o, "%s\nnothing was signed; to sign it: chancery channel recorder approve %s --yes", text, args[0])
			}
			err = a.placeHandover(ctx, s.API, s.Dir, o.Channel, func(r *session.Recording) (*envelope.Entry, error) { return s.AgreeHandover(ctx, r, h) })
			if err != nil {
				return err
			}
			return a.said(o, "%s\nplaced; the next writer starts an epoch that the recorder must acknowledge", text)
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "sign what was shown")
	return cmd
}

func readHandover(path string) (*session.Handover, *envelope.HandoverOrder, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var h session.Handover
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", path, err)
	}
	o, err := envelope.ParseOrder[envelope.HandoverOrder](h.Order)
	return &h, o, err
}

// describe says what an order does, in words.
func (a *app) describe(org *chain.Org, o *envelope.HandoverOrder) string {
	name := func(k envelope.KeyID) string {
		if k.IsZero() {
			return "nobody"
		}
		if p, ok := org.Party(envelope.RoleRecorder, k); ok {
			return fmt.Sprintf("%s (%s)", printable(p.Name), k)
		}
		return k.String()
	}
	text := fmt.Sprintf("channel   %s\nrecorder  from %s\n          to %s\nreason    %s\nseen      entry %d\nuntil     %s", o.Channel,
		name(o.From), name(o.To), printable(o.Reason), o.Seen.Position, when(o.NotAfter))
	if o.Lost {
		text += "\nlost      what the recorder that goes has not covered is written off for good, and it confirms no disposal any more"
	}
	return text
}

// placeHandover signs at the channel's end and again when that has moved on.
func (a *app) placeHandover(ctx context.Context, api *client.Transport, dir *session.Directory, id envelope.ChannelID, sign func(*session.Recording) (*envelope.Entry, error)) error {
	for try := 0; ; try++ {
		r, err := session.ReadRecording(ctx, api, dir, id)
		if err != nil {
			return err
		}
		e, err := sign(r)
		if err != nil {
			return err
		}
		_, err = api.PostEntry(ctx, id, wire.NewEntry{Entry: envelope.Marshal(e)})
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusConflict || try == restoreTries {
			return err
		}
	}
}

func recorderChangeCmd(a *app) *cobra.Command {
	var in succession
	var root rootFlags
	cmd := &cobra.Command{
		Use: "change CHANNEL-ID", Short: "Change who records a channel, or how many do, by the organisation's root", Args: cobra.ExactArgs(1),
		Long: "With --to alone one more records the channel (there may be two), with --from alone one less (one must stay), with\n" +
			"both one takes the other's place. With --from of one that went and --lost nothing more is asked of that one.",
		Example: "  chancery channel recorder change 3f… --to rec-2 --reason 'independent copy' --root-home /media/root-key",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			id, err := envelope.ID[envelope.ChannelID](args[0])
			if err != nil {
				return &usageError{err}
			}
			return a.changeRecorders(ctx, api, &root, id, &in)
		}),
	}
	in.bind(cmd)
	root.bind(cmd)
	return cmd
}

func (a *app) changeRecorders(ctx context.Context, api *client.Transport, root *rootFlags, id envelope.ChannelID, in *succession) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	ring, key, err := root.open(a)
	if err != nil {
		return err
	}
	defer ring.Close()
	dir, _, err := session.OpenDirectory(ctx, api, ring, c.Org)
	if err != nil {
		return err
	}
	err = a.placeHandover(ctx, api, dir, id, func(r *session.Recording) (*envelope.Entry, error) {
		order, err := in.order(r, a.now())
		if err != nil {
			return nil, err
		}
		return r.SignByRoot(&session.Handover{Order: order}, a.now(), key)
	})
	if err != nil {
		return err
	}
	return a.said(map[string]any{"channel": id}, "channel %s: who records it has changed; the next writer starts a new epoch", id)
}
