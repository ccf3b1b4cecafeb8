package main

import (
	"context"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
)

func teamCmd(a *app) *cobra.Command {
	return noun("team", "Teams of people and channels", teamCreateCmd(a), teamListCmd(a), teamAddCmd(a))
}

func teamCreateCmd(a *app) *cobra.Command {
	var title string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a team that you own", Args: cobra.ExactArgs(1),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			t, err := api.CreateTeam(ctx, wire.NewTeam{Name: args[0], Title: title})
			if err != nil {
				return err
			}
			return a.said(t, "made team %s", t.Name)
		}),
	}
	cmd.Flags().StringVar(&title, "title", "", "a longer name")
	return cmd
}

func teamListCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List teams", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Teams(ctx)
			if err != nil {
				return err
			}
			return a.table(all.Teams, "NAME\tRANK\tTITLE", func(row func(...any)) {
				for _, t := range all.Teams {
					row(t.Name, t.Rank, t.Title)
				}
			})
		}),
	}
}

func teamAddCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "add TEAM USERNAME", Short: "Take someone into a team", Args: cobra.ExactArgs(2),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			t, err := findTeam(ctx, api, args[0])
			if err != nil {
				return err
			}
			if err := api.AddTeamMember(ctx, t.ID, args[1]); err != nil {
				return err
			}
			return a.said(map[string]string{"team": t.Name, "username": args[1]}, "added %s to %s", args[1], t.Name)
		}),
	}
}
