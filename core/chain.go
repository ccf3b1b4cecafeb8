package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chancery/compliance/record"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// StartUser takes the genesis of the caller's chain, with its first device.
func (s *Service) StartUser(ctx context.Context, p identity.Principal, in wire.NewChain) error {
	const op = "user.chain_publish"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.UserChainPublish, self(p))
	if err != nil {
		return err
	}
	if p.UserChain != [32]byte{} {
		return conflict(op, "user.chain_exists", "you have a first device already; approve the new one from there")
	}
	entry, u, err := s.parseUser(op, in)
	if err != nil {
		return err
	}
	d := Device{Account: p.User, Body: u.Devices()[0], Wrap: in.Wrap, Created: s.Now()}
	link := ChainLink{Chain: envelope.Hash(u.ID()), Entry: envelope.Marshal(entry)}
	if err := s.Store.StartUser(ctx, grant, e.of(record.UserCreate).link(entry), p.User, link, d); err != nil {
		return internal(op, err)
	}
	return nil
}

func (s *Service) parseUser(op string, in wire.NewChain) (*envelope.Entry, *chain.User, error) {
	org := s.dir.Org()
	if org == nil {
		return nil, nil, conflict(op, "org.missing", "the organisation has no genesis yet: an administrator runs chancery org init")
	}
	entry, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return nil, nil, invalid(op, "entry", err)
	}
	u, err := chain.NewUser(org, entry)
	if err != nil {
		return nil, nil, refusedLink(op, err)
	}
	if err := CheckName(op, "entry", u.Devices()[0].Name, maxDeviceName); err != nil {
		return nil, nil, err
	}
	if err := checkWrap(op, in.Wrap); err != nil {
		return nil, nil, err
	}
	if u.Devices()[0].Wrap != envelope.SumBytes(in.Wrap) {
		return nil, nil, invalid(op, "wrap", fmt.Errorf("the genesis names another wrap"))
	}
	return entry, u, nil
}

// UserStep is one more link of a person's chain and what it changes.
type UserStep struct {
	Link     ChainLink
	Added    *envelope.DeviceBody // a device more
	Ended    []envelope.KeyID     // devices that are none any more
	Seeds    []HeldSeed           // the newest user seed, to all who hold it; none when it stays
	Recovery envelope.KeyID       // the recovery key that stands; zero for none
	Now      time.Time
}

// HeldSeed is a user seed wrapped to a device or a recovery key.
type HeldSeed struct {
	Holder envelope.KeyID
	Wrap   []byte
}

// Seed is the wrap to one of the holders, nil when there is none.
func (s *UserStep) Seed(holder envelope.KeyID) []byte {
	for _, x := range s.Seeds {
		if x.Holder == holder {
			return x.Wrap
		}
	}
	return nil
}

// clockAhead is how far a device's clock may run before the server's: chains
// count links by signed times, which nobody else could hold to a day.
const clockAhead = 2 * time.Minute

// clockBehind is how old a link may be: else the days since a person's last one
// would be days' worth of links for whoever takes a device.
const clockBehind = 24 * time.Hour

// ExtendUser takes the next link of the caller's chain, with the wraps that it
// names. A device that it revokes loses its sessions, sockets and wraps at once,
// and the person's channels are told.
func (s *Service) ExtendUser(ctx context.Context, p identity.Principal, in wire.NewLink) error {
	const op = "user.chain_publish"
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.UserChainPublish, self(p))
	if err != nil {
		return err
	}
	entry, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		return invalid(op, "entry", err)
	}
	link, err := envelope.ParseLink(entry)
	if err != nil {
		return invalid(op, "entry", err)
	}
	if link.Type == envelope.UserReset {
		return invalid(op, "entry", errors.New("this server takes no resets yet"))
	}
	before, after, err := s.grow(ctx, envelope.UserID(p.UserChain), entry)
	if err != nil {
		return err
	}
	step, err := s.userStep(before, after, in)
	if err != nil {
		return err
	}
	ended, err := s.Store.ExtendUser(ctx, grant, e.of(userOps[link.Type]).link(entry), step)
	if err != nil {
		return internal(op, err)
	}
	s.Publisher.EndSessions(ended)
	if _, err := s.dir.reloadUser(ctx, after.ID()); err != nil {
		return internal(op, err)
	}
	if after.Restricts(before.Seq(), after.Seq()) {
		s.tell(ctx, p.User, after)
	}
	return nil
}

