package adversary

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"chancery/cmd/internal/client/session"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/fips"
)

// frames bends the entries that the live socket brings to one client: each
// becomes those that bend gives. It tells once the client has caught up and
// hears what is new.
func (d *desk) frames(to string, bend func(envelope.Placed) []envelope.Placed) (ready <-chan struct{}) {
	heard := make(chan struct{})
	var once sync.Once
	d.lay(seam{getLive, func(w http.ResponseWriter, r asked, next http.Handler) {
		if r.by != to {
			next.ServeHTTP(w, r.Request)
			return
		}
		behind := httptest.NewServer(next)
		defer behind.Close()
		relay(w, r.Request, behind.URL, func(f wire.Frame) []wire.Frame {
			if f.Kind == wire.FrameReady {
				once.Do(func() { close(heard) })
			}
			return bent(f, bend)
		})
	}})
	return heard
}

// bent is bend for a frame. Frames that bring no entry pass.
func bent(f wire.Frame, bend func(envelope.Placed) []envelope.Placed) (out []wire.Frame) {
	var e wire.EntryFrame
	if f.Kind != wire.FrameEntry || envelope.Unmarshal(f.Body, &e) != nil {
		return []wire.Frame{f}
	}
	p, err := envelope.ParsePlaced(e.Placed)
	if err != nil {
		return []wire.Frame{f}
	}
	for _, q := range bend(*p) {
		body := envelope.Marshal(&wire.EntryFrame{Channel: e.Channel, Placed: envelope.Marshal(&q)})
		out = append(out, wire.Frame{Kind: wire.FrameEntry, Body: body})
	}
	return out
}

// relay joins a client's socket to one behind, until either ends.
func relay(w http.ResponseWriter, r *http.Request, behind string, bend func(wire.Frame) []wire.Frame) {
	var server, client *websocket.Conn
	var err error
	fips.WithoutEnforcement(func() {
		header := http.Header{"Authorization": r.Header["Authorization"]}
		if server, _, err = websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(behind, "http")+"/v1/live", header); err == nil {
			client, err = (&websocket.Upgrader{}).Upgrade(w, r, nil)
		}
	})
	if err != nil {
		return // the client tries again
	}
	both, ctx := errgroup.WithContext(r.Context())
	both.Go(func() error { return pass(client, server, func(f wire.Frame) []wire.Frame { return []wire.Frame{f} }) })
	both.Go(func() error { return pass(server, client, bend) })
	<-ctx.Done()
	_ = errors.Join(client.Close(), server.Close())
	_ = both.Wait()
}

func pass(from, to *websocket.Conn, bend func(wire.Frame) []wire.Frame) error {
	for {
		_, b, err := from.ReadMessage()
		if err != nil {
			return err
		}
		var f wire.Frame
		if err := envelope.Unmarshal(b, &f); err != nil {
			return err
		}
		for _, out := range bend(f) {
			if err := to.WriteMessage(websocket.BinaryMessage, envelope.Marshal(&out)); err != nil {
				return err
			}
		}
	}
}

// screen is what somebody who follows the channel live is shown.
func (d *desk) screen(p *person) (texts func() string) {
	d.t.Helper()
	c, err := p.hold(d.t.Context(), d.id)
	d.must(err)
	var mu sync.Mutex
	var shown []string
	ctx, stop := context.WithCancel(context.Background())
	var both errgroup.Group
	both.Go(func() error { return p.Live(ctx) })
	both.Go(func() error {
		return c.Watch(ctx, 0, func(m session.Message) error {
			mu.Lock()
			defer mu.Unlock()
			shown = append(shown, m.Text)
			return nil
		})
	})
	d.t.Cleanup(func() { stop(); _ = both.Wait() })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(shown, " ")
	}
}

// await looks until something is so.
func (d *desk) await(what string, ok func() bool) {
	d.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("waited for %s in vain", what)
		}
	}
}

// The live socket drops, doubles, reorders or makes up entries. Whoever follows
// sees every message once, in order, and nothing else.
func TestAttack21LiveFrames(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "zero")
		var mu sync.Mutex
		var kept []envelope.Placed
		ready := d.frames("bob", func(p envelope.Placed) []envelope.Placed {
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, p)
			switch n := len(kept); {
			case d.lie == "dropped" && n == 2:
				return nil
			case d.lie == "doubled":
				return []envelope.Placed{p, p}
			case d.lie == "reordered" && n == 1:
				return nil
			case d.lie == "reordered" && n == 2:
				return []envelope.Placed{p, kept[0]}
			case d.lie == "made up" && n == 2:
				made := p
				made.Salt = make([]byte, 32)
				made.Position++
				return []envelope.Placed{made, p}
			case d.lie == "changed" && n == 2:
				p.Entry.Payload = kept[0].Entry.Payload
				p.Payload = kept[0].Payload
				return []envelope.Placed{p}
			}
			return []envelope.Placed{p}
		})
		texts := d.screen(d.bob)
		<-ready
		for _, text := range []string{"one", "two", "three"} {
			d.say(d.ann, text)
		}
		d.await("the last message", func() bool { return strings.HasSuffix(texts(), "three") })
		if got := texts(); got != "zero one two three" {
			d.t.Errorf("bob's screen shows %q", got)
		}
		if d.lie == "changed" && !d.bob.noted("Needs attention") {
			d.t.Error("bob was not told that an entry was refused")
		}
	}, "dropped", "doubled", "reordered", "made up", "changed")
}
