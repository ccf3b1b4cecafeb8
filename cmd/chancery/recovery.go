package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/crypto/seal"
)

func recoveryCmd(a *app) *cobra.Command {
	return noun("recovery", "A printed key for when every device is lost", recoveryCreateCmd(a), recoveryTestCmd(a), recoveryUseCmd(a))
}

func recoveryCreateCmd(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "create", Short: "Make a recovery kit, in place of any before", Args: cobra.NoArgs,
		Long: "The kit can add one device of yours and revoke others, once. Print it, and keep it where your devices are not. It is not kept anywhere else.",
		RunE: a.withSession(func(ctx context.Context, s *session.Session, _ []string) error {
			to, finish, err := a.kitTarget(out)
			if err != nil {
				return err
			}
			kit, err := s.CreateKit(ctx)
			if err == nil {
				_, err = io.WriteString(to, kitPage(s, kit))
			}
			if err := errors.Join(err, finish(err)); err != nil {
				return &hint{fmt.Errorf("making a recovery kit: %w", err), "chancery recovery create, to make another"}
			}
			a.note("Print it and keep it safe, then try it: chancery recovery test. An earlier kit is worth nothing now.")
			return nil
		}),
	}
	cmd.Flags().StringVar(&out, "out", "", "write the page to this new `file` and not to the terminal")
	return cmd
}

// kitTarget is where the page goes. A new file is made before the kit is, and
// goes again when that fails.
func (a *app) kitTarget(name string) (io.Writer, func(error) error, error) {
	if name == "" {
		return a.out, func(error) error { return nil }, nil
	}
	f, err := os.OpenFile(a.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("writing the kit: %w", err)
	}
	return f, func(failed error) error {
		if err := errors.Join(f.Sync(), f.Close()); err != nil || failed == nil {
			return err
		}
		return os.Remove(f.Name())
	}, nil
}

// kitPage is what is printed. ReadKit finds the kit in it again.
func kitPage(s *session.Session, kit seal.Kit) string {
	groups := strings.Fields(kit.Reveal())
	return fmt.Sprintf(`Chancery recovery kit of %s
Organisation %s, id %s

  kit  %s
  kit  %s

Whoever has this and can sign in as you gets a device of yours. Made %s.
To use it: chancery login, then chancery recovery use. It works once.
`, printable(s.Me.Username), printable(s.Dir.Org().Genesis.Name), s.Dir.Org().ID(),
		strings.Join(groups[:7], " "), strings.Join(groups[7:], " "), s.Now().UTC().Format("2 January 2006"))
}

func recoveryTestCmd(a *app) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "test", Short: "Prove that your recovery kit works, without using it up", Args: cobra.NoArgs,
		RunE: a.withSession(func(ctx context.Context, s *session.Session, _ []string) error {
			kit, err := a.readKit(ctx, from)
			if err != nil {
				return err
			}
			if err := s.TestKit(ctx, kit); err != nil {
				return fmt.Errorf("testing the recovery kit: %w", err)
			}
			return a.said(map[string]bool{"works": true}, "the kit works: it opens your key, and was not used up")
		}),
	}
	kitFlag(cmd, &from)
	return cmd
}

func recoveryUseCmd(a *app) *cobra.Command {
	var from, name string
	var lost []string
	cmd := &cobra.Command{
		Use: "use", Short: "Make this a device of yours by your recovery kit", Args: cobra.NoArgs,
		Long: "Adds this device and revokes your others, or those that --lost names. Your devices that are left are told. The kit ends with it: make another.",
		RunE: a.withAPI(func(ctx context.Context, api *client.Transport, _ []string) error {
			kit, err := a.readKit(ctx, from)
			if err != nil {
				return err
			}
			return a.withNewRing(ctx, api, func(s *session.Session) error {
				if err := s.Recover(ctx, kit, name, lost); err != nil {
					return fmt.Errorf("using the recovery kit: %w", err)
				}
				a.note("the kit is used up: chancery recovery create")
				return a.said(map[string]string{"device": s.Device().String(), "name": name}, "recovered: %s is device %s", name, s.Device())
			})
		}),
	}
	kitFlag(cmd, &from)
	cmd.Flags().StringVar(&name, "name", hostName(), "how your other devices call it")
	cmd.Flags().StringArrayVar(&lost, "lost", nil, "`name` of a device to revoke, may be repeated; without it, all of them")
	return cmd
}

func kitFlag(cmd *cobra.Command, from *string) {
	cmd.Flags().StringVar(from, "kit", "", "`file` that has the kit, also the whole page; else it is typed")
}

// readKit reads the kit from a file, or as one line that is typed.
func (a *app) readKit(ctx context.Context, file string) (seal.Kit, error) {
	if file == "" {
		fmt.Fprint(a.err, "Recovery kit, all fourteen groups: ")
		line, err := a.typed(ctx)
		if err != nil && !errors.Is(err, io.EOF) {
			return seal.Kit{}, fmt.Errorf("reading the kit: %w", err)
		}
		return seal.ParseKit(line)
	}
	page, err := os.ReadFile(a.path(file))
	if err != nil {
		return seal.Kit{}, fmt.Errorf("reading the kit: %w", err)
	}
	return seal.ParseKit(kitOf(string(page)))
}

// kitOf finds the lines of a page that have the kit. A text without such lines is
// the kit.
func kitOf(page string) string {
	var kit strings.Builder
	for line := range strings.Lines(page) {
		if groups, ok := strings.CutPrefix(strings.TrimSpace(line), "kit "); ok {
			kit.WriteString(groups + " ")
		}
	}
	if kit.Len() == 0 {
		return page
	}
	return kit.String()
}
