package wire

import (
	"bytes"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/fuzztest"
)

// FuzzFrame reads the same bytes as each frame of the live socket.
func FuzzFrame(f *testing.F) {
	frames := func() []any {
		return []any{new(Frame), new(Subscribe), new(EntryFrame), new(ReadyFrame), new(ResyncFrame), new(TypingFrame)}
	}
	for _, v := range frames() {
		b := envelope.Marshal(v)
		f.Add(b)
		f.Add(envelope.Marshal(&Frame{Kind: FrameEntry, Body: b}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range frames() {
			fuzztest.Bounded(t, len(b), func() {
				if envelope.Unmarshal(b, v) == nil && !bytes.Equal(envelope.Marshal(v), b) {
					t.Errorf("took %x as %+v", b, v)
				}
			})
		}
	})
}
