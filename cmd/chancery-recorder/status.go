package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
)

func statusCommand() *cobra.Command {
	var address string
	var asJSON bool
	c := &cobra.Command{
		Use: "status", Short: "Ask a running recorder how far it is",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := settle(c); err != nil {
				return err
			}
			if err := require(map[string]string{"status": address}); err != nil {
				return err
			}
			raw, err := askStatus(address)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = c.OutOrStdout().Write(raw)
				return err
			}
			return printStatus(c.OutOrStdout(), raw)
		},
	}
	c.Flags().StringVar(&address, "status", "", "the loopback address that serve was given")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().String("config", "", "YAML file of settings")
	return c
}

func askStatus(address string) ([]byte, error) {
	asker := http.Client{Timeout: 5 * time.Second}
	resp, err := asker.Get("http://" + address + "/status")
	if err != nil {
		return nil, errors.Join(client.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking %s: %s", address, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 16<<20))
}

func printStatus(w io.Writer, raw []byte) error {
	var s status
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	fmt.Fprintf(w, "recorder %s\n", s.Recorder)
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "CHANNEL\tPOSITION\tOPENED\tCOVERED\tWRONG\tUNSAID")
	for _, c := range s.Channels {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\n", c.Channel, c.Position, c.Opened, c.Covered, c.Wrong, c.Unsaid)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for reason, n := range s.Alarms {
		fmt.Fprintf(w, "alarm %s: %d\n", reason, n)
	}
	return nil
}
