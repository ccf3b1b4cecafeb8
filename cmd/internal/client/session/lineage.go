package session

import (
	"context"
	"fmt"
	"sync"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// lineage is the person's own key, in all generations that this device opened.
type lineage struct {
	mu         sync.Mutex
	seed       seal.UserSeed // of the newest
	newest     uint64
	identities map[uint64]*seal.Identity
}

// unlockUser opens the newest user seed that was wrapped to this device, if it
// has not, and those before it.
func (s *Session) unlockUser(ctx context.Context) error {
	u, err := s.Dir.Load(ctx, s.Me.Chain, 0)
	if err != nil {
		return err
	}
	s.own.mu.Lock()
	defer s.own.mu.Unlock()
	if s.own.newest >= u.Generation() {
		return nil
	}
	wrap, err := s.API.DeviceWrap(ctx, s.device.ID())
	if err != nil {
		return fmt.Errorf("fetching this device's wrap: %w", err)
	}
	if named, ok := u.WrapOf(s.device.ID()); !ok || named != envelope.SumBytes(wrap) {
		return fmt.Errorf("unlocking the user key: %w: not the wrap that your chain names", seal.ErrWrap)
	}
	seed, identity, err := s.openUserSeed(u, wrap)
	if err != nil {
		return err
	}
	s.own.seed, s.own.newest = seed, u.Generation()
	s.own.identities = map[uint64]*seal.Identity{s.own.newest: identity}
	s.openEarlier(u, seed)
	return nil
}

// openUserSeed opens a wrap of the newest seed and holds it against the chain,
// so that a foreign key can't be slipped in.
func (s *Session) openUserSeed(u *chain.User, wrap []byte) (seal.UserSeed, *seal.Identity, error) {
	n := u.Generation()
	seed, err := seal.UnwrapUserSeed(s.identity, wrap, seal.UserSeedContext{Org: s.Dir.Org().ID(), Device: s.device.ID(), Generation: n})
	if err != nil {
		return seed, nil, err
	}
	id, err := s.identityOf(u, n, seed)
	return seed, id, err
}

// identityOf is the identity of generation n, if seed is its seed.
func (s *Session) identityOf(u *chain.User, n uint64, seed seal.UserSeed) (*seal.Identity, error) {
	id, err := seal.UserIdentity(s.Dir.Org().Suite(), seed)
	if err != nil {
		return nil, err
	}
	if k, ok := u.Key(n); !ok || string(k.Recipient) != string(id.Recipient()) {
		return nil, fmt.Errorf("unlocking the user key: %w: not the one of generation %d in the user's chain", seal.ErrContext, n)
	}
	return id, nil
}

// openEarlier opens the seeds before the newest, each sealed under the next. One
// that does not open costs the history before it and nothing else.
func (s *Session) openEarlier(u *chain.User, seed seal.UserSeed) {
	for n := u.Generation(); n > 1; n-- {
		k, _ := u.Key(n)
		previous, err := seal.OpenPrevious(seed, seal.Lineage{Org: s.Dir.Org().ID(), User: u.ID(), Generation: n}, k.Previous)
		if err == nil {
			s.own.identities[n-1], err = s.identityOf(u, n-1, previous)
		}
		if err != nil {
			s.Note(fmt.Sprintf("Needs attention: what was sealed to your key before generation %d can't be read: %v", n, err))
			return
		}
		seed = previous
	}
}

// identityFor opens what was sealed to a generation of the person's key. One
// that another device has started since is fetched.
func (s *Session) identityFor(ctx context.Context, n uint64) (*seal.Identity, error) {
	s.own.mu.Lock()
	newest := s.own.newest
	s.own.mu.Unlock()
	if newest < n {
		if _, err := s.Dir.RefreshUser(ctx, s.Me.Chain); err != nil {
			return nil, err
		}
		if err := s.unlockUser(ctx); err != nil {
			return nil, err
		}
	}
	s.own.mu.Lock()
	defer s.own.mu.Unlock()
	if id := s.own.identities[n]; id != nil {
		return id, nil
	}
	return nil, fmt.Errorf("generation %d of your key: %w", n, seal.ErrContext)
}

// newestSeed is what a new device is given.
func (s *Session) newestSeed(ctx context.Context) (seal.UserSeed, error) {
	if err := s.unlockUser(ctx); err != nil {
		return seal.UserSeed{}, err
	}
	s.own.mu.Lock()
	defer s.own.mu.Unlock()
	return s.own.seed, nil
}
