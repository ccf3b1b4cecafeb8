package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"chancery/crypto/envelope"
)

// TestAttackClock: what the server says of the time of a new entry must fit the
// device's clock. History, and what was only long on its way, is taken.
func TestAttackClock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server, device time.Duration // what becomes of the two clocks before the entry
		look           time.Duration // the device's clock moves and it looks again, before that
		after          time.Duration // the device's clock moves before it reads the entry
		history        bool          // the device has never looked before
		want           error
	}{
		"together":                       {server: time.Hour, device: time.Hour},
		"a minute ahead":                 {server: time.Minute},
		"ahead":                          {server: 3 * time.Minute, want: ErrClock},
		"a day ahead, at the first look": {server: 24 * time.Hour, history: true, want: ErrClock},
		"a minute behind":                {look: time.Minute},
		"behind":                         {look: 3 * time.Minute, want: ErrClock},
		"behind, at the first look":      {device: 3 * time.Minute, history: true},
		"a sleep of hours":               {after: 5 * time.Hour},
		"no look since":                  {device: 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHonest(t)
			alice, bob := h.join(), h.join()
			var own time.Duration // bob's clock, against the server's
			move := func(server, device time.Duration) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.now = h.now.Add(server)
				own += device - server
			}
			bob.Now = func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now.Add(own) }
			room := channel(t, alice)
			if err := room.Add(context.Background(), bob.Me.Chain, envelope.RankMember); err != nil {
				t.Fatal(err)
			}
			post(t, room, "before")
			if !c.history {
				theirs := bob.see(t, room.ID())
				move(0, c.look)
				if err := theirs.catch(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			move(c.server, c.device)
			post(t, room, "new")
			move(0, c.after)
			_, err := bob.Channel(context.Background(), room.ID())
			if !errors.Is(err, c.want) {
				t.Fatalf("reading: %v, want %v", err, c.want)
			}
			if c.want == nil || c.look > 0 {
				return
			}
			move(0, c.server) // the clock was wrong and is set: what came is read
			bob.see(t, room.ID())
		})
	}
}
