package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"chancery/compliance"
	"chancery/core/api"
	"chancery/core/live"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/retention"
)

// whole is the same server with every noun.
func (s *server) whole() *server {
	c := s.Service.Config
	dir := orgOnly{s.Org()}
	holds := compliance.New(compliance.Config{Store: s.DB, Gate: c.Gate, Directory: dir, Now: time.Now, Log: c.Log})
	other := *s
	other.http = httptest.NewTLSServer(api.New(api.Config{
		Core: s.Service, Gate: c.Gate, Live: c.Publisher.(*live.Hub), Records: noLog{}, MaxFile: maxFile, Log: slog.New(slog.NewJSONHandler(s.log, nil)),
		Holds: holds, Exports: holds, Following: holds,
		Retention: retention.New(retention.Config{Store: s.DB, Gate: c.Gate, Directory: dir, Now: time.Now, Log: c.Log}),
	}))
	s.t.Cleanup(other.http.Close)
	return &other
}

// rows counts every table. Refusals are recorded, so their records do not count,
// and neither do nonces, which are not kept.
func (s *server) rows() map[string]int64 {
	s.t.Helper()
	all := map[string]int64{}
	for name := range strings.FieldsSeq(s.Text(`SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relkind IN ('r', 'p') AND NOT relispartition AND relname !~ '^(river|goose|nonces)' AND has_table_privilege('chancery_app', oid, 'SELECT')`)) {
		where := ""
		if name == "records" {
			where = " WHERE outcome <> 'denied'"
		}
		all[name] = s.Number("SELECT count(*) FROM " + name + where)
	}
	if len(all) < 15 {
		s.t.Fatalf("only %d tables are counted", len(all))
	}
	return all
}

type members = map[string]json.RawMessage

