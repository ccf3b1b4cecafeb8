package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"chancery/compliance/archive"
	"chancery/crypto/envelope"
)

// trustFlags say which organisation the auditor trusts.
type trustFlags struct{ org, file string }

func (t *trustFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&t.org, "org", "", "id of the organisation, 64 hex digits")
	c.Flags().StringVar(&t.file, "trust", "", `file {"org":"<id>"}, instead of --org`)
}

func (t *trustFlags) trust() (archive.Trust, error) {
	var trust archive.Trust
	if (t.org == "") == (t.file == "") {
		return trust, usage{errors.New("the organisation's id is needed: --org ID or --trust FILE")}
	}
	if t.org != "" {
		id, err := envelope.ID[envelope.OrgID](t.org)
		if err != nil {
			return trust, usage{fmt.Errorf("--org: %w", err)}
		}
		return archive.Trust{Org: id}, nil
	}
	raw, err := os.ReadFile(t.file)
	if err != nil {
		return trust, usage{err}
	}
	if err := json.Unmarshal(raw, &trust); err != nil || trust.Org.IsZero() {
		return trust, usage{fmt.Errorf(`%s is not a trust file {"org":"<id>"}: %w`, t.file, err)}
	}
	return trust, nil
}

// openBag opens a directory so that nothing in it leads outside.
func openBag(dir string) (fs.FS, func() error, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, usage{err}
	}
	return root.FS(), root.Close, nil
}

func newVerify() *cobra.Command {
	var t trustFlags
	var asJSON bool
	var chain string
	c := &cobra.Command{
		Use:   "verify DIR…",
		Short: "Check an archive, several in their order, or with --chain all archives of a directory",
		Args: func(c *cobra.Command, args []string) error {
			if chain != "" {
				return exactly(0)(c, args)
			}
			return atLeast(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			trust, err := t.trust()
			if err != nil {
				return err
			}
			dirs := args
			if chain != "" {
				if dirs, err = archivesIn(chain); err != nil {
					return err
				}
			}
			reports, err := verifyAll(trust, dirs)
			if err != nil {
				return err
			}
			return tell(c.OutOrStdout(), reports, asJSON)
		},
	}
	t.add(c)
	c.Flags().StringVar(&chain, "chain", "", "directory whose sub-directories are archives, each of which must continue the one before")
	c.Flags().BoolVar(&asJSON, "json", false, "print the reports as JSON")
	return c
}

type named struct {
	Dir string `json:"dir"`
	*archive.Report
	Error    string `json:"error,omitempty"`
	schedule string
	ordinal  int64
}

// archivesIn lists the archives under dir by schedule and ordinal.
func archivesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, usage{err}
	}
	var found []named
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() {
			continue
		}
		h, err := archive.Peek(os.DirFS(path))
		if err != nil {
			return nil, &archive.Refusal{Exit: archive.ExitIncomplete, Err: fmt.Errorf("%s: %w", path, err)}
		}
		found = append(found, named{Dir: path, schedule: h.Schedule, ordinal: h.Ordinal})
	}
	if len(found) == 0 {
		return nil, usage{fmt.Errorf("%s holds no archives", dir)}
	}
	slices.SortStableFunc(found, func(a, b named) int {
		return cmp.Or(cmp.Compare(a.schedule, b.schedule), cmp.Compare(a.ordinal, b.ordinal))
	})
	dirs := make([]string, len(found))
	for i, f := range found {
		dirs[i] = f.Dir
	}
	return dirs, nil
}

// verifyAll verifies archives in their order, each schedule as one chain. It
// ends with the first refusal.
func verifyAll(trust archive.Trust, dirs []string) ([]named, error) {
	var reports []named
	var v *archive.Verifier
	schedule := ""
	for _, dir := range dirs {
		bag, done, err := openBag(dir)
		if err != nil {
			return nil, err
		}
		if h, err := archive.Peek(bag); v == nil || err == nil && h.Schedule != schedule {
			v = archive.NewVerifier(trust)
			if err == nil {
				schedule = h.Schedule
			}
		}
		r := v.Verify(bag, nil)
		reports = append(reports, named{Dir: dir, Report: r})
		if err := done(); err != nil {
			return nil, err
		}
		if r.Err != nil {
			break
		}
	}
	return reports, nil
}

// tell prints reports and turns the worst into an exit code.
func tell(out io.Writer, reports []named, asJSON bool) error {
	code := archive.ExitOK
	for i := range reports {
		r := &reports[i]
		code = max(code, r.Exit)
		if r.Err != nil {
			r.Error, code = r.Err.Error(), r.Exit
		}
		if !asJSON {
			tellOne(out, r)
		}
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(reports); err != nil {
			return err
		}
	}
	if code != archive.ExitOK {
		return exit{code}
	}
	return nil
}

var marks = map[archive.Verdict]string{archive.Passed: "ok  ", archive.Refused: "FAIL", archive.Skipped: "skip", archive.NotReached: "-   "}

var verdicts = map[int]string{
	archive.ExitOK: "verified", archive.ExitExceptions: "verified, complete with exceptions", archive.ExitTampered: "TAMPERED",
	archive.ExitIncomplete: "INCOMPLETE", archive.ExitUntrusted: "UNTRUSTED SIGNER", archive.ExitSealed: "CANNOT OPEN",
	archive.ExitInternal: "could not be checked",
}

func tellOne(out io.Writer, r *named) {
	fmt.Fprintf(out, "archive %s (schedule %s, number %d, records [%d, %d)) in %s\n", r.Archive, r.Schedule, r.Ordinal, r.From, r.To, r.Dir)
	for _, rung := range r.Rungs {
		fmt.Fprintf(out, "  %s %d %s\n", marks[rung.Verdict], rung.Number, rung.Name)
		for _, e := range rung.Evidence {
			fmt.Fprintf(out, "         %s\n", e)
		}
		if rung.Why != "" {
			fmt.Fprintf(out, "         %s\n", rung.Why)
		}
	}
	for _, x := range r.Exceptions {
		fmt.Fprintf(out, "  exception %s: channel %s at %d: %s %s\n", x.Code, x.Channel, x.Position, x.Text, x.Object)
	}
	fmt.Fprintf(out, "  %s (exit %d)\n", verdicts[r.Exit], r.Exit)
}
