package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

func TestJoinByCode(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	post(t, c, "before")
	phone := h.another(alice)
	at, other := hands()
	done := enrol(t, phone, at)
	p, _ := asks(t, alice, at)
	at.typed = func(c approval.Code) string { return strings.ToLower(string(c)) }
	if err := alice.ApproveByCode(context.Background(), p, other); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := texts(t, phone.see(t, c.ID())); got != "before/open" {
		t.Errorf("the phone reads %q", got)
	}
	post(t, phone.see(t, c.ID()), "from my phone")
	if got := texts(t, c); got != "before/open from my phone/open" {
		t.Errorf("the laptop reads %q", got)
	}
}

func TestJoinByTicket(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	phone := h.another(alice)
	at, _ := hands()
	done := enrol(t, phone, at)
	_, ticket := asks(t, alice, at)
	if _, err := alice.ApproveByTicket(context.Background(), ticket); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(h.asking.revealed) != 0 {
		t.Error("the nonce was told although the ticket had it")
	}
	bob := h.join()
	if _, err := bob.ApproveByTicket(context.Background(), ticket); !errors.Is(err, ErrNoProposal) {
		t.Errorf("another person with the ticket: %v", err)
	}
	ticket.Org[0]++
	if _, err := alice.ApproveByTicket(context.Background(), ticket); !errors.Is(err, ErrOrg) {
		t.Errorf("a ticket of another organisation: %v", err)
	}
}

// intruder is the server's own device, which it shows instead of the person's.
func (h *honest) intruder(alice *person) (wire.Proposal, approval.Opening) {
	mine, k := h.recorder.id, h.recorder.key
	claims := approval.Claims{Name: "phone", Key: k.Public(), Recipient: mine.Recipient()}
	o := approval.Opening{Org: h.org.ID(), User: alice.Me.Chain, Claims: claims.Hash(), Nonce: approval.NewNonce()}
	return wire.Proposal{ID: o.Commitment(), Name: claims.Name, Public: claims.Key, Recipient: claims.Recipient, State: wire.ProposalWaiting}, o
}

// TestAttack35ShortCodeRelayed: the server shows each device a proposal of its
// own making. The codes differ, so it ends on both, and nothing is taken in.
func TestAttack35ShortCodeRelayed(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	phone := h.another(alice)
	at, other := hands()
	done := enrol(t, phone, at)
	p, _ := asks(t, alice, at)
	fake, opening := h.intruder(alice)
	h.mu.Lock()
	h.asking.proposals = append(h.asking.proposals, &fake)
	h.asking.show = func(toNew bool, seen *wire.Proposal) {
		switch {
		case !toNew && seen.ID == fake.ID && fake.State == wire.ProposalAnswered: // it knows its own nonce
			seen.Reveal, seen.State = opening.Nonce[:], wire.ProposalRevealed
		case toNew && seen.State == wire.ProposalWaiting && fake.Answer != nil: // and hands the answer on
			answer := *fake.Answer
			for _, real := range h.asking.proposals[:1] {
				real.Answer, real.State = &answer, wire.ProposalAnswered
			}
		case toNew && fake.State == wire.ProposalRefused: // it tells the truth at last
			seen.State, seen.Why = fake.State, fake.Why
		}
	}
	h.mu.Unlock()
	if p.ID == fake.ID {
		t.Fatal("the intruder's commitment is the phone's")
	}
	if err := alice.ApproveByCode(context.Background(), fake, other); !errors.Is(err, approval.ErrCode) {
		t.Errorf("approving the intruder: %v", err)
	}
	if err := <-done; !errors.Is(err, approval.ErrCode) {
		t.Errorf("the phone: %v", err)
	}
	if n := len(h.users[alice.Me.Chain].links); n != 1 || fake.Entry != nil {
		t.Errorf("%d links, entry %x: want nothing signed", n, fake.Entry)
	}
}

