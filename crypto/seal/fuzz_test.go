package seal

import (
	"bytes"
	"errors"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/fuzztest"
	"chancery/crypto/suitetest"
)

// FuzzUnwrap opens wraps as a member of each suite would.
func FuzzUnwrap(f *testing.F) {
	fuzztest.Seed(f, "wraps.json", "wraps-fips.json")
	var ids []*Identity
	for _, s := range suitetest.Suites() {
		seed := fill("member")
		id, err := IdentityFromSeed(s, seed[:])
		if err != nil {
			f.Fatal(err)
		}
		ids = append(ids, id)
	}
	f.Fuzz(func(t *testing.T, wrap []byte) {
		for _, id := range ids {
			fuzztest.Bounded(t, len(wrap), func() {
				_, err := UnwrapSeed(id, wrap, testEpoch())
				if err != nil && !errors.Is(err, ErrWrap) && !errors.Is(err, ErrContext) {
					t.Errorf("suite %s: %v", id.Suite(), err)
				}
			})
		}
	})
}

// FuzzRecipient takes a public key only if it can be sealed to.
func FuzzRecipient(f *testing.F) {
	for _, s := range suitetest.Suites() {
		seed := fill("member")
		id, err := IdentityFromSeed(s, seed[:])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(id.Recipient())
		f.Add(id.Recipient()[1:])
	}
	f.Fuzz(func(t *testing.T, r []byte) {
		for _, s := range suitetest.Suites() {
			if err := CheckRecipient(s, r); err != nil {
				if !errors.Is(err, ErrRecipient) {
					t.Errorf("suite %s: %v", s, err)
				}
				continue
			}
			if _, err := Wrap(s, testPurpose(), r, []byte("x")); err != nil {
				t.Errorf("suite %s: took a recipient that nothing is sealed to: %v", s, err)
			}
		}
	})
}

// FuzzOpen seals what it is given where a padded body belongs, and also puts it
// in the place of the whole payload.
func FuzzOpen(f *testing.F) {
	fuzztest.Seed(f, "padding.json")
	for _, padded := range malformedBodies() {
		f.Add(padded)
	}
	body := testBody()
	f.Add(pad(envelope.Marshal(&body)))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, salt := forge(t, b)
		var opened *Opened
		var err error
		fuzztest.Bounded(t, len(b), func() { opened, err = Open(testKey(), e, salt[:]) })
		switch {
		case err == nil && !bytes.Equal(pad(envelope.Marshal(&opened.Body)), b):
			t.Errorf("opened %x, which it would pad otherwise", b)
		case err != nil && !errors.Is(err, ErrBody):
			t.Errorf("refused %x with %v", b, err)
		}
		e.Payload = b
		if _, err := Open(testKey(), e, salt[:]); !errors.Is(err, ErrCommit) && !errors.Is(err, envelope.ErrFormat) {
			t.Errorf("a payload that nobody sealed: %v", err)
		}
	})
}

func FuzzPadding(f *testing.F) {
	fuzztest.Seed(f, "padding.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if body, err := unpad(b); err == nil && !bytes.Equal(pad(body), b) {
			t.Errorf("took %x, which it would pad otherwise", b)
		}
		if body, err := unpad(pad(b)); err != nil || !bytes.Equal(body, b) {
			t.Errorf("padding %x does not come back: %v", b, err)
		}
	})
}

// FuzzOpenFile takes no bytes but the ones that were sealed.
func FuzzOpenFile(f *testing.F) {
	good := sealFile(f, []byte("a small file"))
	f.Add(good.bytes, good.size)
	f.Add(good.bytes[:len(good.bytes)-1], good.size)
	f.Add(append(bytes.Clone(good.bytes), 0), good.size)
	f.Add(good.bytes, uint64(1)<<63)
	f.Fuzz(func(t *testing.T, sealed []byte, size uint64) {
		g := good
		g.bytes, g.size = sealed, size
		fuzztest.Bounded(t, len(sealed), func() {
			_, err := g.open()
			if same := bytes.Equal(sealed, good.bytes) && size == good.size; same != (err == nil) || err != nil && !errors.Is(err, ErrFile) {
				t.Errorf("%d bytes as %d: %v", len(sealed), size, err)
			}
		})
	})
}
