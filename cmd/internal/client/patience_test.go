package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// ways to call: what may happen twice, and what must not.
var ways = map[string]struct {
	safe bool
	do   func(context.Context, *Transport) error
}{
	"get": {true, func(ctx context.Context, t *Transport) error { _, err := t.Me(ctx); return err }},
	"entry": {true, func(ctx context.Context, t *Transport) error {
		_, err := t.PostEntry(ctx, envelope.ChannelID{}, wire.NewEntry{Entry: []byte{1}})
		return err
	}},
	"team":    {false, func(ctx context.Context, t *Transport) error { _, err := t.CreateTeam(ctx, wire.NewTeam{}); return err }},
	"sign in": {false, func(ctx context.Context, t *Transport) error { _, err := t.SignIn(ctx, wire.Login{}); return err }},
}

// TestPatience: a server that says "not now", or breaks off without an answer,
// is asked again only for what may happen twice.
func TestPatience(t *testing.T) {
	t.Parallel()
	for fault, fail := range map[string]func(http.ResponseWriter){
		"503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"507": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInsufficientStorage) },
		"cut": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		for name, way := range ways {
			t.Run(fault+"/"+name, func(t *testing.T) {
				t.Parallel()
				var calls, told atomic.Int32
				api := server(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if calls.Add(1) <= 2 {
						fail(w)
						return
					}
					w.Write([]byte(`{"receipt":"AQI="}`))
				}))
				ctx := WithPatience(t.Context(), Patience{Limit: 5 * time.Second, Tell: func(string) { told.Add(1) }})
				err := way.do(ctx, api)
				if way.safe && (err != nil || calls.Load() != 3 || told.Load() != 1) {
					t.Errorf("%v after %d calls, told %d times", err, calls.Load(), told.Load())
				}
				if !way.safe && (err == nil || calls.Load() != 1) {
					t.Errorf("%v after %d calls, want one", err, calls.Load())
				}
			})
		}
	}
}

// TestPatienceForAbsentServer: while nobody listens nothing can have happened, so
// everything waits.
func TestPatienceForAbsentServer(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			l.Close()
			api, err := New(Config{URL: "http://" + addr})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if err := way.do(WithPatience(t.Context(), Patience{Limit: 300 * time.Millisecond}), api); !errors.Is(err, ErrUnavailable) {
				t.Errorf("nobody came: %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("gave up after %v, the limit is 300ms", took)
			}
			s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"receipt":"AQI="}`)) })}
			done := make(chan error, 1)
			time.AfterFunc(200*time.Millisecond, func() {
				l, err := net.Listen("tcp", addr)
				if err != nil {
					done <- err
					return
				}
				done <- s.Serve(l)
			})
			err = way.do(WithPatience(t.Context(), Patience{Limit: 10 * time.Second}), api)
			s.Close()
			if served := <-done; !errors.Is(served, http.ErrServerClosed) {
				t.Skipf("the port was taken meanwhile: %v", served)
			}
			if err != nil {
				t.Errorf("once it listens: %v", err)
			}
		})
	}
}

// TestNoPatienceForAnotherServer: a certificate that does not verify is told at once.
func TestNoPatienceForAnotherServer(t *testing.T) {
	t.Parallel()
	theirs := server(t, http.NotFoundHandler())
	api, err := New(Config{URL: theirs.URL()})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = api.Me(WithPatience(t.Context(), Patience{Limit: time.Minute}))
	if err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
