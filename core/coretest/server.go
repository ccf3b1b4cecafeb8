package coretest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/blob"
	"chancery/core/postgres/postgrestest"
	"chancery/core/store"
	"chancery/core/vault"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/identity"
	"chancery/policy"
)

// Host is the name that servers of tests go by.
const Host = "127.0.0.1"

// Server is a running service.
type Server struct {
	*core.Service
	T       testing.TB
	DB      *store.DB
	URL     string
	Vault   *vault.Vault
	Files   *blob.Disk
	Receipt *sign.Key
	Removal *sign.Key
	Engine  *policy.Engine
	Heard   *Listener
	Root    *sign.Key
}

// Start runs a server with an empty database until the test ends. The engine
// is the default policy unless another is given.
func Start(t testing.TB, engines ...*policy.Engine) *Server {
	t.Helper()
	s := &Server{T: t, URL: postgrestest.URL(t), Heard: &Listener{}}
	var err error
	s.DB, err = store.Open(t.Context(), s.URL)
	s.Must(err)
	t.Cleanup(s.DB.Close)
	s.Vault, err = vault.Open(vault.Config{Copies: []string{t.TempDir(), t.TempDir()}, Keys: []string{t.TempDir()}, New: true})
	s.Must(err)
	t.Cleanup(func() { s.Must(s.Vault.Close()) })
	s.Files, err = blob.Open(t.TempDir())
	s.Must(err)
	s.Receipt, s.Removal, s.Root = s.NewKey(), s.NewKey(), s.NewKey()
	s.Engine = engine(t, engines)
	number, digest := s.Engine.Current()
	s.Must(s.DB.SavePolicy(t.Context(), number, digest))
	s.Service = s.Again(s.Engine)
	return s
}

// Again is another process on the same database and vault.
func (s *Server) Again(e *policy.Engine) *core.Service {
	c := s.config(e)
	return s.Run(&c)
}

// Run is a process with settings of its own.
func (s *Server) Run(c *core.Config) *core.Service {
	service := core.New(*c)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	s.T.Cleanup(func() { stop(); s.Must(<-done) })
	return service
}

// Text asks the database for one text.
func (s *Server) Text(sql string, args ...any) (text string) {
	s.T.Helper()
	s.Must(s.DB.App().QueryRow(s.T.Context(), sql, args...).Scan(&text))
	return text
}

// Number asks the database for one number.
func (s *Server) Number(sql string, args ...any) (n int64) {
	s.T.Helper()
	s.Must(s.DB.App().QueryRow(s.T.Context(), sql, args...).Scan(&n))
	return n
}

func engine(t testing.TB, given []*policy.Engine) *policy.Engine {
	t.Helper()
	if len(given) > 0 {
		return given[0]
	}
	e, err := policy.Load(t.Context(), policy.Default(), policy.Config{Deadline: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (s *Server) config(e *policy.Engine) core.Config {
	return core.Config{
		Store: s.DB, Gate: core.NewGate(e, s.DB.Record, time.Now), Vault: Salts{s.Vault}, Blobs: s.Files, Publisher: s.Heard,
		Receipts: s.Receipt, Removals: s.Removal, Connectors: []identity.PasswordConnector{directory{}},
		Names:   func(host string) bool { return host == Host },
		Roles:   map[string]string{"admins": policy.RoleAdmin, "compliance": policy.RoleOfficer, "legal": policy.RoleLegal},
		Profile: identity.Standard(), Lockout: identity.ThreeIn15(),
		Held: func(context.Context, int64) (bool, error) { return false, nil },
		Now:  time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
}

// Must fails the test on an error.
func (s *Server) Must(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

// NewKey makes a server-side key.
func (s *Server) NewKey() *sign.Key {
	k, err := sign.NewKey(rand.Reader)
	s.Must(err)
	return k
}

// Salts is the vault as the service asks for it.
type Salts struct{ *vault.Vault }

func (v Salts) Create(c envelope.ChannelID) error { return v.Vault.Create(vault.Channel(c)) }

func (v Salts) SealSalt(c envelope.ChannelID, i uint64, salt [32]byte) ([]byte, error) {
	return v.Vault.SealSalt(vault.Channel(c), i, salt)
}

func (v Salts) OpenSalt(c envelope.ChannelID, i uint64, sealed []byte) ([32]byte, bool, error) {
	salt, err := v.Vault.OpenSalt(vault.Channel(c), i, sealed)
	if errors.Is(err, vault.ErrPunctured) {
		return salt, false, nil
	}
	return salt, err == nil, err
}

// directory is the one played part: everybody's password is "right", and the
// name before a dot is the group.
type directory struct{}

func (directory) Name() string { return "test" }
func (directory) Kind() string { return "test" }

func (directory) Authenticate(_ context.Context, username, password string) (identity.Claims, error) {
	if password != "right" {
		return identity.Claims{}, identity.ErrCredentials
	}
	group, _, _ := bytes.Cut([]byte(username), []byte("."))
	now := time.Now()
	return identity.Claims{
		Connector: "test", Issuer: "test", Subject: "id-of-" + username, Kind: identity.EntryUUID, Username: username, DisplayName: username,
		Groups: []identity.Group{{ID: string(group), Name: string(group)}}, AuthTime: now, Enabled: true, FreshAt: now,
	}, nil
}

// Lookup knows everybody, as Authenticate does.
func (d directory) Lookup(ctx context.Context, subject string) (identity.Claims, error) {
	return d.Authenticate(ctx, strings.TrimPrefix(subject, "id-of-"), "right")
}

// Listener keeps what was published.
type Listener struct {
	mu      sync.Mutex
	Entries []envelope.Placed
	Ended   []identity.SessionID
}

// Publish implements core.Publisher.
func (l *Listener) Publish(_ envelope.ChannelID, p *envelope.Placed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Entries = append(l.Entries, *p)
}

// EndSessions implements core.Publisher.
func (l *Listener) EndSessions(ids []identity.SessionID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Ended = append(l.Ended, ids...)
}

// Count is how many entries were published.
func (l *Listener) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.Entries)
}
