package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// directory holds the verified chains of the organisation and its people, and
// keeps them on disk, so that a server can't show a shorter or other one later.
// Chains that it gave out never change: a longer one takes their place.
type directory struct {
	pin    envelope.OrgID
	suite  envelope.Suite // of the recorder's own keys
	server Server
	now    func() time.Time
	tape   *tape

	refreshing sync.Mutex // one refresh at a time
	mu         sync.RWMutex
	orgLinks   []*envelope.Entry
	org        *chain.Org
	links      map[envelope.UserID][]*envelope.Entry
	users      map[envelope.UserID]*chain.User
}

// chainRecord is one link on the tape. User is zero for the organisation's.
type chainRecord struct {
	_     struct{} `cbor:",toarray"`
	User  envelope.UserID
	Entry envelope.Entry
}

func openDirectory(dir string, c *Config) (*directory, error) {
	t, err := openTape(dir)
	if err != nil {
		return nil, err
	}
	d := &directory{
		pin: c.Org, suite: c.Identity.Suite(), server: c.Server, now: c.Now, tape: t,
		links: map[envelope.UserID][]*envelope.Entry{}, users: map[envelope.UserID]*chain.User{},
	}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("reading kept chains: %w", errors.Join(err, t.Close()))
	}
	return d, nil
}

func (d *directory) load() error {
	links := map[envelope.UserID][]*envelope.Entry{}
	r := d.tape.From(1)
	defer r.Close()
	for {
		raw, err := r.Next()
		if err == io.EOF {
			break
		}
		var rec chainRecord
		if err == nil {
			err = envelope.Unmarshal(raw, &rec)
		}
		if err != nil {
			return err
		}
		links[rec.User] = append(links[rec.User], &rec.Entry)
	}
	return d.build(links)
}

func (d *directory) build(links map[envelope.UserID][]*envelope.Entry) error {
	own, ok := links[envelope.UserID{}]
	if !ok {
		return nil // the first start
	}
	org, err := d.buildOrg(own)
	if err != nil {
		return err
	}
	d.orgLinks, d.org = own, org
	delete(links, envelope.UserID{})
	for id, list := range links {
		if d.users[id], err = buildUser(org, id, list); err != nil {
			return err
		}
		d.links[id] = list
	}
	return nil
}

func (d *directory) buildOrg(links []*envelope.Entry) (*chain.Org, error) {
	if len(links) == 0 {
		return nil, alarm(ChainBad, "organisation's chain is empty")
	}
	org, err := chain.NewOrg(links[0])
	if err != nil {
		return nil, alarm(ChainBad, "organisation's genesis: %w", err)
	}
	if org.ID() != d.pin {
		return nil, alarm(ChainBad, "organisation is %s, pinned is %s", org.ID(), d.pin)
	}
	if org.Suite() != d.suite {
		return nil, fmt.Errorf("organisation %s is of suite %s, this recorder's keyring of suite %s: %w", d.pin, org.Suite(), d.suite, seal.ErrSuite)
	}
	return org, applyAll(org, links[1:])
}

func buildUser(org *chain.Org, id envelope.UserID, links []*envelope.Entry) (*chain.User, error) {
	if len(links) == 0 {
		return nil, alarm(ChainBad, "user %s: chain is empty", id)
	}
	user, err := chain.NewUser(org, links[0])
	if err != nil {
		return nil, alarm(ChainBad, "user %s: %w", id, err)
	}
	if user.ID() != id {
		return nil, alarm(ChainBad, "asked for user %s, got %s", id, user.ID())
	}
	return user, applyAll(user, links[1:])
}

func applyAll(c interface{ Apply(*envelope.Entry) error }, links []*envelope.Entry) error {
	for _, l := range links {
		if err := c.Apply(l); err != nil {
			return alarm(ChainBad, "link of a chain: %w", err)
		}
	}
	return nil
}

// Org implements chain.Directory. It is nil before the first refresh.
func (d *directory) Org() *chain.Org {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.org
}

// User implements chain.Directory.
func (d *directory) User(id envelope.UserID) (*chain.User, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	u, ok := d.users[id]
	return u, ok
}

// refresh fetches the organisation's chain and those of the given people, and
// keeps what is new.
func (d *directory) refresh(ctx context.Context, people ...envelope.UserID) error {
	d.refreshing.Lock()
	defer d.refreshing.Unlock()
	if err := d.refreshOrg(ctx); err != nil {
		return fmt.Errorf("refreshing organisation: %w", err)
	}
	for _, id := range people {
		if id.IsZero() {
			continue
		}
		if err := d.refreshUser(ctx, id); err != nil {
			return fmt.Errorf("refreshing user: %w", err)
		}
	}
	return nil
}

func (d *directory) refreshOrg(ctx context.Context) error {
	links, err := d.server.OrgChain(ctx)
	if err != nil {
		return err
	}
	if err := extends(d.orgLinks, links); err != nil || len(links) == len(d.orgLinks) {
		return err
	}
	org, err := d.buildOrg(links)
	if err != nil {
		return err
	}
	if err := d.keep(envelope.UserID{}, links[len(d.orgLinks):]); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.orgLinks, d.org = links, org
	return nil
}

func (d *directory) refreshUser(ctx context.Context, id envelope.UserID) error {
	links, err := d.server.UserChain(ctx, id)
	if err != nil {
		return err
	}
	known := d.links[id]
	if err := extends(known, links); err != nil || len(links) == len(known) {
		return err
	}
	user, err := buildUser(d.org, id, links)
	if err != nil {
		return err
	}
	if err := d.keep(id, links[len(known):]); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.links[id], d.users[id] = links, user
	return nil
}

// extends checks that a chain goes on from the one that is kept.
func extends(known, links []*envelope.Entry) error {
	if len(links) < len(known) {
		return alarm(ChainBad, "chain of %d links, %d are known", len(links), len(known))
	}
	for i, l := range known {
		if links[i].Hash() != l.Hash() {
			return alarm(ChainBad, "another link %d than before", i)
		}
	}
	return nil
}

// keep makes links durable before anyone relies on them.
func (d *directory) keep(user envelope.UserID, links []*envelope.Entry) error {
	for _, l := range links {
		if err := d.tape.Append(envelope.Marshal(&chainRecord{User: user, Entry: *l})); err != nil {
			return err
		}
	}
	return d.tape.Sync()
}

func (d *directory) Close() error { return d.tape.Close() }
