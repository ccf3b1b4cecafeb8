package session

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

var (
	// ErrTried: this device has taken the proposal on before. A second try would
	// be a second guess.
	ErrTried = errors.New("this proposal was tried before")
	// ErrNoProposal: no device that waits is the one that the ticket is for.
	ErrNoProposal = errors.New("no waiting device has this ticket")
)

// Waiting are the devices that ask this person to be taken in.
func (s *Session) Waiting(ctx context.Context) ([]wire.Proposal, error) {
	all, err := s.API.Devices(ctx)
	if err != nil {
		return nil, err
	}
	return all.Waiting, nil
}

// ApproveByCode takes a waiting device in, if the person types the code that it
// shows, and then types the code that this one shows there. There is one try.
func (s *Session) ApproveByCode(ctx context.Context, p wire.Proposal, screen Screen) error {
	return s.approve(ctx, p, func(ctx context.Context, a *approving) error {
		if err := a.answer(ctx, nil); err != nil {
			return err
		}
		first, second, err := a.codes(ctx)
		if err != nil {
			return err
		}
		if err := compare(ctx, screen, first); err != nil {
			return err
		}
		if err := a.link(ctx); err != nil {
			return err
		}
		screen.Code(second)
		return nil
	})
}

// ApproveByTicket takes the device in that a ticket is of. Nothing is compared:
// the ticket came past the server.
func (s *Session) ApproveByTicket(ctx context.Context, t approval.Ticket) (*wire.Proposal, error) {
	if own := s.Dir.Org().ID(); t.Org != own {
		return nil, fmt.Errorf("%w: the ticket is for %s, this device belongs to %s", ErrOrg, t.Org, own)
	}
	waiting, err := s.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	opening := t.Opening(s.Me.Chain)
	i := slices.IndexFunc(waiting, func(p wire.Proposal) bool { return p.ID == opening.Commitment() })
	if i < 0 {
		return nil, ErrNoProposal
	}
	if claims(waiting[i]).Hash() != t.Claims {
		return nil, fmt.Errorf("%w: the server gives it other keys", approval.ErrCommitment)
	}
	return &waiting[i], s.approve(ctx, waiting[i], func(ctx context.Context, a *approving) error {
		if err := a.answer(ctx, &opening); err != nil {
			return err
		}
		return a.link(ctx)
	})
}

func claims(p wire.Proposal) approval.Claims {
	return approval.Claims{Name: p.Name, Key: p.Public, Recipient: p.Recipient}
}

// approving is one proposal, at a device that takes it on. It goes by the claims
// that it was first shown, whatever the server says of them later.
type approving struct {
	*Session
	proposal wire.Proposal
	user     *chain.User
	said     approval.Answer
}

// approve goes through the steps, ends the proposal if one fails, and waits
// until the new device has joined.
func (s *Session) approve(ctx context.Context, p wire.Proposal, steps func(context.Context, *approving) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, proposalLife, ErrProposalOver)
	defer cancel()
	u, err := s.Dir.RefreshUser(ctx, s.Me.Chain)
	if err != nil {
		return err
	}
	if err := s.tryOnce(p.ID); err != nil {
		return err
	}
	a := &approving{Session: s, proposal: p, user: u}
	err = steps(ctx, a)
	if err == nil {
		_, err = s.await(ctx, p.ID, wire.ProposalAdded)
	}
	if err != nil {
		return s.refuse(p.ID, err)
	}
	_, err = s.Dir.RefreshUser(ctx, s.Me.Chain)
	return err
}

// answer says on which chain this device stands, and proves that it has seen the
// ticket if it has.
func (a *approving) answer(ctx context.Context, ticket *approval.Opening) error {
	a.said = approval.Answer{Approver: a.device.ID(), Seq: a.user.Seq(), Head: a.user.Head(), Nonce: approval.NewNonce()}
	out := wire.DeviceAnswer{Approver: a.said.Approver, Seq: a.said.Seq, Head: a.said.Head, Nonce: a.said.Nonce[:]}
	if ticket != nil {
		out.Proof = approval.Transcript{Opening: *ticket, Answer: a.said}.Proof()
	}
	if err := a.API.AnswerDevice(ctx, a.proposal.ID, out); err != nil {
		return fmt.Errorf("answering the new device: %w", err)
	}
	return nil
}

// codes waits for what the new device committed to, and computes both codes.
func (a *approving) codes(ctx context.Context) (first, second approval.Code, err error) {
	p, err := a.await(ctx, a.proposal.ID, wire.ProposalRevealed)
	if err != nil {
		return "", "", err
	}
	nonce, err := approval.ParseNonce(p.Reveal)
	if err != nil {
		return "", "", err
	}
	opening := approval.Opening{Org: a.Dir.Org().ID(), User: a.user.ID(), Claims: claims(a.proposal).Hash(), Nonce: nonce}
	if err := opening.Check(a.proposal.ID); err != nil {
		return "", "", err
	}
	first, second = approval.Transcript{Opening: opening, Answer: a.said}.Codes()
	return first, second, nil
}

// link signs the new device in and seals the user seed to it, on the very head
// that was answered with.
func (a *approving) link(ctx context.Context) error {
	seed, err := a.newestSeed(ctx) // held against the chain: a foreign one is not handed on
	if err != nil {
		return err
	}
	org, p := a.Dir.Org(), a.proposal
	wrap, err := seal.WrapUserSeed(org.Suite(), seed, seal.UserSeedContext{Org: org.ID(), Device: envelope.KeyOf(p.Public), Generation: a.user.Generation()}, p.Recipient)
	if err != nil {
		return err
	}
	e := a.nextOwn(a.user, envelope.DeviceAdd, &envelope.DeviceBody{
		Name: p.Name, Key: p.Public, Recipient: p.Recipient, Wrap: envelope.SumBytes(wrap),
	})
	if err := a.API.LinkDevice(ctx, p.ID, wire.NewLink{Entry: envelope.Marshal(e), Wrap: wrap}); err != nil {
		return fmt.Errorf("signing the new device in: %w", err)
	}
	return nil
}

// Refuse turns a waiting device down.
func (s *Session) Refuse(ctx context.Context, p wire.Proposal) error {
	return s.API.RefuseDevice(ctx, p.ID, wire.RefusedByPerson)
}

// triedKept is how many proposals a device remembers: days of them.
const triedKept = 64

// tryOnce notes a proposal before it is tried. A server may forget; this device
// doesn't.
func (s *Session) tryOnce(id envelope.Hash) error {
	var tried []envelope.Hash
	if err := load(s.Ring, "approvals", &tried); err != nil {
		return err
	}
	if slices.Contains(tried, id) {
		return ErrTried
	}
	if tried = append(tried, id); len(tried) > triedKept {
		tried = tried[len(tried)-triedKept:]
	}
	return save(s.Ring, "approvals", tried)
}
