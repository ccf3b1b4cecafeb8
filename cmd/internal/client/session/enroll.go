package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// Code is what two screens compare before a device is approved: the id of
// everything that the new device claims, in groups for reading aloud.
func Code(public, recipient []byte) string {
	h := envelope.Sum("device-code", public, recipient).String()
	return h[0:4] + " " + h[4:8] + " " + h[8:12] + " " + h[12:16]
}

// EnrollFirst starts the person's chain with this device.
func (s *Session) EnrollFirst(ctx context.Context, name string) error {
	org, seed := s.Dir.Org(), seal.NewUserSeed()
	user, err := seal.UserIdentity(org.Suite(), seed)
	if err != nil {
		return err
	}
	wrap, err := seal.WrapUserSeed(org.Suite(), seed, seal.UserSeedContext{Org: org.ID(), Device: s.device.ID(), Generation: 1}, s.identity.Recipient())
	if err != nil {
		return err
	}
	e := genesis(org.ID(), envelope.UserGenesis, &envelope.UserGenesisBody{
		Suite: org.Suite(), Device: s.deviceBody(name, wrap), Recipient: user.Recipient(), Nonce: nonce(),
	}, envelope.UserID{}, s.Now(), s.device)
	if _, err := chain.NewUser(org, e); err != nil {
		return fmt.Errorf("making the first device's genesis: %w", err)
	}
	if err := s.API.CreateChain(ctx, wire.NewChain{Entry: envelope.Marshal(e), Wrap: wrap}); err != nil {
		return fmt.Errorf("enrolling the first device: %w", err)
	}
	return s.Bind(ctx)
}

func (s *Session) deviceBody(name string, wrap []byte) envelope.DeviceBody {
	return envelope.DeviceBody{Name: name, Key: s.device.Public(), Recipient: s.identity.Recipient(), Wrap: envelope.SumBytes(wrap)}
}

// EnrollNext asks the person's other devices to take this one in, and waits
// until one did. It returns ctx's error when none does in time; calling it
// again goes on.
func (s *Session) EnrollNext(ctx context.Context, name string, show func(code string)) error {
	if _, err := s.API.Device(ctx, s.device.ID()); err != nil {
		if err := s.API.ProposeDevice(ctx, s.Dir.Org().ID(), name, s.identity.Recipient(), s.device); err != nil {
			return fmt.Errorf("asking for approval: %w", err)
		}
	}
	show(Code(s.device.Public(), s.identity.Recipient()))
	for {
		d, err := s.API.Device(ctx, s.device.ID())
		if err != nil {
			return fmt.Errorf("waiting for approval: %w", err)
		}
		if len(d.Proposal) > 0 {
			return s.finish(ctx, d)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// finish checks the link that another device made for this one, signs it too
// and publishes it.
func (s *Session) finish(ctx context.Context, d *wire.Device) error {
	e, err := envelope.ParseEntry(d.Proposal)
	if err != nil {
		return fmt.Errorf("reading the proposal: %w", err)
	}
	u, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return err
	}
	if err := s.checkProposal(u, e, d.Wrap); err != nil {
		return fmt.Errorf("checking the proposal: %w", err)
	}
	seal.SignEntry(e, s.device)
	if err := u.Apply(e); err != nil {
		return fmt.Errorf("checking the proposal: %w", err)
	}
	if err := s.API.ExtendChain(ctx, wire.NewLink{Entry: envelope.Marshal(e), Wrap: d.Wrap}); err != nil {
		return fmt.Errorf("publishing the new device: %w", err)
	}
	if _, err := s.Dir.RefreshUser(ctx, s.Me.Chain); err != nil {
		return err
	}
	return s.Bind(ctx)
}

// checkProposal makes sure that the approver offers this device's own keys and
// the seed of the chain's own user key.
func (s *Session) checkProposal(u *chain.User, e *envelope.Entry, wrap []byte) error {
	l, err := envelope.ParseLink(e)
	if err != nil {
		return err
	}
	b, err := envelope.ParseBody[envelope.DeviceBody](l)
	if err != nil {
		return err
	}
	if want := s.deviceBody(b.Name, wrap); string(envelope.Marshal(&want)) != string(envelope.Marshal(b)) {
		return errors.New("it is for other keys than this device's")
	}
	_, err = s.openUserSeed(u, wrap)
	return err
}

// Pending are the person's devices that wait for approval.
func (s *Session) Pending(ctx context.Context) ([]wire.Device, error) {
	all, err := s.API.Devices(ctx)
	if err != nil {
		return nil, err
	}
	var out []wire.Device
	for _, d := range all.Devices {
		if !d.Approved && d.Key == envelope.KeyOf(d.Public) {
			out = append(out, d)
		}
	}
	return out, nil
}

// ApproveDevice takes a waiting device in: it gets the user seed and a link that
// it has to sign too. The caller has compared Code with the device's screen.
func (s *Session) ApproveDevice(ctx context.Context, d wire.Device) error {
	if d.Key != envelope.KeyOf(d.Public) {
		return fmt.Errorf("approving device: %w: id and key differ", envelope.ErrFormat)
	}
	own, err := s.API.DeviceWrap(ctx, s.device.ID())
	if err != nil {
		return err
	}
	seed, err := s.userSeed(own)
	if err != nil {
		return err
	}
	wrap, err := seal.WrapUserSeed(s.Dir.Org().Suite(), seed, seal.UserSeedContext{Org: s.Dir.Org().ID(), Device: d.Key, Generation: 1}, d.Recipient)
	if err != nil {
		return err
	}
	u, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return err
	}
	e := next(s.Dir.Org().ID(), envelope.Hash(u.ID()), u, envelope.DeviceAdd, &envelope.DeviceBody{
		Name: d.Name, Key: d.Public, Recipient: d.Recipient, Wrap: envelope.SumBytes(wrap),
	}, u.ID(), s.Now(), s.device)
	d.Proposal, d.Wrap = envelope.Marshal(e), wrap
	return s.API.AnswerDevice(ctx, d)
}
