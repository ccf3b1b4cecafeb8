package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// launch starts the server without waiting until it is ready.
func (o *organisation) launch() (err error) {
	file := filepath.Join(o.host.home, "chancery.yaml")
	o.server, err = o.host.start("server", o.binary("chanceryd"), "serve", "--config", file)
	return err
}

// crash ends the server as a power cut would and starts it again at the same
// address. Its database dies with it.
func (o *organisation) crash(ctx context.Context) error {
	o.server.kill()
	if err := o.launch(); err != nil {
		return err
	}
	return o.server.until(ctx, time.Minute, o.isReady)
}

// crashAfter makes a step whose server is killed and started again once the
// step is done. Agents must find it again by themselves.
func crashAfter(x step) step {
	return step{x.title, func(ctx context.Context, s *story) error {
		if err := x.run(ctx, s); err != nil {
			return err
		}
		from := time.Now()
		if err := s.crash(ctx); err != nil {
			return fmt.Errorf("after the server was killed: %w", err)
		}
		for _, p := range s.people {
			if p.agent == nil {
				continue
			}
			if _, err := p.do("channel", "list"); err != nil {
				return fmt.Errorf("after the server was killed, %s's agent: %w", p.username, err)
			}
		}
		s.note("server killed and back after %.1f s", time.Since(from).Seconds())
		return nil
	}}
}

func soakCmd() *cobra.Command {
	var bin string
	var kills int
	c := &cobra.Command{
		Use: "soak", Short: "Kill the server at random moments while people post; check what is left", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return soak(c.Context(), bin, kills) },
	}
	c.Flags().StringVar(&bin, "bin", "bin", "directory of the built binaries")
	c.Flags().IntVar(&kills, "kills", 20, "how often the server is killed")
	return c
}

// soak tells what is left after so many kills.
func soak(ctx context.Context, bin string, kills int) error {
	return staged(ctx, stage{name: "soak", bin: bin, suite: "age"}, func(s *story) error { return s.tell(ctx, soakChapters(kills)) })
}

func soakChapters(kills int) []step {
	w := &weather{}
	return []step{
		{"an organisation with a recorded channel", func(ctx context.Context, s *story) error { return s.settled(ctx) }},
		{fmt.Sprintf("%d kills at random moments while three people post", kills), func(ctx context.Context, s *story) error {
			return s.storm(ctx, kills, w)
		}},
		{"everybody reads the same; nothing acknowledged is lost, nothing doubled", func(ctx context.Context, s *story) error {
			return s.inspect(ctx, w)
		}},
	}
}

// settled founds everything up to the first message.
func (s *story) settled(ctx context.Context) error {
	err := s.found(ctx, func(string, ...any) {})
	for _, next := range []func() error{s.join, s.team, s.openDesk, s.captured} {
		if err != nil {
			return err
		}
		err = next()
	}
	return err
}

// weather is what people did and saw while the server kept dying.
type weather struct {
	talkers  []*talker
	follower *process // hal's tail -f, which ran all the time
}

// talker posts numbered messages and remembers what the server acknowledged.
type talker struct {
	person                   // a copy: nothing else changes it meanwhile
	tried  map[string]bool   // texts
	placed map[uint64]string // position to text, as post printed it
	unsure int               // how often post ended without an answer to all of it
}

// soakLimit is how long the kills may take. Each costs a start of the server,
// which is about two seconds.
const soakLimit = 3 * time.Minute

func newTalker(p *person) *talker {
	return &talker{person: *p, tried: map[string]bool{}, placed: map[uint64]string{}}
}

// storm has three people post until the server was killed often enough.
func (s *story) storm(ctx context.Context, kills int, w *weather) error {
	ctx, cancel := context.WithTimeout(ctx, soakLimit)
	defer cancel()
	if err := s.follow(w); err != nil {
		return err
	}
	talking, hush := context.WithCancel(ctx)
	defer hush()
	var g errgroup.Group
	for _, who := range []string{"fay", "ben", "dev"} {
		t := newTalker(s.people[who])
		w.talkers = append(w.talkers, t)
		g.Go(func() error { defer hush(); return t.talk(talking) })
	}
	err := s.strike(talking, kills)
	hush()
	if err := errors.Join(err, g.Wait()); err != nil {
		return err
	}
	for _, t := range w.talkers {
		if err := eventually(func() error { return t.post(t.username + " is done") }); err != nil {
			return fmt.Errorf("after the last kill: %w", err)
		}
		s.note("%s: %d typed, %d of them acknowledged; %d times a command ended without an answer", t.username, len(t.tried), len(t.placed), t.unsure)
	}
	return nil
}

// strike kills the server at random moments. Every fourth kill hits a server
// that is only just starting.
func (s *story) strike(ctx context.Context, kills int) error {
	for i := range kills {
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %d of %d kills: %w", i, kills, ctx.Err())
		case <-time.After(rand.N(1500 * time.Millisecond)):
		}
		if i%4 != 3 {
			if err := s.crash(ctx); err != nil {
				return fmt.Errorf("kill %d: %w", i+1, err)
			}
			continue
		}
		s.server.kill()
		if err := s.launch(); err != nil {
			return err
		}
		time.Sleep(rand.N(700 * time.Millisecond))
		if err := s.crash(ctx); err != nil {
			return fmt.Errorf("kill %d, during the start: %w", i+1, err)
		}
	}
	return nil
}

// batch is how many messages one command posts. Most kills should hit a message
// under way, not a command that is looking its channel up.
const batch = 20

// talk posts batch after batch. Once ctx ends, the one under way is still
// finished.
func (t *talker) talk(ctx context.Context) error {
	for n := 1; ctx.Err() == nil; n += batch {
		var texts []string
		for i := range batch {
			texts = append(texts, fmt.Sprintf("%s says number %06d", t.username, n+i))
		}
		err := t.post(texts...)
		if p, ok := errors.AsType[*problem](err); ok && p.answer.code == unavailable {
			t.unsure++
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.username, err)
		}
	}
	return nil
}

// unavailable is the exit code of a command whose server did not answer.
const unavailable = 7

// post posts texts in order. What was acknowledged before an error counts.
func (t *talker) post(texts ...string) error {
	for _, text := range texts {
		t.tried[text] = true
	}
	a, failed := t.chancery([]byte(strings.Join(texts, "\n")), "post", desk, "--from", "-")
	receipts, err := messages(a.out)
	if err != nil {
		return fmt.Errorf("post printed %q: %w", a.out, err)
	}
	for i, r := range receipts {
		if other, taken := t.placed[r.Position]; taken {
			return fmt.Errorf("position %d was given to %q and to %q", r.Position, other, texts[i])
		}
		t.placed[r.Position] = texts[i]
	}
	if failed == nil && len(receipts) != len(texts) {
		return fmt.Errorf("post printed %d receipts for %d messages", len(receipts), len(texts))
	}
	return failed
}

// follow has hal watch the desk live, to see whether the stream survives.
func (s *story) follow(w *weather) (err error) {
	hal := s.people["hal"]
	args := append([]string{"--home", hal.home + "/chancery", "--passphrase-file", hal.home + "/passphrase", "--json"}, hal.server...)
	w.follower, err = hal.start("follow-hal", hal.ground.binary("chancery"), append(args, "tail", "-f", desk)...)
	return err
}
