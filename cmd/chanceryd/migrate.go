package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func migrateCmd(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database up to this version", Args: cobra.NoArgs,
		Long: "serve does this by itself; migrate is for doing it at a time of one's own.",
		RunE: func(c *cobra.Command, _ []string) error {
			conf, _, err := o.load()
			if err != nil {
				return err
			}
			log, err := logger(c.ErrOrStderr(), conf.Log)
			if err != nil {
				return err
			}
			s := &server{config: conf, log: log}
			if err := migrate(c.Context(), s); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "the database is up to date")
			return err
		},
	}
}

func migrate(ctx context.Context, s *server) (err error) {
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.openState(ctx); err != nil {
		return err
	}
	return s.openDatabase(ctx)
}
