package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"chancery/cmd/internal/client/session"
)

func agentCmd(a *app) *cobra.Command {
	return noun("agent", "A process that unlocks the keyring once", agentStartCmd(a), agentStopCmd(a), agentStatusCmd(a))
}

// socket is where the agent of this --home listens. Socket addresses are short,
// so in the runtime directory a hash stands for the path.
func (a *app) socket() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		h := sha256.Sum256([]byte(a.flags.home))
		return filepath.Join(dir, "chancery-"+hex.EncodeToString(h[:8])+".sock")
	}
	return a.file("agent.sock")
}

// dialAgent finds a running agent. Inside one it finds none.
func (a *app) dialAgent() (net.Conn, bool) {
	conn, err := net.DialTimeout("unix", a.socket(), time.Second)
	return conn, err == nil
}

func agentStartCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "start", Short: "Unlock the keyring and serve other commands until stopped", Args: cobra.NoArgs,
		Long: "Runs in the foreground and prints one line when it is ready. End it with chancery agent stop or SIGTERM.",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if conn, ok := a.dialAgent(); ok {
				return errors.Join(&hint{fmt.Errorf("%w: an agent is running at %s", errAmbiguous, a.socket()), "chancery agent stop"}, conn.Close())
			}
			return a.unlocked(ctx, func(s *session.Session) error {
				if err := s.Enrolled(ctx); err != nil {
					return err
				}
				return a.serveAgent(ctx, s)
			})
		}),
	}
}

// agent serves one session to this person's other commands.
type agent struct {
	app  *app
	s    *session.Session
	stop context.CancelFunc

	mu    sync.Mutex
	token string
}

func (a *app) serveAgent(ctx context.Context, s *session.Session) error {
	l, err := listen(a.socket())
	if err != nil {
		return fmt.Errorf("listening on %s: %w", a.socket(), err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	token, err := a.token()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	g := &agent{app: a, s: s, stop: stop, token: token}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.live(ctx) })
	group.Go(func() error { return s.Tend(ctx) })
	group.Go(func() error { return g.accept(ctx, l) })
	group.Go(func() error {
		<-ctx.Done()
		return l.Close()
	})
	if err := a.said(map[string]any{"socket": a.socket(), "pid": os.Getpid()}, "agent ready at %s (process %d)", a.socket(), os.Getpid()); err != nil {
		stop()
	}
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// listen makes the socket for its owner alone. What an agent that was killed
// left behind is replaced: the caller has found that nobody answers there.
func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// Until chmod the socket would have the umask's mode, so it is made under
	// another name that nobody looks for.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + ".new", Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = errors.Join(os.Chmod(path+".new", 0o600), os.Rename(path+".new", path))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &unlinking{l, path}, nil
}

// unlinking removes the socket that was renamed.
type unlinking struct {
	*net.UnixListener
	path string
}

func (u *unlinking) Close() error {
	return errors.Join(u.UnixListener.Close(), os.Remove(u.path))
}

// live keeps the session's channels warm. When the API session has ended it
// waits for a new sign-in.
func (g *agent) live(ctx context.Context) error {
	for {
		err := g.s.Live(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		g.app.note(fmt.Sprintf("live connection: %v", err))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Second):
		}
		if err := g.refresh(ctx); err != nil && ctx.Err() == nil {
			g.app.note(fmt.Sprintf("session: %v", err))
		}
	}
}

// refresh takes over the token of a newer chancery login.
func (g *agent) refresh(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, err := g.app.token()
	if err != nil || token == g.token {
		return err
	}
	g.s.API.SetToken(token)
	if err := g.s.Bind(ctx); err != nil {
		return err
	}
	g.token = token
	return nil
}

func (g *agent) accept(ctx context.Context, l net.Listener) error {
	var group errgroup.Group
	for {
		conn, err := l.Accept()
		if err != nil {
			return errors.Join(context.Cause(ctx), group.Wait())
		}
		group.Go(func() error {
			if err := g.serve(ctx, conn); err != nil && ctx.Err() == nil {
				g.app.note(fmt.Sprintf("agent: %v", err))
			}
			return nil
		})
	}
}

func agentStopCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "stop", Short: "End the agent", Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			conn, ok := a.dialAgent()
			if !ok {
				return fmt.Errorf("%w: no agent runs at %s", errNotFound, a.socket())
			}
			return a.forwardArgs(ctx, conn, request{Stop: true})
		}),
	}
}

func agentStatusCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Tell whether an agent runs, and for whom", Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			conn, ok := a.dialAgent()
			if !ok {
				return &hint{fmt.Errorf("%w: no agent runs at %s", errNotFound, a.socket()), "chancery agent start"}
			}
			return a.forwardArgs(ctx, conn, request{Status: true, Args: a.args})
		}),
	}
}

// status is what agent status prints.
func (g *agent) status(a *app) error {
	v := map[string]any{"username": g.s.Me.Username, "device": g.s.Device(), "pid": os.Getpid(), "server": g.s.API.URL()}
	return a.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "agent of %s, process %d, for %s\n", g.s.Me.Username, os.Getpid(), g.s.API.URL())
	})
}
