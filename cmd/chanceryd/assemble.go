package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"chancery/compliance"
	"chancery/core"
	"chancery/core/api"
	"chancery/core/blob"
	"chancery/core/job"
	"chancery/core/live"
	"chancery/core/postgres"
	"chancery/core/store"
	"chancery/core/vault"
	"chancery/crypto/sign"
	"chancery/crypto/sign/signer"
	"chancery/identity"
	"chancery/migrations"
	"chancery/policy"
	"chancery/retention"
)

// server is everything that runs, in the order in which it was opened.
type server struct {
	config  config
	log     *slog.Logger
	closers []func() error
	ready   atomic.Bool

	cluster *postgres.Cluster // nil with a database of somebody else's
	db      *store.DB
	vault   *vault.Vault
	signer  *signer.Client
	gate    *core.Gate
	files   *blob.Disk
	core    *core.Service
	live    *live.Hub
	queue   *job.Queue
	holds   *compliance.Service
	rules   *retention.Service
	api     *api.API
	metrics *prometheus.Registry
	tls     *tls.Config
	names   func(host string) bool // whether clients may know the server by that name
	ca      string                 // file of the self-made authority, or empty
}

// assemble opens everything. After an error nothing stays open.
func assemble(ctx context.Context, c config, log *slog.Logger) (*server, error) {
	s := &server{config: c, log: log, metrics: prometheus.NewRegistry()}
	for _, step := range []func(context.Context) error{
		s.openState, s.openTLS, s.openDatabase, s.openVault, s.openPolicy, s.openCore, s.openRecords, s.openAPI,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *server) onClose(f func() error) { s.closers = append(s.closers, f) }

// close undoes assemble, the last first.
func (s *server) close() error {
	var errs []error
	for _, f := range slices.Backward(s.closers) {
		errs = append(errs, f())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *server) openState(context.Context) error { return makeState(s.config) }

// makeState makes the state directory private. As root the account of the
// private database must pass through it, so others may enter and not look.
func makeState(c config) error {
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 && c.Database.URLFile == "" {
		mode = 0o711
	}
	if err := os.MkdirAll(c.State, mode); err != nil {
		return fmt.Errorf("making the state directory: %w", err)
	}
	if err := os.Chmod(c.State, mode); err != nil {
		return fmt.Errorf("closing the state directory to others: %w", err)
	}
	return nil
}

func (s *server) openDatabase(ctx context.Context) error {
	url, err := s.databaseURL(ctx)
	if err != nil {
		return err
	}
	if err := migrations.Apply(ctx, url); err != nil {
		return err
	}
	return s.connect(ctx, url)
}

// lookDatabase opens a database that is there and up to date, as it is.
func (s *server) lookDatabase(ctx context.Context) error {
	if s.config.Database.URLFile == "" {
		if _, err := os.Stat(s.privateDatabase()); err != nil {
			return fmt.Errorf("looking for the private database: %w", err)
		}
	}
	url, err := s.databaseURL(ctx)
	if err != nil {
		return err
	}
	if err := migrations.Check(ctx, url); err != nil {
		return err
	}
	return s.connect(ctx, url)
}

func (s *server) connect(ctx context.Context, url string) (err error) {
	if s.db, err = store.Open(ctx, url); err != nil {
		return err
	}
	s.onClose(func() error { s.db.Close(); return nil })
	return nil
}

// databaseURL starts the private database when none is named.
func (s *server) databaseURL(ctx context.Context) (string, error) {
	if file := s.config.Database.URLFile; file != "" {
		url, err := readSecret(file)
		if err != nil {
			return "", fmt.Errorf("reading the database URL: %w", err)
		}
		return strictAuth(url), nil
	}
	var err error
	s.cluster, err = postgres.Start(ctx, postgres.Config{
		Dir: s.privateDatabase(), BinDir: s.config.Database.Bin, User: s.config.Database.User, Log: s.log,
	})
	if err != nil {
		return "", err
	}
	s.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return s.cluster.Stop(ctx)
	})
	return s.cluster.URL("chancery"), nil
}

func (s *server) privateDatabase() string { return filepath.Join(s.config.State, "db") }

