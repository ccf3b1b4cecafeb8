package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// finding is what one check found.
type finding struct {
	Check    string `json:"check"`
	Status   status `json:"status"`
	Evidence string `json:"evidence"`
	Fix      string `json:"fix,omitempty"`
}

type status string

const (
	pass          status = "pass"
	fail          status = "fail"
	manual        status = "manual" // a person has to look
	notApplicable status = "not applicable"
)

func passed(evidence string, args ...any) finding {
	return finding{Status: pass, Evidence: fmt.Sprintf(evidence, args...)}
}

func failed(fix, evidence string, args ...any) finding {
	return finding{Status: fail, Evidence: fmt.Sprintf(evidence, args...), Fix: fix}
}

func doctorCmd(o *options) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "doctor", Short: "Check the installation; fails when a check does", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, _, err := o.load()
			if err != nil {
				return err
			}
			found := examine(c.Context(), conf)
			if err := printFindings(c.OutOrStdout(), found, asJSON); err != nil {
				return err
			}
			for _, f := range found {
				if f.Status == fail {
					return errUnsound
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print findings as JSON")
	return c
}

// examine runs every check. It only looks: no migration is applied, and neither
// database nor vault made.
func examine(ctx context.Context, c config) []finding {
	s := &server{config: c, log: slog.New(slog.DiscardHandler)}
	defer s.close()
	found := []finding{}
	for _, check := range []struct {
		name string
		run  func(context.Context) finding
	}{
		{"FIPS 140-3", s.checkFIPS},
		{"state directory", s.checkState},
		{"receipt key", s.checkReceipt},
		{"TLS certificate", s.checkTLS},
		{"database", s.checkDatabase},
		{"database roles", s.checkRoles},
		{"removal key", s.checkRemoval},
		{"vault copies", s.checkCopies},
		{"vault on separate disks", s.checkDisks},
		{"key apart from vault", s.checkKEK},
		{"directories", s.checkDirectories},
		{"signer", s.checkSigner},
		{"root key elsewhere", s.checkRoot},
	} {
		f := check.run(ctx)
		f.Check = check.name
		found = append(found, f)
	}
	return found
}

func printFindings(w io.Writer, found []finding, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(found)
	}
	for _, f := range found {
		fmt.Fprintf(w, "%-15s %-24s %s\n", f.Status, f.Check, f.Evidence)
		if f.Fix != "" {
			fmt.Fprintf(w, "%-15s %-24s fix: %s\n", "", "", f.Fix)
		}
	}
	return nil
}
