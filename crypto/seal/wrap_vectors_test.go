package seal

import (
	"bytes"
	"encoding/hex"
	"testing"

	"filippo.io/age"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/vectors"
)

type wrapVector struct {
	Name         string      `json:"name"`
	IdentitySeed vectors.Hex `json:"identity_seed"`
	Recipient    string      `json:"recipient"`
	Org          vectors.Hex `json:"org"`
	Channel      vectors.Hex `json:"channel"`
	N            uint64      `json:"n"`
	SeedCommit   vectors.Hex `json:"seed_commit"`
	File         vectors.Hex `json:"file"`
	Want         string      `json:"want"`
}

func (v *wrapVector) epoch() Epoch {
	return Epoch{
		Org: envelope.OrgID(v.Org), Channel: envelope.ChannelID(v.Channel), N: v.N, Commit: envelope.Hash(v.SeedCommit),
	}
}

// wrapVectors are made anew in one suite; whatever is bound into a wrap of suite
// fips fails as one, and is a comparison in suite age.
func wrapVectors(t *testing.T, s envelope.Suite) []wrapVector {
	id, e, seed := testIdentity(t, s, "member"), testEpoch(), Seed(fill("seed"))
	bound := map[envelope.Suite]string{envelope.SuiteAge: "wrong_context", envelope.SuiteFIPS: "bad_wrap"}[s]
	vector := func(name, want string, file []byte) wrapVector {
		return wrapVector{name, id.Seed(), recipientText(id), e.Org[:], e.Channel[:], e.N, e.Commit[:], file, want}
	}
	wrap := func(edit func(*Epoch), seed Seed, to *Identity) []byte {
		made := e
		edit(&made)
		file, err := WrapSeed(s, seed, made, to.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	same := func(*Epoch) {}
	good := wrap(same, seed, id)
	list := []wrapVector{
		vector("good", "ok", good),
		vector("another org", bound, wrap(func(e *Epoch) { e.Org[0]++ }, seed, id)),
		vector("another channel", bound, wrap(func(e *Epoch) { e.Channel[0]++ }, seed, id)),
		vector("another epoch", bound, wrap(func(e *Epoch) { e.N++ }, seed, id)),
		vector("another seed", "wrong_context", wrap(same, Seed(fill("other")), id)),
		vector("for another member", "bad_wrap", wrap(same, seed, testIdentity(t, s, "other"))),
		vector("cut", "bad_wrap", good[:len(good)-1]),
	}
	if s == envelope.SuiteFIPS {
		return append(list, hpkeVectors(t, vector, good)...)
	}
	return append(list, vector("two stanzas", "bad_wrap", twoStanzas(t, id, testIdentity(t, s, "other"))))
}

// recipientText is how vectors spell a public key: age's text, or hex.
func recipientText(id *Identity) string {
	if id.Suite() == envelope.SuiteAge {
		return string(id.Recipient())
	}
	return hex.EncodeToString(id.Recipient())
}

func twoStanzas(t *testing.T, ids ...*Identity) []byte {
	t.Helper()
	var to []age.Recipient
	for _, id := range ids {
		r, err := age.ParseHybridRecipient(string(id.Recipient()))
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, r)
	}
	var file bytes.Buffer
	w, err := age.Encrypt(&file, to...)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWrapVectors(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		for _, v := range vectors.Load[wrapVector](t, wrapFiles[s]) {
			id, err := IdentityFromSeed(s, v.IdentitySeed)
			if err != nil || recipientText(id) != v.Recipient {
				t.Fatalf("%s: identity differs: %v", v.Name, err)
			}
			if _, err := UnwrapSeed(id, v.File, v.epoch()); reason(err) != v.Want {
				t.Errorf("%s: %v, want %s", v.Name, err, v.Want)
			}
		}
	})
}
