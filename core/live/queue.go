package live

import (
	"github.com/gorilla/websocket"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
)

// Bounds of what waits for one socket.
const (
	maxFrames = 256
	maxBytes  = 256 << 10
)

// frame is a message that is encoded once for all sockets.
type frame struct {
	message *websocket.PreparedMessage // nil: a ping
	size    int
}

// subscription is a socket's place in one channel, guarded by the socket's mu.
type subscription struct {
	channel envelope.ChannelID
	ready   bool   // live; before that, the catching up delivers
	queued  uint64 // position of the newest entry that was queued or left out
	missed  uint64 // while catching up: the newest position that was published
	lossy   bool   // a resync waits in the queue; until it is sent, entries are left out
	history core.History
}

// class says what becomes of a queued frame when the queue overflows.
type class uint8

const (
	hint   class = iota // dropped
	entry               // dropped; a resync takes its place
	resync              // kept
	notice              // kept
)

type queued struct {
	*frame
	class    class
	sub      *subscription // of entry and resync
	position uint64        // of entry
}

// offer queues a live entry. While a subscription catches up it only notes that
// there is more, so that nothing comes twice or out of order.
func (s *socket) offer(sub *subscription, position uint64, v views) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := v.of(sub.history)
	if !sub.ready {
		sub.missed = max(sub.missed, position)
		return
	}
	if position <= sub.queued {
		return
	}
	if !s.fits(f) {
		s.overflow()
	}
	follows := position == sub.queued+1
	if !sub.lossy && !follows {
		s.resyncFrom(sub, sub.queued)
	}
	sub.queued = position
	if !sub.lossy {
		s.push(queued{frame: f, class: entry, sub: sub, position: position})
	}
}

// fits tells whether a frame has room. An empty queue has room for any, or a
// large entry could never be sent.
func (s *socket) fits(f *frame) bool {
	return len(s.queue) == 0 || len(s.queue) < maxFrames && s.queuedBytes+f.size <= maxBytes
}

// hint queues what may be lost, while half of the room is free.
func (s *socket) hint(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) < maxFrames/2 && s.queuedBytes < maxBytes/2 {
		s.push(queued{frame: f, class: hint})
	}
}

// notify queues a small frame that must arrive.
func (s *socket) notify(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(queued{frame: f, class: notice})
}

// await queues an entry of a catching up once there is room. It answers false
// when the socket has ended or the subscription lost entries meanwhile.
func (s *socket) await(sub *subscription, position uint64, f *frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && !sub.lossy && !s.fits(f) {
		s.room.Wait()
	}
	if s.ended || sub.lossy {
		return false
	}
	sub.queued = position
	s.push(queued{frame: f, class: entry, sub: sub, position: position})
	return true
}

// overflow empties the queue, and leaves one resync for each channel that lost
// entries.
func (s *socket) overflow() {
	lost := s.queue
	s.queue, s.queuedBytes = nil, 0
	for _, q := range lost {
		switch {
		case q.class >= resync:
			s.push(q)
		case q.class == entry && !q.sub.lossy:
			s.resyncFrom(q.sub, q.position-1)
		}
	}
	s.room.Broadcast()
}

// resyncFrom tells the client to fetch what follows a position. What is
// published until the writer takes the frame is stored by then, so the fetch
// finds it.
func (s *socket) resyncFrom(sub *subscription, position uint64) {
	f, err := frameOf(wire.FrameResync, &wire.ResyncFrame{Channel: sub.channel, Position: position})
	if err != nil {
		s.hub.log.Error("framing resync failed", "err", err)
		return
	}
	sub.lossy = true
	s.push(queued{frame: f, class: resync, sub: sub})
}

// push appends to the queue and starts the writer when none is at work.
func (s *socket) push(q queued) {
	if s.ended {
		return
	}
	s.queue = append(s.queue, q)
	s.queuedBytes += q.size
	if !s.writing {
		s.writing = true
		s.hub.all.Add(1) // the reader is counted until the socket has ended, so this can't be the first
		go s.write()
	}
}

// take hands the writer all that waits; false ends it.
func (s *socket) take() ([]queued, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.queue) == 0 {
		s.writing = false
		return nil, false
	}
	batch := s.queue
	s.queue, s.queuedBytes = nil, 0
	for _, q := range batch {
		if q.class == resync {
			q.sub.lossy = false
		}
	}
	s.room.Broadcast()
	return batch, true
}
