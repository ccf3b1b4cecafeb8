package envelope

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"pgregory.net/rapid"

	"chancery/crypto/fuzztest"
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
	fuzztest.Seed(f, "cbor.json")
	for _, x := range formats() {
		for _, name := range names {
			if strings.HasPrefix(x.name, name) {
				f.Add(x.good)
				f.Add(x.good[:len(x.good)/2])
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), func() {
			switch v, err := parse(b); {
			case err == nil && !bytes.Equal(Marshal(v), b):
				t.Errorf("took %x, which it would write as %x", b, Marshal(v))
			case err != nil && !errors.Is(err, ErrFormat):
				t.Errorf("refused %x with %v", b, err)
			}
		})
	})
}

// inTurn reads the same bytes as each of several formats.
func inTurn(parsers ...func([]byte) (any, error)) func([]byte) (any, error) {
	return func(b []byte) (v any, err error) {
		for _, parse := range parsers {
			if v, err = parse(b); err == nil {
				return v, nil
			}
		}
		return nil, err
	}
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

func FuzzParseOrder(f *testing.F) {
	fuzz(f, inTurn(whole(ParseOrder[HoldOrder]), whole(ParseOrder[ReleaseOrder]), whole(ParseOrder[RuleOrder]),
		whole(ParseOrder[DisposalPlan]), whole(ParseOrder[ExportOrder]), whole(ParseOrder[HandoverOrder])), "hold", "release", "rule", "plan", "export", "handover")
}

func FuzzParseBody(f *testing.F) {
	var parsers []func([]byte) (any, error)
	for _, x := range formats() {
		if isBody(x.name) {
			parsers = append(parsers, x.parse)
		}
	}
	fuzz(f, inTurn(parsers...), "org.", "user.", "channel.")
}

func isBody(name string) bool {
	return strings.HasPrefix(name, "org.") || strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "channel.")
}

// FuzzSealed reads what is sealed: bodies and the plaintexts of wraps.
func FuzzSealed(f *testing.F) {
	plain := func(v any) func([]byte) (any, error) {
		return func(b []byte) (any, error) {
			fresh := reflect.New(reflect.TypeOf(v)).Interface()
			return fresh, Unmarshal(b, fresh)
		}
	}
	f.Add(Marshal(&Body{Text: "text", Files: []File{{Name: "n", Type: "t", Size: 1, Key: make([]byte, 32)}}}))
	f.Add(Marshal(&SeedWrap{Type: "t", Seed: make([]byte, 32)}))
	fuzz(f, inTurn(plain(Body{}), plain(SeedWrap{}), plain(UserSeedWrap{})))
}

// FuzzOpenStatement signs what it is given, so that the decoder behind the
// signature is reached.
func FuzzOpenStatement(f *testing.F) {
	fuzztest.Seed(f, "statements.json")
	public := testKey(1).Public().(ed25519.PublicKey)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := OpenStatement[Receipt](b, LabelReceipt, public); err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrSignature) {
			t.Errorf("as it is: %v", err)
		}
		if r, err := OpenStatement[Receipt](signBytes(LabelReceipt, b), LabelReceipt, public); err == nil && !bytes.Equal(Marshal(r), b) {
			t.Errorf("took %x", b)
		}
	})
}

// FuzzVerifySignature: no key is taken that has a second spelling or a weak
// order, and no signature whose scalar is out of range.
func FuzzVerifySignature(f *testing.F) {
	k := testKey(1)
	f.Add([]byte(k.Public().(ed25519.PublicKey)), []byte("m"), ed25519.Sign(k, []byte("m")))
	f.Add(bytes.Repeat([]byte{1}, 32), []byte{}, make([]byte, 64))
	for _, x := range smallOrder {
		public, _ := hex.DecodeString(x)
		f.Add(public, []byte("m"), append(bytes.Clone(public), make([]byte, 32)...))
	}
	f.Fuzz(func(t *testing.T, public, msg, sig []byte) {
		if CheckPublicKey(public) == nil {
			p, err := new(edwards25519.Point).SetBytes(public)
			if err != nil || !bytes.Equal(p.Bytes(), public) || new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
				t.Errorf("took key %x", public)
			}
		}
		if VerifySignature(public, msg, sig) == nil {
			if _, err := new(edwards25519.Scalar).SetCanonicalBytes(sig[32:]); err != nil || CheckPublicKey(public) != nil {
				t.Errorf("took signature %x under %x", sig, public)
			}
		}
	})
}