// grow reads the chain twice, without and with the new link.
func (s *Service) grow(ctx context.Context, id envelope.UserID, entry *envelope.Entry) (before, after *chain.User, err error) {
	const op = "user.chain_publish"
	links, err := s.Store.UserLinks(ctx, id)
	if err != nil {
		return nil, nil, internal(op, err)
	}
	if len(links) == 0 {
		return nil, nil, notFound(op, "your chain of devices")
	}
	if before, err = s.dir.readUser(links); err == nil {
		after, err = s.dir.readUser(links)
	}
	if err != nil {
		return nil, nil, internal(op, err)
	}
	if err := after.Apply(entry); err != nil {
		return nil, nil, refusedLink(op, err)
	}
	if after.Time() > s.Now().Add(clockAhead).UnixMicro() {
		return nil, nil, invalid(op, "entry", errors.New("the link is signed in the future: set your clock"))
	}
	if after.Time() < s.Now().Add(-clockBehind).UnixMicro() {
		return nil, nil, invalid(op, "entry", errors.New("the link is signed more than a day ago: set your clock"))
	}
	return before, after, nil
}

// userStep is the difference that a link made.
func (s *Service) userStep(before, after *chain.User, in wire.NewLink) (UserStep, error) {
	const op = "user.chain_publish"
	step := UserStep{Link: ChainLink{Chain: envelope.Hash(after.ID()), Seq: after.Seq(), Entry: in.Entry}, Now: s.Now()}
	for _, d := range after.Devices() {
		if _, had := before.DeviceAt(envelope.KeyOf(d.Key), before.Seq()); !had {
			step.Added = &d
		}
	}
	for _, d := range before.Devices() {
		if id := envelope.KeyOf(d.Key); !live(after, id) {
			step.Ended = append(step.Ended, id)
		}
	}
	if kit := after.Recovery(); kit != nil {
		step.Recovery = envelope.KeyOf(kit.Key)
	}
	if step.Added != nil {
		if err := CheckName(op, "entry", step.Added.Name, maxDeviceName); err != nil {
			return step, err
		}
	}
	if after.Generation() == before.Generation() {
		return step, nil
	}
	var err error
	step.Seeds, err = heldSeeds(after, in.Wraps)
	return step, err
}

func live(u *chain.User, id envelope.KeyID) bool {
	_, ok := u.DeviceAt(id, u.Seq())
	return ok
}

// heldSeeds checks that the wraps are those that the newest generation names.
func heldSeeds(u *chain.User, wraps [][]byte) ([]HeldSeed, error) {
	const op = "user.chain_publish"
	holders := chain.Holders(u.Devices(), u.Recovery())
	if len(wraps) != len(holders) {
		return nil, invalid(op, "wraps", fmt.Errorf("%d wraps for %d devices and recovery keys", len(wraps), len(holders)))
	}
	seeds := make([]HeldSeed, len(holders))
	for i, h := range holders {
		if err := checkWrap(op, wraps[i]); err != nil {
			return nil, err
		}
		if named, ok := u.WrapOf(h.ID); !ok || named != envelope.SumBytes(wraps[i]) {
			return nil, invalid(op, fmt.Sprintf("wraps[%d]", i), errors.New("the link names another wrap"))
		}
		seeds[i] = HeldSeed{Holder: h.ID, Wrap: wraps[i]}
	}
	return seeds, nil
}

// userOps are what the record says of each link that a person's chain takes here.
var userOps = map[envelope.LinkType]record.Op{
	envelope.DeviceAdd: record.DeviceAdd, envelope.DeviceEnd: record.DeviceRevoke, envelope.UserKey: record.UserRenew,
	envelope.Recovery: record.RecoverySet, envelope.Recover: record.RecoveryUse,
}
