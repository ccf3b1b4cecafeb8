package main

import (
	"context"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
)

func matterCmd(a *app) *cobra.Command {
	return noun("matter", "Cases that holds and exports belong to", matterCreateCmd(a), matterListCmd(a))
}

func matterCreateCmd(a *app) *cobra.Command {
	var title string
	cmd := &cobra.Command{
		Use: "create ID", Short: "Open a case", Args: cobra.ExactArgs(1),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			m, err := api.CreateMatter(ctx, wire.Matter{ID: args[0], Title: title})
			if err != nil {
				return err
			}
			return a.said(m, "opened matter %s", m.ID)
		}),
	}
	cmd.Flags().StringVar(&title, "title", "", "what it is about")
	return cmd
}

func matterListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List cases", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Matters(ctx)
			if err != nil {
				return err
			}
			return a.table(all.Matters, "ID\tSTATE\tTITLE", func(row func(...any)) {
				for _, m := range all.Matters {
					row(m.ID, map[bool]string{true: "closed", false: "open"}[m.Closed], m.Title)
				}
			})
		}),
	}
}