// TestAttack35ShortCodeForced: a wrong code ends the proposal for both, and a
// server that shows it again gets no second try.
func TestAttack35ShortCodeForced(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	phone := h.another(alice)
	at, other := hands()
	done := enrol(t, phone, at)
	p, _ := asks(t, alice, at)
	other.typed = func(c approval.Code) string {
		guess := []byte(c)
		guess[0] = '0' + (guess[0]+1)%8
		return string(guess)
	}
	if err := alice.ApproveByCode(context.Background(), p, other); !errors.Is(err, approval.ErrCode) {
		t.Errorf("a wrong code: %v", err)
	}
	if err := <-done; !errors.Is(err, approval.ErrCode) {
		t.Errorf("the phone: %v", err)
	}
	h.asking.proposals[0].State = wire.ProposalWaiting
	if err := alice.ApproveByCode(context.Background(), p, other); !errors.Is(err, ErrTried) {
		t.Errorf("a second try: %v", err)
	}
	h.restart(alice, true)
	if err := alice.ApproveByCode(context.Background(), p, other); !errors.Is(err, ErrTried) {
		t.Errorf("a second try after a restart: %v", err)
	}
}

// TestAttack35ShortCodeSecondHalf: a server that tells the new device that it was
// taken in, while no device of the person's saw its code, lacks the second half.
func TestAttack35ShortCodeSecondHalf(t *testing.T) {
	t.Parallel()
	h := newHonest(t)
	alice := h.join()
	phone := h.another(alice)
	at, other := hands()
	done := enrol(t, phone, at)
	p, _ := asks(t, alice, at)
	at.typed = func(approval.Code) string { return "000 000" }
	err := alice.ApproveByCode(context.Background(), p, other)
	if err := <-done; !errors.Is(err, approval.ErrCode) {
		t.Errorf("the phone: %v", err)
	}
	if !errors.Is(err, approval.ErrCode) {
		t.Errorf("the laptop: %v", err)
	}
	if n := len(h.users[alice.Me.Chain].links); n != 1 {
		t.Errorf("%d links, want 1", n)
	}
}

// TestAttack35ShortCodeLies: what the server may tell one of the two devices
// instead of the truth, and why each refuses.
func TestAttack35ShortCodeLies(t *testing.T) {
	t.Parallel()
	stranger := key(t)
	for name, c := range map[string]struct {
		lie    func(h *honest, toNew bool, p *wire.Proposal)
		ticket bool
		atNew  error // or
		reason chain.Reason
		atOld  error
	}{
		"a reveal from an earlier proposal": {
			lie: func(_ *honest, toNew bool, p *wire.Proposal) {
				if !toNew && p.Reveal != nil {
					old := approval.NewNonce()
					p.Reveal = old[:]
				}
			}, atOld: approval.ErrCommitment, atNew: approval.ErrCommitment,
		},
		"an approver that is not in the chain": {
			lie: func(_ *honest, toNew bool, p *wire.Proposal) {
				if toNew && p.Answer != nil {
					other := *p.Answer
					other.Approver = stranger.ID()
					p.Answer = &other
				}
			}, reason: chain.DeviceUnknown, atOld: approval.ErrCommitment,
		},
		"another nonce of the approver": {
			lie: func(_ *honest, toNew bool, p *wire.Proposal) {
				if toNew && p.Answer != nil {
					other, nonce := *p.Answer, approval.Nonce{1}
					other.Nonce = nonce[:]
					p.Answer = &other
				}
			}, atNew: approval.ErrCode, atOld: approval.ErrCode,
		},
		"a head that its own chain lacks": {
			lie: func(_ *honest, toNew bool, p *wire.Proposal) {
				if toNew && p.Answer != nil {
					other := *p.Answer
					other.Head[0]++
					p.Answer = &other
				}
			}, atNew: ErrOtherChain, atOld: approval.ErrCommitment,
		},
		"a proof by who has not seen the ticket": {
			lie: func(_ *honest, toNew bool, p *wire.Proposal) {
				if toNew && p.Answer != nil {
					other := *p.Answer
					other.Proof = make([]byte, 32)
					p.Answer = &other
				}
			}, ticket: true, atNew: approval.ErrProof, atOld: approval.ErrCommitment,
		},
		"other keys under the ticket": {
			lie: func(h *honest, toNew bool, p *wire.Proposal) {
				if !toNew {
					p.Public, p.Recipient = stranger.Public(), h.recorder.id.Recipient()
				}
			}, ticket: true, atOld: approval.ErrCommitment, atNew: ErrTurnedDown,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHonest(t)
			alice := h.join()
			phone := h.another(alice)
			at, other := hands()
			done := enrol(t, phone, at)
			h.mu.Lock()
			h.asking.show = func(toNew bool, p *wire.Proposal) { c.lie(h, toNew, p) }
			h.mu.Unlock()
			p, ticket := asks(t, alice, at)
			var err error
			if c.ticket {
				_, err = alice.ApproveByTicket(context.Background(), ticket)
			} else {
				err = alice.ApproveByCode(context.Background(), p, other)
			}
			if !errors.Is(err, c.atOld) {
				t.Errorf("the laptop: %v, want %v", err, c.atOld)
			}
			if errors.Is(c.atNew, ErrTurnedDown) { // nothing was answered: the person turns it down
				if err := alice.Refuse(context.Background(), p); err != nil {
					t.Error(err)
				}
			}
			err = <-done
			if c.reason != "" && chain.ReasonOf(err) != c.reason || c.atNew != nil && !errors.Is(err, c.atNew) {
				t.Errorf("the phone: %v, want %v%s", err, c.atNew, c.reason)
			}
			if n := len(h.users[alice.Me.Chain].links); n != 1 {
				t.Errorf("%d links, want 1", n)
			}
			if c.ticket && len(h.asking.revealed) > 0 {
				t.Error("the nonce was told to a server that lied")
			}
		})
	}
}

