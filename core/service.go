package core

import (
	"context"
	"io"
	"log/slog"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/crypto/sign"
	"chancery/identity"

	"golang.org/x/sync/errgroup"
)

// Vault seals salts under leaves that can be destroyed one by one.
type Vault interface {
	Create(channel envelope.ChannelID) error
	SealSalt(channel envelope.ChannelID, position uint64, salt [32]byte) ([]byte, error)
	// OpenSalt answers false once the leaf has been destroyed.
	OpenSalt(channel envelope.ChannelID, position uint64, sealed []byte) (salt [32]byte, ok bool, err error)
}

// Blobs keeps sealed files.
type Blobs interface {
	// Put stores size bytes whose chunks hash to root, or nothing.
	// Have is how many chunks of a file are there.
	Have(ctx context.Context, id envelope.BlobID, f piece.File) (uint64, error)
	// Take adds a piece, or nothing, and tells how many chunks are there then.
	Take(ctx context.Context, id envelope.BlobID, f piece.File, s piece.Span, r io.Reader) (uint64, error)
	// Send writes a piece of a whole file.
	Send(ctx context.Context, id envelope.BlobID, f piece.File, s piece.Span, w io.Writer) error
	// Remove removes a file, whole or not.
	Remove(ctx context.Context, id envelope.BlobID) error
}

// Publisher hands placed entries to those who listen, after the commit.
type Publisher interface {
	Publish(channel envelope.ChannelID, p *envelope.Placed)
	// EndSessions closes the sockets of sessions that have ended.
	EndSessions(ids []identity.SessionID)
}

// Config is what the operations need.
type Config struct {
	Store      Store
	Gate       *Gate
	Vault      Vault
	Blobs      Blobs
	Staging    Staging
	Publisher  Publisher
	Receipts   sign.Signer // listed by the organisation as receipt key
	Removals   sign.Signer // and as removal key: it ends the memberships of people who left
	Connectors []identity.PasswordConnector
	Names      func(host string) bool // whether clients may know this server by that name
	Roles      map[string]string      // directory group name → role
	Profile    identity.Profile
	Lockout    identity.LockoutRule
	Recheck    time.Duration // how often directories are asked about people who are signed in; 0: never
	Held       func(ctx context.Context, channel int64) (bool, error)
	Now        func() time.Time
	Random     io.Reader
	Log        *slog.Logger
}

// Service is every operation of the chat server. Its zero value refuses all.
type Service struct {
	Config
	dir     *directory
	rooms   *rooms
	writer  *writers
	leaving *leaving
	vigil   *vigil
}

// New makes a service; Run must be running for entries to be placed.
func New(c Config) *Service {
	dir := newDirectory(c.Store)
	return &Service{
		Config: c, dir: dir, rooms: newRooms(c.Store, dir), writer: newWriters(c.Store, c.Publisher),
		leaving: newLeaving(), vigil: newVigil(),
	}
}

// Run places entries and follows who leaves until ctx ends, then finishes what
// is queued.
func (s *Service) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var followers, writers errgroup.Group
	writers.Go(func() error { return s.writer.run(work) })
	followers.Go(func() error { s.followDepartures(ctx); return nil })
	followers.Go(func() error { s.followDirectories(ctx); return nil })
	followers.Go(func() error { s.followUploads(ctx); return nil })
	_ = followers.Wait() // they place entries too, so the writers go last
	stop()
	return writers.Wait()
}

// statement signs a statement with the server's receipt key.
func (s *Service) statement(label string, v any) ([]byte, error) {
	b := envelope.Marshal(v)
	sig, err := s.Receipts.Sign(envelope.StatementInput(label, b))
	if err != nil {
		return nil, err
	}
	key := envelope.KeyOf(s.Receipts.Public())
	return envelope.Marshal(&envelope.Signed{Label: label, Bytes: b, Signature: envelope.Signature{Key: key, Bytes: sig}}), nil
}
