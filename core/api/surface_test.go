package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"chancery/compliance"
	"chancery/core"
	"chancery/core/api"
	"chancery/core/coretest"
	"chancery/core/live"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/policy"
	"chancery/retention"
)

var update = flag.Bool("update", false, "rewrite the golden file")

const golden = "testdata/openapi.golden.json"

type embedded = api.Exports

// described is enough for routes to be described; they are not called.
type described struct{ embedded }

func whole() *api.API {
	log := slog.New(slog.DiscardHandler)
	return api.New(api.Config{
		Core: &core.Service{}, Live: live.NewHub(live.Config{Log: log}), Records: noLog{}, MaxFile: maxFile, Log: log,
		Holds: &compliance.Service{}, Retention: &retention.Service{}, Exports: described{}, Following: &compliance.Service{},
	})
}

// TestOpenAPI holds the public interface to its description: a change of either
// is seen in review.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	raw, err := whole().OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the interface is not what %s says; run go test ./core/api -update and read the diff", golden)
	}
}

type operation struct {
	Action      string         `json:"x-action"`
	Public      string         `json:"x-public"`
	MaxBody     int64          `json:"x-max-body"`
	RequestBody map[string]any `json:"requestBody"`
}

// operations lists every route of the description.
func operations(t *testing.T) map[string]operation {
	t.Helper()
	raw, err := whole().OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]operation{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			all[strings.ToUpper(method)+" "+path] = op
		}
	}
	return all
}

func TestEveryRouteNamesAnAction(t *testing.T) {
	t.Parallel()
	all := operations(t)
	if len(all) < 25 {
		t.Fatalf("only %d routes", len(all))
	}
	for route, op := range all {
		if _, known := policy.Action(op.Action).Spec(); known == (op.Public != "") {
			t.Errorf("%s: action %q, public %q", route, op.Action, op.Public)
		}
	}
}

// denyAll refuses every question.
const denyAll = `package chancery.main
decision := {"allow": false, "reasons": {{"code": "test.none", "level": "hard", "user_text": ""}}, "obligations": set(), "needs": {}, "valid_until": 0}
`

