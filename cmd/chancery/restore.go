package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

func channelRestoreCmd(a *app) *cobra.Command {
	var root rootFlags
	var confirmed, reason string
	cmd := &cobra.Command{
		Use: "restore CHANNEL-ID", Short: "Tell devices, by the root, that the server came back from an older copy", Args: cobra.ExactArgs(1),
		Long:    "Devices refuse a server that has lost what it confirmed. This signs what was lost, so that they go on. Ask every device for its newest position first: chancery channel show.",
		Example: "  chancery channel restore 3f… --confirmed 4711:8a… --reason 'disk failure' --root-home /media/root-key",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			id, err := envelope.ID[envelope.ChannelID](args[0])
			if err != nil {
				return &usageError{err}
			}
			old, err := parseConfirmed(confirmed)
			if err != nil {
				return &usageError{err}
			}
			return a.restore(ctx, api, &root, id, old, reason)
		}),
	}
	root.bind(cmd)
	cmd.Flags().StringVar(&confirmed, "confirmed", "", "POSITION:HEAD of the newest entry that any device remembers")
	cmd.Flags().StringVar(&reason, "reason", "", "what happened, for people")
	must(cmd.MarkFlagRequired("confirmed"), cmd.MarkFlagRequired("reason"))
	return cmd
}

const restoreTries = 5

func parseConfirmed(text string) (envelope.Ref, error) {
	at, head, ok := strings.Cut(text, ":")
	position, err := strconv.ParseUint(at, 10, 64)
	if !ok || err != nil {
		return envelope.Ref{}, errors.New("--confirmed is POSITION:HEAD")
	}
	h, err := envelope.ID[envelope.Hash](head)
	return envelope.Ref{Position: position, Hash: h}, err
}

func (a *app) restore(ctx context.Context, api *client.Transport, root *rootFlags, id envelope.ChannelID, old envelope.Ref, reason string) error {
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
	var b *envelope.RestoreBody
	for try := 0; ; try++ {
		var e *envelope.Entry
		if e, b, err = session.RestoreLink(ctx, api, dir, id, old, reason, a.now(), key); err != nil {
			return err
		}
		_, err = api.PostEntry(ctx, id, wire.NewEntry{Entry: envelope.Marshal(e)})
		// The link names the channel's end, which someone may have moved.
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusConflict || try == restoreTries {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("publishing the restore link: %w", err)
	}
	return a.said(b, "channel %s goes on after %d; entries to %d are declared lost", id, b.NewPosition, b.OldPosition)
}
