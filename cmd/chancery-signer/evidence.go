package main

import (
	"errors"
	"fmt"

	"chancery/compliance/disposal"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign/signer"
)

// evidence is the chains of a request, verified from the organisation's id on.
type evidence struct {
	org       *chain.Org
	users     map[envelope.UserID]*chain.User
	recorders map[envelope.ChannelID][]envelope.KeyID
}

func (e *evidence) Org() *chain.Org { return e.org }

func (e *evidence) User(id envelope.UserID) (*chain.User, bool) { u, ok := e.users[id]; return u, ok }

// Keepers are all who record the channel or did, wherever the range lies: where a
// handover stands is the server's word.
func (e *evidence) Keepers(r envelope.DisposalRange) ([]envelope.KeyID, bool) {
	keepers, ok := e.recorders[r.Channel]
	return keepers, ok
}

// judge checks that a certificate says what its evidence shows: the plan that
// it names, wanted by two people and confirmed by every recorder. The server's
// word counts for nothing in it.
func judge(c *signer.Certificate) error {
	body, err := disposal.Parse(c.Body)
	if err != nil {
		return err
	}
	if envelope.OrderHash(body.Order) != envelope.Hash(c.Subject) {
		return errors.New("the body holds another plan than the certificate is about")
	}
	plan, err := body.Plan()
	if err != nil {
		return err
	}
	seen, err := look(&c.Evidence, envelope.OrgID(c.Org))
	if err != nil {
		return err
	}
	var messages uint64
	for _, r := range plan.Ranges {
		if _, ok := seen.recorders[r.Channel]; !ok {
			return fmt.Errorf("the genesis of channel %s is not in evidence", r.Channel)
		}
		messages += r.Messages
	}
	if body.Destroyed != messages {
		return fmt.Errorf("%d messages destroyed, the plan names %d", body.Destroyed, messages)
	}
	return body.Check(seen)
}

// look verifies the chains. Their ids are hashes of how they start, so that no
// other chain passes for one of them.
func look(in *signer.Evidence, org envelope.OrgID) (*evidence, error) {
	out := &evidence{users: map[envelope.UserID]*chain.User{}, recorders: map[envelope.ChannelID][]envelope.KeyID{}}
	var err error
	if out.org, err = chain.Replay(in.Org, chain.NewOrg); err != nil {
		return nil, fmt.Errorf("the organisation's chain: %w", err)
	}
	if out.org.ID() != org {
		return nil, fmt.Errorf("the chain in evidence is of organisation %s", out.org.ID())
	}
	for _, links := range in.Users {
		u, err := chain.Replay(links, func(e *envelope.Entry) (*chain.User, error) { return chain.NewUser(out.org, e) })
		if err != nil {
			return nil, fmt.Errorf("a person's chain: %w", err)
		}
		out.users[u.ID()] = u
	}
	for _, raw := range in.Channels {
		if err := out.channel(raw); err != nil {
			return nil, fmt.Errorf("a channel's genesis or handover: %w", err)
		}
	}
	return out, nil
}

// channel notes who records a channel. At first that is part of what its id is
// the hash of, so who signed the genesis need not be asked.
func (e *evidence) channel(raw []byte) error {
	entry, err := envelope.ParseEntry(raw)
	if err != nil {
		return err
	}
	l, err := envelope.ParseLink(entry)
	if err != nil {
		return err
	}
	if l.Type == envelope.Handover {
		return e.handOver(entry, l)
	}
	body, err := envelope.ParseBody[envelope.ChannelGenesisBody](l)
	if err != nil {
		return err
	}
	if l.Type != envelope.ChannelGenesis || l.Org != e.org.ID() {
		return fmt.Errorf("%q of organisation %s", l.Type, l.Org)
	}
	e.recorders[envelope.ChannelID(envelope.ChainOf(entry.Header))] = body.Recorders
	return nil
}
