package live

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
)

const (
	pingEvery        = 25 * time.Second // ± a fifth, so that sockets don't ping in step
	silence          = 70 * time.Second // without any frame or pong the peer is gone
	patience         = 10 * time.Second // for one frame to be taken
	farewell         = time.Second      // for the frame that says why
	maxRead          = 64 << 10
	maxSubscriptions = 4096
	subscribeEvery   = 50 * time.Millisecond // once maxSubscriptions were asked for in one go
	typingEvery      = time.Second
)

// socket is one connection. Its reader lives as long as it does; a writer only
// while something waits.
type socket struct {
	hub       *Hub
	conn      *websocket.Conn
	service   Service
	principal identity.Principal
	subs      map[envelope.ChannelID]*subscription // of the reader
	pace      *rate.Limiter                        // of subscriptions: each costs a decision and a page
	typed     time.Time                            // of the reader

	mu          sync.Mutex
	room        sync.Cond // signalled when the queue has shrunk or the socket has ended
	queue       []queued
	queuedBytes int
	writing     bool
	ended       bool
	timer       *time.Timer // next ping
	expiry      *time.Timer // end of what the session had left
}

func newSocket(h *Hub, conn *websocket.Conn, service Service, p identity.Principal) *socket {
	s := &socket{hub: h, conn: conn, service: service, principal: p, subs: map[envelope.ChannelID]*subscription{}}
	s.pace = rate.NewLimiter(rate.Every(subscribeEvery), maxSubscriptions)
	s.room.L = &s.mu
	conn.SetReadLimit(maxRead)
	conn.SetPongHandler(func(string) error { return s.alive() })
	return s
}

func (s *socket) alive() error { return s.conn.SetReadDeadline(time.Now().Add(silence)) }

// run reads until the socket ends, and cleans up.
func (s *socket) run() {
	defer s.hub.all.Done()
	defer s.hub.forget(s)
	s.startTimers()
	for {
		if err := s.alive(); err != nil {
			break
		}
		kind, b, err := s.conn.ReadMessage()
		if err != nil {
			break
		}
		if kind != websocket.BinaryMessage {
			s.close(wire.CloseProtocol, "malformed frame")
			break
		}
		if code, text := s.handle(b); code != 0 {
			s.close(code, text)
			break
		}
	}
	s.end()
}

// startTimers arms the pings and the end. A socket does not outlive what its
// session had left when it connected: the client comes back and is judged anew.
func (s *socket) startTimers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.timer = time.AfterFunc(jitter(), s.ping)
	if !s.principal.Expires.IsZero() {
		s.expiry = time.AfterFunc(time.Until(s.principal.Expires), func() { s.close(wire.CloseRestart, "reconnect") })
	}
}

func jitter() time.Duration { return pingEvery*4/5 + rand.N(pingEvery*2/5) }

func (s *socket) ping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.push(queued{frame: &frame{}, class: hint})
	s.timer.Reset(jitter())
}

// handle does what a frame asks for. It answers with a close code for one that
// ends the socket.
func (s *socket) handle(b []byte) (code int, text string) {
	const malformed = "malformed frame"
	var f wire.Frame
	if envelope.Unmarshal(b, &f) != nil {
		return wire.CloseProtocol, malformed
	}
	switch f.Kind {
	case wire.FrameSubscribe:
		var in wire.Subscribe
		if envelope.Unmarshal(f.Body, &in) != nil {
			return wire.CloseProtocol, malformed
		}
		if s.subs[in.Channel] == nil && len(s.subs) >= maxSubscriptions {
			return wire.CloseTooMany, "too many channels on one connection"
		}
		if s.pace.Wait(s.hub.ctx) == nil {
			s.subscribe(in)
		}
	case wire.FrameTyping:
		var in wire.TypingFrame
		if envelope.Unmarshal(f.Body, &in) != nil {
			return wire.CloseProtocol, malformed
		}
		s.typing(in.Channel)
	default:
		return wire.CloseProtocol, malformed
	}
	return 0, ""
}

// typing tells that the socket's own user types, whatever the frame says.
func (s *socket) typing(id envelope.ChannelID) {
	if s.subs[id] == nil || time.Since(s.typed) < typingEvery {
		return
	}
	s.typed = time.Now()
	if s.service.Typing(s.hub.ctx, s.principal, id) == nil {
		s.hub.typing(s, id)
	}
}

