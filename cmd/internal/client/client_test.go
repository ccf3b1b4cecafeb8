package client

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/fips"
)

// server is a TLS server with HTTP/2, as the real one is, and a client that
// trusts it.
func server(t *testing.T, handler http.Handler) *Transport {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{URL: s.URL, CA: ca, Token: "token-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestServerAddress(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		"https://chat.example": true, "https://chat.example:8443": true, "http://127.0.0.1:80": true, "http://[::1]:80": true,
		"http://chat.example": false, "http://localhost": false, "ftp://chat.example": false, "chat.example": false,
		"https://me:pw@chat.example": false, "": false,
	} {
		if _, err := New(Config{URL: raw}); (err == nil) != ok || err != nil && !errors.Is(err, ErrServer) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind, body string
		status, exit     int
		text             string
		later            bool
	}{
		{"denied", "application/problem+json", `{"status":403,"detail":"two persons","code":"hold.two_person"}`, 403, ExitDenied, "two persons (hold.two_person)", false},
		{"field", "application/problem+json", `{"detail":"too long","field":"name"}`, 400, ExitUsage, "name: too long", false},
		{"final", "application/problem+json", `{"detail":"moved on","refusal":"AQI="}`, 409, ExitConflict, "moved on", false},
		{"not now", "application/problem+json; charset=utf-8", `{"detail":"busy"}`, 503, ExitUnavailable, "busy", true},
		{"proxy", "text/html", `<html>`, 502, ExitUnavailable, "Bad Gateway", true},
		{"gone session", "application/problem+json", `{"title":"no"}`, 401, ExitDenied, "no", false},
		{"bug", "text/plain", ``, 500, ExitFailure, "Internal Server Error", false},
		{"redirect", "text/plain", ``, 307, ExitFailure, "Temporary Redirect", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := server(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.Header().Set("Location", "https://elsewhere.example/")
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			}))
			_, err := api.Me(t.Context())
			p, ok := errors.AsType[*Problem](err)
			if !ok || p.Status != c.status || p.Exit() != c.exit || p.Error() != c.text || p.Later() != c.later || NotNow(err) != c.later {
				t.Errorf("%+v (%v), want exit %d, %q, later %t", p, err, c.exit, c.text, c.later)
			}
		})
	}
}

func TestUnavailableAndCanceled(t *testing.T) {
	t.Parallel()
	api, err := New(Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Me(t.Context()); !errors.Is(err, ErrUnavailable) || !NotNow(err) {
		t.Errorf("nobody listens: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := api.Me(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("canceled: %v", err)
	}
}

func TestRefusalInsideSuccessIsAnError(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{`{"refusal":"AQI="}`: "refused", `{}`: "neither"} {
		api := server(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }))
		if _, err := api.PostEntry(t.Context(), envelope.ChannelID{}, wire.NewEntry{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// live answers GET /v1/live with a socket and hands it to serve.
func live(t *testing.T, serve func(n int, c *websocket.Conn)) *Transport {
	n := 0
	return server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/live" {
			w.Write([]byte(`{}`))
			return
		}
		if r.Header.Get("Authorization") != "Bearer token-1" {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		var c *websocket.Conn
		var err error
		fips.WithoutEnforcement(func() { c, err = (&websocket.Upgrader{}).Upgrade(w, r, nil) })
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		n++
		serve(n, c)
	}))
}

func subscribed(t *testing.T, c *websocket.Conn) (s wire.Subscribe) {
	_, b, err := c.ReadMessage()
	var f wire.Frame
	if err == nil {
		err = errors.Join(envelope.Unmarshal(b, &f), envelope.Unmarshal(f.Body, &s))
	}
	if err != nil {
		t.Error(err)
	}
	return s
}

func tell(c *websocket.Conn, kind uint8, body any) {
	c.WriteMessage(websocket.BinaryMessage, envelope.Marshal(&wire.Frame{Kind: kind, Body: envelope.Marshal(body)}))
}

// A connection that breaks is made again where reading had come to, also after
// HTTP/2 was used: the socket's own connection must not negotiate it.
func TestFollowResumes(t *testing.T) {
	t.Parallel()
	channel, done := envelope.ChannelID{7}, errors.New("seen all")
	api := live(t, func(n int, c *websocket.Conn) {
		if got := subscribed(t, c); got.Channel != channel || got.After != uint64(n-1) {
			t.Errorf("connection %d resumes at %d", n, got.After)
		}
		tell(c, 99, &wire.ReadyFrame{}) // a newer server's frame
		tell(c, wire.FrameEntry, &wire.EntryFrame{Channel: channel, Placed: []byte{byte(n)}})
		if n == 2 {
			c.ReadMessage()
		}
	})
	if _, err := api.Me(t.Context()); err != nil {
		t.Fatal(err)
	}
	at, lost := uint64(0), 0
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := api.Follow(ctx, Follower{
		Resume: func() []wire.Subscribe { return []wire.Subscribe{{Channel: channel, After: at}} },
		Lost:   func(error) { lost++ },
		Handle: func(_ context.Context, e Event) error {
			if e.Kind != wire.FrameEntry {
				return nil
			}
			if at++; at == 2 {
				return done
			}
			return nil
		},
	})
	if !errors.Is(err, done) || at != 2 || lost != 1 {
		t.Errorf("ended at %d after %d losses: %v", at, lost, err)
	}
}

func TestFollowEndsForGood(t *testing.T) {
	t.Parallel()
	for code, exit := range map[int]int{wire.CloseSession: ExitDenied, wire.CloseDenied: ExitDenied, wire.CloseProtocol: ExitUsage} {
		api := live(t, func(_ int, c *websocket.Conn) {
			c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, "bye"), time.Now().Add(time.Second))
		})
		err := api.Follow(t.Context(), Follower{Resume: func() []wire.Subscribe { return nil }, Handle: func(context.Context, Event) error { return nil }})
		if p, ok := errors.AsType[*Problem](err); !ok || p.Exit() != exit {
			t.Errorf("close code %d: %v", code, err)
		}
	}
}
