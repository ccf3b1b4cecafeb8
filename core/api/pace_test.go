package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"chancery/core/coretest"
	"chancery/identity"
	"chancery/policy"
)

// from asks without a session, from an address.
func (x *site) from(addr, method, path string) int {
	in := httptest.NewRequestWithContext(x.t.Context(), method, path, nil)
	in.RemoteAddr = addr
	out := httptest.NewRecorder()
	x.ServeHTTP(out, in)
	return out.Code
}

// TestAttackStrangersAskForNonces: whoever has no session gets only so many
// answers, by address and in all; others and the load balancer get theirs.
func TestAttackStrangersAskForNonces(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.paces = newPaces(Limits{PerAddress: 1, Strangers: 2})
	x.paces.addresses.every = 0 // nothing comes back, however slow the machine
	x.paces.strangers.SetLimit(0)
	ask := func(addr string, want int) {
		t.Helper()
		if got := x.from(addr, "POST", "/v1/session/nonce"); got != want {
			t.Errorf("from %s: status %d, want %d", addr, got, want)
		}
	}
	for range inOneGo {
		ask("192.0.2.1:77", http.StatusOK)
	}
	ask("192.0.2.1:78", http.StatusTooManyRequests)
	ask("[::ffff:192.0.2.1]:78", http.StatusTooManyRequests)
	ask("[2001:db8::1]:1", http.StatusOK)
	for range inOneGo - 1 {
		ask("[2001:db8::2]:1", http.StatusOK)
	}
	ask("[2001:db8::3%eth0]:1", http.StatusTooManyRequests) // one network is one stranger
	ask("192.0.2.9:1", http.StatusTooManyRequests)          // two addresses have used up what is for all
	if got := x.from("192.0.2.1:77", "GET", "/livez"); got != http.StatusOK {
		t.Errorf("health: status %d", got)
	}
}

// TestAttackDenialsFillTheRecord: denied requests leave a record each, so one
// person gets only so many; then they are not heard, and nothing is recorded.
func TestAttackDenialsFillTheRecord(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	x := siteOn(t, s)
	x.paces = newPaces(Limits{Denials: 1})
	x.paces.denials.every = 0
	acts(x.API, route{method: "POST", path: "/v1/theirs", action: policy.OrgPublish}, func(ctx context.Context, p identity.Principal, _ *none) error {
		_, _, _, err := x.Gate.Permit(ctx, p, policy.OrgPublish, policy.Resource{Type: policy.OrgResource, ID: "org"})
		return err
	})
	statuses := map[int]int{}
	for range inOneGo + 20 {
		resp, _ := x.ask("POST", "/v1/theirs", nil)
		statuses[resp.StatusCode]++
	}
	denied := statuses[http.StatusForbidden]
	if denied != inOneGo || statuses[http.StatusTooManyRequests] != 20 {
		t.Errorf("answers by status: %v", statuses)
	}
	if n := s.Number(`SELECT count(*) FROM records WHERE op = 'pol.deny'`); int(n) != denied {
		t.Errorf("%d records of %d denials", n, denied)
	}
	x.token = s.SignIn("members.bob").Token
	if resp, p := x.ask("POST", "/v1/theirs", nil); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another person: %d %s", resp.StatusCode, p.Detail)
	}
}

// TestOnePersonIsBounded: also with requests that are allowed.
func TestOnePersonIsBounded(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.paces = newPaces(Limits{PerPerson: 1})
	x.paces.people.every = 0
	statuses := map[int]int{}
	for range inOneGo + 20 {
		resp, p := x.ask("GET", "/v1/teams", nil)
		statuses[resp.StatusCode]++
		if resp.StatusCode != http.StatusOK && (p.Code != "request.too_often" || resp.Header.Get("Retry-After") == "") {
			t.Errorf("%d %q", resp.StatusCode, p.Code)
		}
	}
	if statuses[http.StatusOK] != inOneGo || statuses[http.StatusTooManyRequests] != 20 {
		t.Errorf("answers by status: %v", statuses)
	}
}

// TestPaceForgetsTheQuiet: a flood of askers takes no memory for ever.
func TestPaceForgetsTheQuiet(t *testing.T) {
	t.Parallel()
	p := newPace[int](1, 1)
	p.get(-1).AllowN(time.Now(), inOneGo) // who has asked is remembered
	for i := range maxPaced {
		p.get(i)
	}
	if _, kept := p.of[-1]; len(p.of) > maxPaced || !kept {
		t.Errorf("%d askers are remembered, the busy one: %v", len(p.of), kept)
	}
}
