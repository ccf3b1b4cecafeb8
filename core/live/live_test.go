package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/live"
	"chancery/core/postgres/postgrestest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/fips"
	"chancery/identity"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// gateway is a hub behind HTTP on a real service.
type gateway struct {
	*coretest.Server
	t    *testing.T
	hub  *live.Hub
	url  string
	stop context.CancelFunc // of the hub
	done chan error

	between func() // runs after a page was read and before it is used
	upgrade func() // runs once it is known who connects and before the socket is one
	checked func() // runs once the session was looked at again
}

// Subscribe is the real one, with a moment to interfere.
func (g *gateway) Subscribe(ctx context.Context, p identity.Principal, id envelope.ChannelID, after uint64) (core.Catch, error) {
	page, err := g.Service.Subscribe(ctx, p, id, after)
	once(&g.between)
	return page, err
}

// once runs a moment that a test has set, the first time that it comes.
func once(moment *func()) {
	if f := *moment; f != nil {
		*moment = nil
		f()
	}
}

func start(t *testing.T) *gateway { return startWith(t, live.Config{}) }

func startWith(t *testing.T, limits live.Config) *gateway {
	t.Helper()
	limits.Log = slog.New(slog.DiscardHandler)
	g := &gateway{Server: coretest.Start(t), t: t, hub: live.NewHub(limits), done: make(chan error, 1)}
	c := g.Service.Config
	c.Publisher = g.hub
	g.Service = core.New(c)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- g.Service.Run(ctx) }()
	t.Cleanup(func() { stop(); g.Must(<-served) })

	hubCtx, stopHub := context.WithCancel(context.Background())
	g.stop = stopHub
	go func() { g.done <- g.hub.Run(hubCtx) }()
	t.Cleanup(func() { stopHub(); g.Must(<-g.done) })
	srv := httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(srv.Close)
	g.url = "ws" + strings.TrimPrefix(srv.URL, "http")
	return g
}

func (g *gateway) serve(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p, err := g.Authenticate(r.Context(), token)
	if err == nil {
		once(&g.upgrade)
		err = g.hub.Serve(w, r, g, p, func(ctx context.Context) error {
			_, err := g.Authenticate(ctx, token)
			once(&g.checked)
			return err
		})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
	}
}

type client struct {
	g    *gateway
	conn *websocket.Conn
}

// dial computes SHA-1 as every WebSocket client must, also where FIPS is enforced.
func dial(url string, header http.Header) (conn *websocket.Conn, resp *http.Response, err error) {
	fips.WithoutEnforcement(func() { conn, resp, err = websocket.DefaultDialer.Dial(url, header) })
	return conn, resp, err
}

func (g *gateway) dial(p *coretest.Person) *client {
	g.t.Helper()
	conn, resp, err := dial(g.url, http.Header{"Authorization": {"Bearer " + p.Token}})
	g.Must(err)
	g.Must(resp.Body.Close())
	g.t.Cleanup(func() { conn.Close() })
	return &client{g, conn}
}

func (c *client) send(kind uint8, body any) {
	c.g.t.Helper()
	c.g.Must(c.conn.WriteMessage(websocket.BinaryMessage, envelope.Marshal(&wire.Frame{Kind: kind, Body: envelope.Marshal(body)})))
}

func (c *client) subscribe(id envelope.ChannelID, after uint64) {
	c.g.t.Helper()
	c.send(wire.FrameSubscribe, &wire.Subscribe{Channel: id, After: after})
}

// next reads one frame: its kind and the position that it speaks of.
func (c *client) next() (kind uint8, position uint64, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, b, err := c.conn.ReadMessage()
	if err != nil {
		return 0, 0, err
	}
	var f wire.Frame
	c.g.Must(envelope.Unmarshal(b, &f))
	switch f.Kind {
	case wire.FrameEntry:
		var x wire.EntryFrame
		c.g.Must(envelope.Unmarshal(f.Body, &x))
		var p envelope.Placed
		c.g.Must(envelope.Unmarshal(x.Placed, &p))
		return f.Kind, p.Position, nil
	case wire.FrameReady, wire.FrameResync:
		var x wire.ReadyFrame
		c.g.Must(envelope.Unmarshal(f.Body, &x))
		return f.Kind, x.Position, nil
	}
	return f.Kind, 0, nil
}

