package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/fips"
)

// Event is one frame from the live socket. Which fields are set depends on
// Kind, one of the wire.Frame constants.
type Event struct {
	Kind     uint8
	Channel  envelope.ChannelID
	Placed   []byte          // FrameEntry: encoded envelope.Placed, not verified
	Position uint64          // FrameReady, FrameResync
	User     envelope.UserID // FrameTyping
}

// Follower says what to follow and what to do with it. Handle is never called
// concurrently; its error ends the following. Resume is asked after every
// connect: where to go on in each channel. More, when not nil, brings further
// subscriptions while connected; Resume must know them too by then. Lost, when
// not nil, is told why a connection was lost or not made, before each pause.
type Follower struct {
	Resume func() []wire.Subscribe
	Handle func(context.Context, Event) error
	More   <-chan wire.Subscribe
	Lost   func(error)
}

// Timing of the live socket.
const (
	pingEvery  = 25 * time.Second
	silence    = 70 * time.Second // without any frame or pong the connection is dead
	writeLimit = 10 * time.Second
	maxFrame   = 1 << 20
	maxBackoff = 30 * time.Second
)

// Follow holds a live connection until ctx ends, Handle fails or the server
// closes it for a reason that waiting can't mend (a code from 4400 up, as
// *Problem). Lost connections are made anew with growing pauses.
func (t *Transport) Follow(ctx context.Context, f Follower) error {
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := t.followOnce(ctx, f)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, ErrUnavailable) && !NotNow(err) {
			return err
		}
		if f.Lost != nil {
			f.Lost(err)
		}
		if time.Since(began) > time.Minute {
			attempt = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff(attempt)):
		}
	}
}

// backoff doubles from 250 ms and adds chance, so that a restarted server does
// not meet all its clients at once.
func backoff(attempt int) time.Duration {
	d := min(250*time.Millisecond<<min(attempt, 10), maxBackoff)
	return d/2 + rand.N(d)
}

func (t *Transport) followOnce(ctx context.Context, f Follower) error {
	conn, err := t.dial(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return read(ctx, conn, f.Handle) })
	group.Go(func() error { return write(ctx, conn, f) })
	group.Go(func() error { // unblocks the reader, whatever ended the group
		<-ctx.Done()
		return conn.Close()
	})
	return group.Wait()
}

// connectLimit is how long connecting and the handshake may take, each.
const connectLimit = 15 * time.Second

// dial connects under FIPS enforcement; only the WebSocket handshake inside the
// connection is made without.
func (t *Transport) dial(ctx context.Context) (*websocket.Conn, error) {
	u := *t.base.JoinPath("v1/live")
	u.Scheme = map[string]string{"https": "wss", "http": "ws"}[u.Scheme]
	under, err := t.connect(ctx)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	give := func(context.Context, string, string) (net.Conn, error) { return under, nil }
	d := websocket.Dialer{NetDialContext: give, NetDialTLSContext: give, HandshakeTimeout: connectLimit}
	header := http.Header{}
	t.bearer(header)
	var conn *websocket.Conn
	var resp *http.Response
	fips.WithoutEnforcement(func() { conn, resp, err = d.DialContext(ctx, u.String(), header) })
	switch {
	case err == nil:
		return conn, nil
	case resp != nil:
		defer resp.Body.Close()
		return nil, problemOf(resp)
	}
	return nil, unavailable(ctx, err)
}

// connect is a connection to the server, by TLS when its address says so.
func (t *Transport) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	secure := t.base.Scheme == "https"
	address := t.base.Host
	if t.base.Port() == "" {
		address = net.JoinHostPort(t.base.Hostname(), map[bool]string{true: "443", false: "80"}[secure])
	}
	if !secure {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	conf := t.tls.Clone()
	conf.NextProtos = []string{"http/1.1"} // net/http has put h2 there, which has no upgrade
	return (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", address)
}

func read(ctx context.Context, conn *websocket.Conn, handle func(context.Context, Event) error) error {
	alive := func(string) error { return conn.SetReadDeadline(time.Now().Add(silence)) }
	conn.SetReadLimit(maxFrame)
	conn.SetPongHandler(alive)
	for {
		if err := alive(""); err != nil {
			return unavailable(ctx, err)
		}
		_, b, err := conn.ReadMessage()
		if err != nil {
			return closed(ctx, err)
		}
		event, err := parseFrame(b)
		if err != nil {
			return err
		}
		if err := handle(ctx, event); err != nil {
			return err
		}
	}
}

// closed tells a close that a new connection mends from one that it won't.
func closed(ctx context.Context, err error) error {
	c, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || c.Code < wire.CloseProtocol {
		return unavailable(ctx, err)
	}
	p := &Problem{Status: http.StatusBadRequest, Code: "live.protocol", Title: "the live connection was refused", Detail: c.Text}
	switch c.Code {
	case wire.CloseSession:
		p.Status, p.Code, p.Next = http.StatusUnauthorized, "session.ended", "chancery login"
	case wire.CloseDenied:
		p.Status, p.Code = http.StatusForbidden, "live.denied"
	case wire.CloseTooMany:
		p.Status, p.Code = http.StatusRequestEntityTooLarge, "live.too_many"
	}
	return p
}

func write(ctx context.Context, conn *websocket.Conn, f Follower) error {
	for _, s := range f.Resume() {
		if err := send(conn, wire.FrameSubscribe, &s); err != nil {
			return unavailable(ctx, err)
		}
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case s := <-f.More:
			err = send(conn, wire.FrameSubscribe, &s)
		case <-ping.C:
			err = conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeLimit))
		}
		if err != nil {
			return unavailable(ctx, err)
		}
	}
}

func send(conn *websocket.Conn, kind uint8, body any) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	return conn.WriteMessage(websocket.BinaryMessage, envelope.Marshal(&wire.Frame{Kind: kind, Body: envelope.Marshal(body)}))
}

// parseFrame decodes a frame. Kinds of a newer server pass with no fields.
func parseFrame(b []byte) (Event, error) {
	var f wire.Frame
	if err := envelope.Unmarshal(b, &f); err != nil {
		return Event{}, fmt.Errorf("reading live frame: %w", err)
	}
	e, err := Event{Kind: f.Kind}, error(nil)
	switch f.Kind {
	case wire.FrameEntry:
		var x wire.EntryFrame
		err = envelope.Unmarshal(f.Body, &x)
		e.Channel, e.Placed = x.Channel, x.Placed
	case wire.FrameReady, wire.FrameResync: // the same shape
		var x wire.ReadyFrame
		err = envelope.Unmarshal(f.Body, &x)
		e.Channel, e.Position = x.Channel, x.Position
	case wire.FrameTyping:
		var x wire.TypingFrame
		err = envelope.Unmarshal(f.Body, &x)
		e.Channel, e.User = x.Channel, x.User
	}
	if err != nil {
		return Event{}, fmt.Errorf("reading live frame of kind %d: %w", f.Kind, err)
	}
	return e, nil
}
