package live_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chancery/core"
	"chancery/core/live"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// TestAttackSocketRacingLogout: wherever the end of a session falls while a
// socket connects, the socket ends with it.
func TestAttackSocketRacingLogout(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(*gateway) *func(){
		"before the socket is known":        func(g *gateway) *func() { return &g.upgrade },
		"after the session was looked at":   func(g *gateway) *func() { return &g.checked },
		"while a subscription is permitted": func(g *gateway) *func() { return &g.between },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t)
			_, bob, c := g.channel()
			*at(g) = func() { g.Must(g.Logout(t.Context(), bob.P)) }
			b := g.dial(bob)
			_ = b.conn.WriteMessage(websocket.BinaryMessage, envelope.Marshal(&wire.Frame{
				Kind: wire.FrameSubscribe, Body: envelope.Marshal(&wire.Subscribe{Channel: c.ID}),
			}))
			b.wantClose(wire.CloseSession)
		})
	}
}

// TestSocketsAreBounded: one more than may be is told to come back later, and
// may once another has gone.
func TestSocketsAreBounded(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]live.Config{
		"of a session": {PerSession: 2}, "of a person": {PerPerson: 2}, "in all": {All: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startWith(t, limits)
			_, bob, c := g.channel()
			g.dial(bob)
			g.wantCount(1)
			second := g.dial(bob)
			g.wantCount(2)
			g.dial(bob).wantClose(wire.CloseFull)
			g.Must(second.conn.Close())
			g.wantCount(1)
			again := g.dial(bob)
			again.subscribe(c.ID, c.State.Position)
			again.want(wire.FrameReady, c.State.Position)
		})
	}
}

// wantCount waits until so many sockets are open. A client is answered before
// the hub counts its socket, so those of two dials may be counted in either order.
func (g *gateway) wantCount(n int) {
	g.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); g.hub.Count() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("%d sockets are open, want %d", g.hub.Count(), n)
		}
	}
}

// TestAttackStalledSocketsHoldUpNobody: sockets that take nothing are closed all
// at once when their session ends, in the time of one.
func TestAttackStalledSocketsHoldUpNobody(t *testing.T) {
	t.Parallel()
	const stalled = 20
	g := startWith(t, live.Config{PerSession: stalled})
	_, bob, c := g.channel()
	for range stalled {
		b := g.dial(bob)
		b.subscribe(c.ID, c.State.Position)
		b.want(wire.FrameReady, c.State.Position)
	}
	placed := &envelope.Placed{Entry: envelope.Entry{Kind: envelope.KindCoverage, Header: []byte{}, Payload: make([]byte, 200<<10)}, Salt: []byte{}}
	for i := range uint64(100) { // more than the kernel's buffers hold
		placed.Position = c.State.Position + 1 + i
		g.hub.Publish(c.ID, placed)
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	g.Must(g.Logout(t.Context(), bob.P))
	switch took := time.Since(began); {
	case took < 500*time.Millisecond: // a farewell is given a second
		t.Errorf("no socket was stalled: their end took %v", took)
	case took > 12*time.Second: // one after the other they need twenty
		t.Errorf("%d stalled sockets held the end of their session up for %v", stalled, took)
	}
	for deadline := time.Now().Add(30 * time.Second); g.hub.Count() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sockets of an ended session are open", g.hub.Count())
		}
	}
}

// TestAttackNewMemberHearsNoOldEpoch: who was just added gets messages of the
// epochs before them without payload and salt, live as by HTTP.
func TestAttackNewMemberHearsNoOldEpoch(t *testing.T) {
	t.Parallel()
	g := start(t)
	ann := g.Found(envelope.CaptureOff)
	ann.Enrol()
	eve, recorder := g.Join("eve"), g.Recorder(ann)
	team, err := g.CreateTeam(t.Context(), ann.P, wire.NewTeam{Name: "core"})
	g.Must(err)
	c := ann.Open(team.ID, "desk", envelope.CaptureRequired, []envelope.KeyID{recorder.Key.ID()})
	recorder.Acknowledge(c)
	c.Add(ann, eve)
	c.Rotate(ann, envelope.CauseAdd) // her epoch is there, and not yet acknowledged
	e, a := g.dial(eve), g.dial(ann)
	for _, x := range []*client{e, a} {
		x.subscribe(c.ID, c.State.Position)
		x.want(wire.FrameReady, c.State.Position)
	}
	c.Place(ann, c.SealIn(ann, 1, "before eve"))
	if p := e.entry(); len(p.Entry.Payload) != 0 || len(p.Salt) != 0 {
		t.Error("a new member got a message of an epoch before hers, live")
	}
	if p := a.entry(); len(p.Entry.Payload) == 0 || len(p.Salt) == 0 {
		t.Error("a member got a message without its payload")
	}
	page, err := g.Entries(t.Context(), eve.P, c.ID, c.State.Position-1, 1, core.AllEntries)
	g.Must(err)
	p, err := envelope.ParsePlaced(page.Entries[0])
	g.Must(err)
	if len(p.Entry.Payload) != 0 || len(p.Salt) != 0 {
		t.Error("a new member got a message of an epoch before hers, by HTTP")
	}
	recorder.Acknowledge(c)
	e.entry()
	a.entry()
	c.Place(ann, c.Seal(ann, "with eve"))
	if got, want := e.entry(), a.entry(); len(got.Salt) == 0 || !bytes.Equal(envelope.Marshal(got), envelope.Marshal(want)) {
		t.Error("a member of the epoch got another entry than the others")
	}
}

// entry reads one frame that has to be an entry.
func (c *client) entry() *envelope.Placed {
	c.g.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, b, err := c.conn.ReadMessage()
	c.g.Must(err)
	var f wire.Frame
	var x wire.EntryFrame
	c.g.Must(envelope.Unmarshal(b, &f))
	c.g.Must(envelope.Unmarshal(f.Body, &x))
	p, err := envelope.ParsePlaced(x.Placed)
	c.g.Must(err)
	return p
}
