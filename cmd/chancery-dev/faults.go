package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

func faultsCmd() *cobra.Command {
	var bin string
	c := &cobra.Command{
		Use: "faults", Short: "Take database, directory and disks away while people talk; check what is said and what is left", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, external := range []bool{false, true} {
				if err := faults(c.Context(), bin, external); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&bin, "bin", "bin", "directory of the built binaries")
	return c
}

// faults tells what outages do. With an external database only what concerns
// that is tried.
func faults(ctx context.Context, bin string, external bool) error {
	x := &trouble{}
	return staged(ctx, stage{name: "faults", bin: bin, suite: "age", end: x.end}, func(s *story) error {
		if external {
			return s.tell(ctx, x.outside())
		}
		return s.tell(ctx, x.inside())
	})
}

// trouble is what was done to an organisation, and what people saw meanwhile.
type trouble struct {
	weather
	disks   map[string]*disk
	foreign *foreign // the database that is somebody else's
}

func (x *trouble) end() error {
	var errs []error
	for _, d := range x.disks {
		errs = append(errs, d.remove())
	}
	if x.foreign != nil {
		errs = append(errs, x.foreign.stop())
	}
	return errors.Join(errs...)
}

func (x *trouble) inside() []step {
	return []step{
		{"an organisation on small disks, with a recorded channel", x.settle},
		{"PostgreSQL killed 3 times while three people post", func(ctx context.Context, s *story) error { return x.restarts(ctx, s, s.killPostgres) }},
		{"the directory is down, then hangs: sign-in says so, sessions go on", x.directory},
		{"the disk of sealed files is full", x.on("files", x.fullFiles)},
		{"the disk of one copy of the vault is full; then the copy is lost", x.on("vault-b", x.fullVault)},
		{"the disk of the recorder's copy is full", x.on("copy", x.fullRecorder)},
		{"the disk of the database is full", x.on("db", x.fullDatabase)},
		{"it is too full for PostgreSQL to run: the server ends, says why, and starts again", x.on("db", x.noLog)},
		{"everybody reads the same; nothing acknowledged is lost, nothing doubled", x.after},
	}
}

func (x *trouble) outside() []step {
	return []step{
		{"an organisation on a database of somebody else's", x.settleOutside},
		{"that PostgreSQL restarted 3 times while three people post", func(ctx context.Context, s *story) error { return x.restarts(ctx, s, x.foreign.restart) }},
		{"everybody reads the same; nothing acknowledged is lost, nothing doubled", x.after},
	}
}

func (x *trouble) settle(ctx context.Context, s *story) error {
	if err := x.mount(s); err != nil {
		return err
	}
	return x.begin(ctx, s)
}

func (x *trouble) settleOutside(ctx context.Context, s *story) (err error) {
	if x.foreign, err = startForeign(s.organisation); err != nil {
		return err
	}
	return x.begin(ctx, s)
}

// begin founds everything and has three people and a watcher ready.
func (x *trouble) begin(ctx context.Context, s *story) error {
	if err := s.settled(ctx); err != nil {
		return err
	}
	for _, who := range []string{"fay", "ben", "dev"} {
		x.talkers = append(x.talkers, newTalker(s.people[who]))
	}
	return s.follow(&x.weather)
}

// restarts takes the database away three times while three people post. Nobody
// does anything about it: the same commands end well.
func (x *trouble) restarts(ctx context.Context, s *story, strike func(context.Context) error) error {
	talking, hush := context.WithCancel(ctx)
	defer hush()
	var g errgroup.Group
	for _, t := range x.talkers {
		g.Go(func() error { defer hush(); return t.talk(talking) })
	}
	seen, err := s.strikes(talking, strike)
	hush()
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	for _, t := range x.talkers {
		if t.unsure > 0 {
			return fmt.Errorf("%s: %d commands ended without an answer", t.username, t.unsure)
		}
		s.note("%s: %d typed, %d acknowledged, every command ended well", t.username, len(t.tried), len(t.placed))
	}
	s.note("readyz said %s", seen)
	return nil
}

// strikes waits after each strike until readyz has said 503 and then 200 again.
func (s *story) strikes(ctx context.Context, strike func(context.Context) error) (seen string, err error) {
	for i := range 3 {
		select {
		case <-ctx.Done():
			return seen, fmt.Errorf("somebody stopped posting: %w", ctx.Err())
		case <-time.After(1200 * time.Millisecond):
		}
		watch, stop := context.WithTimeout(ctx, 30*time.Second)
		var down, up time.Duration
		var g errgroup.Group
		began := time.Now()
		g.Go(func() error {
			defer stop()
			for _, x := range []struct {
				status int
				into   *time.Duration
			}{{503, &down}, {200, &up}} {
				if err := s.awaitReadyz(watch, x.status); err != nil {
					return err
				}
				*x.into = time.Since(began)
			}
			return nil
		})
		err := errors.Join(strike(ctx), g.Wait())
		if err != nil {
			return seen, fmt.Errorf("strike %d: %w", i+1, err)
		}
		seen += fmt.Sprintf("503 after %d ms, 200 after %d ms; ", down.Milliseconds(), up.Milliseconds())
	}
	return seen, nil
}

// after has everybody say a last thing, and then holds all against what was
// acknowledged.
func (x *trouble) after(ctx context.Context, s *story) error {
	for _, t := range x.talkers {
		if err := eventually(func() error { return t.post(t.username + " is done") }); err != nil {
			return err
		}
	}
	return s.inspect(ctx, &x.weather)
}
