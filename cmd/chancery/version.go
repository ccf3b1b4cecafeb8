package main

import (
	"context"
	"runtime/debug"

	"github.com/spf13/cobra"

	"chancery/fips"
)

func versionCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show what this binary is", Args: cobra.NoArgs,
		RunE: a.run(func(context.Context, []string) error {
			v := struct {
				Version  string      `json:"version"`
				Revision string      `json:"revision,omitempty"`
				Go       string      `json:"go"`
				FIPS     fips.Status `json:"fips"`
			}{Version: "devel", FIPS: fips.Current()}
			if info, ok := debug.ReadBuildInfo(); ok {
				v.Version, v.Go = info.Main.Version, info.GoVersion
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Revision = s.Value
					}
				}
			}
			return a.said(v, "chancery %s %s (%s, FIPS 140-3 enabled: %t)", v.Version, v.Revision, v.Go, v.FIPS.Enabled)
		}),
	}
}
