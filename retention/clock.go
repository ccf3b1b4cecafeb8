package retention

import "time"

// Fuse is how much time may pass unseen before none of it is believed.
const Fuse = 48 * time.Hour

// beat is how often a running server looks at its clock, and lapse how long it
// may be before time counts as passed unseen: the server was down, or the clock
// was moved.
const (
	beat  = 10 * time.Minute
	lapse = 2 * beat
)

// Watch is what is known of how the server's clock went, in µs.
type Watch struct {
	Last int64 // when it was looked at last, since 1970, UTC; 0 before the first time
	Owed int64 // time that passed unseen and that running has not made up for
}

// Look gives the watch after a look at now. Time that passed unseen adds up, so
// that many steps are no less than one; the server makes up for it by running,
// an hour for an hour. A clock that is put back takes back what its jump added.
func (w Watch) Look(now int64) Watch {
	step := now - w.Last
	switch {
	case w.Last == 0:
		return Watch{Last: now}
	case step > lapse.Microseconds():
		return Watch{now, w.Owed + step}
	default: // seen, or back
		return Watch{now, max(0, w.Owed-max(step, -step))}
	}
}

// Time is how late it is for certain.
func (w Watch) Time() int64 {
	if w.Owed > Fuse.Microseconds() {
		return w.Last - w.Owed
	}
	return w.Last
}

// Point is a signed checkpoint: the log's size and when it was signed, µs since
// 1970, UTC.
type Point struct {
	Size uint64
	Time int64
}

// Clock is what is known about the time. Nothing expires by one clock alone.
type Clock struct {
	Database int64 // µs since 1970, UTC
	Newest   Point // the last signed checkpoint; zero when there is none
	Watch    Watch
}

// Horizon is the time that plans go by, with the log's size: the earliest of the
// database's clock, the last signed checkpoint and the watch. A server set to
// 2036, at once or by steps, plans nothing that was not due before, and there
// is time to see its checkpoints. People sign the horizon with the plan.
func (c *Clock) Horizon() (size uint64, horizon int64) {
	t, w := min(c.Newest.Time, c.Database), c.Watch
	if t > w.Last {
		w = w.Look(t) // and not kept: only the server's own looks show that it ran
	}
	return c.Newest.Size, min(t, w.Time())
}
