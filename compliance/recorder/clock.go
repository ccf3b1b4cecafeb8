package recorder

import (
	"time"

	"chancery/crypto/envelope"
)

// skew is by how much the server's time of a new entry may differ from the
// recorder's clock.
const skew = 2 * time.Minute

// sight is where a channel ended when the recorder asked: nothing later was
// received before, however long the answer was on its way.
type sight struct {
	position uint64
	at       time.Time // just before the question
}

// timely holds the time of a new entry against the recorder's clock. What was
// there before the recorder first saw the channel's end is history, which has no
// time but the server's: it only can't be of the future.
func (f *follower) timely(p *envelope.Placed) error {
	received, now := time.UnixMicro(p.Received), f.Now()
	if received.After(now.Add(skew)) {
		return alarm(ClockBad, "entry %d says received %s, this host's clock is at %s: compare both with a third",
			p.Position, received.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if f.sight.position > 0 && p.Position > f.sight.position && received.Before(f.sight.at.Add(-skew)) {
		return alarm(ClockBad, "entry %d says received %s, and was not there yet at this host's %s: compare both with a third",
			p.Position, received.UTC().Format(time.RFC3339), f.sight.at.UTC().Format(time.RFC3339))
	}
	return nil
}

// saw notes that the server said, when asked at that time, where the channel
// ends. It counts once all of it is kept.
func (f *follower) saw(end uint64, asked time.Time) {
	if f.position() == end {
		f.sight = sight{end, asked}
	}
}