// subscribe registers before it reads, so that what is placed meanwhile is
// noticed, and reads until nothing was. Each page is permitted anew; a listener
// that is not ready is given nothing.
func (s *socket) subscribe(in wire.Subscribe) {
	sub := s.register(in)
	for {
		page, err := s.service.Subscribe(s.hub.ctx, s.principal, in.Channel, sub.queued)
		if err != nil {
			s.unregister(in.Channel)
			s.refuse(in, err)
			return
		}
		s.allow(sub, page.History)
		if !s.replay(sub, page.Entries) || !page.More && s.turnLive(sub) {
			return
		}
	}
}

// register makes the socket a listener that catches up from in.After.
func (s *socket) register(in wire.Subscribe) *subscription {
	sub := &subscription{channel: in.Channel, queued: in.After}
	x := s.hub.shard(in.Channel)
	x.mu.Lock()
	if x.channels[in.Channel] == nil {
		x.channels[in.Channel] = map[*socket]*subscription{}
	}
	x.channels[in.Channel][s] = sub
	x.mu.Unlock()
	s.subs[in.Channel] = sub
	return sub
}

// allow notes what may be read, before the subscription turns live.
func (s *socket) allow(sub *subscription, history core.History) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.history = history
}

func (s *socket) unregister(id envelope.ChannelID) {
	delete(s.subs, id)
	s.hub.drop(id, s)
}

// replay queues a page at the pace of the client. It answers false when that
// came to an end before the page did: the socket has ended, or the subscription
// lost entries and goes on live, behind a resync.
func (s *socket) replay(sub *subscription, page []envelope.Placed) bool {
	for i := range page {
		f, err := entryFrame(sub.channel, &page[i])
		if err != nil {
			s.close(websocket.CloseInternalServerErr, "internal")
			return false
		}
		if !s.await(sub, page[i].Position, f) {
			s.turnLive(sub)
			return false
		}
	}
	return true
}

// turnLive ends the catching up, unless there is more to read.
func (s *socket) turnLive(sub *subscription) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.missed > sub.queued && !sub.lossy {
		return false
	}
	sub.queued, sub.ready = max(sub.queued, sub.missed), true
	f, err := frameOf(wire.FrameReady, &wire.ReadyFrame{Channel: sub.channel, Position: sub.queued})
	if err == nil {
		s.push(queued{frame: f, class: notice})
	}
	return true
}

// refuse answers a subscription that can't be: by HTTP the client gets the
// reason in words. When it is the server's fault the client comes back later.
func (s *socket) refuse(in wire.Subscribe, err error) {
	switch core.KindOf(err) {
	case core.Denied, core.NotFound:
		if f, err := frameOf(wire.FrameResync, &wire.ResyncFrame{Channel: in.Channel, Position: in.After}); err == nil {
			s.notify(f)
		}
	case core.Unauthorized:
		s.close(wire.CloseSession, "the session has ended")
	default:
		s.hub.log.Error("subscribing failed", "session", s.principal.Session, "err", err)
		s.close(wire.CloseRestart, "not now")
	}
}

// write sends what waits and ends when nothing does.
func (s *socket) write() {
	defer s.hub.all.Done()
	for {
		batch, more := s.take()
		if !more {
			return
		}
		for _, q := range batch {
			if err := s.send(q.frame); err != nil {
				s.failed(err)
				return
			}
		}
	}
}

func (s *socket) send(f *frame) error {
	deadline := time.Now().Add(patience)
	if f.message == nil {
		return s.conn.WriteControl(websocket.PingMessage, nil, deadline)
	}
	if err := s.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	return s.conn.WritePreparedMessage(f.message)
}

// failed ends the socket after a write that did not come through.
func (s *socket) failed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.close(wire.CloseSlow, "too slow")
		return
	}
	s.end()
}

// close tells the peer why, if it still listens, and ends the socket.
func (s *socket) close(code int, text string) {
	s.mu.Lock()
	first := !s.ended
	s.mu.Unlock()
	if first {
		_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(farewell))
	}
	s.end()
}

// end wakes all who wait for the socket, and cuts the connection, which ends its
// reader.
func (s *socket) end() {
	if s.leave() {
		_ = cut(s.conn)
	}
}

// leave tells whether it was this call that ended the socket.
func (s *socket) leave() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended, s.queue = true, nil
	for _, t := range []*time.Timer{s.timer, s.expiry} {
		if t != nil {
			t.Stop()
		}
	}
	s.room.Broadcast()
	return true
}

// cut closes the connection without TLS's own farewell, for which a peer that
// takes nothing would have us wait five seconds.
func cut(c *websocket.Conn) error {
	if t, ok := c.NetConn().(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return c.Close()
}
