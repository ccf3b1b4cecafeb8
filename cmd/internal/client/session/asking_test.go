package session

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"chancery/cmd/internal/client"
	"chancery/core/wire"
	"chancery/crypto/approval"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/suitetest"
)

// newDevice ends the token of a device that is not in the chain yet, so that the
// server can lie to it apart.
const newDevice = "+new"

// asking is what the honest server keeps of devices that ask, and how a test has
// it lie about them.
type asking struct {
	proposals []*wire.Proposal
	show      func(toNew bool, p *wire.Proposal) // bends what a device is told
	revealed  [][]byte
}

func (h *honest) serveAsking(on func(string, func(*http.Request) (any, *client.Problem))) {
	on("GET /v1/devices", func(r *http.Request) (any, *client.Problem) {
		out := wire.Devices{}
		for _, p := range h.asking.proposals {
			if seen := h.view(r, p); seen.State == wire.ProposalWaiting {
				out.Waiting = append(out.Waiting, *seen)
			}
		}
		return out, nil
	})
	on("POST /v1/devices", func(r *http.Request) (any, *client.Problem) {
		var in wire.NewDevice
		h.read(r, &in)
		h.asking.proposals = append(h.asking.proposals, &wire.Proposal{
			ID: in.Commitment, Name: in.Name, Public: in.Public, Recipient: in.Recipient, State: wire.ProposalWaiting,
		})
		return struct{}{}, nil
	})
	on("GET /v1/proposals/{id}", h.onProposal(func(r *http.Request, p *wire.Proposal) any { return h.view(r, p) }))
	on("PUT /v1/proposals/{id}/answer", h.onProposal(func(r *http.Request, p *wire.Proposal) any {
		p.Answer, p.State = new(wire.DeviceAnswer), wire.ProposalAnswered
		h.read(r, p.Answer)
		return struct{}{}
	}))
	on("PUT /v1/proposals/{id}/reveal", h.onProposal(func(r *http.Request, p *wire.Proposal) any {
		var in wire.DeviceReveal
		h.read(r, &in)
		p.Reveal, p.State = in.Nonce, wire.ProposalRevealed
		h.asking.revealed = append(h.asking.revealed, in.Nonce)
		return struct{}{}
	}))
	on("PUT /v1/proposals/{id}/link", h.onProposal(func(r *http.Request, p *wire.Proposal) any {
		var in wire.NewLink
		h.read(r, &in)
		p.Entry, p.Wrap, p.State = in.Entry, in.Wrap, wire.ProposalLinked
		return struct{}{}
	}))
	on("PUT /v1/proposals/{id}/refusal", h.onProposal(func(r *http.Request, p *wire.Proposal) any {
		var in wire.DeviceRefusal
		h.read(r, &in)
		p.Why, p.State = in.Why, wire.ProposalRefused
		return struct{}{}
	}))
	on("POST /v1/people/me/chain", h.extend)
	on("GET /v1/devices/recovery", func(r *http.Request) (any, *client.Problem) {
		a := h.users[caller(r)]
		if kit := a.chain.Recovery(); kit != nil {
			return wire.Recovery{Key: envelope.KeyOf(kit.Key), Wrap: a.wraps[envelope.KeyOf(kit.Key)]}, nil
		}
		return wire.Recovery{}, nil
	})
}

func (h *honest) onProposal(do func(*http.Request, *wire.Proposal) any) func(*http.Request) (any, *client.Problem) {
	return func(r *http.Request) (any, *client.Problem) {
		for _, p := range h.asking.proposals {
			if p.ID.String() == r.PathValue("id") {
				return do(r, p), nil
			}
		}
		return nil, &client.Problem{Status: http.StatusNotFound}
	}
}

func (h *honest) view(r *http.Request, p *wire.Proposal) *wire.Proposal {
	seen := *p
	if h.asking.show != nil {
		h.asking.show(strings.HasSuffix(r.Header.Get("Authorization"), newDevice), &seen)
	}
	return &seen
}

func (h *honest) extend(r *http.Request) (any, *client.Problem) {
	var in wire.NewLink
	h.read(r, &in)
	a, e := h.users[caller(r)], h.parse(in.Entry)
	if err := a.chain.Apply(e); err != nil {
		return nil, refusedBy(err)
	}
	a.links = append(a.links, in.Entry)
	for _, p := range h.asking.proposals {
		if p.State == wire.ProposalLinked {
			p.State = wire.ProposalAdded
			a.wraps[envelope.KeyOf(p.Public)] = p.Wrap
		}
	}
	for i, wrap := range in.Wraps { // of a new generation
		a.wraps[chain.Holders(a.chain.Devices(), a.chain.Recovery())[i].ID] = wrap
	}
	return struct{}{}, nil
}

// another makes a device of the person's that is not in the chain.
func (h *honest) another(of *person) *person {
	h.t.Helper()
	p := &person{dir: h.t.TempDir()}
	ring, err := keyring.Create(p.dir+"/ring", "test", keyring.Cheap(), keyring.Suite(suitetest.Suite()))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { ring.Close() })
	h.open(p, ring, of.Me.Chain.String()+newDevice)
	return p
}

// hand is a person at one screen, who types what the other one shows.
type hand struct {
	tickets chan approval.Ticket
	shows   chan approval.Code
	types   <-chan approval.Code
	slip    bool                       // the person first types something else, which is no code
	typed   func(approval.Code) string // what the person makes of a code
}

func hands() (first, second *hand) {
	a, b := make(chan approval.Code, 1), make(chan approval.Code, 1)
	return &hand{make(chan approval.Ticket, 1), a, b, true, same}, &hand{nil, b, a, false, same}
}

func same(c approval.Code) string { return string(c) }

func (h *hand) Ticket(t approval.Ticket) { h.tickets <- t }
func (h *hand) Code(c approval.Code)     { h.shows <- c }
func (h *hand) Ask(ctx context.Context) (string, error) {
	if h.slip {
		h.slip = false
		return "what?", nil
	}
	select {
	case c := <-h.types:
		return h.typed(c), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// enrol has the new device ask, and gives what became of it.
func enrol(t *testing.T, p *person, at *hand) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.EnrollNext(context.Background(), "phone", at) }()
	return done
}

// asks waits for the proposal that a device is shown.
func asks(t *testing.T, p *person, at *hand) (wire.Proposal, approval.Ticket) {
	t.Helper()
	ticket := <-at.tickets
	waiting, err := p.Waiting(context.Background())
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%d devices ask, %v", len(waiting), err)
	}
	return waiting[0], ticket
}
