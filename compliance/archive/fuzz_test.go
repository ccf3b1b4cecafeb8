package archive

import (
	"bytes"
	"errors"
	"testing"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/fuzztest"
)

// FuzzLine reads a line of an archive's records, and the leaf in it.
func FuzzLine(f *testing.F) {
	leaf := envelope.Marshal(&record.Record{})
	for _, l := range []Line{{Index: 1, Withheld: true}, {Index: 2, Leaf: leaf}, {Index: 3, Leaf: []byte{0x80}, Entry: []byte{0x80}}} {
		b, err := encodeLine(&l)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), func() {
			if _, err := parseLine(b); err != nil && !errors.Is(err, envelope.ErrFormat) {
				t.Errorf("refused %q with %v", b, err)
			}
			var l Line
			if decodeLine(b, &l) != nil {
				return
			}
			if again, err := encodeLine(&l); err != nil || !bytes.Equal(again, b) {
				t.Errorf("took %q, which it would write as %q", b, again)
			}
		})
	})
}

// FuzzOpenings reads the openings beside an archive, of one chunk that opens as
// it is.
func FuzzOpenings(f *testing.F) {
	whole := func(header, chunk []byte) []byte {
		var b bytes.Buffer
		w := OpeningsWriter{dst: &b}
		if w.frame(header) != nil || w.frame(chunk) != nil {
			f.Fatal("writing to memory failed")
		}
		return b.Bytes()
	}
	header := envelope.Marshal(&OpeningsHeader{Version: envelope.Version})
	f.Add(whole(header, envelope.Marshal([]Opening{{Position: 1, Secret: make([]byte, 32)}})))
	f.Add(whole(header, envelope.Marshal([]Opening{{Position: 1, Secret: make([]byte, 31)}})))
	f.Add([]byte{0xff, 0, 0, 0})
	last := chunkContext(envelope.Hash{}, 0, true)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), func() {
			open := func(context, sealed []byte) ([]byte, error) {
				if !bytes.Equal(context, last) {
					return nil, ErrOpenings
				}
				return sealed, nil
			}
			list := []Opening{}
			err := ReadOpenings(bytes.NewReader(b), envelope.Hash{}, envelope.Hash{}, open, func(o Opening) error {
				list = append(list, o)
				return nil
			})
			if err != nil && !errors.Is(err, ErrOpenings) || err == nil && !bytes.Equal(whole(header, envelope.Marshal(list)), b) {
				t.Errorf("read %x as %v: %v", b, list, err)
			}
		})
	})
}