func (c *client) want(kind uint8, position uint64) {
	c.g.t.Helper()
	k, p, err := c.next()
	if err != nil || k != kind || p != position {
		c.g.t.Fatalf("got frame %d at %d, %v; want %d at %d", k, p, err, kind, position)
	}
}

func (c *client) wantClose(code int) {
	c.g.t.Helper()
	for {
		_, _, err := c.next()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, code) {
			c.g.t.Fatalf("got %v, want close %d", err, code)
		}
		return
	}
}

func (g *gateway) channel() (ann, bob *coretest.Person, c *coretest.Channel) {
	g.t.Helper()
	ann = g.Found(envelope.CaptureOff)
	ann.Enrol()
	bob = g.Join("bob")
	team, err := g.CreateTeam(g.t.Context(), ann.P, wire.NewTeam{Name: "core"})
	g.Must(err)
	g.Must(g.AddTeamMember(g.t.Context(), ann.P, team.ID, wire.TeamMember{Username: "bob"}))
	return ann, bob, ann.Open(team.ID, "general", envelope.CaptureOff, nil, bob)
}

func TestCatchUpThenLive(t *testing.T) {
	t.Parallel()
	g := start(t)
	ann, bob, c := g.channel()
	for i := range 3 {
		c.Place(ann, c.Seal(ann, fmt.Sprint("before ", i)))
	}
	at := c.State.Position
	b := g.dial(bob)
	b.subscribe(c.ID, at-2)
	b.want(wire.FrameEntry, at-1)
	b.want(wire.FrameEntry, at)
	b.want(wire.FrameReady, at)
	c.Place(ann, c.Seal(ann, "live"))
	b.want(wire.FrameEntry, at+1)
}

// TestPlacedWhileCatchingUp: what is placed between the reading of a page and the
// turn to live comes once, before the frame that says ready.
func TestPlacedWhileCatchingUp(t *testing.T) {
	t.Parallel()
	g := start(t)
	ann, bob, c := g.channel()
	at := c.State.Position
	g.between = func() {
		c.Place(ann, c.Seal(ann, "one"))
		c.Place(ann, c.Seal(ann, "two"))
	}
	b := g.dial(bob)
	b.subscribe(c.ID, at-1)
	b.want(wire.FrameEntry, at)
	b.want(wire.FrameEntry, at+1)
	b.want(wire.FrameEntry, at+2)
	b.want(wire.FrameReady, at+2)
	c.Place(ann, c.Seal(ann, "three"))
	b.want(wire.FrameEntry, at+3)
}

// TestResumeUnderLoad: while messages are placed without pause, sockets come and
// go. Each hears every position once and in order.
func TestResumeUnderLoad(t *testing.T) {
	t.Parallel()
	g := start(t)
	ann, bob, c := g.channel()
	const messages = 120
	last := c.State.Position + messages
	posted := make(chan struct{})
	go func() {
		defer close(posted)
		for i := range messages {
			c.Place(ann, c.Seal(ann, fmt.Sprint(i)))
		}
	}()
	heard := uint64(0)
	for rounds := 0; heard < last; rounds++ {
		b := g.dial(bob)
		b.subscribe(c.ID, heard)
		for range 17 { // then hang up in the middle of things
			kind, position, err := b.next()
			g.Must(err)
			if kind == wire.FrameReady {
				continue
			}
			if kind != wire.FrameEntry || position != heard+1 {
				t.Fatalf("round %d: frame %d at %d after %d", rounds, kind, position, heard)
			}
			if heard = position; heard == last {
				break
			}
		}
		g.Must(b.conn.Close())
	}
	<-posted
}

