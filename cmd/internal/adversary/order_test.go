package adversary

import (
	"testing"

	"chancery/cmd/internal/client/session"
)

// The server goes back to what it was before the last messages: in a running
// client, in one that was started again, and in one that crashed.
func TestAttack06ChannelRollback(t *testing.T) {
	siege(t, func(d *desk) {
		d.say(d.ann, "kept")
		d.shows(d.bob, "kept")
		kept := d.past().last().Position
		d.say(d.ann, "lost")
		d.shows(d.bob, "kept lost")
		if d.attacked {
			d.lose(kept)
		}
		d.want(session.ErrRollback, "kept lost", d.bob)
		for _, clean := range []bool{true, false} {
			d.must(d.ann.again(clean))
			if d.attacked {
				d.stops(d.ann, session.ErrRollback)
			}
		}
	})
}
