package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chancery/core/wire"
	"chancery/fips"
	"chancery/identity/identitytest"
)

// lines is a log that a test waits on.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// daemon is a whole server in this process, with its own database.
type daemon struct {
	t      *testing.T
	config config
	url    string
	client *http.Client
	log    *lines
	stop   context.CancelFunc
	done   chan error
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newState is under /tmp, since the database's account must reach it.
func newState(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "chanceryd-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "state")
}

func launch(t *testing.T, c config) *daemon {
	t.Helper()
	d := &daemon{t: t, config: c, url: "https://" + c.Listen, log: &lines{}, done: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	go func() { d.done <- serve(ctx, c, slog.New(slog.NewJSONHandler(d.log, nil))) }()
	t.Cleanup(d.end)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(d.log.String(), `"msg":"ready"`); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-d.done:
			d.done <- err
			t.Fatalf("not started: %v\n%s", err, d.log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready after a minute\n%s", d.log)
		}
	}
	pem, err := os.ReadFile(filepath.Join(c.State, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conf := fips.ClientTLS()
	conf.RootCAs = roots
	d.client = &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}}
	return d
}

func (d *daemon) end() {
	d.t.Helper()
	d.stop()
	select {
	case err := <-d.done:
		d.done <- nil
		if err != nil {
			d.t.Errorf("stopping: %v\n%s", err, d.log)
		}
	case <-time.After(time.Minute):
		d.t.Fatal("not stopped after a minute")
	}
}

func (d *daemon) call(method, path, token string, in, out any) int {
	d.t.Helper()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			d.t.Fatal(err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if out != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(raw, out); err != nil {
			d.t.Fatalf("%s: %v", raw, err)
		}
	}
	return resp.StatusCode
}

// TestServe runs the daemon against a real directory and a database of its own:
// sign in, a live socket, stop, and start again on the same state.
func TestServe(t *testing.T) {
	dir, err := identitytest.StartDirectory(t.Context(), identitytest.Config{People: []identitytest.Person{
		{UID: "ann", Name: "Ann", Password: "correct horse", Groups: []string{"chat-admins"}},
		{UID: "bob", Name: "Bob", Password: "battery staple"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := defaults(newState(t))
	c.Listen = freeAddress(t)
	if err := makeAll(filepath.Join(c.State, configName), c); err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(c.State, "ldap.password")
	if err := os.WriteFile(password, []byte(dir.BindPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.LDAP = []ldapConfig{{
		Name: "corp", Servers: []string{dir.LDAPS}, CA: dir.CAFile, BindDN: dir.BindDN, BindPasswordFile: password,
		BaseDN: dir.BaseDN, Groups: "memberOf",
	}}
	c.Roles = map[string]string{"chat-admins": "admin"}

	d := launch(t, c)
	if status := d.call("GET", "/readyz", "", nil, nil); status != 200 {
		t.Fatalf("readyz: %d", status)
	}
	if status := d.call("POST", "/v1/session", "", wire.Login{Username: "ann", Password: "wrong"}, nil); status != 401 {
		t.Errorf("a wrong password: %d", status)
	}
	var ann wire.Session
	if status := d.call("POST", "/v1/session", "", wire.Login{Username: "ann", Password: "correct horse"}, &ann); status != 200 {
		t.Fatalf("signing in: %d\n%s", status, d.log)
	}
	if got := fmt.Sprint(ann.Person.Roles); got != "[admin member]" {
		t.Errorf("roles %s", got)
	}
	var team wire.Team
	if status := d.call("POST", "/v1/teams", ann.Token, wire.NewTeam{Name: "core"}, &team); status != 201 {
		t.Errorf("making a team: %d", status)
	}
	if mode := modeOf(t, filepath.Join(c.State, "admin.sock")); mode != 0o600 {
		t.Errorf("the admin socket has mode %v", mode)
	}
	socket := d.socket(ann.Token)
	d.end()
	if _, _, err := socket.ReadMessage(); !websocket.IsCloseError(err, wire.CloseRestart) {
		t.Errorf("the socket ended with %v, want close %d", err, wire.CloseRestart)
	}
	if strings.Contains(d.log.String(), ann.Token) || strings.Contains(d.log.String(), "correct horse") {
		t.Error("a secret is in the log")
	}

	again := launch(t, c)
	var teams wire.Teams
	if status := again.call("GET", "/v1/teams", ann.Token, nil, &teams); status != 200 || len(teams.Teams) != 1 {
		t.Errorf("after a restart: status %d, %d teams", status, len(teams.Teams))
	}
	again.end()

	found := examine(t.Context(), c)
	for _, f := range found {
		if f.Status == fail {
			t.Errorf("doctor: %+v", f)
		}
	}
}

// Doctor only looks: where nothing is, it makes nothing.
func TestDoctorMakesNothing(t *testing.T) {
	t.Parallel()
	c := defaults(newState(t))
	for _, f := range examine(t.Context(), c) {
		if f.Check == "database" && (f.Status != fail || !strings.Contains(f.Fix, "chanceryd migrate")) {
			t.Errorf("%+v", f)
		}
	}
	if _, err := os.Stat(c.State); err == nil {
		t.Error("the state directory was made")
	}
}

func (d *daemon) socket(token string) *websocket.Conn {
	d.t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: d.client.Transport.(*http.Transport).TLSClientConfig.RootCAs}}
	conn, resp, err := dialer.Dial("wss://"+d.config.Listen+"/v1/live", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		d.t.Fatalf("%v: %+v", err, resp)
	}
	d.t.Cleanup(func() { conn.Close() })
	return conn
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}
