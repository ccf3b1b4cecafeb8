package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

var (
	// ErrNoKit: the person's chain has no recovery key: none was made, or it was used.
	ErrNoKit = errors.New("no recovery kit of yours stands")
	// ErrOtherKit: another kit stands. A kit ends when it is used, and when a new
	// one is made.
	ErrOtherKit = errors.New("another recovery kit of yours stands")
	// ErrNoSuchDevice: the person's chain has no live device of that name.
	ErrNoSuchDevice = errors.New("no device of yours has that name")
)

// CreateKit makes a recovery kit and has it stand in the person's chain, in place
// of any before. Only the caller ever has it: it is for printing.
func (s *Session) CreateKit(ctx context.Context) (seal.Kit, error) {
	kit := seal.NewKit()
	public, err := kit.Public(s.Dir.Org().Suite())
	if err != nil {
		return kit, err
	}
	return kit, s.turn(ctx, func(u *chain.User) (*envelope.Entry, [][]byte, error) {
		k, wraps, err := s.nextKey(u, chain.Holders(u.Devices(), public))
		if err != nil {
			return nil, nil, err
		}
		e := s.nextOwn(u, envelope.Recovery, &envelope.RecoveryBody{Stand: []envelope.RecoveryKey{*public}, Key: *k})
		seal.SignEntry(e, kit.SigningKey())
		return e, wraps, nil
	})
}

// TestKit proves that the kit opens the person's newest key, and changes nothing.
func (s *Session) TestKit(ctx context.Context, kit seal.Kit) error {
	u, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return err
	}
	_, err = s.openKit(ctx, u, kit)
	return err
}

// openKit gives the newest user seed, by the kit that stands.
func (s *Session) openKit(ctx context.Context, u *chain.User, kit seal.Kit) (seal.UserSeed, error) {
	stands, id := u.Recovery(), kit.SigningKey().ID()
	switch {
	case stands == nil:
		return seal.UserSeed{}, ErrNoKit
	case envelope.KeyOf(stands.Key) != id:
		return seal.UserSeed{}, ErrOtherKit
	}
	held, err := s.API.RecoveryWrap(ctx)
	if err != nil {
		return seal.UserSeed{}, fmt.Errorf("fetching what is sealed to the kit: %w", err)
	}
	if named, ok := u.WrapOf(id); !ok || named != envelope.SumBytes(held.Wrap) {
		return seal.UserSeed{}, fmt.Errorf("opening by the kit: %w: not the wrap that your chain names", seal.ErrWrap)
	}
	identity, err := kit.Identity(s.Dir.Org().Suite())
	if err != nil {
		return seal.UserSeed{}, err
	}
	seed, err := seal.UnwrapUserSeed(identity, held.Wrap, seal.UserSeedContext{Org: s.Dir.Org().ID(), Device: id, Generation: u.Generation()})
	if err != nil {
		return seal.UserSeed{}, fmt.Errorf("opening by the kit: %w", err)
	}
	_, err = s.identityOf(u, u.Generation(), seed)
	return seed, err
}

// Recover makes this device one of the person's by their kit, and ends the
// devices of these names; all others when there is none. The kit ends with it.
func (s *Session) Recover(ctx context.Context, kit seal.Kit, name string, lost []string) error {
	u, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return err
	}
	seed, err := s.openKit(ctx, u, kit)
	if err != nil {
		return err
	}
	end, err := named(u, lost)
	if err != nil {
		return err
	}
	e, wraps, err := s.recovery(u, kit, seed, name, end)
	if err != nil {
		return err
	}
	if err := u.Try(e); err != nil {
		return fmt.Errorf("making the link that recovers: %w", err)
	}
	if err := s.API.ExtendChain(ctx, wire.NewLink{Entry: envelope.Marshal(e), Wraps: wraps}); err != nil {
		return fmt.Errorf("publishing the link that recovers: %w", err)
	}
	if _, err := s.Dir.RefreshUser(ctx, s.Me.Chain); err != nil {
		return err
	}
	if err := s.Bind(ctx); err != nil {
		return err
	}
	return s.tellAll(ctx)
}

// recovery is the link by which the kit adds this device and ends others, under
// a new key that neither the kit nor those others know.
func (s *Session) recovery(u *chain.User, kit seal.Kit, seed seal.UserSeed, name string, end []envelope.KeyID) (*envelope.Entry, [][]byte, error) {
	me := s.deviceBody(name, nil)
	left := slices.DeleteFunc(u.Devices(), func(d envelope.DeviceBody) bool { return slices.Contains(end, envelope.KeyOf(d.Key)) })
	holders := chain.Holders(append(left, me), nil)
	k, wraps, err := s.keyAfter(u, seed, holders)
	if err != nil {
		return nil, nil, err
	}
	own := slices.IndexFunc(holders, func(h chain.Holder) bool { return h.ID == s.device.ID() })
	me.Wrap = k.Wraps[own]
	body := &envelope.RecoverBody{Add: []envelope.DeviceBody{me}, End: end, Key: *k}
	e := s.nextOwnBy(u, envelope.Recover, body, kit.SigningKey())
	seal.SignEntry(e, s.device)
	return e, wraps, nil
}

// named are the live devices of these names, sorted; all for none.
func named(u *chain.User, names []string) ([]envelope.KeyID, error) {
	var out []envelope.KeyID
	for _, d := range u.Devices() {
		if len(names) == 0 || slices.Contains(names, d.Name) {
			out = append(out, envelope.KeyOf(d.Key))
		}
	}
	for _, n := range names {
		if !slices.ContainsFunc(u.Devices(), func(d envelope.DeviceBody) bool { return d.Name == n }) {
			return nil, fmt.Errorf("%w: %q", ErrNoSuchDevice, n)
		}
	}
	slices.SortFunc(out, envelope.CompareKey)
	return out, nil
}
