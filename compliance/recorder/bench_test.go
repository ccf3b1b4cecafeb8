package recorder

import (
	"testing"
	"time"
)

// BenchmarkCover verifies, opens, keeps and covers messages that were written
// while the recorder was away: go test -bench Cover -cpu 1 tells what one
// processor does, the disk's part included.
func BenchmarkCover(b *testing.B) {
	const messages = 10_000
	var took time.Duration
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		ann := w.enrol()
		w.found(ann)
		d := newDesk(b, w)
		d.settled()
		for range messages {
			w.say(ann, "message of the length that a sentence in a chat usually has")
		}
		last := w.channel.Position
		began := time.Now()
		b.StartTimer()
		for w.channel.Covered(w.rec.key.ID()) < last {
			if reason := d.follow(); reason != "" {
				b.Fatal(reason)
			}
			w.now = w.now.Add(3 * time.Second)
		}
		took += time.Since(began)
	}
	b.ReportMetric(messages*float64(b.N)/took.Seconds(), "messages/s")
}
