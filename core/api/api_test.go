package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"chancery/core"
	"chancery/core/api"
	"chancery/core/coretest"
	"chancery/core/live"
	"chancery/core/postgres/postgrestest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/policy"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// server is the interface over TLS on a real service.
type server struct {
	*coretest.Server
	t    *testing.T
	http *httptest.Server
	log  *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const maxFile = 1 << 20

func start(t *testing.T, engines ...*policy.Engine) *server {
	t.Helper()
	s := &server{Server: coretest.Start(t, engines...), t: t, log: &safeBuffer{}}
	log := slog.New(slog.NewJSONHandler(s.log, nil))
	c := s.Service.Config
	c.Log = log
	c.Publisher = live.NewHub(live.Config{Log: log})
	s.Service = core.New(c)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Service.Run(ctx) }()
	t.Cleanup(func() { stop(); s.Must(<-done) })
	s.http = httptest.NewTLSServer(api.New(api.Config{
		Core: s.Service, Gate: c.Gate, Live: c.Publisher.(*live.Hub), Records: noLog{}, MaxFile: maxFile, Log: log,
	}))
	t.Cleanup(s.http.Close)
	return s
}

// noLog is a log before its first checkpoint.
type noLog struct{}

func (noLog) Checkpoint(context.Context) (string, bool, error)   { return "", false, nil }
func (noLog) Tile(context.Context, string) ([]byte, bool, error) { return nil, false, nil }

// call sends a request and gives the status and the body.
func (s *server) call(method, path, token string, body any) (int, []byte) {
	s.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	case io.Reader:
		r = b
	default:
		raw, err := json.Marshal(b)
		s.Must(err)
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.http.URL+path, r)
	s.Must(err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Client().Do(req)
	s.Must(err)
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	s.Must(err)
	if resp.StatusCode >= 400 && resp.Header.Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%s %s: status %d with content type %q: %s", method, path, resp.StatusCode, resp.Header.Get("Content-Type"), out)
	}
	return resp.StatusCode, out
}

// must is call for what has to work.
func (s *server) must(method, path, token string, body, out any) {
	s.t.Helper()
	status, raw := s.call(method, path, token, body)
	if status >= 300 {
		s.t.Fatalf("%s %s: status %d: %s", method, path, status, raw)
	}
	if out != nil {
		s.Must(json.Unmarshal(raw, out))
	}
}

func (s *server) problem(method, path, token string, body any) api.Problem {
	s.t.Helper()
	status, raw := s.call(method, path, token, body)
	var p api.Problem
	if err := json.Unmarshal(raw, &p); err != nil || p.Status != status || p.RequestID == "" || p.Code == "" {
		s.t.Fatalf("%s %s: status %d, not a problem document: %s", method, path, status, raw)
	}
	return p
}

func TestConversation(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	bob := s.Join("bob")

	var session wire.Session
	s.must("POST", "/v1/session", "", wire.Login{Username: "carol", Password: "right"}, &session)
	var me wire.Person
	s.must("GET", "/v1/session", session.Token, nil, &me)
	if me.Username != "carol" || session.Person.Account != me.Account {
		t.Errorf("signed in as %+v", me)
	}
	var team wire.Team
	s.must("POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core", Title: "Core"}, &team)
	s.must("POST", "/v1/teams/"+itoa(team.ID)+"/members", ann.Token, wire.TeamMember{Username: "bob"}, nil)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil, bob)

	post := c.Seal(ann, "hello")
	path := "/v1/channels/" + c.ID.String()
	var first, again wire.Answer
	s.must("POST", path+"/entries", ann.Token, post, &first)
	s.must("POST", path+"/entries", ann.Token, post, &again)
	if len(first.Receipt) == 0 || !bytes.Equal(first.Receipt, again.Receipt) {
		t.Error("the same bytes again did not get the same receipt")
	}
	var page wire.Entries
	s.must("GET", path+"/entries?after=0&limit=500", bob.Token, nil, &page)
	if n := len(page.Entries); uint64(n) != page.Position || n < 4 {
		t.Errorf("%d entries up to position %d", n, page.Position)
	}
	var wrap wire.EpochWrap
	s.must("GET", path+"/epochs/1", bob.Token, nil, &wrap)
	if len(wrap.Wrap) == 0 {
		t.Error("no wrap for a member")
	}
	s.must("DELETE", "/v1/session", session.Token, nil, nil)
	if p := s.problem("GET", "/v1/session", session.Token, nil); p.Status != 401 || p.Code != "session.ended" {
		t.Errorf("after signing out: %+v", p)
	}
}

