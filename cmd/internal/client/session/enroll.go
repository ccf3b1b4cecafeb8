package session

import (
	"context"
	"fmt"

	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

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
