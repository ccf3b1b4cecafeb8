package session

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"chancery/cmd/internal/client"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

var (
	// ErrOrg: the server serves another organisation than the pinned one.
	ErrOrg = errors.New("not the organisation that this device has pinned")
	// ErrRollback: a chain or channel is behind what this device knows of it.
	ErrRollback = errors.New("server is older than what it has confirmed")
)

// Directory holds the verified organisation and the verified chains of people.
// It remembers their newest heads on disk, so that older ones are refused.
type Directory struct {
	api   *client.Transport
	store Store

	mu       sync.Mutex
	org      *chain.Org
	users    map[envelope.UserID]*chain.User
	subjects chain.Subjects // one chain for whom evidence names
	known    heads
	news     uint64 // counts chains that have grown
}

// grown counts how often any chain was found to have grown.
func (d *Directory) grown() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.news
}

// heads is what is remembered of other chains between runs.
type heads struct {
	OrgID envelope.OrgID           `json:"org_id"`
	Org   head                     `json:"org"`
	Users map[envelope.UserID]head `json:"users"`
}

type head struct {
	Seq  uint64        `json:"seq"`
	Hash envelope.Hash `json:"hash"`
}

// Store keeps small state between runs; keyring.Ring is one. Get fails with
// keyring.ErrNotFound for what was never put.
type Store interface {
	Get(name string) ([]byte, error)
	Put(name string, value []byte) error
}

// OpenDirectory fetches the organisation's chain and verifies it against pin
// and against what store remembers. A zero pin takes the remembered
// organisation, or else what the server says; firstUse tells the latter.
func OpenDirectory(ctx context.Context, api *client.Transport, store Store, pin envelope.OrgID) (d *Directory, firstUse bool, err error) {
	d = &Directory{api: api, store: store, users: map[envelope.UserID]*chain.User{}}
	if err := load(store, "heads", &d.known); err != nil {
		return nil, false, err
	}
	if d.known.Users == nil {
		d.known.Users = map[envelope.UserID]head{}
	}
	firstUse = pin.IsZero() && d.known.OrgID.IsZero()
	if pin.IsZero() {
		pin = d.known.OrgID
	}
	return d, firstUse, d.refreshOrg(ctx, pin)
}

// Org is the organisation as of the last refresh.
func (d *Directory) Org() *chain.Org {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.org
}

// User finds a person's chain that has been fetched and verified.
func (d *Directory) User(id envelope.UserID) (*chain.User, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u, ok := d.users[id]
	return u, ok
}

// RefreshOrg fetches the organisation's chain again.
func (d *Directory) RefreshOrg(ctx context.Context) error { return d.refreshOrg(ctx, d.Org().ID()) }