func itoa(n int64) string { b, _ := json.Marshal(n); return string(b) }

func TestFiles(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	var team wire.Team
	s.must("POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core"}, &team)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil)
	f, whole := sealedFile(t, 3*piece.Chunk+70)
	id := envelope.BlobID{0xab}
	files := "/v1/channels/" + c.ID.String() + "/files"
	base := files + "/" + id.String()
	announced := wire.NewFile{ID: id, Size: f.Size, Root: f.Root}
	send := func(from, to uint64) []byte {
		var b bytes.Buffer
		s.Must(whole.Send(&b, f, piece.Span{From: from, To: to}))
		return b.Bytes()
	}
	if p := s.problem("PUT", base+"?from=0&to=1", ann.Token, bytes.NewReader(send(0, 1))); p.Status != 404 {
		t.Errorf("a piece of a file that nobody announced: %+v", p)
	}
	var held wire.Held
	s.must("POST", files, ann.Token, announced, &held)
	s.must("PUT", base+"?from=0&to=2", ann.Token, bytes.NewReader(send(0, 2)), &held)
	changed := send(2, 4)
	changed[100] ^= 1
	for name, r := range map[string]struct {
		path   string
		body   []byte
		status int
		field  string
	}{
		"malformed id":      {files + "/xyz?from=2&to=4", send(2, 4), 400, "blob"},
		"malformed channel": {"/v1/channels/77/files/" + id.String() + "?from=2&to=4", send(2, 4), 400, "channel"},
		"no end":            {base + "?from=2", send(2, 4), 400, "to"},
		"negative":          {base + "?from=-2&to=4", send(2, 4), 400, "from"},
		"beyond":            {base + "?from=2&to=5", send(2, 4), 400, "body"},
		"too large":         {base + "?from=2&to=4", make([]byte, piece.MaxBytes+1), 413, ""},
		"out of turn":       {base + "?from=3&to=4", send(3, 4), 409, ""},
		"other bytes":       {base + "?from=2&to=4", changed, 400, "body"},
		"cut":               {base + "?from=2&to=4", changed[:200], 400, "body"},
	} {
		p := s.problem("PUT", r.path, ann.Token, bytes.NewReader(r.body))
		if p.Status != r.status || p.Field != r.field {
			t.Errorf("%s: status %d, field %q, %s", name, p.Status, p.Field, p.Detail)
		}
	}
	if s.must("POST", files, ann.Token, announced, &held); held.Have != 2 {
		t.Errorf("refused pieces left %d chunks of 2", held.Have)
	}
	s.must("PUT", base+"?from=2&to=4", ann.Token, bytes.NewReader(send(2, 4)), &held)
	s.must("PUT", base+"?from=2&to=4", ann.Token, bytes.NewReader(send(2, 4)), &held) // the answer was missed
	if s.must("POST", files, ann.Token, announced, &held); held.Have != 4 {
		t.Errorf("%d chunks of 4", held.Have)
	}
	other := announced
	other.Root[0] ^= 1
	if p := s.problem("POST", files, ann.Token, other); p.Status != 409 || p.Code != "file.exists" {
		t.Errorf("another file under the same id: %+v", p)
	}
	other = wire.NewFile{ID: envelope.BlobID{2}, Size: maxFile + 1, Root: f.Root}
	if p := s.problem("POST", files, ann.Token, other); p.Status != 413 {
		t.Errorf("a file that is too large: %+v", p)
	}
	if p := s.problem("GET", base+"?from=0&to=1", ann.Token, nil); p.Status != 404 {
		t.Errorf("a staged file that no message binds: %+v", p)
	}
}

