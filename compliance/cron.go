package compliance

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the server must know every zone that a person may name

	"github.com/robfig/cron/v3"

	"chancery/crypto/envelope"
)

// errCron is told of schedules that can't be read.
var errCron = errors.New("not five cron fields")

var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// Timing is when a schedule is due. Its zero value is never.
type Timing struct {
	spec cron.Schedule
	zone *time.Location
}

// ParseTiming reads an order's cron fields and zone. Without fields the
// schedule runs only when somebody asks.
func ParseTiming(o *envelope.ExportOrder) (Timing, error) {
	zone, err := time.LoadLocation(o.Zone)
	if err != nil || o.Zone == "" || o.Zone == "Local" {
		return Timing{}, fmt.Errorf("zone %q is not known", o.Zone)
	}
	if o.Cron == "" {
		return Timing{}, nil
	}
	// The parser takes a zone in front of the fields too; there is one already.
	if strings.Contains(o.Cron, "=") || strings.HasPrefix(o.Cron, "@") {
		return Timing{}, errCron
	}
	spec, err := fields.Parse(o.Cron)
	if err != nil {
		return Timing{}, fmt.Errorf("%w: %w", errCron, err)
	}
	return Timing{spec, zone}, nil
}

// Next is the first time after t at which the schedule is due, zero for never.
// Each time that the fields name on the clock of the zone counts once: one in
// the hour that is left out in spring is due an hour later by that clock, and
// one in the hour that comes twice in autumn is due the first time.
func (s Timing) Next(t time.Time) time.Time {
	if s.spec == nil {
		return time.Time{}
	}
	// The fields are worked out on a clock without summer time; the library's
	// own way would leave out or repeat what falls into the change.
	clock := civil(t.In(s.zone), time.UTC)
	for {
		clock = s.spec.Next(clock)
		if clock.IsZero() {
			return time.Time{}
		}
		if next := first(clock, s.zone); next.After(t) {
			return next.UTC()
		}
	}
}

// civil gives what the clock of t shows in another zone.
func civil(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, zone)
}

// first is the first moment at which a zone's clock shows what clock does, or,
// when it never does, the moment that the time before the change would name.
func first(clock time.Time, zone *time.Location) time.Time {
	t := civil(clock, zone)
	_, offset := t.Add(-24 * time.Hour).Zone()
	if before := clock.Add(-time.Duration(offset) * time.Second).In(zone); before.Before(t) && civil(before, time.UTC).Equal(clock) {
		return before
	}
	return t
}