// spoil makes bad bodies of a good one: each breaks one rule of the format.
func spoil(t *testing.T, good members) map[string]string {
	t.Helper()
	with := func(name string, value string) string {
		m := maps.Clone(good)
		m[name] = json.RawMessage(value)
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	whole := with("none", "0")
	whole = strings.Replace(strings.Replace(whole, `"none":0,`, "", 1), `,"none":0`, "", 1)
	bad := map[string]string{
		"empty": "", "not JSON": "name=x", "an array": "[]", "null": "null", "a number": "7", "truncated": whole[:len(whole)-1],
		"half": whole[:len(whole)/2], "two values": whole + whole, "unknown member": with("surprise", "1"),
		"oversized": with("surprise", `"`+strings.Repeat("x", 9<<20)+`"`), "deep": strings.Repeat("[", 20_000),
	}
	for name, value := range good {
		bad[name+" of another type"] = with(name, `{"x":[1]}`)
		bad[name+" twice"] = "{" + fmt.Sprintf("%q:%s,", name, value) + whole[1:]
		bad[name+" missing"] = "{}"
		bad[name+" with NUL"] = with(name, `"a\u0000b"`)
		bad[name+" with a control character"] = with(name, `"a\u001b[2Jb"`)
		bad[name+" too long"] = with(name, `"`+strings.Repeat("x", 60_000)+`"`)
		if !slices.Contains([]string{"name", "title", "username", "id"}, name) { // text may be anything
			bad[name+" of junk"] = with(name, `"gwHYIA=="`)
		}
	}
	return bad
}

// lenient tells what is no fault of the body: wrong is all that a password can
// be, and each wrong one counts.
func lenient(path, what string) bool {
	return path == "/v1/session" && strings.HasPrefix(what, "password")
}

// TestAttackEveryRouteRefusesJunk sends what is malformed, cut, doubled,
// oversized and unprintable to every route that changes something, with the
// rights to get past policy. Each answer is a problem that names a field or a
// rule; no row appears or goes; nothing panics.
func TestAttackEveryRouteRefusesJunk(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	officer := s.Join("compliance.olga")
	var team wire.Team
	s.must("POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core"}, &team)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil)
	s = s.whole()

	id := strings.Repeat("0a", 32)
	fill := strings.NewReplacer("{user}", ann.User.String(), "{key}", ann.Key.ID().String(), "{channel}", c.ID.String(), "{hold}", id, "{plan}", id,
		"{export}", id, "{schedule}", "daily", "{proposal}", id, "{blob}", id[:32], "{team}", itoa(team.ID), "{username}", "nobody")
	good := map[string]any{
		"/v1/session":     wire.Login{Username: "admins.ann", Password: "right"},
		"/v1/session/key": wire.KeyLogin{Statement: ann.Proof(t.Context())},
		"/v1/org":         wire.NewChain{Entry: s.OrgGenesis()}, "/v1/org/links": wire.NewLink{Entry: s.OrgGenesis()},
		"PUT /v1/people/me/chain": wire.NewChain{Entry: s.OrgGenesis(), Wrap: []byte{1}}, "POST /v1/people/me/chain": wire.NewLink{Entry: s.OrgGenesis()},
		"/v1/session/device": wire.BindDevice{Statement: ann.Proof(t.Context())},
		"/v1/devices":        wire.NewDevice{Name: "x"}, "/v1/proposals/{proposal}/answer": wire.DeviceAnswer{Nonce: make([]byte, 32)},
		"/v1/proposals/{proposal}/reveal": wire.DeviceReveal{Nonce: make([]byte, 32)}, "/v1/proposals/{proposal}/link": wire.NewLink{Entry: s.OrgGenesis(), Wrap: []byte{1}},
		"/v1/proposals/{proposal}/refusal": wire.DeviceRefusal{Why: wire.RefusedByPerson},
		"/v1/teams":                        wire.NewTeam{Name: "other", Title: "Other"}, "/v1/teams/{team}/members": wire.TeamMember{Username: "nobody.here"},
		"/v1/channels":                   wire.NewChannel{Team: team.ID, Name: "x", Genesis: ann.ChannelGenesis(envelope.CaptureOff)},
		"/v1/channels/{channel}/entries": c.Seal(ann, "hello"),
		"/v1/matters":                    wire.Matter{ID: "m", Title: "M"}, "/v1/retention/plans/{plan}/confirm": wire.Statement{Statement: []byte{1}},
		"/v1/exports/{export}/openings": wire.Openings{Sealed: []byte{1}, Slip: []byte{1}},
	}
	before, tried := s.rows(), 0
	for route, op := range operations(t) {
		method, path, _ := strings.Cut(route, " ")
		if method == "GET" || op.RequestBody == nil {
			continue
		}
		sample, ok := good[path]
		if !ok {
			sample, ok = good[route]
		}
		if !ok {
			sample = wire.Order{Order: []byte{1}, Approval: []byte{1}}
		}
		raw, err := json.Marshal(sample)
		s.Must(err)
		var m members
		s.Must(json.Unmarshal(raw, &m))
		for what, body := range spoil(t, m) {
			if lenient(path, what) {
				continue
			}
			for _, token := range []string{ann.Token, officer.Token} {
				tried++
				p := s.problem(method, fill.Replace(path), token, strings.NewReader(body))
				if p.Status >= 500 || p.Detail == "" {
					t.Errorf("%s, %s: status %d, %s: %s", route, what, p.Status, p.Code, p.Detail)
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d bodies were tried", tried)
	}
	s.unchanged(before)
	if strings.Contains(s.log.String(), "panic") {
		t.Error("something panicked")
	}
}

func (s *server) unchanged(before map[string]int64) {
	s.t.Helper()
	if after := s.rows(); !maps.Equal(before, after) {
		for _, name := range slices.Sorted(maps.Keys(after)) {
			if before[name] != after[name] {
				s.t.Errorf("%s: %d rows, before %d", name, after[name], before[name])
			}
		}
	}
}

// TestAttackReplayedForgedUnsealed sends well-formed requests that must not work:
// said before, by another, altered, or not sealed. Each is refused by its rule,
// and no row appears.
func TestAttackReplayedForgedUnsealed(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	bob := s.Join("members.bob")
	var team wire.Team
	s.must("POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core"}, &team)
	s.must("POST", "/v1/teams/"+itoa(team.ID)+"/members", ann.Token, wire.TeamMember{Username: "members.bob"}, nil)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil, bob)
	elsewhere := ann.Open(team.ID, "elsewhere", envelope.CaptureOff, nil, bob)
	entries := "/v1/channels/" + c.ID.String() + "/entries"

	placed := c.Seal(ann, "said once")
	c.Place(ann, placed)
	proof := wire.BindDevice{Statement: ann.Proof(t.Context())}
	s.must("PUT", "/v1/session/device", ann.Token, proof, nil)
	stale := c.Seal(ann, "under a number that is used")
	next := c.Seal(ann, "next")
	c.Place(ann, next)

	before := s.rows()
	for name, r := range map[string]struct {
		method, path, token string
		body                any
		status              int
		code                string
	}{
		"a proof of a device, again":        {"PUT", "/v1/session/device", ann.Token, proof, 403, "login.replayed"},
		"another's proof":                   {"PUT", "/v1/session/device", bob.Token, wire.BindDevice{Statement: ann.Proof(t.Context())}, 403, "device_unknown"},
		"another's message":                 {"POST", entries, bob.Token, c.Seal(ann, "not mine"), 403, "bad_signature"},
		"another message of a used number":  {"POST", entries, ann.Token, stale, 409, "counter_bad"},
		"a message for another channel":     {"POST", "/v1/channels/" + elsewhere.ID.String() + "/entries", ann.Token, c.Seal(ann, "astray"), 409, "wrong_chain"},
		"a payload that is not sealed":      {"POST", entries, ann.Token, reseal(t, ann.Key, c.Seal(ann, "x"), []byte("plain text")), 400, "request.malformed"},
		"a payload cut after its signature": {"POST", entries, ann.Token, cut(t, c.Seal(ann, strings.Repeat("long ", 100))), 409, "bad_signature"},
		"a salt of another message":         {"POST", entries, ann.Token, wire.NewEntry{Entry: c.Seal(ann, "x").Entry, Salt: placed.Salt}, 400, "request.malformed"},
		"a team of a name that is taken":    {"POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core"}, 409, "team.exists"},
		"a channel of a name that is taken": {"POST", "/v1/channels", ann.Token, wire.NewChannel{Team: team.ID, Name: "general", Genesis: ann.ChannelGenesis(envelope.CaptureOff)}, 409, "channel.exists"},
		"a genesis when there is one":       {"POST", "/v1/org", ann.Token, wire.NewChain{Entry: s.OrgGenesis()}, 409, "org.exists"},
	} {
		p := s.problem(r.method, r.path, r.token, r.body)
		if p.Status != r.status || p.Code != r.code {
			t.Errorf("%s: status %d, code %q: %s", name, p.Status, p.Code, p.Detail)
		}
	}
	var again wire.Answer
	s.must("POST", entries, ann.Token, placed, &again) // the same bytes: the same receipt, and no second place
	if len(again.Receipt) == 0 {
		t.Error("no receipt for the same bytes")
	}
	s.unchanged(before)
}

// reseal puts another payload under a message, signed by its device.
func reseal(t *testing.T, key *seal.SigningKey, in wire.NewEntry, payload []byte) wire.NewEntry {
	t.Helper()
	e, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		t.Fatal(err)
	}
	e.Payload, e.Signatures = payload, nil
	seal.SignEntry(e, key)
	return wire.NewEntry{Entry: envelope.Marshal(e), Salt: in.Salt}
}

// cut takes the end off a payload and leaves the signature.
func cut(t *testing.T, in wire.NewEntry) wire.NewEntry {
	t.Helper()
	e, err := envelope.ParseEntry(in.Entry)
	if err != nil {
		t.Fatal(err)
	}
	e.Payload = bytes.Clone(e.Payload[:len(e.Payload)-1])
	return wire.NewEntry{Entry: envelope.Marshal(e), Salt: in.Salt}
}
