package adversary

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"chancery/cmd/internal/client"
	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
)

// person is a real client: a session with a keyring of its own.
type person struct {
	*session.Session
	s     *server
	name  string
	home  string
	token string

	held map[envelope.ChannelID]*session.Channel // opened before the lie, as an agent holds them

	mu    sync.Mutex
	notes []string
	ahead time.Duration // of the device's clock
}

// passphrase of keyrings, which do little work in tests.
const passphrase = "correct horse battery"

// join signs somebody in and enrols their first device.
func (s *server) join(name string) *person {
	s.t.Helper()
	p := s.signIn(name)
	s.Must(p.EnrollFirst(s.t.Context(), name+"'s laptop"))
	s.Must(s.AddTeamMember(s.t.Context(), s.admin.P, s.team, wire.TeamMember{Username: p.username()}))
	return p
}

// signIn opens a session with a device that is in nobody's chain.
func (s *server) signIn(name string) *person {
	s.t.Helper()
	p := &person{s: s, name: name, home: s.t.TempDir()}
	ring, err := keyring.Create(p.ringDir(), passphrase, keyring.Cheap(), keyring.Suite(s.suite))
	s.Must(err)
	api, err := client.New(client.Config{URL: s.url})
	s.Must(err)
	in, err := api.SignIn(s.t.Context(), wire.Login{Username: p.username(), Password: "right"})
	s.Must(err)
	p.token = in.Token
	s.know(in.Token, name)
	p.open(ring)
	return p
}

func (p *person) username() string { return "members." + p.name }
func (p *person) ringDir() string  { return filepath.Join(p.home, "ring") }

func (p *person) open(ring *keyring.Ring) {
	p.s.t.Helper()
	p.s.Must(p.tryOpen(ring, envelope.OrgID{}))
}

// tryOpen starts the client on its keyring, with an organisation pinned or not.
func (p *person) tryOpen(ring *keyring.Ring, pin envelope.OrgID) error {
	api, err := client.New(client.Config{URL: p.s.url, Token: p.token})
	p.s.Must(err)
	p.s.t.Cleanup(func() { api.Close(); ring.Close() })
	opened, err := session.Open(p.s.t.Context(), session.Config{
		API: api, Ring: ring, Spool: filepath.Join(p.home, "uploads"), Org: pin, AckWait: 20 * time.Millisecond, Now: p.now, Note: p.note,
	})
	if err != nil {
		return errors.Join(err, ring.Close())
	}
	p.Session, p.held = opened, map[envelope.ChannelID]*session.Channel{}
	return nil
}

// again ends the client, cleanly or by a crash, and starts it anew from its disk.
func (p *person) again(clean bool) error {
	p.s.t.Helper()
	if clean {
		p.s.Must(p.Close())
	}
	p.s.Must(p.Ring.Close())
	ring, err := keyring.Open(p.ringDir(), passphrase)
	p.s.Must(err)
	return p.tryOpen(ring, envelope.OrgID{})
}

// forget makes the device one that has never seen a channel.
func (p *person) forget(id envelope.ChannelID) {
	p.s.t.Helper()
	for _, item := range []string{"outbox.", "channel."} {
		if err := p.Ring.Delete(item + id.String()); err != nil && !errors.Is(err, keyring.ErrNotFound) {
			p.s.t.Fatal(err)
		}
	}
}

func (p *person) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Add(p.ahead)
}

// later moves the device's clock.
func (p *person) later(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead += d
}

func (p *person) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notes = append(p.notes, text)
}

// noted tells whether the person was told of something.
func (p *person) noted(part string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Contains(strings.Join(p.notes, "\n"), part)
}

// key is the device's signing key, as malware on the device has it.
func (p *person) key() *seal.SigningKey {
	p.s.t.Helper()
	k, err := session.SigningKey(p.Ring, "device.signing")
	p.s.Must(err)
	return k
}

// identity is what opens the person's epochs.
func (p *person) identity() *seal.Identity {
	p.s.t.Helper()
	device, err := session.Identity(p.Ring, "device.identity")
	p.s.Must(err)
	wrap, err := p.API.DeviceWrap(p.s.t.Context(), p.Device())
	p.s.Must(err)
	seed, err := seal.UnwrapUserSeed(device, wrap, seal.UserSeedContext{Org: p.Dir.Org().ID(), Device: p.Device(), Generation: 1})
	p.s.Must(err)
	id, err := seal.UserIdentity(p.s.suite, seed)
	p.s.Must(err)
	return id
}

// post says something in a channel, and read gives the texts that the person is
// shown there, "-" for one that is not shown as it was said.
func (p *person) post(id envelope.ChannelID, text string) error {
	return p.draft(id, session.Draft{Kind: envelope.Post, Text: text})
}

func (p *person) draft(id envelope.ChannelID, d session.Draft) error {
	ctx := impatient()
	c, err := p.hold(ctx, id)
	if err != nil {
		return err
	}
	_, err = c.Post(ctx, d)
	return err
}

// impatient requests are not tried again.
func impatient() context.Context { return client.WithPatience(context.Background(), client.Patience{}) }

// hold opens a channel at its first use. Later ones don't read it again.
func (p *person) hold(ctx context.Context, id envelope.ChannelID) (*session.Channel, error) {
	if c, ok := p.held[id]; ok {
		return c, nil
	}
	c, err := p.Channel(ctx, id)
	if err == nil {
		p.held[id] = c
	}
	return c, err
}

func (p *person) read(id envelope.ChannelID) (string, error) {
	all, err := p.log(id)
	var texts []string
	for _, m := range session.Fold(all) {
		if m.Text == "" {
			m.Text = "-"
		}
		texts = append(texts, m.Text)
	}
	return strings.Join(texts, " "), err
}

func (p *person) log(id envelope.ChannelID) ([]session.Message, error) {
	ctx := impatient()
	c, err := p.hold(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.Read(ctx, 0)
}