func (d *Directory) refreshOrg(ctx context.Context, pin envelope.OrgID) error {
	answer, err := d.api.Org(ctx)
	if err != nil {
		return fmt.Errorf("fetching the organisation's chain: %w", err)
	}
	org, err := ReadOrg(answer.Entries)
	if err != nil {
		return fmt.Errorf("verifying the organisation's chain: %w", err)
	}
	if !pin.IsZero() && org.ID() != pin {
		return fmt.Errorf("%w: pinned %s, served %s", ErrOrg, pin, org.ID())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.known.Org; !h.Hash.IsZero() && !org.HasHead(h.Seq, h.Hash) {
		return fmt.Errorf("%w: the organisation's chain lacks link %d", ErrRollback, h.Seq)
	}
	d.org, d.known.OrgID = org, org.ID()
	d.news++
	d.known.Org = head{org.Seq(), org.Head()}
	return save(d.store, "heads", &d.known)
}

// ReadOrg verifies a whole organisation chain, given as encoded entries.
func ReadOrg(entries [][]byte) (*chain.Org, error) {
	parsed, err := parseEntries(entries)
	if err != nil {
		return nil, err
	}
	org, err := chain.NewOrg(parsed[0])
	if err != nil {
		return nil, err
	}
	for i, e := range parsed[1:] {
		if err := org.Apply(e); err != nil {
			return nil, fmt.Errorf("link %d: %w", i+1, err)
		}
	}
	return org, nil
}

// Load makes sure that a person's chain is known at least up to the link seq.
func (d *Directory) Load(ctx context.Context, id envelope.UserID, seq uint64) (*chain.User, error) {
	if u, ok := d.User(id); ok && u.Seq() >= seq {
		return u, nil
	}
	return d.RefreshUser(ctx, id)
}

// RefreshUser fetches a person's chain and verifies all of it.
func (d *Directory) RefreshUser(ctx context.Context, id envelope.UserID) (*chain.User, error) {
	user, _, err := d.fetchUser(ctx, id)
	return user, err
}

// fetchUser is RefreshUser, with the links that make the chain.
func (d *Directory) fetchUser(ctx context.Context, id envelope.UserID) (*chain.User, []*envelope.Entry, error) {
	answer, err := d.api.UserChain(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("fetching the chain of user %s: %w", id, err)
	}
	user, entries, err := readUser(d.Org(), answer.Entries)
	if err != nil {
		return nil, nil, fmt.Errorf("verifying the chain of user %s: %w", id, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.known.Users[id]
	switch {
	case user.ID() != id:
		return nil, nil, &chain.Refused{Reason: chain.WrongChain, Err: fmt.Errorf("the chain of user %s is of user %s", id, user.ID())}
	case !h.Hash.IsZero() && !user.HasHead(h.Seq, h.Hash):
		return nil, nil, fmt.Errorf("%w: the chain of user %s lacks link %d", ErrRollback, id, h.Seq)
	}
	if err := d.subjects.Take(user); err != nil {
		return nil, nil, err
	}
	d.users[id] = user
	d.news++
	if h.Hash == user.Head() {
		return user, entries, nil
	}
	d.known.Users[id] = head{user.Seq(), user.Head()}
	return user, entries, save(d.store, "heads", &d.known)
}

func readUser(org *chain.Org, raw [][]byte) (*chain.User, []*envelope.Entry, error) {
	entries, err := parseEntries(raw)
	if err != nil {
		return nil, nil, err
	}
	user, err := chain.NewUser(org, entries[0])
	if err != nil {
		return nil, nil, err
	}
	for i, e := range entries[1:] {
		if err := user.Apply(e); err != nil {
			return nil, nil, fmt.Errorf("link %d: %w", i+1, err)
		}
	}
	return user, entries, nil
}

func parseEntries(raw [][]byte) ([]*envelope.Entry, error) {
	if len(raw) == 0 {
		return nil, fmt.Errorf("%w: a chain without a genesis", envelope.ErrFormat)
	}
	out := make([]*envelope.Entry, len(raw))
	for i, b := range raw {
		e, err := envelope.ParseEntry(b)
		if err != nil {
			return nil, fmt.Errorf("link %d: %w", i, err)
		}
		out[i] = e
	}
	return out, nil
}

// prepare fetches the chains that an entry refers to, before it is judged.
func (d *Directory) prepare(ctx context.Context, e *envelope.Entry) error {
	if e.Kind != envelope.KindLink {
		return nil
	}
	l, err := envelope.ParseLink(e)
	if err != nil {
		return err
	}
	switch l.Type {
	case envelope.ChannelGenesis:
		b, err := envelope.ParseBody[envelope.ChannelGenesisBody](l)
		if err != nil {
			return err
		}
		return errors.Join(d.reach(ctx, envelope.Hash(l.Org), b.OrgSeq), d.reach(ctx, envelope.Hash(l.User), b.UserSeq))
	case envelope.MemberAdd:
		b, err := envelope.ParseBody[envelope.AddBody](l)
		if err != nil {
			return err
		}
		return d.reach(ctx, envelope.Hash(b.User), b.UserSeq)
	case envelope.Sync:
		b, err := envelope.ParseBody[envelope.SyncBody](l)
		if err != nil {
			return err
		}
		return d.reach(ctx, b.Chain, b.Seq)
	case envelope.Handover:
		return d.reachTwo(ctx, l)
	}
	return nil
}

// reachTwo makes sure that the chains of the two people behind a handover are
// known as far as it names them.
func (d *Directory) reachTwo(ctx context.Context, l *envelope.Link) error {
	b, err := envelope.ParseBody[envelope.HandoverBody](l)
	if err != nil || l.User.IsZero() {
		return err
	}
	asked, err := b.AskedBy()
	if err != nil {
		return err
	}
	return errors.Join(d.reach(ctx, envelope.Hash(asked.User), b.AskedSeq), d.reach(ctx, envelope.Hash(l.User), b.UserSeq))
}

// reach makes sure that a chain, of the organisation or of a user, is known up
// to seq.
func (d *Directory) reach(ctx context.Context, id envelope.Hash, seq uint64) error {
	if org := d.Org(); envelope.Hash(org.ID()) == id {
		if org.Seq() >= seq {
			return nil
		}
		return d.RefreshOrg(ctx)
	}
	_, err := d.Load(ctx, envelope.UserID(id), seq)
	return err
}
