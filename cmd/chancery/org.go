package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

// itemRoot is the organisation's root key in the keyring of --root-home.
const itemRoot = "root"

func orgCmd(a *app) *cobra.Command {
	return noun("org", "The organisation: its root and whom it lists", orgInitCmd(a), orgShowCmd(a), orgListCmd(a), orgDelistCmd(a),
		orgCheckpointCmd(a), orgRestoreCmd(a), orgMirrorCmd(a), orgCosignCmd(a))
}

// rootFlags say where the root key is. It must not be on the server's host.
type rootFlags struct{ home, passphraseFile string }

func (r *rootFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.home, "root-home", "", "directory of the root's keyring; never on the server's host")
	cmd.Flags().StringVar(&r.passphraseFile, "root-passphrase-file", "", "file with the root keyring's passphrase, mode 0600")
	must(cmd.MarkFlagRequired("root-home"))
}

// create makes the root's keyring, in the suite of the organisation to be.
func (r *rootFlags) create(a *app, suite envelope.Suite) (*keyring.Ring, *seal.SigningKey, error) {
	if err := seal.CheckSuite(suite); err != nil {
		return nil, nil, &usageError{err}
	}
	passphrase, err := r.passphrase(a, true)
	if err != nil {
		return nil, nil, err
	}
	ring, err := keyring.Create(a.path(r.home), passphrase, keyring.Suite(suite))
	if err != nil {
		return nil, nil, err
	}
	return rootKey(ring)
}

// open unlocks the root's keyring.
func (r *rootFlags) open(a *app) (*keyring.Ring, *seal.SigningKey, error) {
	passphrase, err := r.passphrase(a, false)
	if err != nil {
		return nil, nil, err
	}
	ring, err := keyring.Open(a.path(r.home), passphrase)
	if err != nil {
		return nil, nil, err
	}
	if _, err := ring.Get(itemRoot); err != nil {
		return nil, nil, errors.Join(err, ring.Close())
	}
	return rootKey(ring)
}

func rootKey(ring *keyring.Ring) (*keyring.Ring, *seal.SigningKey, error) {
	key, err := session.SigningKey(ring, itemRoot)
	if err != nil {
		return nil, nil, errors.Join(err, ring.Close())
	}
	return ring, key, nil
}

func (r *rootFlags) passphrase(a *app, fresh bool) (string, error) {
	other := *a
	if r.passphraseFile != "" {
		other.flags.passphraseFile = r.passphraseFile
	}
	return other.passphrase("Passphrase of the organisation's root: ", fresh)
}

func orgInitCmd(a *app) *cobra.Command {
	var name, capture, suite string
	var root rootFlags
	cmd := &cobra.Command{
		Use: "init", Short: "Make the organisation's root key and publish its genesis", Args: cobra.NoArgs,
		Example: "  chancery org init --name 'Example Bank' --capture required --root-home /media/root-key",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			ring, key, err := root.create(a, envelope.Suite(suite))
			if err != nil {
				return err
			}
			defer ring.Close()
			return a.initOrg(ctx, api, envelope.Suite(suite), name, envelope.Capture(capture), key)
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "the organisation's name")
	cmd.Flags().StringVar(&capture, "capture", "off", "least capture that a channel may have: off or required")
	cmd.Flags().StringVar(&suite, "suite", string(envelope.SuiteAge), "algorithms, for good: age, or fips for those that FIPS 140-3 approves")
	root.bind(cmd)
	must(cmd.MarkFlagRequired("name"))
	return cmd
}