func deny(t *testing.T) *policy.Engine {
	t.Helper()
	schema, err := fs.ReadFile(policy.Default().Files, "input_v1.json")
	if err != nil {
		t.Fatal(err)
	}
	e, err := policy.Load(t.Context(), policy.Bundle{Number: 2, Files: fstest.MapFS{
		"main.rego": {Data: []byte(denyAll)}, "enforcement.json": {Data: []byte("{}")}, "input_v1.json": {Data: schema},
	}}, policy.Config{Deadline: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// orgOnly is the organisation without people.
type orgOnly struct{ org *chain.Org }

func (o orgOnly) Org() *chain.Org                          { return o.org }
func (o orgOnly) User(envelope.UserID) (*chain.User, bool) { return nil, false }

// under is the same server with every noun, under another policy.
func (s *server) under(e *policy.Engine) *server {
	s.t.Helper()
	c := s.Service.Config
	c.Gate = core.NewGate(e, s.DB.Record, time.Now)
	dir := orgOnly{s.Org()}
	other := *s
	other.Service = core.New(c)
	holds := compliance.New(compliance.Config{Store: s.DB, Gate: c.Gate, Directory: dir, Now: time.Now, Log: c.Log})
	other.http = httptest.NewTLSServer(api.New(api.Config{
		Core: other.Service, Gate: c.Gate, Live: live.NewHub(live.Config{Log: c.Log}), Records: noLog{}, MaxFile: maxFile, Log: c.Log,
		Limits:    api.Limits{Denials: 100, PerAddress: 100}, // one person asks every route
		Holds:     holds,
		Following: holds,
		Retention: retention.New(retention.Config{Store: s.DB, Gate: c.Gate, Directory: dir, Now: time.Now, Log: c.Log}),
	}))
	s.t.Cleanup(other.http.Close)
	return &other
}

// alarm is a device's signed word that its first message is not captured.
func alarm(t *testing.T, c *coretest.Channel, by *coretest.Person) wire.NewNotice {
	t.Helper()
	raw, err := seal.SignStatement(envelope.LabelAlarm, &envelope.Notice{
		Version: envelope.Version, Org: c.State.Org(), Channel: c.ID, User: by.User, Key: by.Key.ID(),
		Body: envelope.Marshal(&envelope.Alarm{Code: envelope.AlarmUncovered, Number: 1}),
	}, by.Key)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewNotice{Statement: raw}
}

// TestAttackCrawlUnderDenyAll asks every route, signed in and with bodies of the
// right shape, under a policy that refuses all. Nothing may answer with anything
// but a refusal, and no record but of refusals may appear.
func TestAttackCrawlUnderDenyAll(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	var team wire.Team
	s.must("POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core"}, &team)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil)
	denied := s.under(deny(t))
	before := s.Number(`SELECT count(*) FROM records WHERE outcome <> 'denied'`)
	id := strings.Repeat("0a", 32)
	fill := strings.NewReplacer("{user}", ann.User.String(), "{key}", ann.Key.ID().String(), "{channel}", c.ID.String(), "{hold}", id, "{notice}", id, "{plan}", id,
		"{proposal}", id, "{blob}", id[:32], "{team}", itoa(team.ID), "{n}", "1", "{position}", "1", "{username}", "admins.ann", "{path...}", "0/000.p/1")
	bodies := map[string]any{
		"/v1/org": wire.NewChain{Entry: s.OrgGenesis()}, "/v1/org/links": wire.NewLink{Entry: s.OrgGenesis()},
		"/v1/people/me/chain": wire.NewChain{Entry: s.OrgGenesis()}, "/v1/session/device": wire.BindDevice{Statement: ann.Proof(t.Context())},
		"/v1/devices": wire.NewDevice{Name: "x"}, "/v1/proposals/{proposal}/answer": wire.DeviceAnswer{Nonce: make([]byte, 32)},
		"/v1/proposals/{proposal}/reveal": wire.DeviceReveal{Nonce: make([]byte, 32)}, "/v1/proposals/{proposal}/link": wire.NewLink{Entry: s.OrgGenesis(), Wrap: []byte{1}},
		"/v1/proposals/{proposal}/refusal": wire.DeviceRefusal{Why: wire.RefusedByPerson},
		"/v1/teams":                        wire.NewTeam{Name: "other"}, "/v1/teams/{team}/members": wire.TeamMember{Username: "admins.ann"},
		"/v1/channels":                   wire.NewChannel{Team: team.ID, Name: "x", Genesis: ann.ChannelGenesis(envelope.CaptureOff)},
		"/v1/channels/{channel}/entries": c.Seal(ann, "hello"), "/v1/channels/{channel}/files/{blob}": "abc", "/v1/channels/{channel}/notices": alarm(t, c, ann),
		"/v1/channels/{channel}/files":    wire.NewFile{ID: envelope.BlobID{1}, Size: 100},
		"/v1/accounts/{username}/disable": wire.Disable{Reason: "left"}, "/v1/departures": wire.Countersigned{Entry: c.Departure(ann, s.Removal)},
		"/v1/log/cosignatures": wire.Cosignature{Size: 1, Line: "line"},
		"/v1/matters":          wire.Matter{ID: "m", Title: "M"}, "/v1/retention/plans/{plan}/confirm": wire.Statement{Statement: []byte{1}},
	}
	refusals := map[int]bool{401: true, 403: true, 404: true, 503: true}
	for route, op := range operations(t) {
		method, path, _ := strings.Cut(route, " ")
		if op.Public != "" || strings.Contains(path, "/exports") {
			continue
		}
		body := bodies[path]
		if method == "GET" || method == "DELETE" {
			body = nil
		} else if body == nil {
			body = wire.Order{Order: []byte{1}, Approval: []byte{1}}
		}
		url := fill.Replace(path)
		if strings.HasSuffix(path, "{blob}") {
			url += "?from=0&to=1"
		}
		if status, _ := denied.call(method, url, "", body); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d without a session", route, status)
		}
		if status, raw := denied.call(method, url, ann.Token, body); !refusals[status] {
			t.Errorf("%s: status %d under a policy that refuses all: %.200s", route, status, raw)
		}
	}
	if n := s.Number(`SELECT count(*) FROM records WHERE outcome <> 'denied'`); n != before {
		t.Errorf("%d changes were recorded", n-before)
	}
}

// TestEveryRouteBoundsItsBody asks every route with one byte more than it says
// it takes.
func TestEveryRouteBoundsItsBody(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	all := s.whole()
	id := strings.Repeat("0a", 32)
	fill := strings.NewReplacer("{user}", id, "{key}", id, "{channel}", id, "{hold}", id, "{notice}", id, "{plan}", id, "{export}", id, "{schedule}", "daily",
		"{proposal}", id, "{blob}", id[:32], "{team}", "1", "{n}", "1", "{position}", "1", "{username}", "bob", "{path...}", "0/000.p/1")
	for route, op := range operations(t) {
		if op.MaxBody <= 0 {
			t.Errorf("%s has no bound for its body", route)
		}
		method, path, _ := strings.Cut(route, " ")
		in := httptest.NewRequestWithContext(t.Context(), method, fill.Replace(path), io.LimitReader(zeros{}, op.MaxBody+1))
		in.ContentLength = op.MaxBody + 1
		in.Header.Set("Authorization", "Bearer "+ann.Token)
		out := httptest.NewRecorder()
		all.http.Config.Handler.ServeHTTP(out, in)
		var p api.Problem
		if err := json.Unmarshal(out.Body.Bytes(), &p); err != nil || out.Code != http.StatusRequestEntityTooLarge || p.Code != "request.too_large" {
			t.Errorf("%s: status %d for %d bytes: %s", route, out.Code, op.MaxBody+1, out.Body)
		}
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
