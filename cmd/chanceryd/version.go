package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"chancery/fips"
)

func versionCmd() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show what this binary is", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			version, revision, toolchain := "devel", "unknown", runtime.Version()
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
				for _, setting := range info.Settings {
					if setting.Key == "vcs.revision" {
						revision = setting.Value
					}
				}
			}
			f := fips.Current()
			_, err := fmt.Fprintf(c.OutOrStdout(), "chanceryd %s %s (%s, FIPS 140-3 module %s, enabled: %t, enforced: %t)\n",
				version, revision, toolchain, f.Version, f.Enabled, f.Enforced)
			return err
		},
	}
}
