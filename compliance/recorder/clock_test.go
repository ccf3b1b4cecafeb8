package recorder

import (
	"testing"
	"time"
)

// TestAttackClockOfServer: a server that was taken over sets its time a day on,
// or puts back what is written now. The recorder takes no such entry; history,
// and what it only hears of late, it does.
func TestAttackClockOfServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		idle   time.Duration // before the entry, the recorder looking again at its end
		entry  time.Duration // the server's clock at the entry, from then
		unseen time.Duration // before the recorder looks at it
		want   Reason
	}{
		"together":        {idle: 30 * time.Minute},
		"a minute ahead":  {entry: time.Minute},
		"ahead":           {entry: 3 * time.Minute, want: ClockBad},
		"a minute behind": {idle: 30 * time.Minute, entry: -time.Minute},
		"put back":        {idle: 30 * time.Minute, entry: -3 * time.Minute, want: ClockBad},
		"heard late":      {unseen: 20 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, ann, _ := recorded(t)
			w.say(ann, "one")
			d.settled()
			w.now = w.now.Add(c.idle)
			d.want(d.follow(), "")
			now := w.now
			w.now = now.Add(c.entry)
			two := w.say(ann, "two").Position
			w.now = now.Add(c.unseen)
			d.want(d.follow(), c.want)
			d.kill()
			if d.follow(); c.want == ClockBad && c.entry > 0 {
				w.now = now.Add(c.entry) // in time, it is
				d.want(d.follow(), "")
			}
			if s := d.Standings()[0]; s.Position < two {
				t.Errorf("standing %+v, the entry is %d", s, two)
			}
		})
	}
}