// sealedFile is one as far as a tree is concerned.
func sealedFile(t *testing.T, size int) (piece.File, *piece.Draft) {
	t.Helper()
	d, err := piece.OpenDraft(filepath.Join(t.TempDir(), "sealed"), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	data := make([]byte, size)
	_, _ = rand.Read(data)
	for chunk := range slices.Chunk(data, piece.Chunk) {
		if _, err := d.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	root, err := d.Root()
	if err != nil {
		t.Fatal(err)
	}
	f, err := piece.NewFile(uint64(size), root)
	if err != nil {
		t.Fatal(err)
	}
	return f, d
}

// TestBadInput: whatever is sent, the answer is a problem that names the field,
// nothing is recorded, and the server lives.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	ann.Enrol()
	var team wire.Team
	s.must("POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core"}, &team)
	c := ann.Open(team.ID, "general", envelope.CaptureOff, nil)
	good := c.Seal(ann, "hello")
	entries := "/v1/channels/" + c.ID.String() + "/entries"
	encoded := func(b []byte) string { raw, _ := json.Marshal(b); return string(raw) }
	records := s.Number(`SELECT count(*) FROM records`)

	for name, r := range map[string]struct {
		method, path, body string
		status             int
		field              string
	}{
		"no body":             {"POST", "/v1/teams", "", 400, ""},
		"not JSON":            {"POST", "/v1/teams", "team=core", 400, "body"},
		"truncated":           {"POST", "/v1/teams", `{"name":"x"`, 400, "body"},
		"two values":          {"POST", "/v1/teams", `{"name":"x"}{"name":"y"}`, 400, "body"},
		"an array":            {"POST", "/v1/teams", `[]`, 400, "body"},
		"null":                {"POST", "/v1/teams", `null`, 400, "body"},
		"deep":                {"POST", "/v1/teams", strings.Repeat("[", 20_000), 400, "body"},
		"missing field":       {"POST", "/v1/teams", `{}`, 400, "name"},
		"wrong type":          {"POST", "/v1/teams", `{"name":7}`, 400, "name"},
		"wrong case":          {"POST", "/v1/teams", `{"Name":"x"}`, 400, "name"},
		"unknown field":       {"POST", "/v1/teams", `{"name":"x","rank":"owner"}`, 400, "rank"},
		"twice":               {"POST", "/v1/teams", `{"name":"x","name":"y"}`, 400, "body"},
		"pattern":             {"POST", "/v1/teams", `{"name":"Not A Name"}`, 400, "name"},
		"too long":            {"POST", "/v1/teams", `{"name":"x","title":"` + strings.Repeat("x", 201) + `"}`, 400, "title"},
		"oversized":           {"POST", "/v1/teams", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, 413, ""},
		"bad UTF-8":           {"POST", "/v1/teams", "{\"name\":\"\xff\xfe\"}", 400, "name"},
		"number for a string": {"POST", "/v1/channels", `{"team":1,"genesis":"AAAA"}`, 400, "team"},
		"not a number":        {"POST", "/v1/channels", `{"team":"one","genesis":"AAAA"}`, 400, "team"},
		"number too large":    {"POST", "/v1/channels", `{"team":"9999999999999999999","genesis":"AAAA"}`, 400, "team"},
		"team in path":        {"POST", "/v1/teams/one/members", `{"username":"bob"}`, 400, "team"},
		"team zero":           {"POST", "/v1/teams/0/members", `{"username":"bob"}`, 400, "team"},
		"short id":            {"GET", "/v1/channels/abcd", "", 400, "channel"},
		"upper-case id":       {"GET", "/v1/channels/" + strings.ToUpper(c.ID.String()), "", 400, "channel"},
		"path traversal":      {"GET", "/v1/channels/..%2f..%2fetc%2fpasswd", "", 400, "channel"},
		"limit":               {"GET", entries + "?limit=501", "", 400, "limit"},
		"negative after":      {"GET", entries + "?after=-1", "", 400, "after"},
		"huge after":          {"GET", entries + "?after=18446744073709551615", "", 400, "after"},
		"unknown kind":        {"GET", entries + "?kind=message", "", 400, "kind"},
		"unknown query":       {"GET", entries + "?before=4", "", 400, "before"},
		"entry not base64":    {"POST", entries, `{"entry":"%%%"}`, 400, "entry"},
		"entry not CBOR":      {"POST", entries, `{"entry":"AAAA"}`, 400, "entry"},
		"entry truncated":     {"POST", entries, `{"entry":` + encoded(good.Entry[:len(good.Entry)-1]) + `}`, 400, "entry"},
		"entry with a tail":   {"POST", entries, `{"entry":` + encoded(append(bytes.Clone(good.Entry), 0)) + `}`, 400, "entry"},
		"salt too short":      {"POST", entries, `{"entry":` + encoded(good.Entry) + `,"salt":"AAAA"}`, 400, "salt"},
		"no salt":             {"POST", entries, `{"entry":` + encoded(good.Entry) + `}`, 400, "salt"},
		"device key":          {"GET", "/v1/devices/zz/wrap", "", 400, "key"},
		"epoch zero":          {"GET", "/v1/channels/" + c.ID.String() + "/epochs/0", "", 400, "n"},
	} {
		var body any
		if r.body != "" {
			body = r.body
		}
		p := s.problem(r.method, r.path, ann.Token, body)
		if p.Status != r.status || p.Field != r.field {
			t.Errorf("%s: status %d, field %q: %s", name, p.Status, p.Field, p.Detail)
		}
	}
	if n := s.Number(`SELECT count(*) FROM records`); n != records {
		t.Errorf("%d records were written", n-records)
	}
	s.must("POST", entries, ann.Token, good, nil)
}

