package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
)

// app is one run of one command, with all it may touch.
type app struct {
	args []string
	cwd  string
	in   io.Reader
	out  io.Writer
	err  io.Writer
	now  func() time.Time

	flags   flags
	running bool             // the command itself has begun: errors are no longer about usage
	shared  *session.Session // inside an agent: the session that it holds
	host    string           // and its --home
}

type flags struct {
	home, server, ca, org, passphraseFile string
	json                                  bool
	ackWait, coverWait, patience          time.Duration
}

// execute runs the command and says on a.err what went wrong.
func (a *app) execute(ctx context.Context) int {
	cmd := root(a)
	cmd.SetArgs(a.args)
	cmd.SetIn(a.in)
	cmd.SetOut(a.out)
	cmd.SetErr(a.err)
	verb, err := cmd.ExecuteContextC(ctx)
	if err != nil && !a.running {
		err = &hint{&usageError{err}, verb.UseLine()}
	}
	return a.report(err)
}

// run marks the line between usage and work.
func (a *app) run(work func(context.Context, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.running = true
		return work(client.WithPatience(cmd.Context(), client.Patience{Limit: a.flags.patience, Tell: a.note}), args)
	}
}

// config is what login remembers.
type config struct {
	Server   string         `json:"server"`
	CA       string         `json:"ca,omitempty"`
	Org      envelope.OrgID `json:"org,omitzero"`
	Username string         `json:"username,omitempty"`
}

func (a *app) file(name string) string { return filepath.Join(a.flags.home, name) }

// path makes a file argument absolute: an agent has another working directory.
func (a *app) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(a.cwd, name)
}

// config joins flags over what is remembered.
func (a *app) config() (config, error) {
	var c config
	if err := readJSON(a.file("config.json"), &c); err != nil {
		return c, err
	}
	if a.flags.server != "" {
		c.Server = a.flags.server
	}
	if a.flags.ca != "" {
		c.CA = a.path(a.flags.ca)
	}
	if a.flags.org != "" {
		id, err := envelope.ID[envelope.OrgID](a.flags.org)
		if err != nil {
			return c, &usageError{fmt.Errorf("reading --org: %w", err)}
		}
		c.Org = id
	}
	if c.Server == "" {
		return c, &hint{&usageError{errors.New("no server is known")}, "chancery login --server https://HOST:PORT"}
	}
	return c, nil
}

// api is the server, as the session that login started.
func (a *app) api() (*client.Transport, config, error) {
	if a.shared != nil {
		c, err := a.config()
		return a.shared.API, c, err
	}
	c, err := a.config()
	if err != nil {
		return nil, c, err
	}
	t, err := client.New(client.Config{URL: c.Server, CA: c.CA})
	if err != nil {
		return nil, c, err
	}
	token, err := a.token()
	if err != nil {
		return nil, c, err
	}
	t.SetToken(token)
	return t, c, nil
}

func (a *app) token() (string, error) {
	b, err := os.ReadFile(a.file("token"))
	if errors.Is(err, os.ErrNotExist) {
		return "", &hint{errSignedOut, "chancery login"}
	}
	if err != nil {
		return "", fmt.Errorf("reading session token: %w", err)
	}
	return string(b), nil
}

// withAPI runs a command that needs no private keys.
func (a *app) withAPI(work func(context.Context, *client.Transport, []string) error) func(*cobra.Command, []string) error {
	return a.run(func(ctx context.Context, args []string) error {
		api, _, err := a.api()
		if err != nil {
			return err
		}
		return work(ctx, api, args)
	})
}

// withSession runs a command that needs this device: in the agent, by asking
// the agent, or by unlocking the keyring.
func (a *app) withSession(work func(context.Context, *session.Session, []string) error) func(*cobra.Command, []string) error {
	return a.run(func(ctx context.Context, args []string) error {
		if a.shared != nil {
			a.tellNews(ctx, a.shared)
			return work(ctx, a.shared, args)
		}
		if conn, ok := a.dialAgent(); ok {
			return a.forward(ctx, conn)
		}
		return a.unlocked(ctx, func(s *session.Session) error {
			if err := s.Enrolled(ctx); err != nil {
				return err
			}
			a.tellNews(ctx, s)
			return work(ctx, s, args)
		})
	})
}

// tellNews says what this person's other devices did. A command doesn't fail for
// want of it.
func (a *app) tellNews(ctx context.Context, s *session.Session) {
	news, err := s.News(ctx)
	if err != nil {
		a.note("Needs attention: " + err.Error())
	}
	for _, line := range news {
		a.note(printable(line))
	}
}

// unlocked opens the keyring and the session for the time of work.
func (a *app) unlocked(ctx context.Context, work func(*session.Session) error) (err error) {
	ring, err := a.openRing(a.file("keyring"), "Passphrase of this device's keyring: ", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	s, err := a.openSession(ctx, ring)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	defer a.goodbye(ctx, s)
	return work(s)
}

// farewell is how long a command waits at its end for the server to take word of
// what was written.
const farewell = 3 * time.Second

// goodbye tells the recorders how far this device has written, also after ctx
// has ended. What they are not told now they are told by the next run.
func (a *app) goodbye(ctx context.Context, s *session.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := s.Goodbye(ctx); err != nil {
		a.note(fmt.Sprintf("%v; the next run will", err))
	}
}

func (a *app) openSession(ctx context.Context, ring *keyring.Ring) (*session.Session, error) {
	api, c, err := a.api()
	if err != nil {
		return nil, err
	}
	return session.Open(ctx, session.Config{API: api, Ring: ring, Spool: a.file("uploads"), Org: c.Org, Now: a.now, AckWait: a.flags.ackWait, Cover: a.flags.coverWait, Note: a.note})
}

func (a *app) note(text string) { fmt.Fprintln(a.err, text) }

// openRing opens a keyring, or makes one of a suite when it is not there. No
// suite means that it has to be there.
func (a *app) openRing(dir, prompt string, suite envelope.Suite) (*keyring.Ring, error) {
	_, err := os.Stat(dir)
	fresh := errors.Is(err, os.ErrNotExist)
	if fresh && suite == "" {
		return nil, &hint{fmt.Errorf("no keyring in %s", dir), "chancery device enroll"}
	}
	passphrase, err := a.passphrase(prompt, fresh)
	if err != nil {
		return nil, err
	}
	if fresh {
		return keyring.Create(dir, passphrase, keyring.Suite(suite))
	}
	return keyring.Open(dir, passphrase)
}

// passphrase comes from --passphrase-file or the terminal; a new one is asked
// for twice.
func (a *app) passphrase(prompt string, fresh bool) (string, error) {
	if a.flags.passphraseFile != "" {
		return keyring.PassphraseFromFile(a.path(a.flags.passphraseFile))
	}
	first, err := a.secret(prompt)
	if err != nil || !fresh {
		return first, err
	}
	again, err := a.secret("Once more: ")
	if err == nil && again != first {
		err = errors.New("the two passphrases differ")
	}
	return first, err
}

// secret asks on the terminal without showing what is typed.
func (a *app) secret(prompt string) (string, error) {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", &hint{errors.New("a secret is needed and there is no terminal to ask on"), "--passphrase-file FILE, --password-file FILE, or chancery agent start"}
	}
	fmt.Fprint(a.err, prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	return string(b), nil
}
