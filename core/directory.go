package core

import (
	"context"
	"sync"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

// directory holds the verified organisation chain and user chains. A chain that
// grows is read anew and replaced, never changed, so readers need no lock while
// they use one.
type directory struct {
	store Store
	mu    sync.RWMutex
	org   *chain.Org
	users map[envelope.UserID]*chain.User
}

func newDirectory(store Store) *directory {
	return &directory{store: store, users: map[envelope.UserID]*chain.User{}}
}

// lookup bounds the reads that the validator asks for, which has no context.
const lookup = 10 * time.Second

// Org is the organisation's chain, nil before its genesis.
func (d *directory) Org() *chain.Org {
	d.mu.RLock()
	org := d.org
	d.mu.RUnlock()
	if org != nil {
		return org
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	org, _ = d.reloadOrg(ctx)
	return org
}

// User finds a user's chain.
func (d *directory) User(id envelope.UserID) (*chain.User, bool) {
	d.mu.RLock()
	u, ok := d.users[id]
	d.mu.RUnlock()
	if ok {
		return u, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookup)
	defer cancel()
	u, err := d.reloadUser(ctx, id)
	return u, err == nil && u != nil
}

func (d *directory) reloadOrg(ctx context.Context) (*chain.Org, error) {
	links, err := d.store.OrgLinks(ctx)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	entries, err := parseAll(links)
	if err != nil {
		return nil, err
	}
	org, err := chain.NewOrg(entries[0])
	for _, e := range entries[1:] {
		if err == nil {
			err = org.Apply(e)
		}
	}
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	// Of two readings at once the longer chain stays: it never goes back.
	if d.org == nil || org.Seq() >= d.org.Seq() {
		d.org = org
	}
	return org, nil
}

func (d *directory) reloadUser(ctx context.Context, id envelope.UserID) (*chain.User, error) {
	links, err := d.store.UserLinks(ctx, id)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	u, err := d.readUser(links)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.users[id]; !ok || u.Seq() >= known.Seq() {
		d.users[id] = u
	}
	return u, nil
}

// readUser verifies a user's chain from its genesis.
func (d *directory) readUser(links [][]byte) (*chain.User, error) {
	entries, err := parseAll(links)
	if err != nil {
		return nil, err
	}
	u, err := chain.NewUser(d.Org(), entries[0])
	for _, e := range entries[1:] {
		if err == nil {
			err = u.Apply(e)
		}
	}
	return u, err
}

func parseAll(links [][]byte) ([]*envelope.Entry, error) {
	entries := make([]*envelope.Entry, len(links))
	for i, b := range links {
		e, err := envelope.ParseEntry(b)
		if err != nil {
			return nil, err
		}
		entries[i] = e
	}
	return entries, nil
}
