package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

var (
	// ErrTurnedDown: a person said no at the other device, or it gave up.
	ErrTurnedDown = errors.New("turned down at the other device")
	// ErrChainGrew: the person's chain got another link meanwhile. Asking again helps.
	ErrChainGrew = errors.New("your devices changed meanwhile")
	// ErrOtherChain: the two devices are shown different chains of one person.
	ErrOtherChain = errors.New("the server shows your devices different chains")
	// ErrProposalOver: nobody went on with a proposal in time.
	ErrProposalOver = errors.New("the proposal has run out of time")
)

// proposalLife is how long the two devices have, on this device's clock.
const proposalLife = 10 * time.Minute

// Screen is the person at a device, while it joins or takes another in.
type Screen interface {
	// Ticket shows what the other device may read by its camera, or be given as
	// text.
	Ticket(t approval.Ticket)
	// Code shows this device's code, to be typed on the other.
	Code(c approval.Code)
	// Ask asks for the code that the other device shows.
	Ask(ctx context.Context) (typed string, err error)
}

// EnrollNext asks the person's other devices to take this one in, and waits
// until one did and the person has seen that it was theirs. Each call is one
// proposal, with one try.
func (s *Session) EnrollNext(ctx context.Context, name string, screen Screen) error {
	ctx, cancel := context.WithTimeoutCause(ctx, proposalLife, ErrProposalOver)
	defer cancel()
	j := &joining{Session: s, name: name}
	if err := j.ask(ctx); err != nil {
		return fmt.Errorf("asking for approval: %w", err)
	}
	screen.Ticket(j.opening.Ticket())
	if err := j.agree(ctx, screen); err != nil {
		return j.give(err)
	}
	return s.Bind(ctx)
}

// joining is one proposal, at the device that makes it.
type joining struct {
	*Session
	name    string
	opening approval.Opening
	user    *chain.User         // as it was when an approver answered
	agreed  approval.Transcript // with the answer
}

func (j *joining) id() envelope.Hash { return j.opening.Commitment() }

func (j *joining) ask(ctx context.Context) error {
	claims := approval.Claims{Name: j.name, Key: j.device.Public(), Recipient: j.identity.Recipient()}
	j.opening = approval.Opening{Org: j.Dir.Org().ID(), User: j.Me.Chain, Claims: claims.Hash(), Nonce: approval.NewNonce()}
	return j.API.AskForDevice(ctx, j.opening.Org, wire.NewDevice{
		Name: j.name, Public: claims.Key, Recipient: claims.Recipient, Commitment: j.id(),
	}, j.device)
}

// agree goes through the steps once an approver has answered. By a ticket the
// answer proves itself. Without, the nonce is told, from when on a proof would
// prove nothing, and the person compares.
func (j *joining) agree(ctx context.Context, screen Screen) error {
	p, err := j.await(ctx, j.id(), wire.ProposalAnswered)
	if err != nil {
		return err
	}
	if err := j.hear(ctx, p.Answer); err != nil {
		return err
	}
	if len(p.Answer.Proof) > 0 {
		if err := j.agreed.CheckProof(p.Answer.Proof); err != nil {
			return err
		}
		return j.finish(ctx)
	}
	if err := j.API.RevealDevice(ctx, j.id(), j.opening.Nonce[:]); err != nil {
		return fmt.Errorf("telling the nonce: %w", err)
	}
	first, second := j.agreed.Codes()
	screen.Code(first)
	if _, err := j.await(ctx, j.id(), wire.ProposalLinked); err != nil {
		return err
	}
	if err := compare(ctx, screen, second); err != nil {
		return err
	}
	return j.finish(ctx)
}

// hear takes the approver's answer, if it stands on the chain that this device
// is shown and is a live device there.
func (j *joining) hear(ctx context.Context, a *wire.DeviceAnswer) error {
	if a == nil {
		return fmt.Errorf("%w: an answer without content", envelope.ErrFormat)
	}
	nonce, err := approval.ParseNonce(a.Nonce)
	if err != nil {
		return err
	}
	u, err := j.Dir.RefreshUser(ctx, j.Me.Chain)
	if err != nil {
		return err
	}
	switch {
	case !u.HasHead(a.Seq, a.Head):
		return fmt.Errorf("%w: this one lacks the other's link %d", ErrOtherChain, a.Seq)
	case u.Seq() != a.Seq:
		return ErrChainGrew
	}
	if _, ok := u.DeviceAt(a.Approver, u.Seq()); !ok {
		return &chain.Refused{Reason: chain.DeviceUnknown, Err: fmt.Errorf("approver %s is no device of yours", a.Approver)}
	}
	j.user = u
	j.agreed = approval.Transcript{Opening: j.opening, Answer: approval.Answer{Approver: a.Approver, Seq: u.Seq(), Head: u.Head(), Nonce: nonce}}
	return nil
}

