package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

func orgRestoreCmd(a *app) *cobra.Command {
	var root rootFlags
	var was, is, reason string
	cmd := &cobra.Command{
		Use: "restore", Short: "Tell everybody who follows the log, by the root, that it came back from an older copy", Args: cobra.NoArgs,
		Long: "Devices, recorders and witnesses refuse a log that lacks records which they have seen signed. This signs what was lost,\n" +
			"so that they go on. \"chancery-signer adopt\" prints both states.",
		Example: "  chancery org restore --was 4711:8a… --is 4500:3c… --reason 'disk failure' --root-home /media/root-key",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			old, err := parseState("--was", was)
			if err != nil {
				return err
			}
			now, err := parseState("--is", is)
			if err != nil {
				return err
			}
			b := envelope.LogRestoreBody{OldSize: old.Position, OldRoot: old.Hash, NewSize: now.Position, NewRoot: now.Hash, Reason: reason}
			return a.extendOrg(ctx, api, &root, func(org *chain.Org, key *seal.SigningKey) (*envelope.Entry, error) {
				return session.RestoreLog(org, b, a.now(), key)
			}, map[string]any{"was": was, "is": is})
		}),
	}
	root.bind(cmd)
	cmd.Flags().StringVar(&was, "was", "", "SIZE:ROOT of the largest log that was signed")
	cmd.Flags().StringVar(&is, "is", "", "SIZE:ROOT of the log that is left")
	cmd.Flags().StringVar(&reason, "reason", "", "what happened, for people")
	must(cmd.MarkFlagRequired("was"), cmd.MarkFlagRequired("is"), cmd.MarkFlagRequired("reason"))
	return cmd
}

func parseState(flag, text string) (envelope.Ref, error) {
	ref, err := parseConfirmed(text)
	if err != nil {
		return ref, &usageError{fmt.Errorf("%s %q is not SIZE:ROOT", flag, text)}
	}
	return ref, nil
}

func orgMirrorCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "mirror DIR", Short: "Write the log's checkpoint, tiles and the organisation's chain for a witness", Args: cobra.ExactArgs(1),
		Long: "For \"chancery-audit witness DIR\", which needs no network. Run again it adds what is new.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			org, err := a.org(ctx, api)
			if err != nil {
				return err
			}
			dir := a.path(args[0])
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return &usageError{err}
			}
			size, err := session.MirrorLog(ctx, api, org, dir)
			if err != nil {
				return err
			}
			return a.said(map[string]any{"size": size}, "the log of %d records is in %s", size, args[0])
		}),
	}
}

func orgCosignCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "cosign FILE", Short: "Bring a witness's signature of the log's checkpoint to the server", Args: cobra.ExactArgs(1),
		Long: "FILE is the note that \"chancery-audit witness\" wrote: a checkpoint of this log with one more signature, its last line.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			note, err := os.ReadFile(a.path(args[0]))
			if err != nil {
				return &usageError{err}
			}
			lines := strings.SplitAfter(strings.TrimSuffix(string(note), "\n"), "\n")
			in := wire.Cosignature{Line: lines[len(lines)-1] + "\n"}
			if _, err := fmt.Sscanf(string(note), "%s\n%d\n", new(string), &in.Size); err != nil {
				return &usageError{fmt.Errorf("%s is no signed checkpoint", args[0])}
			}
			if err := api.Cosign(ctx, in); err != nil {
				return err
			}
			return a.said(in, "the log of %d records carries one signature more", in.Size)
		}),
	}
}
