package api

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"

	"chancery/core"
	"chancery/identity"
)

// Limits say how often somebody may ask, so that nobody uses the server up for
// the others; zero takes the default. Ten seconds' worth may come at once.
type Limits struct {
	PerPerson  int // requests a second of one person or listed service: 300
	Denials    int // denied requests a second of one of them, each of which is a record for ever: 5
	PerAddress int // requests a second without a session from one address: 20
	Strangers  int // such requests a second in all: 500
}

// inOneGo is how many seconds' worth may come at once.
const inOneGo = 10

// maxPaced is how many askers a pace remembers; those who ask for little are
// forgotten first, which costs nothing.
const maxPaced = 20_000

// pace is the rate of each of many askers.
type pace[K comparable] struct {
	every rate.Limit
	burst int
	mu    sync.Mutex
	of    map[K]*rate.Limiter
}

func newPace[K comparable](perSecond, standard int) *pace[K] {
	n := cmp.Or(perSecond, standard)
	return &pace[K]{every: rate.Limit(n), burst: n * inOneGo, of: map[K]*rate.Limiter{}}
}

func (p *pace[K]) get(key K) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.of[key]
	if !ok {
		p.makeRoom()
		l = rate.NewLimiter(p.every, p.burst)
		p.of[key] = l
	}
	return l
}

// makeRoom forgets whose allowance is whole again: a new one is the same.
func (p *pace[K]) makeRoom() {
	if len(p.of) < maxPaced {
		return
	}
	for key, l := range p.of {
		if l.Tokens() >= float64(l.Burst()) {
			delete(p.of, key)
		}
	}
}

// asker is whose requests are counted together.
type asker struct {
	user    identity.UserID
	service [32]byte
}

func askerOf(p identity.Principal) asker { return asker{p.User, p.Service} }

// paces are all limits of one interface.
type paces struct {
	people    *pace[asker]
	denials   *pace[asker]
	addresses *pace[netip.Addr]
	strangers *rate.Limiter
}

func newPaces(l Limits) *paces {
	return &paces{
		people: newPace[asker](l.PerPerson, 300), denials: newPace[asker](l.Denials, 5),
		addresses: newPace[netip.Addr](l.PerAddress, 20), strangers: newPace[int](l.Strangers, 500).get(0),
	}
}

// person counts a request of somebody who is known. Who was denied too often is
// not heard at all for a while: nothing is decided, nothing recorded.
func (p *paces) person(who identity.Principal) error {
	switch {
	case !p.people.get(askerOf(who)).Allow():
		return tooOften("you send more requests than this server takes from one person; wait a moment")
	case p.denials.get(askerOf(who)).Tokens() < 1:
		return tooOften("too many of your requests were denied; wait a moment, and ask who may do what you tried")
	}
	return nil
}

// denied counts a request that policy refused.
func (p *paces) denied(who identity.Principal) { p.denials.get(askerOf(who)).Allow() }

// stranger counts a request without a session.
func (p *paces) stranger(r *http.Request) error {
	if !p.addresses.get(addressOf(r)).Allow() || !p.strangers.Allow() {
		return tooOften("too many requests without a session come from your address; wait a moment")
	}
	return nil
}

// addressOf is who is counted together: an IPv4 address, or the 64 bits of an
// IPv6 network, whose holder can make up the rest.
func addressOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	if a = a.Unmap().WithZone(""); a.Is4() {
		return a
	}
	network, err := a.Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return network.Addr()
}

func tooOften(text string) error {
	return &core.Error{Op: "request", Kind: core.Limited, Code: "request.too_often", Public: text}
}
