package chain

import (
	"testing"

	"chancery/crypto/envelope"
)

// BenchmarkPage60 judges one screen of messages: 60 entries as they come from
// the network, by somebody who has followed the channel to there.
func BenchmarkPage60(b *testing.B) {
	const pages = 50
	w := settled(b, envelope.CaptureOff)
	begun := len(w.log)
	for range 60 * pages {
		w.place(w.post(w.alice))
	}
	raw := make([][]byte, len(w.log))
	for i, p := range w.log {
		raw[i] = envelope.Marshal(p)
	}
	take := func(c *Channel, entries [][]byte) {
		for _, e := range entries {
			p, err := envelope.ParsePlaced(e)
			w.must(err)
			w.must(c.Apply(p))
		}
	}
	var reader *Channel
	for page := 0; b.Loop(); page++ {
		at := begun + page%pages*60
		if page%pages == 0 {
			b.StopTimer()
			var err error
			reader, err = NewChannel(w, w.log[0])
			w.must(err)
			take(reader, raw[1:begun])
			b.StartTimer()
		}
		take(reader, raw[at:at+60])
	}
	if want := uint64(60 * pages); reader.Messages > want {
		b.Errorf("%d messages were judged of %d", reader.Messages, want)
	}
}