func TestAttackSubscribeIsRefusedToStrangers(t *testing.T) {
	t.Parallel()
	g := start(t)
	ann, _, c := g.channel()
	eve := g.Join("eve")
	e := g.dial(eve)
	e.subscribe(c.ID, 0)
	e.want(wire.FrameResync, 0) // "ask by HTTP", where the refusal is in words
	e.subscribe(envelope.ChannelID{9}, 0)
	e.want(wire.FrameResync, 0) // and a channel that does not exist reads alike
	c.Place(ann, c.Seal(ann, "secret"))
	_ = e.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, b, err := e.conn.ReadMessage(); err == nil {
		t.Errorf("a stranger got %x", b)
	}
}

func TestAttackRemovedMemberHearsNoMore(t *testing.T) {
	t.Parallel()
	g := start(t)
	ann, bob, c := g.channel()
	b := g.dial(bob)
	b.subscribe(c.ID, c.State.Position)
	b.want(wire.FrameReady, c.State.Position)
	body := envelope.RemoveBody{User: bob.User, Reason: "removed"}
	c.Place(ann, wire.NewEntry{Entry: envelope.Marshal(c.Link(ann, envelope.MemberRemove, &body))})
	b.want(wire.FrameEntry, c.State.Position)
	c.Rotate(ann, envelope.CauseRemove)
	c.Place(ann, c.Seal(ann, "not for bob"))
	_ = b.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, raw, err := b.conn.ReadMessage(); err == nil {
		t.Errorf("a removed member got %x", raw)
	}
}

func TestAttackEndedSessionCloses(t *testing.T) {
	t.Parallel()
	g := start(t)
	_, bob, c := g.channel()
	b := g.dial(bob)
	b.subscribe(c.ID, c.State.Position)
	b.want(wire.FrameReady, c.State.Position)
	g.Must(g.Logout(t.Context(), bob.P))
	b.wantClose(wire.CloseSession)
}

func TestAttackDisabledPersonsSocketCloses(t *testing.T) {
	t.Parallel()
	g := start(t)
	_, bob, c := g.channel()
	b := g.dial(bob)
	b.subscribe(c.ID, c.State.Position)
	b.want(wire.FrameReady, c.State.Position)
	began := time.Now()
	g.Must(g.Disable(t.Context(), g.SignIn("admins.ann").P, "bob", "left"))
	b.wantClose(wire.CloseSession)
	if took := time.Since(began); took > time.Second {
		t.Errorf("the socket was open for another %v", took)
	}
	if _, resp, err := dial(g.url, http.Header{"Authorization": {"Bearer " + bob.Token}}); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a new socket with the old token: %v", err)
	}
}

// TestAttackSocketConnectsWhileDisabled: the request was let in before the
// account ended, the socket is made after.
func TestAttackSocketConnectsWhileDisabled(t *testing.T) {
	t.Parallel()
	g := start(t)
	_, bob, c := g.channel()
	admin := g.SignIn("admins.ann").P
	g.upgrade = func() { g.Must(g.Disable(t.Context(), admin, "bob", "now")) }
	b := g.dial(bob)
	_ = b.conn.WriteMessage(websocket.BinaryMessage, envelope.Marshal(&wire.Frame{Kind: wire.FrameSubscribe, Body: envelope.Marshal(&wire.Subscribe{Channel: c.ID})}))
	b.wantClose(wire.CloseSession)
}

func TestRestartCloses(t *testing.T) {
	t.Parallel()
	g := start(t)
	_, bob, c := g.channel()
	b := g.dial(bob)
	b.subscribe(c.ID, c.State.Position)
	b.want(wire.FrameReady, c.State.Position)
	g.stop()
	b.wantClose(wire.CloseRestart)
	g.done <- <-g.done // Run has returned: no goroutine of a socket is left
	if n := g.hub.Count(); n != 0 {
		t.Errorf("%d sockets are left", n)
	}
}