// TestAttackSecretsInLogs looks for what was sent in what was logged.
func TestAttackSecretsInLogs(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	s.call("POST", "/v1/session", "", wire.Login{Username: "mallory", Password: "hunter2-canary"})
	s.call("POST", "/v1/session", "", `{"username":"mallory","password":["hunter2-canary"]}`)
	s.call("GET", "/v1/session?token=hunter2-canary", ann.Token, nil)
	s.call("GET", "/hunter2-canary", ann.Token, nil)
	s.must("GET", "/v1/session", ann.Token, nil, nil)
	for _, secret := range []string{"hunter2-canary", ann.Token, "mallory"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(s.log.String(), `"route":"/v1/session"`) {
		t.Error("the log has no line for a request")
	}
}

// TestAttackValueEchoed: a password in the wrong place is not sent back.
func TestAttackValueEchoed(t *testing.T) {
	t.Parallel()
	s := start(t)
	_, raw := s.call("POST", "/v1/session", "", `{"username":"x","password":{"is":"hunter2-canary"}}`)
	if bytes.Contains(raw, []byte("hunter2-canary")) {
		t.Errorf("echoed: %s", raw)
	}
}

func TestPathsAndMethods(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404}, {"GET", "/v1", 404}, {"GET", "/v1/teams/1", 404}, {"PATCH", "/v1/teams", 405}, {"DELETE", "/v1/org", 405},
		{"GET", "/metrics", 404}, {"GET", "/openapi.json", 404}, {"GET", "/docs", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/v1/matters", 404},
	} {
		if p := s.problem(c.method, c.path, "", nil); p.Status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, p.Status, c.status)
		}
	}
	for _, path := range []string{"/livez", "/readyz"} {
		s.must("GET", path, "", nil, nil)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := start(t)
	resp, err := s.http.Client().Get(s.http.URL + "/v1/session")
	s.Must(err)
	defer resp.Body.Close()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Www-Authenticate": "Bearer", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestUnavailableSaysWhenToRetry(t *testing.T) {
	t.Parallel()
	s := start(t)
	ann := s.Found(envelope.CaptureOff)
	s.DB.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.http.URL+"/v1/session", nil)
	s.Must(err)
	req.Header.Set("Authorization", "Bearer "+ann.Token)
	resp, err := s.http.Client().Do(req)
	s.Must(err)
	defer resp.Body.Close()
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, retry after %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
}
