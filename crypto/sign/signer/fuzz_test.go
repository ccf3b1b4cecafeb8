package signer

import (
	"bytes"
	"testing"

	"chancery/crypto/fuzztest"
	"chancery/crypto/tlog"
)

// FuzzReadFrame reads the same bytes as each thing that a frame may hold.
func FuzzReadFrame(f *testing.F) {
	for _, v := range []any{
		&Request{Kind: SignCheckpoint, Body: []byte{0x80}}, &Answer{Code: Forked, Text: "text"}, &Last{Size: 1},
		&Checkpoint{Origin: "o", Size: 1, Proof: []tlog.Hash{{1}}}, &SignedArchive{DSSE: []byte("d"), Note: []byte("n")},
	} {
		var b bytes.Buffer
		if err := WriteFrame(&b, v); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
		f.Add(b.Bytes()[:b.Len()-1])
	}
	f.Add([]byte{0, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(Request), new(Answer), new(Last), new(Checkpoint), new(SignedArchive)} {
			fuzztest.Bounded(t, len(b), func() {
				r := bytes.NewReader(b)
				if ReadFrame(r, v) != nil {
					return
				}
				var again bytes.Buffer
				if err := WriteFrame(&again, v); err != nil || !bytes.Equal(again.Bytes(), b[:len(b)-r.Len()]) {
					t.Errorf("took %x, which it would write as %x", b, again.Bytes())
				}
			})
		}
	})
}
