package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

// ErrNotEnrolled: this keyring's device is in nobody's chain yet.
var ErrNotEnrolled = errors.New("this device is not enrolled")

// Config is what a session needs. Ring stays open, and so locked, as long as
// the session: a device has one writer.
type Config struct {
	API     *client.Transport
	Ring    *keyring.Ring
	Spool   string            // directory of sealed copies of files that are being uploaded
	Org     envelope.OrgID    // the pinned organisation; zero takes the remembered one, or the server's on first use
	Now     func() time.Time  // the device's clock
	AckWait time.Duration     // how long a writer waits for recorders; 0 is 30 seconds
	Cover   time.Duration     // how long a message may stay uncovered; 0 is CoverWithin, which is also the most
	Note    func(text string) // told what needs a person's attention
}

// Session is one person's device at work. It is safe for concurrent use.
type Session struct {
	Config
	Dir *Directory
	Me  *wire.Person

	device   *seal.SigningKey
	identity *seal.Identity // of the device
	own      lineage        // of the user: opens epochs

	mu       sync.Mutex
	looked   time.Time // for news
	book     *logbook
	channels map[envelope.ChannelID]*Channel
	uploads  map[envelope.BlobID]bool // that went into messages
	more     chan wire.Subscribe      // channels opened while the live socket runs
}

// Open verifies the organisation, unlocks the device and, if it is enrolled,
// binds the API session to it.
func Open(ctx context.Context, c Config) (*Session, error) {
	if c.AckWait == 0 {
		c.AckWait = 30 * time.Second
	}
	if c.Cover == 0 || c.Cover > CoverWithin {
		c.Cover = CoverWithin
	}
	s := &Session{Config: c, channels: map[envelope.ChannelID]*Channel{}, uploads: map[envelope.BlobID]bool{}, more: make(chan wire.Subscribe, 64)}
	dir, firstUse, err := OpenDirectory(ctx, c.API, c.Ring, c.Org)
	if err != nil {
		return nil, err
	}
	if s.Dir = dir; firstUse {
		c.Note(fmt.Sprintf("Needs attention: organisation %q was taken on first use. Compare its id with your administrator: %s",
			dir.Org().Genesis.Name, dir.Org().ID()))
	}
	if err := s.openDevice(); err != nil {
		return nil, err
	}
	if s.book, err = openLogbook(s); err != nil {
		return nil, err
	}
	return s, s.Bind(ctx)
}

// ErrAccount: the API session belongs to another person than this session.
var ErrAccount = errors.New("signed in as another person")

// Bind takes the API session as this device's. It is called again after every
// new sign-in.
func (s *Session) Bind(ctx context.Context) error {
	me, err := s.API.Me(ctx)
	if err != nil {
		return err
	}
	if s.Me != nil && s.Me.Account != me.Account {
		return fmt.Errorf("%w: %s, this session is of %s", ErrAccount, me.Username, s.Me.Username)
	}
	if s.Me == nil || s.Me.Chain.IsZero() {
		s.Me = me
	}
	if err := s.Enrolled(ctx); errors.Is(err, ErrNotEnrolled) {
		return nil // it may be about to
	} else if err != nil {
		return err
	}
	if me.Device != s.device.ID() {
		if err := s.API.BindDevice(ctx, s.Dir.Org().ID(), s.device); err != nil {
			return fmt.Errorf("binding the session to this device: %w", err)
		}
	}
	return s.unlockUser(ctx)
}

// Enrolled fails with ErrNotEnrolled unless the person's chain has this device.
func (s *Session) Enrolled(ctx context.Context) error {
	if s.Me.Chain.IsZero() {
		return ErrNotEnrolled
	}
	u, err := s.Dir.Load(ctx, s.Me.Chain, 0)
	if err != nil {
		return err
	}
	if _, ok := u.DeviceAt(s.device.ID(), u.Seq()); ok {
		return nil
	}
	if u, err = s.Dir.RefreshUser(ctx, s.Me.Chain); err != nil {
		return err
	}
	if _, ok := u.DeviceAt(s.device.ID(), u.Seq()); ok {
		return nil
	}
	if u.Had(s.device.ID()) {
		return ErrRevoked
	}
	return ErrNotEnrolled
}

// Device names this device.
func (s *Session) Device() envelope.KeyID { return s.device.ID() }

// Close writes down how far each channel was followed. The ring stays open.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all error
	for _, c := range s.channels {
		all = errors.Join(all, c.close())
	}
	return all
}

// Names of items in the keyring.
const (
	itemSigning  = "device.signing"
	itemIdentity = "device.identity"
)

// openDevice reads the device's keys, or makes them in a new keyring. The
// keyring is of the organisation's suite or of no use here.
func (s *Session) openDevice() (err error) {
	if own, want := s.Ring.Suite(), s.Dir.Org().Suite(); own != want {
		return fmt.Errorf("opening this device: %w: keyring of suite %s, organisation of suite %s; enrol a new device in another home", seal.ErrSuite, own, want)
	}
	if s.device, err = SigningKey(s.Ring, itemSigning); err != nil {
		return err
	}
	s.identity, err = Identity(s.Ring, itemIdentity)
	return err
}

// SigningKey reads the signing key that ring keeps under name, or makes it.
func SigningKey(ring *keyring.Ring, name string) (*seal.SigningKey, error) {
	seed, err := ring.Get(name)
	if err == nil {
		return seal.SigningKeyFromSeed(seed)
	}
	if !errors.Is(err, keyring.ErrNotFound) {
		return nil, err
	}
	k, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return k, ring.Put(name, k.Seed())
}

// Identity reads the identity that ring keeps under name, or makes it, in the
// keyring's suite.
func Identity(ring *keyring.Ring, name string) (*seal.Identity, error) {
	seed, err := ring.Get(name)
	if err == nil {
		return seal.IdentityFromSeed(ring.Suite(), seed)
	}
	if !errors.Is(err, keyring.ErrNotFound) {
		return nil, err
	}
	id, err := seal.GenerateIdentity(ring.Suite(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return id, ring.Put(name, id.Seed())
}

// Approve signs consent to one exact object as this person, for a policy action.
func (s *Session) Approve(action string, object envelope.Hash) ([]byte, error) {
	return seal.SignStatement(envelope.LabelApproval, &envelope.Approval{
		Version: envelope.Version, Org: s.Dir.Org().ID(), Action: action, Object: object,
		User: s.Me.Chain, Device: s.device.ID(), Time: s.Now().UnixMicro(),
	}, s.device)
}