// foreign replaces the seed in a wrap to a device by one of the attacker's.
func foreign(t *testing.T, h *honest, device envelope.KeyID, recipient []byte) []byte {
	t.Helper()
	wrap, err := seal.WrapUserSeed(suitetest.Suite(), seal.NewUserSeed(), seal.UserSeedContext{Org: h.org.ID(), Device: device, Generation: 1}, recipient)
	if err != nil {
		t.Fatal(err)
	}
	return wrap
}

// TestAttack50ForeignUserSeed: a device that is handed another user key than its
// chain's uses it for nothing: not when it joins, not later.
func TestAttack50ForeignUserSeed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice := h.join()
	phone := h.another(alice)
	at, _ := hands()
	done := enrol(t, phone, at)
	p, ticket := asks(t, alice, at)
	opening := ticket.Opening(alice.Me.Chain)
	err := alice.approve(ctx, p, func(ctx context.Context, a *approving) error { // by an approver that cheats
		if err := a.answer(ctx, &opening); err != nil {
			return err
		}
		wrap := foreign(t, h, envelope.KeyOf(p.Public), p.Recipient)
		e := next(h.org.ID(), envelope.Hash(a.user.ID()), a.user, envelope.DeviceAdd, &envelope.DeviceBody{
			Name: p.Name, Key: p.Public, Recipient: p.Recipient, Wrap: envelope.SumBytes(wrap),
		}, a.user.ID(), a.Now(), a.device)
		return a.API.LinkDevice(ctx, p.ID, wire.NewLink{Entry: envelope.Marshal(e), Wrap: wrap})
	})
	if err == nil {
		t.Error("the cheating approver was believed")
	}
	if err := <-done; !errors.Is(err, seal.ErrContext) {
		t.Errorf("joining with a foreign seed: %v", err)
	}

	h.mu.Lock()
	h.users[alice.Me.Chain].wraps[alice.Device()] = foreign(t, h, alice.Device(), alice.identity.Recipient())
	h.mu.Unlock()
	alice.own.newest = 0
	if err := alice.Bind(ctx); !errors.Is(err, seal.ErrWrap) || alice.own.newest != 0 {
		t.Errorf("binding with a foreign seed: %v", err)
	}
}

// Other devices are told once of a device that was added, and the one that added
// it, and it itself, are not.
func TestNewsOfDevices(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice := h.join()
	add := func(by *person) *person {
		t.Helper()
		p := h.another(alice)
		at, _ := hands()
		done := enrol(t, p, at)
		_, ticket := asks(t, by, at)
		_, err := by.ApproveByTicket(ctx, ticket)
		if err := errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		return p
	}
	news := func(p *person) string {
		t.Helper()
		p.looked = time.Time{}
		lines, err := p.News(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines, "\n")
	}
	phone := add(alice)
	if got := news(alice) + news(phone); got != "" {
		t.Errorf("told of what they did themselves: %s", got)
	}
	add(alice)
	if got := news(phone); !strings.HasPrefix(got, `a device was added: "phone", on `) || !strings.HasSuffix(got, `, by "test device"`) {
		t.Errorf("the phone is told %q", got)
	}
	if got := news(phone); got != "" {
		t.Errorf("told twice: %s", got)
	}
}
