package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// ErrLastDevice: a device can't revoke itself, because it would know the new key.
var ErrLastDevice = errors.New("a device can't revoke itself: do it from another of your devices")

// Devices are the person's live ones, by their verified chain.
func (s *Session) Devices(ctx context.Context) ([]envelope.DeviceBody, error) {
	u, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return nil, err
	}
	return u.Devices(), nil
}

// RevokeDevice ends another of the person's devices together with the key that
// it knows, and tells the person's channels.
func (s *Session) RevokeDevice(ctx context.Context, device envelope.KeyID) error {
	if device == s.device.ID() {
		return ErrLastDevice
	}
	return s.turn(ctx, func(u *chain.User) (*envelope.Entry, [][]byte, error) {
		left := slices.DeleteFunc(u.Devices(), func(d envelope.DeviceBody) bool { return envelope.KeyOf(d.Key) == device })
		k, wraps, err := s.nextKey(u, chain.Holders(left, u.Recovery()))
		if err != nil {
			return nil, nil, err
		}
		return s.nextOwn(u, envelope.DeviceEnd, &envelope.DeviceEndBody{Device: device, Key: *k}), wraps, nil
	})
}

// RenewKey starts the next generation of the person's key for the devices that
// there are, and tells the person's channels.
func (s *Session) RenewKey(ctx context.Context) error {
	return s.turn(ctx, func(u *chain.User) (*envelope.Entry, [][]byte, error) {
		k, wraps, err := s.nextKey(u, chain.Holders(u.Devices(), u.Recovery()))
		if err != nil {
			return nil, nil, err
		}
		return s.nextOwn(u, envelope.UserKey, k), wraps, nil
	})
}

// turn publishes a link that starts a generation, opens the new key as any
// device would, and tells the channels.
func (s *Session) turn(ctx context.Context, make func(*chain.User) (*envelope.Entry, [][]byte, error)) error {
	u, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return err
	}
	if err := s.unlockUser(ctx); err != nil {
		return err
	}
	e, wraps, err := make(u)
	if err != nil {
		return err
	}
	if err := u.Try(e); err != nil {
		return fmt.Errorf("making the next link of your chain: %w", err)
	}
	if err := s.API.ExtendChain(ctx, wire.NewLink{Entry: envelope.Marshal(e), Wraps: wraps}); err != nil {
		return fmt.Errorf("publishing the next link of your chain: %w", err)
	}
	if _, err := s.Dir.RefreshUser(ctx, s.Me.Chain); err != nil {
		return err
	}
	if err := s.unlockUser(ctx); err != nil {
		return err
	}
	return s.tellAll(ctx)
}

// nextKey makes the next generation for holders, and its wraps in their order.
func (s *Session) nextKey(u *chain.User, holders []chain.Holder) (*envelope.KeyBody, [][]byte, error) {
	s.own.mu.Lock()
	before := s.own.seed
	s.own.mu.Unlock()
	return s.keyAfter(u, before, holders)
}

// keyAfter is nextKey for who holds the newest seed, before, in another way.
func (s *Session) keyAfter(u *chain.User, before seal.UserSeed, holders []chain.Holder) (*envelope.KeyBody, [][]byte, error) {
	suite, seed := s.Dir.Org().Suite(), seal.NewUserSeed()
	id, err := seal.UserIdentity(suite, seed)
	if err != nil {
		return nil, nil, err
	}
	l := seal.Lineage{Org: s.Dir.Org().ID(), User: u.ID(), Generation: u.Generation() + 1}
	k := &envelope.KeyBody{Generation: l.Generation, Recipient: id.Recipient(), Previous: seal.SealPrevious(seed, l, before)}
	wraps := make([][]byte, len(holders))
	for i, h := range holders {
		c := seal.UserSeedContext{Org: l.Org, Device: h.ID, Generation: l.Generation}
		if wraps[i], err = seal.WrapUserSeed(suite, seed, c, h.Recipient); err != nil {
			return nil, nil, fmt.Errorf("wrapping the new key: %w", err)
		}
		k.Wraps = append(k.Wraps, envelope.SumBytes(wraps[i]))
	}
	return k, wraps, nil
}

// nextOwn is the next link of the person's own chain, by this device.
func (s *Session) nextOwn(u *chain.User, kind envelope.LinkType, body any) *envelope.Entry {
	return s.nextOwnBy(u, kind, body, s.device)
}

// nextOwnBy is the next link of the person's own chain. Its time is never before
// that of the last one, whose device may have a clock ahead of this one's.
func (s *Session) nextOwnBy(u *chain.User, kind envelope.LinkType, body any, key *seal.SigningKey) *envelope.Entry {
	at := s.Now()
	if last := u.Time(); at.UnixMicro() < last {
		at = time.UnixMicro(last)
	}
	return next(s.Dir.Org().ID(), envelope.Hash(u.ID()), u, kind, body, u.ID(), at, key)
}

// tellAll tells the person's channels, so that none goes on under the old key
// until somebody happens to write in it. A channel that can't be told now is
// told by whoever writes there next.
func (s *Session) tellAll(ctx context.Context) error {
	all, err := s.API.Channels(ctx)
	if err != nil {
		return fmt.Errorf("listing your channels: %w", err)
	}
	for _, row := range all.Channels {
		c, err := s.Channel(ctx, row.ID)
		if err == nil {
			err = c.Tell(ctx)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.Note(fmt.Sprintf("Needs attention: channel %s could not be told of your new key: %v", row.ID, err))
		}
	}
	return nil
}