func TestMalformedFramesClose(t *testing.T) {
	t.Parallel()
	g := start(t)
	bob := g.Found(envelope.CaptureOff)
	for name, raw := range map[string][]byte{
		"empty": {}, "not CBOR": {0xff, 0xff}, "unknown kind": envelope.Marshal(&wire.Frame{Kind: 99, Body: []byte{}}),
		"bad body":   envelope.Marshal(&wire.Frame{Kind: wire.FrameSubscribe, Body: []byte{1}}),
		"of servers": envelope.Marshal(&wire.Frame{Kind: wire.FrameEntry, Body: []byte{}}),
	} {
		b := g.dial(bob)
		if err := b.conn.WriteMessage(websocket.BinaryMessage, raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b.wantClose(wire.CloseProtocol)
	}
	b := g.dial(bob)
	g.Must(b.conn.WriteMessage(websocket.BinaryMessage, make([]byte, 65<<10)))
	b.wantClose(websocket.CloseMessageTooBig)
}

// TestSlowConsumer: a client that does not read costs a bounded queue, is told
// from where to fetch, and loses nothing by doing so.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	g := start(t)
	_, bob, c := g.channel()
	slow := g.dial(bob)
	first := c.State.Position
	slow.subscribe(c.ID, first)
	slow.want(wire.FrameReady, first)
	placed := &envelope.Placed{Entry: envelope.Entry{Kind: envelope.KindCoverage, Header: []byte{}, Payload: make([]byte, 100<<10)}, Salt: []byte{}}
	const many = 600
	for i := range uint64(many) {
		placed.Position = first + 1 + i
		g.hub.Publish(c.ID, placed)
	}
	end, at, resyncs := first+many, first, 0
	for at < end {
		kind, position, err := slow.next()
		g.Must(err)
		switch kind {
		case wire.FrameEntry:
			if position <= at || resyncs == 0 && position != at+1 {
				t.Fatalf("entry %d after %d", position, at)
			}
			at = position
		case wire.FrameResync:
			if position < at || position >= end {
				t.Fatalf("resync from %d after %d", position, at)
			}
			resyncs++
			end++ // what comes now is live again, or told of by another resync
			placed.Position = end
			g.hub.Publish(c.ID, placed)
		}
	}
	if resyncs == 0 {
		t.Error("60 MB went to a client that did not read, without a resync")
	}
}

// TestStalledConsumerIsClosed: ten seconds without progress end a socket.
func TestStalledConsumerIsClosed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes longer than the patience of a socket")
	}
	t.Parallel()
	g := start(t)
	_, bob, c := g.channel()
	stalled := g.dial(bob)
	stalled.subscribe(c.ID, c.State.Position)
	stalled.want(wire.FrameReady, c.State.Position)
	placed := &envelope.Placed{Entry: envelope.Entry{Kind: envelope.KindCoverage, Header: []byte{}, Payload: make([]byte, 100<<10)}, Salt: []byte{}}
	placed.Position = c.State.Position
	for deadline := time.Now().Add(30 * time.Second); g.hub.Count() > 0; {
		if time.Now().After(deadline) {
			t.Fatal("a socket that takes nothing is still open")
		}
		placed.Position++
		g.hub.Publish(c.ID, placed)
		time.Sleep(2 * time.Millisecond)
	}
}

func TestTypingIsOnesOwn(t *testing.T) {
	t.Parallel()
	g := start(t)
	ann, bob, c := g.channel()
	a, b := g.dial(ann), g.dial(bob)
	for _, x := range []*client{a, b} {
		x.subscribe(c.ID, c.State.Position)
		x.want(wire.FrameReady, c.State.Position)
	}
	a.send(wire.FrameTyping, &wire.TypingFrame{Channel: c.ID, User: bob.User}) // in another's name
	_, raw, err := b.conn.ReadMessage()
	g.Must(err)
	var f wire.Frame
	var x wire.TypingFrame
	g.Must(envelope.Unmarshal(raw, &f))
	g.Must(envelope.Unmarshal(f.Body, &x))
	if x.User != ann.User {
		t.Errorf("%s types, want %s", x.User, ann.User)
	}
}

func TestAttackForeignOrigin(t *testing.T) {
	t.Parallel()
	g := start(t)
	bob := g.Found(envelope.CaptureOff)
	_, resp, err := dial(g.url, http.Header{"Authorization": {"Bearer " + bob.Token}, "Origin": {"https://evil.example"}})
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another host was let in: %v", err)
	}
}

var _ live.Service = (*core.Service)(nil)
