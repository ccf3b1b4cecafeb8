package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/witness"
	"chancery/fips"
)

func serveCmd(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, _, err := o.load()
			if err != nil {
				return err
			}
			log, err := logger(c.ErrOrStderr(), conf.Log)
			if err != nil {
				return err
			}
			return serve(c.Context(), conf, log)
		},
	}
}

func logger(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usage{fmt.Errorf("configuration: log: %w", err)}
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
}

// serve runs the server until ctx ends and everything it took on is done.
func serve(ctx context.Context, c config, log *slog.Logger) (err error) {
	if err := fips.Check(c.FIPS == "required"); err != nil {
		return err
	}
	s, err := assemble(ctx, c, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.run(ctx)
}

// drain is how long requests in flight may take once the server stops.
const drain = 20 * time.Second

// run lets the front go first: no new requests, sockets closed with the number
// for a restart, answers finished. Only then does what they rely on end.
func (s *server) run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.config.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	ctx, halt := context.WithCancel(ctx)
	defer halt()
	work, finish := context.WithCancel(context.WithoutCancel(ctx))
	defer finish()

	var back errgroup.Group
	background := func(run func(context.Context) error) {
		back.Go(func() error { defer halt(); return run(work) })
	}
	background(s.core.Run)
	background(s.sequence)
	background(s.queue.Run)
	background(s.rules.Run)

	front, ctx := errgroup.WithContext(ctx)
	front.Go(func() error { return s.live.Run(ctx) })
	front.Go(func() error { return s.serveHTTP(ctx, listener) })
	front.Go(func() error { return s.serveAdmin(ctx) })
	front.Go(func() error { return s.watchDatabase(ctx) })
	s.ready.Store(true)
	s.log.Info("ready", "address", listener.Addr().String(), "ca", s.ca, "fips", fips.Current().Enabled)
	context.AfterFunc(ctx, func() { s.ready.Store(false) })

	err = front.Wait()
	finish()
	err = errors.Join(err, back.Wait())
	s.log.Info("stopped", "err", err)
	return err
}

func (s *server) serveHTTP(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: s.api, TLSConfig: s.tls,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return serveUntil(ctx, srv, func() error { return srv.ServeTLS(l, "", "") })
}

// serveUntil runs srv until ctx ends, and then lets it finish.
func serveUntil(ctx context.Context, srv *http.Server, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := srv.Shutdown(late)
	if err != nil {
		err = errors.Join(err, srv.Close())
	}
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// watchDatabase ends the server when its own database is gone for good.
func (s *server) watchDatabase(ctx context.Context) error {
	if s.cluster == nil {
		<-ctx.Done()
		return nil
	}
	select {
	case <-s.cluster.Done():
		return fmt.Errorf("the private database is gone: %w", s.cluster.Err())
	case <-ctx.Done():
		return nil
	}
}

var errNotReady = errors.New("starting or stopping")

func (s *server) isReady(r *http.Request) error {
	if !s.ready.Load() {
		return errNotReady
	}
	return s.db.Ping(r.Context())
}

// sequence places records in the log once there is an organisation to name it
// after. Without a signer nothing vouches for the log, so none is kept.
func (s *server) sequence(ctx context.Context) error {
	if s.config.Keys.Signer == "" {
		<-ctx.Done()
		return nil
	}
	org, err := s.awaitOrg(ctx)
	if err != nil || ctx.Err() != nil {
		return err
	}
	return record.New(record.Config{Log: s.db.Log(), Signer: s.signer, Origin: witness.Origin(org), Logger: s.log}).Run(ctx)
}

func (s *server) awaitOrg(ctx context.Context) (envelope.OrgID, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		links, err := s.db.OrgLinks(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("looking for the organisation failed; trying again", "err", err)
		}
		if len(links) > 0 {
			genesis, err := envelope.ParseEntry(links[0])
			if err != nil {
				return envelope.OrgID{}, fmt.Errorf("reading the organisation's genesis: %w", err)
			}
			return envelope.OrgID(envelope.ChainOf(genesis.Header)), nil
		}
		select {
		case <-ctx.Done():
			return envelope.OrgID{}, nil
		case <-tick.C:
		}
	}
}