func (a *app) initOrg(ctx context.Context, api *client.Transport, suite envelope.Suite, name string, capture envelope.Capture, root *seal.SigningKey) error {
	e, err := session.NewOrg(suite, name, capture, 1, a.now(), root)
	if err != nil {
		return err
	}
	if err := api.CreateOrg(ctx, envelope.Marshal(e)); err != nil {
		return fmt.Errorf("publishing organisation %q: %w", name, err)
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	c.Org = envelope.OrgID(envelope.ChainOf(e.Header))
	if err := writeJSON(a.file("config.json"), c); err != nil {
		return err
	}
	return a.said(map[string]any{"org": c.Org, "name": name}, "organisation %q\nid  %s\nPeople compare this id when they sign in first: chancery login --org %s", name, c.Org, c.Org)
}

// partyView is one listed party.
type partyView struct {
	Role     envelope.Role        `json:"role"`
	Name     string               `json:"name"`
	ID       envelope.KeyID       `json:"id"`
	User     envelope.UserID      `json:"user,omitzero"`
	Scope    []envelope.ChannelID `json:"scope,omitempty"`
	NotAfter time.Time            `json:"not_after,omitzero"`
}

func viewParty(p *envelope.Party) partyView {
	v := partyView{Role: p.Role, Name: p.Name, ID: p.ID(), User: p.User, Scope: p.Scope}
	if p.NotAfter != 0 {
		v.NotAfter = time.UnixMicro(p.NotAfter).UTC()
	}
	return v
}

func orgShowCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Verify and show the organisation's chain", Args: cobra.NoArgs,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			org, err := a.org(ctx, api)
			if err != nil {
				return err
			}
			v := struct {
				ID      envelope.OrgID   `json:"id"`
				Name    string           `json:"name"`
				Suite   envelope.Suite   `json:"suite"`
				Capture envelope.Capture `json:"capture"`
				Links   uint64           `json:"links"`
				Parties []partyView      `json:"parties"`
			}{org.ID(), org.Genesis.Name, org.Suite(), org.Genesis.Capture, org.Seq() + 1, []partyView{}}
			for _, role := range roles {
				for _, p := range org.Parties(envelope.Role(role)) {
					v.Parties = append(v.Parties, viewParty(&p))
				}
			}
			return a.show(v, func(w io.Writer) {
				fmt.Fprintf(w, "%s\nid       %s\nsuite    %s\ncapture  %s\nlinks    %d\n", printable(v.Name), v.ID, v.Suite, v.Capture, v.Links)
				for _, p := range v.Parties {
					fmt.Fprintf(w, "%-10s %s  %s\n", p.Role, p.ID, printable(p.Name))
				}
			})
		}),
	}
}

// org verifies the organisation's chain against the pinned id, if there is one.
func (a *app) org(ctx context.Context, api *client.Transport) (*chain.Org, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	answer, err := api.Org(ctx)
	if err != nil {
		return nil, fmt.Errorf("fetching the organisation's chain: %w", err)
	}
	org, err := session.ReadOrg(answer.Entries)
	if err != nil {
		return nil, fmt.Errorf("verifying the organisation's chain: %w", err)
	}
	if !c.Org.IsZero() && c.Org != org.ID() {
		return nil, fmt.Errorf("%w: pinned %s, served %s", session.ErrOrg, c.Org, org.ID())
	}
	return org, nil
}

// listing is what org list-party is told.
type listing struct {
	root             rootFlags
	card, user, name string
	scope            []string
	expires          time.Duration
}

func orgListCmd(a *app) *cobra.Command {
	var in listing
	cmd := &cobra.Command{
		Use: "list-party ROLE", Short: "List a key or a person in a role, signed by the root", Args: cobra.ExactArgs(1), ValidArgs: roles,
		Long:    "Roles: " + strings.Join(roles, ", ") + ".\nKeys come as a card (chancery key new), people by username.",
		Example: "  chancery org list-party recorder --card rec/card.json --root-home /media/root-key\n  chancery org list-party legal --user bob --root-home /media/root-key",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			p, err := a.party(ctx, api, envelope.Role(args[0]), &in)
			if err != nil {
				return err
			}
			return a.extendOrg(ctx, api, &in.root, func(org *chain.Org, key *seal.SigningKey) (*envelope.Entry, error) {
				return session.ListParty(org, *p, a.now(), key)
			}, viewParty(p))
		}),
	}
	cmd.Flags().StringVar(&in.card, "card", "", "public card of the key")
	cmd.Flags().StringVar(&in.user, "user", "", "username of the person")
	cmd.Flags().StringVar(&in.name, "name", "", "name to list, if not the card's or the person's")
	cmd.Flags().StringArrayVar(&in.scope, "channel", nil, "limit to this channel; may be repeated")
	cmd.Flags().DurationVar(&in.expires, "expires", 0, "how long the listing holds; 0 is for good")
	cmd.MarkFlagsMutuallyExclusive("card", "user")
	cmd.MarkFlagsOneRequired("card", "user")
	in.root.bind(cmd)
	return cmd
}

