package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/identity"
	"chancery/policy"
)

// site is the interface with routes of a test's own.
type site struct {
	*API
	t     *testing.T
	log   bytes.Buffer
	count *prometheus.Registry
	token string
}

func newSite(t *testing.T) *site {
	t.Helper()
	return siteOn(t, coretest.Start(t))
}

func siteOn(t *testing.T, s *coretest.Server) *site {
	t.Helper()
	x := &site{t: t, count: prometheus.NewRegistry(), token: s.SignIn("members.ann").Token}
	x.API = New(Config{
		Core: s.Service, Gate: s.Gate, MaxFile: 1 << 20, Metrics: x.count,
		Log: slog.New(slog.NewJSONHandler(&x.log, nil)),
	})
	return x
}

func (x *site) ask(method, path string, body io.Reader) (*http.Response, Problem) {
	x.t.Helper()
	in := httptest.NewRequestWithContext(x.t.Context(), method, path, body)
	in.Header.Set("Authorization", "Bearer "+x.token)
	out := httptest.NewRecorder()
	x.ServeHTTP(out, in)
	var p Problem
	if out.Code >= 400 {
		if err := json.Unmarshal(out.Body.Bytes(), &p); err != nil {
			x.t.Fatalf("%s %s: %q is no problem document", method, path, out.Body)
		}
	}
	return out.Result(), p
}

func (x *site) counter(name string) float64 {
	x.t.Helper()
	families, err := x.count.Gather()
	if err != nil {
		x.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return 0
}

// TestAttackAnswerWithoutDecision: an operation that forgets to ask policy, or
// whose question was refused, tells nothing.
func TestAttackAnswerWithoutDecision(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	read := func(path string) route { return route{method: "GET", path: path, action: policy.TeamList} }
	answers(x.API, read("/v1/forgotten/json"), func(context.Context, identity.Principal, *none) (wire.Teams, error) {
		return wire.Teams{Teams: []wire.Team{{Name: "secret"}}}, nil
	})
	acts(x.API, read("/v1/forgotten/act"), func(context.Context, identity.Principal, *none) error { return nil })
	x.streams(read("/v1/forgotten/stream"), func(w http.ResponseWriter, _ *http.Request, _ identity.Principal) error {
		w.Header().Set("Content-Length", "6")
		_, err := w.Write([]byte("secret"))
		return err
	})
	x.streams(read("/v1/forgotten/silence"), func(http.ResponseWriter, *http.Request, identity.Principal) error { return nil })
	x.streams(read("/v1/forgotten/refusal"), func(w http.ResponseWriter, r *http.Request, p identity.Principal) error {
		_, _, _, _ = x.Gate.Permit(r.Context(), p, policy.OrgPublish, policy.Resource{Type: policy.OrgResource, ID: "org"})
		_, err := w.Write([]byte("secret"))
		return err
	})
	paths := []string{"json", "act", "stream", "silence", "refusal"}
	for _, path := range paths {
		resp, p := x.ask("GET", "/v1/forgotten/"+path, nil)
		raw, _ := json.Marshal(p)
		if resp.StatusCode != 500 || p.Code != "internal" || strings.Contains(string(raw), "secret") || resp.Header.Get("Content-Length") == "6" {
			t.Errorf("%s: status %d, %s", path, resp.StatusCode, raw)
		}
	}
	if n := x.counter("chancery_undecided_answers_total"); n != float64(len(paths)) {
		t.Errorf("%v alarms were counted, want %d", n, len(paths))
	}
	if n := strings.Count(x.log.String(), `"alarm":true`); n != len(paths) {
		t.Errorf("%d alarms in the log, want %d", n, len(paths))
	}
	if resp, p := x.ask("GET", "/v1/teams", nil); resp.StatusCode != 200 {
		t.Errorf("an operation that asks: %d %s", resp.StatusCode, p.Detail)
	}
}

// TestAttackLargeBodyUnasked: of a body beyond 64 KiB not a byte is read before
// policy was asked, and that it may be read permits no answer.
func TestAttackLargeBodyUnasked(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	org := policy.Resource{Type: policy.OrgResource, ID: "org"}
	first := func(action policy.Action) ask {
		return func(ctx context.Context, p identity.Principal, _ *http.Request) error {
			_, _, _, err := x.Gate.Permit(ctx, p, action, org)
			return err
		}
	}
	type input struct{ Body wire.NewTeam }
	for path, action := range map[string]policy.Action{"/v1/mine": policy.OrgRead, "/v1/theirs": policy.OrgPublish} {
		acts(x.API, route{method: "POST", path: path, action: policy.TeamCreate, limit: 1 << 20, first: first(action)},
			func(context.Context, identity.Principal, *input) error { return nil })
	}
	large := strings.Repeat(" ", smallBody) + `{"name":"x"}`
	for name, body := range map[string]func() *counted{
		"declared": func() *counted { return &counted{Reader: strings.NewReader(large), size: int64(len(large))} },
		"chunked":  func() *counted { return &counted{Reader: strings.NewReader(large), size: -1} },
	} {
		b := body()
		if status := x.send("/v1/theirs", b); status != 403 || b.read > 0 {
			t.Errorf("%s: status %d after %d bytes of somebody who may not", name, status, b.read)
		}
		b = body()
		if status := x.send("/v1/mine", b); status != 500 || b.read != len(large) {
			t.Errorf("%s: status %d after %d bytes of an operation that asks nobody", name, status, b.read)
		}
	}
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	size int64 // as declared
	read int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.read += n
	return n, err
}

func (x *site) send(path string, body *counted) int {
	in := httptest.NewRequestWithContext(x.t.Context(), "POST", path, body)
	in.ContentLength = body.size
	in.Header.Set("Authorization", "Bearer "+x.token)
	in.Header.Set("Content-Type", "application/json")
	out := httptest.NewRecorder()
	x.ServeHTTP(out, in)
	return out.Code
}

// TestUnboundedRoutesCantStart: a route that reads much and asks nobody first.
func TestUnboundedRoutesCantStart(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]route{
		"large and nobody asked": {method: "POST", path: "/x", action: policy.TeamCreate, limit: smallBody + 1},
		"large and public":       {method: "POST", path: "/x", public: "because", limit: smallBody + 1, first: func(context.Context, identity.Principal, *http.Request) error { return nil }},
		"no bound":               {method: "POST", path: "/x", action: policy.TeamCreate, limit: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was registered", name)
				}
			}()
			(&table{routes: map[string]route{}}).declare(r)
		}()
	}
}