// openVault makes a new vault only while no channel could miss the old one.
func (s *server) openVault(ctx context.Context) error {
	fresh, err := isFresh(ctx, s.db.App())
	if err != nil {
		return err
	}
	return s.mountVault(fresh)
}

func (s *server) mountVault(fresh bool) (err error) {
	s.vault, err = vault.Open(vault.Config{Copies: s.config.Vault.Copies, Keys: s.config.Vault.Keys, New: fresh})
	if err != nil {
		return err
	}
	s.onClose(s.vault.Close)
	for _, text := range s.vault.Mended() {
		s.log.Warn("vault mended", "what", text)
	}
	return nil
}

// openPolicy loads the rules and keeps which they are, since records name them.
func (s *server) openPolicy(ctx context.Context) error {
	engine, err := policy.Load(ctx, policy.Default(), policy.Config{})
	if err != nil {
		return err
	}
	number, digest := engine.Current()
	if err := s.db.SavePolicy(ctx, number, digest); err != nil {
		return fmt.Errorf("keeping the policy's digest: %w", err)
	}
	s.gate = core.NewGate(engine, s.db.Record, time.Now)
	return nil
}

func (s *server) openCore(context.Context) error {
	receipts, err := sign.LoadKey(s.config.Keys.Receipt)
	if err != nil {
		return fmt.Errorf("%w (\"chanceryd init\" makes one)", err)
	}
	removals, err := sign.LoadKey(s.config.Keys.Removal)
	if err != nil {
		return fmt.Errorf("%w (\"chanceryd init\" makes one)", err)
	}
	if s.files, err = blob.Open(s.config.Files.Dir); err != nil {
		return err
	}
	connectors, err := s.connectors()
	if err != nil {
		return err
	}
	profile, err := s.config.profile()
	if err != nil {
		return err
	}
	limits := s.config.Live
	s.live = live.NewHub(live.Config{PerSession: int(limits.PerSession), PerPerson: int(limits.PerPerson), All: int(limits.All), Log: s.log})
	s.core = core.New(core.Config{
		Store: s.db, Gate: s.gate, Vault: salts{s.vault}, Blobs: s.files, Staging: core.Staging{Bytes: uint64(s.config.Files.Waiting), Keep: s.config.Files.Keep},
		Publisher: s.live, Receipts: receipts, Removals: removals,
		Connectors: connectors, Names: s.names, Roles: s.config.Roles, Profile: profile, Lockout: identity.ThreeIn15(),
		Recheck: s.config.Session.Recheck, Held: s.db.Held, Now: time.Now, Random: rand.Reader, Log: s.log,
	})
	return nil
}

func alarm(name, help string, value func() int64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
}

func (s *server) connectors() ([]identity.PasswordConnector, error) {
	var list []identity.PasswordConnector
	for _, l := range s.config.LDAP {
		c, err := l.connector()
		if err != nil {
			return nil, err
		}
		s.onClose(func() error { c.Close(); return nil })
		list = append(list, c)
	}
	return list, nil
}

func (s *server) openAPI(context.Context) error {
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "chancery_live_sockets", Help: "Open live sockets."},
			func() float64 { return float64(s.live.Count()) }),
		alarm("chancery_departures_waiting", "Memberships of disabled people that the server can't end alone.", func() int64 { return s.core.Alarms().Waiting }),
		alarm("chancery_directories_unsure", "Directories that could not be relied on when they were last asked who left.", func() int64 { return s.core.Alarms().Unsure }),
		alarm("chancery_directory_fuse", "People whom directories let go, and the mass-change fuse kept.", func() int64 { return s.core.Alarms().Fused }))
	limits := s.config.Limits
	s.api = api.New(api.Config{
		Core: s.core, Gate: s.gate, Live: s.live, Records: transparency{s.db.Log()},
		Holds: s.holds, Exports: s.holds, Following: s.holds, Retention: s.rules,
		Ready: s.isReady, MaxFile: s.config.Files.MaxSize,
		Limits:  api.Limits{PerPerson: int(limits.PerPerson), Denials: int(limits.Denials), PerAddress: int(limits.PerAddress), Strangers: int(limits.Strangers)},
		Metrics: s.metrics, Log: s.log,
	})
	return nil
}
