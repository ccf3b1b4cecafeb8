package sign

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"chancery/crypto/fuzztest"
)

// seedKey is a fixed key, since a fuzz target must find its seeds again.
func seedKey(f *testing.F) *Key {
	f.Helper()
	seed := sha256.Sum256([]byte("fuzz"))
	k, err := keyOf(Ed25519, seed[:])
	if err != nil {
		f.Fatal(err)
	}
	return k
}

func FuzzVerifyDSSE(f *testing.F) {
	k := seedKey(f)
	good, err := SignDSSE(inToto, []byte(`{"subject":"archive.json"}`), k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("="), []byte(""), 1))
	f.Add([]byte(`{"payloadType":"t","payload":"","signatures":[{"keyid":"","sig":""}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		fuzztest.Bounded(t, len(raw), func() {
			switch doc, err := VerifyDSSE(raw, k.Public()); {
			case err != nil && !errors.Is(err, ErrDSSE):
				t.Error(err)
			case err == nil && len(doc.Signers) == 0:
				t.Error("verified without a signer")
			}
		})
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(seedKey(f).text())
	f.Add("chancery/v1/ecdsa-p384-private-key\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := parseKey(text); err == nil && k.text() != text {
			t.Error("took a second spelling of a key file")
		}
	})
}
