package session

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// fill places so many messages of a person's device, sealed and signed as its
// own, without the disk and the network in between.
func (h *honest) fill(c *Channel, n int) {
	h.t.Helper()
	if _, err := c.Post(context.Background(), Draft{Kind: envelope.Post, Text: "first"}); err != nil {
		h.t.Fatal(err)
	}
	room := h.channels[c.id] // nobody else asks the server meanwhile
	e, _ := room.chain.Current()
	for i := range n - 1 {
		p := h.next(room, c, e, fmt.Sprintf("message %d, as long as a sentence in a chat usually is", i))
		if err := room.chain.Apply(p); err != nil {
			h.t.Fatal(err)
		}
		room.placed = append(room.placed, *p)
	}
}

func (h *honest) next(room *room, c *Channel, e *chain.Epoch, text string) *envelope.Placed {
	header := c.header(e, Draft{Kind: envelope.Post})
	last := room.chain.Counter(c.s.device.ID())
	header.DeviceSeq, header.DevicePrev, header.Void = last.Seq+1, last.Hash, nil
	header.Seen = envelope.Ref{Position: room.chain.Position, Hash: room.chain.Top}
	entry, salt, err := seal.Seal(c.keys[e.N].key, header, envelope.Body{Text: text}, c.s.device)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.at(room.chain.Top, room.chain.Position+1, entry, salt[:])
}

// afresh is the person's device as if it had never seen the channel.
func (p *person) afresh(id envelope.ChannelID) {
	p.forget(id)
	_ = p.Ring.Delete(snapshotName(id))
}

// BenchmarkEnter10000 enters a channel with 10,000 entries and shows the newest
// screen: every link and message verified and opened, over HTTP, in one process
// with the server that gives them out.
func BenchmarkEnter10000(b *testing.B) {
	h := newHonest(b)
	alice := h.join()
	c := channel(b, alice)
	h.fill(c, 10_000)
	for b.Loop() {
		alice.afresh(c.id)
		c, err := alice.Channel(context.Background(), c.id)
		if err != nil {
			b.Fatal(err)
		}
		shown, err := c.Read(context.Background(), c.position()-60)
		if err != nil || len(shown) != 60 || shown[59].State != "open" {
			b.Fatal(len(shown), err)
		}
	}
}

// BenchmarkMemory follows a channel through many messages and tells what the
// client holds of it at the end: the same, however many there were.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				h := newHonest(b)
				alice := h.join()
				c := channel(b, alice)
				for range n / 10_000 {
					h.fill(c, 10_000)
					if _, err := alice.Channel(context.Background(), c.id); err != nil {
						b.Fatal(err)
					}
				}
				id, all := c.id, heap()
				alice.forget(id)
				c = nil
				b.ReportMetric(float64(all-heap())/1e3, "KB-held")
			}
		})
	}
}

// heap is what is in use, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
