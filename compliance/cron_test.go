package compliance

import (
	"testing"
	"time"

	"chancery/crypto/envelope"
)

func TestNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ cron, zone, after, want string }{
		"daily":                  {"0 2 * * *", "Europe/Zurich", "2026-01-10T12:00:00Z", "2026-01-11T01:00:00Z"},
		"exactly at it":          {"0 2 * * *", "UTC", "2026-01-10T02:00:00Z", "2026-01-11T02:00:00Z"},
		"gap in spring":          {"30 2 * * *", "Europe/Zurich", "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"},
		"after the gap":          {"30 2 * * *", "Europe/Zurich", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		"overlap in autumn once": {"30 2 * * *", "Europe/Zurich", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		"overlap the first time": {"30 2 * * *", "Europe/Zurich", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		"half an hour of change": {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z"},
		"never":                  {"0 0 30 2 *", "UTC", "2026-01-10T12:00:00Z", ""},
		"only when asked":        {"", "UTC", "2026-01-10T12:00:00Z", ""},
	} {
		timing, err := ParseTiming(&envelope.ExportOrder{Cron: c.cron, Zone: c.zone})
		if err != nil {
			t.Fatal(name, err)
		}
		after, _ := time.Parse(time.RFC3339, c.after)
		got := ""
		if next := timing.Next(after); !next.IsZero() {
			got = next.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// Over years each day has one run, and times rise.
func TestNextRunsOnceADay(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"} {
		timing, err := ParseTiming(&envelope.ExportOrder{Cron: "30 2 * * *", Zone: zone})
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		end := at.AddDate(30, 0, 0)
		n := 0
		for at.Before(end) {
			next := timing.Next(at)
			if d := next.Sub(at); n > 0 && (d < 22*time.Hour || d > 26*time.Hour) {
				t.Fatalf("%s: %v after %v", zone, next, at)
			}
			at = next
			n++
		}
		if days := int(end.Sub(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)).Hours() / 24); n < days || n > days+1 {
			t.Errorf("%s: %d runs in %d days", zone, n, days)
		}
	}
}

func TestParseTimingRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"0 2 * *", "UTC"}, {"@daily", "UTC"}, {"TZ=UTC 0 2 * * *", "UTC"}, {"0 2 * * *", ""}, {"0 2 * * *", "Local"},
		{"0 2 * * *", "Mars/Olympus"}, {"0 2 * * * *", "UTC"}, {"61 2 * * *", "UTC"},
	} {
		if _, err := ParseTiming(&envelope.ExportOrder{Cron: c[0], Zone: c[1]}); err == nil {
			t.Errorf("%q in %q was taken", c[0], c[1])
		}
	}
}
