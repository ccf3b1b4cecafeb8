package live

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/gorilla/websocket"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/identity"
)

// Service permits and reads what sockets ask for.
type Service interface {
	Subscribe(ctx context.Context, p identity.Principal, channel envelope.ChannelID, after uint64) (core.Catch, error)
	Typing(ctx context.Context, p identity.Principal, channel envelope.ChannelID) error
}

// Config says how many sockets there may be at once; zero takes the default.
type Config struct {
	PerSession int // 8
	PerPerson  int // 32; also of one recorder
	All        int // 20,000
	Log        *slog.Logger
}

func (c Config) withDefaults() Config {
	c.PerSession, c.PerPerson, c.All = cmp.Or(c.PerSession, 8), cmp.Or(c.PerPerson, 32), cmp.Or(c.All, 20_000)
	return c
}

// Hub holds all sockets of this process. It implements core.Publisher.
type Hub struct {
	config Config
	log    *slog.Logger
	shards [shardCount]shard

	mu       sync.Mutex
	sockets  map[*socket]bool
	sessions map[identity.SessionID]map[*socket]bool
	people   map[person]int // sockets of each
	closing  bool
	ctx      context.Context // of all sockets; ends with Run
	cancel   context.CancelFunc
	all      sync.WaitGroup // goroutines of sockets
}

const shardCount = 16

// shard is a part of the channels, so that busy ones don't wait for each other.
type shard struct {
	mu       sync.RWMutex
	channels map[envelope.ChannelID]map[*socket]*subscription
}

var _ core.Publisher = (*Hub)(nil)

// person is whose sockets are counted together.
type person struct {
	user    identity.UserID
	service [32]byte
}

func personOf(p identity.Principal) person { return person{p.User, p.Service} }

// NewHub makes a hub. Sockets may connect at once; Run ends them.
func NewHub(c Config) *Hub {
	h := &Hub{
		config: c.withDefaults(), log: c.Log,
		sockets: map[*socket]bool{}, sessions: map[identity.SessionID]map[*socket]bool{}, people: map[person]int{},
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	for i := range h.shards {
		h.shards[i].channels = map[envelope.ChannelID]map[*socket]*subscription{}
	}
	return h
}

// Run waits for ctx to end, then closes every socket with the number for a
// restart and waits for their goroutines.
func (h *Hub) Run(ctx context.Context) error {
	<-ctx.Done()
	h.mu.Lock()
	h.closing = true
	open := slices.Collect(maps.Keys(h.sockets))
	h.mu.Unlock()
	closeAll(open, wire.CloseRestart, "restarting")
	h.cancel()
	h.all.Wait()
	return nil
}

// closeAll closes sockets at once, so that one that takes nothing holds up no
// other. It returns within two seconds.
func closeAll(sockets []*socket, code int, text string) {
	var closes sync.WaitGroup
	for _, s := range sockets {
		closes.Go(func() { s.close(code, text) })
	}
	closes.Wait()
}

// Count is the number of open sockets.
func (h *Hub) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sockets)
}

func (h *Hub) shard(id envelope.ChannelID) *shard { return &h.shards[id[0]%shardCount] }

// Publish hands an entry to the channel's subscribers. Calls for one channel
// come in the order of positions.
func (h *Hub) Publish(id envelope.ChannelID, p *envelope.Placed) {
	x := h.shard(id)
	x.mu.RLock()
	listeners := x.channels[id]
	if len(listeners) > 0 {
		h.deliver(id, p, listeners)
	}
	x.mu.RUnlock()
	if gone, ok := removed(p); ok {
		h.unsubscribe(id, gone)
	}
}

// deliver encodes and frames an entry once, whatever the number of listeners.
func (h *Hub) deliver(id envelope.ChannelID, p *envelope.Placed, listeners map[*socket]*subscription) {
	v, err := viewsOf(id, p)
	if err != nil {
		h.log.Error("framing entry failed", "err", err)
		return
	}
	for s, sub := range listeners {
		s.offer(sub, p.Position, v)
	}
}

// views are the frames of one entry: as it is, and as those get it who may not
// read it.
type views struct {
	epoch    uint64
	whole    *frame
	withheld *frame // nil: nobody is kept from it
}

func viewsOf(id envelope.ChannelID, p *envelope.Placed) (v views, err error) {
	if v.whole, err = entryFrame(id, p); err != nil {
		return v, err
	}
	epoch, message, err := core.MessageEpoch(p)
	if err != nil || !message {
		return v, err
	}
	v.epoch = epoch
	less := core.Withhold(*p)
	v.withheld, err = entryFrame(id, &less)
	return v, err
}

func (v *views) of(history core.History) *frame {
	if v.withheld == nil || history.Shows(v.epoch) {
		return v.whole
	}
	return v.withheld
}

func entryFrame(id envelope.ChannelID, p *envelope.Placed) (*frame, error) {
	return frameOf(wire.FrameEntry, &wire.EntryFrame{Channel: id, Placed: envelope.Marshal(p)})
}