// finish checks the link that the approver made, signs it too and publishes it.
func (j *joining) finish(ctx context.Context) error {
	p, err := j.await(ctx, j.id(), wire.ProposalLinked)
	if err != nil {
		return err
	}
	e, err := envelope.ParseEntry(p.Entry)
	if err != nil {
		return fmt.Errorf("reading the approver's link: %w", err)
	}
	if err := j.check(e, p.Wrap); err != nil {
		return fmt.Errorf("checking the approver's link: %w", err)
	}
	seal.SignEntry(e, j.device)
	if err := j.user.Try(e); err != nil {
		return fmt.Errorf("checking the approver's link: %w", err)
	}
	if err := j.API.ExtendChain(ctx, wire.NewLink{Entry: envelope.Marshal(e)}); err != nil {
		return fmt.Errorf("publishing the new device: %w", err)
	}
	_, err = j.Dir.RefreshUser(ctx, j.Me.Chain)
	return err
}

// check makes sure that the link is by the approver that was agreed on, for this
// device's own keys, with the seed of the chain's own user key. That it follows
// the agreed head, Try finds.
func (j *joining) check(e *envelope.Entry, wrap []byte) error {
	l, err := envelope.ParseLink(e)
	if err != nil {
		return err
	}
	if l.Key != j.agreed.Answer.Approver {
		return &chain.Refused{Reason: chain.DeviceUnknown, Err: fmt.Errorf("link by %s, agreed with %s", l.Key, j.agreed.Answer.Approver)}
	}
	want := j.deviceBody(j.name, wrap)
	if !bytes.Equal(l.Body, envelope.Marshal(&want)) {
		return fmt.Errorf("%w: it is not for this device's keys", approval.ErrCommitment)
	}
	_, _, err = j.openUserSeed(j.user, wrap)
	return err
}

// give ends the proposal after a failure.
func (j *joining) give(cause error) error { return j.refuse(j.id(), cause) }

// refuse tells the server, and so the other device, why a proposal ends here.
func (s *Session) refuse(id envelope.Hash, cause error) error {
	if _, told := errors.AsType[*overError](cause); told {
		return cause
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // also after a timeout or an interrupt
	defer cancel()
	_ = s.API.RefuseDevice(ctx, id, reasonFor(cause)) // a server that hides this lets the other device run out of time
	return cause
}

func reasonFor(err error) string {
	switch {
	case errors.Is(err, approval.ErrCode):
		return wire.RefusedCodes
	case errors.Is(err, ErrChainGrew):
		return wire.RefusedChain
	case errors.Is(err, context.Canceled), errors.Is(err, ErrProposalOver):
		return wire.RefusedByPerson
	}
	return wire.RefusedBroken
}

// overError tells that the other side ended the proposal.
type overError struct{ error }

func (o *overError) Unwrap() error { return o.error }

func overFor(why string) error {
	switch why {
	case wire.RefusedCodes:
		return &overError{fmt.Errorf("%w, the other device says", approval.ErrCode)}
	case wire.RefusedChain:
		return &overError{ErrChainGrew}
	case wire.RefusedBroken:
		return &overError{fmt.Errorf("%w, the other device says", approval.ErrCommitment)}
	}
	return &overError{ErrTurnedDown}
}

// steps is the order of a proposal's states.
var steps = map[string]int{wire.ProposalWaiting: 1, wire.ProposalAnswered: 2, wire.ProposalRevealed: 3, wire.ProposalLinked: 4, wire.ProposalAdded: 5}

// await follows a proposal until it has come to a state, or beyond it.
func (s *Session) await(ctx context.Context, id envelope.Hash, state string) (*wire.Proposal, error) {
	for {
		p, err := s.API.Proposal(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("following the proposal: %w", err)
		}
		if p.State == wire.ProposalRefused {
			return nil, overFor(p.Why)
		}
		if steps[p.State] >= steps[state] {
			return p, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// compare asks for the other device's code. What is no code at all may be typed
// again; a wrong one ends the proposal.
func compare(ctx context.Context, screen Screen, want approval.Code) error {
	for {
		typed, err := screen.Ask(ctx)
		if err != nil {
			return err
		}
		if c, ok := approval.ParseCode(typed); ok && c != want {
			return approval.ErrCode
		} else if ok {
			return nil
		}
	}
}
