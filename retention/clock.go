package retention

import "time"

// Fuse is the longest step that a clock may make unseen. After a longer one the
// time stands still, for planning, until the clock has gone on for as long.
const Fuse = 48 * time.Hour

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
	Before   Point // the newest that was signed a Fuse or more before Newest; zero when there is none
	After    Point // the one after Before
}

// Horizon is the time that plans go by, with the log's size then: the earlier
// of the database's clock and the last signed checkpoint. A clock that jumped
// by more than the fuse is not believed before it has run on for as long: a
// server set to 2036 plans nothing that was not due before, and the alarm of its
// checkpoints has two days to be seen. People sign the horizon with the plan.
func (c *Clock) Horizon() (size uint64, horizon int64) {
	p := c.Newest
	if c.Before != (Point{}) && c.After.Time-c.Before.Time > Fuse.Microseconds() {
		p = c.Before
	}
	return p.Size, min(p.Time, c.Database)
}
