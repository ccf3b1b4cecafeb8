package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

func peopleCmd(a *app) *cobra.Command {
	return noun("people", "Accounts, and people who leave (for administrators)",
		peopleDisableCmd(a), peopleEnableCmd(a), peopleLeavingCmd(a), peopleCountersignCmd(a))
}

func peopleDisableCmd(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "disable USERNAME", Short: "End an account's use at once, and its memberships", Args: cobra.ExactArgs(1),
		Long: "Ends the account's sessions and closes its sockets. The server then ends its memberships by its removal key;\n" +
			"what it can't end alone waits: see chancery people leaving. Everything that the person said and did is kept.",
		Example: "  chancery people disable hal --reason 'left the firm'",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			if err := api.Disable(ctx, args[0], reason); err != nil {
				return err
			}
			return a.said(map[string]string{"username": args[0], "state": "disabled"}, "disabled %s", args[0])
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in a few words, for the record")
	must(cmd.MarkFlagRequired("reason"))
	return cmd
}

func peopleEnableCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "enable USERNAME", Short: "Let someone sign in again; memberships that ended stay ended", Args: cobra.ExactArgs(1),
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			if err := api.Enable(ctx, args[0]); err != nil {
				return err
			}
			return a.said(map[string]string{"username": args[0], "state": "active"},
				"enabled %s; whoever may has to add them to channels again: chancery channel add", args[0])
		}),
	}
}

// departureView is one membership that is to end.
type departureView struct {
	Username string             `json:"username"`
	Channel  string             `json:"channel"`
	ID       envelope.ChannelID `json:"channel_id"`
	Rank     string             `json:"rank"`
	Since    time.Time          `json:"since"`
	Waits    string             `json:"waits,omitempty"`
}

func viewDeparture(d *wire.Departure) departureView {
	name := d.ChannelName
	if name == "" {
		name = "(direct)"
	}
	return departureView{d.Username, name, d.Channel, d.Rank, d.Since, d.Waits}
}

func peopleLeavingCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "leaving", Short: "List memberships of disabled people, and what they wait for", Args: cobra.NoArgs,
		Long: "second_key: chancery people countersign, by whoever holds another removal key.\n" +
			"removal_key_not_listed: chanceryd card removal, then chancery org list-party removal --card FILE.\n" +
			"channel_is_behind: a member's client has to tell the channel of newer listings.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			all, err := api.Departures(ctx)
			if err != nil {
				return err
			}
			views := make([]departureView, len(all.Departures))
			for i := range all.Departures {
				views[i] = viewDeparture(&all.Departures[i])
			}
			return a.table(views, "USERNAME\tCHANNEL\tRANK\tSINCE\tWAITS FOR", func(row func(...any)) {
				for _, v := range views {
					row(printable(v.Username), printable(v.Channel), v.Rank, v.Since.Format(time.RFC3339), v.Waits)
				}
			})
		}),
	}
}

// keyFlags say where a removal key is that is not the server's.
type keyFlags struct{ home, passphraseFile string }

func (k *keyFlags) open(a *app) (*keyring.Ring, *seal.SigningKey, error) {
	other := *a
	if k.passphraseFile != "" {
		other.flags.passphraseFile = k.passphraseFile
	}
	passphrase, err := other.passphrase("Passphrase of the removal key: ", false)
	if err != nil {
		return nil, nil, err
	}
	ring, err := keyring.Open(a.path(k.home), passphrase)
	if err != nil {
		return nil, nil, err
	}
	if _, err := ring.Get(itemSigning); err != nil {
		return nil, nil, errors.Join(err, ring.Close())
	}
	key, err := session.SigningKey(ring, itemSigning)
	if err != nil {
		return nil, nil, errors.Join(err, ring.Close())
	}
	return ring, key, nil
}

func peopleCountersignCmd(a *app) *cobra.Command {
	var k keyFlags
	cmd := &cobra.Command{
		Use: "countersign USERNAME...", Short: "Sign waiting removals with a second removal key", Args: cobra.MinimumNArgs(1),
		Long: "An owner's membership, and more than the fuse lets one key end in a day, take two removal keys. The second is kept\n" +
			"away from the server: chancery key new --role removal, chancery org list-party removal. Look with chancery people\n" +
			"leaving first: this ends every membership of the people named that waits for a second key.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			org, err := a.org(ctx, api)
			if err != nil {
				return err
			}
			ring, key, err := k.open(a)
			if err != nil {
				return err
			}
			defer ring.Close()
			done, err := countersign(ctx, api, org, key, args)
			if err != nil {
				return err
			}
			return a.said(done, "ended %d memberships", len(done))
		}),
	}
	cmd.Flags().StringVar(&k.home, "key-home", "", "directory of the removal key's keyring; never on the server's host")
	cmd.Flags().StringVar(&k.passphraseFile, "key-passphrase-file", "", "file with that keyring's passphrase, mode 0600")
	must(cmd.MarkFlagRequired("key-home"))
	return cmd
}

// signTries is how often a removal is signed anew because its channel moved on.
const signTries = 3

func countersign(ctx context.Context, api *client.Transport, org *chain.Org, key *seal.SigningKey, usernames []string) ([]departureView, error) {
	done := []departureView{}
	for range signTries {
		all, err := api.Departures(ctx)
		if err != nil {
			return done, err
		}
		again := false
		for i := range all.Departures {
			d := &all.Departures[i]
			if len(d.Entry) == 0 || !slices.Contains(usernames, d.Username) {
				continue
			}
			entry, err := session.Countersign(org, d, key)
			if err != nil {
				return done, fmt.Errorf("removing %s from %s: %w", d.Username, d.Channel, err)
			}
			_, err = api.Countersign(ctx, entry)
			if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusConflict {
				again = true
				continue
			}
			if err != nil {
				return done, fmt.Errorf("removing %s from %s: %w", d.Username, d.Channel, err)
			}
			done = append(done, viewDeparture(d))
		}
		if !again {
			return done, nil
		}
	}
	return done, errors.New("removing people: their channels moved on each time; try again")
}
