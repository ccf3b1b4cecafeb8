package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client/session"
)

// root is the whole command tree for one run.
func root(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "chancery",
		Short:         "Talk in sealed channels, and keep the records that must be kept",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	f := cmd.PersistentFlags()
	f.StringVar(&a.flags.home, "home", envOr("CHANCERY_HOME", defaultHome()), "directory of this device's state ($CHANCERY_HOME)")
	f.StringVar(&a.flags.server, "server", os.Getenv("CHANCERY_SERVER"), "address of the server ($CHANCERY_SERVER)")
	f.StringVar(&a.flags.ca, "ca", os.Getenv("CHANCERY_CA"), "file of certificates to trust instead of the system's ($CHANCERY_CA)")
	f.StringVar(&a.flags.org, "org", os.Getenv("CHANCERY_ORG"), "id of the organisation to accept ($CHANCERY_ORG)")
	f.StringVar(&a.flags.passphraseFile, "passphrase-file", os.Getenv("CHANCERY_PASSPHRASE_FILE"), "file with the keyring's passphrase, mode 0600")
	f.DurationVar(&a.flags.ackWait, "ack-wait", 30*time.Second, "how long to wait for a recorder's acknowledgement of a new key")
	f.DurationVar(&a.flags.coverWait, "cover-wait", session.CoverWithin, "how long a message may wait for its recorder before nothing new is sent or shown; at most 60s")
	f.DurationVar(&a.flags.patience, "patience", 20*time.Second, "how long to wait for a server that is away; 0 gives up at once")
	f.BoolVar(&a.flags.json, "json", false, "print JSON, one document a line")
	cmd.PersistentPreRun = func(*cobra.Command, []string) {
		a.flags.home = a.path(a.flags.home)
		if a.shared != nil {
			a.flags.home = a.host // the command's own environment stayed behind
		}
	}
	cmd.AddCommand(
		loginCmd(a), logoutCmd(a), whoamiCmd(a), deviceCmd(a), recoveryCmd(a), orgCmd(a), peopleCmd(a), keyCmd(a), teamCmd(a), channelCmd(a), dmCmd(a),
		postCmd(a), tailCmd(a), fileCmd(a), agentCmd(a), matterCmd(a), holdCmd(a), retentionCmd(a), whyCmd(a), exportCmd(a), disputeCmd(a), versionCmd(a),
	)
	return cmd
}

// noun groups verbs; alone it explains itself.
func noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(verbs...)
	return cmd
}

func envOr(name, other string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return other
}

func defaultHome() string {
	if dir, err := os.UserConfigDir(); err == nil {
		return filepath.Join(dir, "chancery")
	}
	return ".chancery"
}
