package core_test

import (
	"sync"
	"testing"
	"time"

	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/envelope"
)

// TestAttack35ShortCodeSteps: a proposal goes forward only, by the session's own
// device, with what was committed to, and never twice.
func TestAttack35ShortCodeSteps(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	s.Found(envelope.CaptureOff)
	bob, eve := s.Join("bob"), s.Join("eve")
	ctx, p := t.Context(), bob.P
	phone := bob.NewDevice("phone").Ask()
	reveal := wire.DeviceReveal{Nonce: phone.Opening.Nonce[:]}
	over, wrong := "device.proposal_over", approval.NewNonce()

	wantCode(t, "the same commitment again", s.AskForDevice(ctx, p, phone.Asking()), "device.commitment_used")
	wantCode(t, "revealed before an answer", s.RevealDevice(ctx, p, phone.ID(), reveal), over)
	wantCode(t, "linked before an answer", s.LinkDevice(ctx, p, phone.ID(), phone.Link()), "device.other_approver")
	wantCode(t, "answered by another person", s.AnswerDevice(ctx, eve.P, phone.ID(), phone.Answer()), "not_found")
	forged := phone.Answer()
	forged.Approver = eve.Key.ID()
	wantCode(t, "answered as another device", s.AnswerDevice(ctx, p, phone.ID(), forged), "request.malformed")
	unbound := s.SignIn("bob")
	wantCode(t, "answered without a device", s.AnswerDevice(ctx, unbound.P, phone.ID(), phone.Answer()), "device.not_approved")

	wantCode(t, "answered", s.AnswerDevice(ctx, p, phone.ID(), phone.Answer()), "")
	wantCode(t, "answered twice", s.AnswerDevice(ctx, p, phone.ID(), phone.Answer()), over)
	wantCode(t, "linked before it was revealed", s.LinkDevice(ctx, p, phone.ID(), phone.Link()), over)
	wantCode(t, "another nonce revealed", s.RevealDevice(ctx, p, phone.ID(), wire.DeviceReveal{Nonce: wrong[:]}), "request.malformed")
	wantCode(t, "revealed", s.RevealDevice(ctx, p, phone.ID(), reveal), "")
	wantCode(t, "revealed twice", s.RevealDevice(ctx, p, phone.ID(), reveal), over)

	other := bob.NewDevice("phone")
	wantCode(t, "a link for other keys", s.LinkDevice(ctx, p, phone.ID(), other.Link()), "request.malformed")
	wantCode(t, "published before it was linked", s.ExtendUser(ctx, p, phone.Signed()), "device.not_approved")
	wantCode(t, "linked", s.LinkDevice(ctx, p, phone.ID(), phone.Link()), "")
	wantCode(t, "linked twice", s.LinkDevice(ctx, p, phone.ID(), phone.Link()), over)
	wantCode(t, "published", s.ExtendUser(ctx, p, phone.Signed()), "")
	wantCode(t, "a device of the chain asks", s.AskForDevice(ctx, p, phone.Again().Asking()), "device.exists")
	wantCode(t, "refused afterwards", s.RefuseDevice(ctx, p, phone.ID(), wire.DeviceRefusal{Why: wire.RefusedCodes}), over)
}

// A refusal by either device ends a proposal; so does the device's next one.
func TestProposalEnds(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	s.Found(envelope.CaptureOff)
	bob, eve := s.Join("bob"), s.Join("eve")
	phone := bob.NewDevice("phone").Ask()
	refusal := wire.DeviceRefusal{Why: wire.RefusedCodes}
	wantCode(t, "by another person", s.RefuseDevice(t.Context(), eve.P, phone.ID(), refusal), "not_found")
	wantCode(t, "by its own", s.RefuseDevice(t.Context(), bob.P, phone.ID(), refusal), "")
	wantCode(t, "answered then", s.AnswerDevice(t.Context(), bob.P, phone.ID(), phone.Answer()), "device.proposal_over")
	second := phone.Again().Ask()
	third := phone.Again().Ask()
	for j, why := range map[*coretest.Joining]string{phone: wire.RefusedCodes, second: wire.RefusedReplaced, third: ""} {
		got, err := s.Proposal(t.Context(), bob.P, j.ID())
		if err != nil || got.Why != why {
			t.Errorf("%s: %q, %v, want %q", j.ID(), got.Why, err, why)
		}
	}
	if all, err := s.Devices(t.Context(), bob.P); err != nil || len(all.Waiting) != 1 || all.Waiting[0].ID != third.ID() {
		t.Errorf("waiting: %+v, %v", all.Waiting, err)
	}
}

// TestAttack35ShortCodeTooOften: an account has six proposals an hour, however
// many ask at once, and each lives for ten minutes.
func TestAttack35ShortCodeTooOften(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	s.Found(envelope.CaptureOff)
	bob := s.Join("bob")
	codes := make(chan string, 12)
	var all sync.WaitGroup
	for range cap(codes) {
		asking := bob.NewDevice("phone").Asking()
		all.Go(func() { codes <- codeOf(s.AskForDevice(t.Context(), bob.P, asking)) })
	}
	all.Wait()
	close(codes)
	count := map[string]int{}
	for c := range codes {
		count[c]++
	}
	if count[""] != 6 || count["device.too_often"] != 6 {
		t.Errorf("answers %v, want six of each", count)
	}

	later := func(d time.Duration) *coretest.Server {
		c := s.Config
		c.Now = func() time.Time { return time.Now().Add(d) }
		next := *s
		next.Service = s.Run(&c)
		return &next
	}
	ten, hour := later(10*time.Minute+time.Second), later(time.Hour+time.Second)
	if waiting, err := ten.Devices(t.Context(), bob.P); err != nil || len(waiting.Waiting) != 0 {
		t.Errorf("after ten minutes %d wait, %v", len(waiting.Waiting), err)
	}
	late, err := s.Devices(t.Context(), bob.P)
	s.Must(err)
	nonce := approval.NewNonce()
	answer := wire.DeviceAnswer{Approver: bob.Key.ID(), Nonce: nonce[:]}
	wantCode(t, "answered after ten minutes", ten.AnswerDevice(t.Context(), bob.P, late.Waiting[0].ID, answer), "device.proposal_over")
	for name, x := range map[string]struct {
		server *coretest.Server
		code   string
	}{"asked after ten minutes": {ten, "device.too_often"}, "asked after an hour": {hour, ""}} {
		again := x.server.SignIn("bob")
		wantCode(t, name, x.server.AskForDevice(t.Context(), again.P, again.NewDevice("phone").Asking()), x.code)
	}
}
