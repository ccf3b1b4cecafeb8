package session

import (
	"errors"
	"fmt"
	"time"

	"chancery/crypto/envelope"
)

// ErrClock: the server's time of a new entry is not this device's.
var ErrClock = errors.New("server's clock and this device's differ")

// skew is by how much they may.
const skew = 2 * time.Minute

// sight is where a channel ended when this device asked: nothing later was
// received before. It holds however long an answer or a frame is on its way, and
// however long this device sleeps.
type sight struct {
	position uint64
	at       time.Time // just before the question
}

// timely holds the time of a new entry against this device's clock. What was
// there before the device first saw the channel's end is history, which has no
// time but the server's: it only can't be of the future.
func (c *Channel) timely(p *envelope.Placed) error {
	received, now := time.UnixMicro(p.Received), c.s.Now()
	if received.After(now.Add(skew)) {
		return untimely(p, received, "this device's clock is at", now)
	}
	if c.sight.position > 0 && p.Position > c.sight.position && received.Before(c.sight.at.Add(-skew)) {
		return untimely(p, received, "it was not there yet at this device's", c.sight.at)
	}
	return nil
}

func untimely(p *envelope.Placed, received time.Time, what string, then time.Time) error {
	return fmt.Errorf("%w: entry %d says received %s, %s %s; the difference is %s, and 2m0s at most may be", ErrClock, p.Position,
		received.UTC().Format(time.RFC3339), what, then.UTC().Format(time.RFC3339), received.Sub(then).Abs().Round(time.Second))
}

// saw notes that the server said, when asked at that time, where the channel
// ends. It counts once the device has read all of it.
func (c *Channel) saw(end uint64, asked time.Time) {
	if c.position() == end {
		c.sight = sight{end, asked}
	}
}