// removed tells whom an entry removes from its channel.
func removed(p *envelope.Placed) (envelope.UserID, bool) {
	if p.Entry.Kind != envelope.KindLink {
		return envelope.UserID{}, false
	}
	l, err := envelope.ParseLink(&p.Entry)
	if err != nil || l.Type != envelope.MemberRemove {
		return envelope.UserID{}, false
	}
	body, err := envelope.ParseBody[envelope.RemoveBody](l)
	if err != nil {
		return envelope.UserID{}, false
	}
	return body.User, true
}

// unsubscribe ends a user's subscriptions to a channel; their own removal is
// the last entry they see.
func (h *Hub) unsubscribe(id envelope.ChannelID, user envelope.UserID) {
	x := h.shard(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.channels[id], func(s *socket, _ *subscription) bool {
		return s.principal.Kind == identity.Person && s.principal.UserChain == user
	})
}

// EndSessions closes the sockets of sessions that have ended, at once.
func (h *Hub) EndSessions(ids []identity.SessionID) {
	h.mu.Lock()
	var ended []*socket
	for _, id := range ids {
		ended = slices.AppendSeq(ended, maps.Keys(h.sessions[id]))
	}
	h.mu.Unlock()
	closeAll(ended, wire.CloseSession, "the session has ended")
}

// admit makes a connection one of the hub's sockets, or says why not.
func (h *Hub) admit(s *socket) (code int, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id, owner := s.principal.Session, personOf(s.principal)
	switch {
	case h.closing:
		return wire.CloseRestart, "restarting"
	case len(h.sessions[id]) >= h.config.PerSession:
		return wire.CloseFull, "this session has too many connections; reconnect after a pause"
	case h.people[owner] >= h.config.PerPerson:
		return wire.CloseFull, "you have too many connections; reconnect after a pause"
	case len(h.sockets) >= h.config.All:
		return wire.CloseFull, "the server has too many connections; reconnect after a pause"
	}
	h.sockets[s] = true
	if h.sessions[id] == nil {
		h.sessions[id] = map[*socket]bool{}
	}
	h.sessions[id][s] = true
	h.people[owner]++
	h.all.Add(1) // the reader
	return 0, ""
}

// forget drops a socket that has ended, with its subscriptions.
func (h *Hub) forget(s *socket) {
	for id := range s.subs {
		h.drop(id, s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, s)
	delete(h.sessions[s.principal.Session], s)
	if len(h.sessions[s.principal.Session]) == 0 {
		delete(h.sessions, s.principal.Session)
	}
	owner := personOf(s.principal)
	if h.people[owner]--; h.people[owner] == 0 {
		delete(h.people, owner)
	}
}

// drop ends one subscription.
func (h *Hub) drop(id envelope.ChannelID, s *socket) {
	x := h.shard(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.channels[id], s)
	if len(x.channels[id]) == 0 {
		delete(x.channels, id)
	}
}

// typing tells the others of a channel. It is dropped before anything else.
func (h *Hub) typing(from *socket, id envelope.ChannelID) {
	frame, err := frameOf(wire.FrameTyping, &wire.TypingFrame{Channel: id, User: from.principal.UserChain})
	if err != nil {
		return
	}
	x := h.shard(id)
	x.mu.RLock()
	defer x.mu.RUnlock()
	for s := range x.channels[id] {
		if s != from {
			s.hint(frame)
		}
	}
}

func frameOf(kind uint8, body any) (*frame, error) {
	b := envelope.Marshal(&wire.Frame{Kind: kind, Body: envelope.Marshal(body)})
	m, err := websocket.NewPreparedMessage(websocket.BinaryMessage, b)
	return &frame{message: m, size: len(b)}, err
}

// buffers are lent to sockets while they write, so that an idle one has none.
var buffers sync.Pool

// upgrader checks that a browser's page is of this very host (the library's
// default); programs send no origin.
var upgrader = websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 4 << 10, WriteBufferPool: &buffers}

// Serve upgrades a request whose session may connect. It returns once the
// socket lives on its own; an error is one that was not answered yet. Again asks
// whether the session still stands. It is called once EndSessions can find the
// socket, so a session that ends at any moment takes the socket with it.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, service Service, p identity.Principal, again func(context.Context) error) error {
	if !websocket.IsWebSocketUpgrade(r) {
		return websocket.ErrBadHandshake
	}
	conn, err := upgrade(w, r)
	if err != nil {
		h.log.DebugContext(r.Context(), "socket not upgraded", "session", p.Session, "err", err)
		return nil // the library has answered
	}
	s := newSocket(h, conn, service, p)
	if code, text := h.admit(s); code != 0 {
		s.close(code, text)
		return nil
	}
	if err := again(r.Context()); core.KindOf(err) == core.Unauthorized {
		s.close(wire.CloseSession, "the session has ended")
	} else if err != nil {
		s.close(wire.CloseRestart, "not now")
	}
	go s.run()
	return nil
}