func (a *app) party(ctx context.Context, api *client.Transport, role envelope.Role, in *listing) (*envelope.Party, error) {
	p := &envelope.Party{Role: role, Scope: []envelope.ChannelID{}}
	if in.user != "" {
		who, err := findPerson(ctx, api, in.user)
		if err != nil {
			return nil, err
		}
		if who.Chain.IsZero() {
			return nil, &hint{fmt.Errorf("%s has no device yet", in.user), "chancery device enroll, by " + in.user}
		}
		p.Name, p.User = who.Username, who.Chain
	} else {
		c, err := readCard(a.path(in.card))
		if err != nil {
			return nil, err
		}
		if c.Role != role {
			return nil, &usageError{fmt.Errorf("card %s is of role %s, not %s", in.card, c.Role, role)}
		}
		p.Name, p.Key, p.Recipient = c.Name, c.Key, c.Recipient
	}
	if in.name != "" {
		p.Name = in.name
	}
	if in.expires > 0 {
		p.NotAfter = a.now().Add(in.expires).UnixMicro()
	}
	return p, a.scope(ctx, api, p, in.scope)
}

func (a *app) scope(ctx context.Context, api *client.Transport, p *envelope.Party, names []string) error {
	ids, err := findChannels(ctx, api, names)
	p.Scope = append(p.Scope, ids...)
	return err
}

func (a *app) extendOrg(ctx context.Context, api *client.Transport, root *rootFlags, link func(*chain.Org, *seal.SigningKey) (*envelope.Entry, error), done any) error {
	org, err := a.org(ctx, api)
	if err != nil {
		return err
	}
	ring, key, err := root.open(a)
	if err != nil {
		return err
	}
	defer ring.Close()
	e, err := link(org, key)
	if err != nil {
		return err
	}
	if err := api.ExtendOrg(ctx, envelope.Marshal(e)); err != nil {
		return fmt.Errorf("publishing link %d of the organisation's chain: %w", org.Seq(), err)
	}
	return a.said(done, "published link %d of the organisation's chain", org.Seq())
}

func orgDelistCmd(a *app) *cobra.Command {
	var root rootFlags
	cmd := &cobra.Command{
		Use: "delist-party ROLE ID", Short: "End a listing, signed by the root", Args: cobra.ExactArgs(2), ValidArgs: roles,
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, args []string) error {
			id, err := envelope.ID[envelope.KeyID](args[1])
			if err != nil {
				return &usageError{err}
			}
			role := envelope.Role(args[0])
			return a.extendOrg(ctx, api, &root, func(org *chain.Org, key *seal.SigningKey) (*envelope.Entry, error) {
				return session.DelistParty(org, role, id, a.now(), key)
			}, map[string]any{"role": role, "party": id})
		}),
	}
	root.bind(cmd)
	return cmd
}

func orgCheckpointCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "checkpoint", Short: "Print the newest signed state of the organisation's log", Args: cobra.NoArgs,
		Long: "Prints the note as it is signed, also with --json.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			note, err := api.Checkpoint(ctx)
			if err != nil {
				return err
			}
			_, err = a.out.Write(note)
			return err
		}),
	}
}
