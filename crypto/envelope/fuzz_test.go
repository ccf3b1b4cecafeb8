package envelope

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRoundTrip encodes random values and demands the same bytes back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	all := formats()
	rapid.Check(t, func(t *rapid.T) {
		e := &Entry{Kind: KindLink, Header: Marshal(randomLink(t)), Signatures: []Signature{sampleSignature(rapid.Byte().Draw(t, "key"))}}
		back(t, e, whole(ParseEntry))
		back(t, randomHeader(t), inside(KindMessage, ParseHeader))
		l, err := ParseLink(e)
		if err != nil || !bytes.Equal(Marshal(l), e.Header) {
			t.Fatalf("link: %v", err)
		}
		// A random byte changed either is refused or means something else.
		f := rapid.SampledFrom(all).Draw(t, "format")
		b := bytes.Clone(f.good)
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.ByteMin(1).Draw(t, "flip")
		if v, err := f.parse(b); err == nil && !bytes.Equal(Marshal(v), b) {
			t.Fatalf("%s: took %x, which it would write as %x", f.name, b, Marshal(v))
		}
	})
}

func back(t *rapid.T, v any, parse func([]byte) (any, error)) {
	b := Marshal(v)
	got, err := parse(b)
	if err != nil || !bytes.Equal(Marshal(got), b) {
		t.Fatalf("%T: %v", v, err)
	}
}

func randomLink(t *rapid.T) *Link {
	l := sampleLink()
	l.Seq, l.Time = rapid.Uint64Min(1).Draw(t, "seq"), rapid.Int64().Draw(t, "time")
	l.Body = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "body")
	l.Type = LinkType(rapid.String().Draw(t, "type"))
	return l
}

func randomHeader(t *rapid.T) *Header {
	m := sampleHeader()
	m.Epoch, m.Time = rapid.Uint64Min(1).Draw(t, "epoch"), rapid.Int64().Draw(t, "time")
	m.Kind = rapid.SampledFrom([]MessageKind{Edit, Delete}).Draw(t, "kind")
	m.DeviceSeq = rapid.Uint64Min(4).Draw(t, "device_seq")
	m.Attachments = m.Attachments[:rapid.IntRange(0, 2).Draw(t, "attachments")]
	m.Mentions = m.Mentions[:rapid.IntRange(0, 2).Draw(t, "mentions")]
	return m
}

// fuzz demands of a decoder that what it takes is the one way to write it.
func fuzz(f *testing.F, parse func([]byte) (any, error), names ...string) {
	f.Add([]byte{})
	for _, x := range formats() {
		for _, name := range names {
			if strings.HasPrefix(x.name, name) {
				f.Add(x.good)
				f.Add(x.good[:len(x.good)/2])
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := parse(b); err == nil && !bytes.Equal(Marshal(v), b) {
			t.Errorf("took %x, which it would write as %x", b, Marshal(v))
		}
	})
}

func FuzzParseEntry(f *testing.F)    { fuzz(f, whole(ParseEntry), "entry") }
func FuzzParsePlaced(f *testing.F)   { fuzz(f, whole(ParsePlaced), "placed") }
func FuzzParseSigned(f *testing.F)   { fuzz(f, whole(ParseSigned), "signed") }
func FuzzParseLink(f *testing.F)     { fuzz(f, inside(KindLink, ParseLink), "link") }
func FuzzParseHeader(f *testing.F)   { fuzz(f, inside(KindMessage, ParseHeader), "header") }
func FuzzParseCoverage(f *testing.F) { fuzz(f, inside(KindCoverage, ParseCoverage), "coverage") }
func FuzzParseAcknowledgement(f *testing.F) {
	fuzz(f, inside(KindAcknowledgement, ParseAcknowledgement), "acknowledgement")
}

// FuzzParseOrder reads the same bytes as each order in turn.
func FuzzParseOrder(f *testing.F) {
	fuzz(f, func(b []byte) (v any, err error) {
		for _, parse := range []func([]byte) (any, error){whole(ParseOrder[HoldOrder]), whole(ParseOrder[ReleaseOrder]),
			whole(ParseOrder[RuleOrder]), whole(ParseOrder[DisposalPlan]), whole(ParseOrder[ExportOrder])} {
			if v, err = parse(b); err == nil {
				return v, nil
			}
		}
		return nil, err
	}, "hold", "release", "rule", "plan", "export")
}
