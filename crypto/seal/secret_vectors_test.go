package seal

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/vectors"
)

// secretVector is a secret on its way to one identity, other than an epoch's seed.
type secretVector struct {
	Name         string      `json:"name"`
	Kind         string      `json:"kind"` // user-seed, slip
	IdentitySeed vectors.Hex `json:"identity_seed"`
	Org          vectors.Hex `json:"org"`
	About        vectors.Hex `json:"about"` // the device, or the archive
	N            uint64      `json:"n"`     // generation, or 0
	File         vectors.Hex `json:"file"`  // a wrap, or a slip's list
	Secret       vectors.Hex `json:"secret,omitempty"`
	Want         string      `json:"want"`
}

// slipKey is the plaintext of a slip's wraps, as wraps.md has it.
type slipKey struct {
	_       struct{} `cbor:",toarray"`
	Type    string
	Org     envelope.OrgID
	Archive envelope.Hash
	Key     []byte
}

// secretMaker wraps for the vectors of one suite.
type secretMaker struct {
	*testing.T
	suite envelope.Suite
	to    *Identity
	bound string // how a wrap for something else fails
	list  []secretVector
}

func (m *secretMaker) wrap(p Purpose, to *Identity, plain any) []byte {
	file, err := Wrap(m.suite, p, to.Recipient(), envelope.Marshal(plain))
	if err != nil {
		m.Fatal(err)
	}
	return file
}

func (m *secretMaker) add(kind, name, want string, p Purpose, file []byte) {
	secret := fill("secret")
	v := secretVector{Name: name, Kind: kind, IdentitySeed: m.to.Seed(), Org: p.Org[:], About: p.About[:], N: p.N, File: file, Want: want}
	if want == "ok" {
		v.Secret = secret[:]
	}
	m.list = append(m.list, v)
}

func (m *secretMaker) userSeeds() {
	org, device, secret := envelope.OrgID(fill("org")), envelope.KeyID(fill("device")), fill("secret")
	c := UserSeedContext{Org: org, Device: device, Generation: 2}
	p := c.purpose()
	inside := func(edit func(*envelope.UserSeedWrap)) *envelope.UserSeedWrap {
		w := envelope.UserSeedWrap{Type: userSeedType, Org: org, Device: device, Generation: 2, Seed: secret[:]}
		edit(&w)
		return &w
	}
	good := m.wrap(p, m.to, inside(func(*envelope.UserSeedWrap) {}))
	add := func(name, want string, file []byte) { m.add("user-seed", name, want, p, file) }
	add("good", "ok", good)
	add("for another device of the person", "bad_wrap", m.wrap(p, testIdentity(m.T, m.suite, "other"), inside(func(*envelope.UserSeedWrap) {})))
	for name, edit := range editedUserSeeds {
		w := inside(edit)
		moved := Purpose{Type: w.Type, Org: w.Org, About: envelope.Hash(w.Device), N: w.Generation}
		add("of "+name, m.bound, m.wrap(moved, m.to, w))
		add("says "+name+" inside", "wrong_context", m.wrap(p, m.to, w))
	}
	add("seed of 31 bytes", "bad_wrap", m.wrap(p, m.to, inside(func(w *envelope.UserSeedWrap) { w.Seed = w.Seed[1:] })))
	add("no structure", "bad_wrap", m.wrap(p, m.to, secret[:]))
	add("an archive's key", "bad_wrap", m.wrap(p, m.to, &slipKey{Type: "chancery/v1/archive-key", Org: org, Key: secret[:]}))
	add("cut", "bad_wrap", good[:len(good)-1])
	add("a byte after", "bad_wrap", append(bytes.Clone(good), 0))
	add("empty", "bad_wrap", nil)
}

var editedUserSeeds = map[string]func(*envelope.UserSeedWrap){
	"another organisation": func(w *envelope.UserSeedWrap) { w.Org[0] ^= 1 },
	"another device":       func(w *envelope.UserSeedWrap) { w.Device[0] ^= 1 },
	"another generation":   func(w *envelope.UserSeedWrap) { w.Generation++ },
	"another type":         func(w *envelope.UserSeedWrap) { w.Type = "chancery/v1/epoch-seed" },
}

func (m *secretMaker) slips() {
	org, id, secret := envelope.OrgID(fill("org")), envelope.Hash(fill("archive")), fill("secret")
	p, other := ArchiveKey(org, id), testIdentity(m.T, m.suite, "other")
	inside := func(edit func(*slipKey)) *slipKey {
		k := slipKey{Type: "chancery/v1/archive-key", Org: org, Archive: id, Key: secret[:]}
		edit(&k)
		return &k
	}
	same := inside(func(*slipKey) {})
	slip := func(files map[*Identity][]byte) []byte {
		var list []Copy
		for to, file := range files {
			list = append(list, Copy{Recipient: RecipientID(to.Recipient()), File: file})
		}
		slices.SortFunc(list, func(a, b Copy) int { return envelope.CompareKey(a.Recipient, b.Recipient) })
		return envelope.Marshal(list)
	}
	alone := func(file []byte) []byte { return slip(map[*Identity][]byte{m.to: file}) }
	add := func(name, want string, list []byte) { m.add("slip", name, want, p, list) }
	good, foreign := m.wrap(p, m.to, same), m.wrap(p, other, same)
	add("for one", "ok", alone(good))
	add("for two", "ok", slip(map[*Identity][]byte{m.to: good, other: foreign}))
	add("for nobody", "bad_wrap", envelope.Marshal([]Copy{}))
	add("for somebody else", "bad_wrap", slip(map[*Identity][]byte{other: foreign}))
	var list []Copy
	if err := envelope.Unmarshal(slip(map[*Identity][]byte{m.to: good, other: foreign}), &list); err != nil {
		m.Fatal(err)
	}
	slices.Reverse(list)
	add("copies out of order", "bad_wrap", envelope.Marshal(list))
	add("a copy twice", "bad_wrap", envelope.Marshal([]Copy{list[0], list[0], list[1]}))
	add("copies exchanged", "bad_wrap", slip(map[*Identity][]byte{m.to: foreign, other: good}))
	add("of another archive", m.bound, alone(m.wrap(ArchiveKey(org, envelope.Hash(fill("another"))), m.to, inside(func(k *slipKey) { k.Archive = envelope.Hash(fill("another")) }))))
	add("of another organisation", m.bound, alone(m.wrap(ArchiveKey(envelope.OrgID(fill("another")), id), m.to, inside(func(k *slipKey) { k.Org = envelope.OrgID(fill("another")) }))))
	add("says another archive inside", "wrong_context", alone(m.wrap(p, m.to, inside(func(k *slipKey) { k.Archive[0] ^= 1 }))))
	add("says another type inside", "wrong_context", alone(m.wrap(p, m.to, inside(func(k *slipKey) { k.Type = "chancery/v1/user-seed" }))))
	add("key of 33 bytes", "bad_wrap", alone(m.wrap(p, m.to, inside(func(k *slipKey) { k.Key = append(k.Key, 0) }))))
	add("a user's seed", "bad_wrap", alone(m.wrap(p, m.to, &envelope.UserSeedWrap{Type: userSeedType, Seed: secret[:]})))
	add("copy cut", "bad_wrap", alone(good[:len(good)-1]))
}

func secretVectors(t *testing.T, s envelope.Suite) []secretVector {
	m := secretMaker{T: t, suite: s, to: testIdentity(t, s, "member"),
		bound: map[envelope.Suite]string{envelope.SuiteAge: "wrong_context", envelope.SuiteFIPS: "bad_wrap"}[s]}
	m.userSeeds()
	m.slips()
	slices.SortStableFunc(m.list, func(a, b secretVector) int { return bytes.Compare([]byte(a.Kind+a.Name), []byte(b.Kind+b.Name)) })
	return m.list
}

// open reads a case as its kind says.
func (v *secretVector) open(id *Identity) ([]byte, error) {
	if v.Kind == "user-seed" {
		seed, err := UnwrapUserSeed(id, v.File, UserSeedContext{Org: envelope.OrgID(v.Org), Device: envelope.KeyID(v.About), Generation: v.N})
		return seed[:], err
	}
	var list []Copy
	if err := envelope.Unmarshal(v.File, &list); err != nil {
		return nil, err
	}
	plain, err := OpenSlip(id, ArchiveKey(envelope.OrgID(v.Org), envelope.Hash(v.About)), list)
	if err != nil {
		return nil, err
	}
	var k slipKey
	switch err := envelope.Unmarshal(plain, &k); {
	case err != nil:
		return nil, errors.Join(ErrWrap, err)
	case k.Type != "chancery/v1/archive-key" || !bytes.Equal(k.Org[:], v.Org) || !bytes.Equal(k.Archive[:], v.About):
		return nil, ErrContext
	case len(k.Key) != 32:
		return nil, ErrWrap
	}
	return k.Key, nil
}

var secretFiles = map[envelope.Suite]string{envelope.SuiteAge: "secrets.json", envelope.SuiteFIPS: "secrets-fips.json"}

func TestSecretVectors(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		vectors.Once(t, secretFiles[s], "wraps of user seeds, and key slips (wraps.md), in suite "+string(s)+"; recorded once, for sealing is randomised",
			func() []secretVector { return secretVectors(t, s) })
		for _, v := range vectors.Load[secretVector](t, secretFiles[s]) {
			id, err := IdentityFromSeed(s, v.IdentitySeed)
			if err != nil {
				t.Fatal(err)
			}
			secret, err := v.open(id)
			if got := reason(err); got != v.Want || err == nil && !bytes.Equal(secret, v.Secret) {
				t.Errorf("%s, %s: %v, want %s", v.Kind, v.Name, err, v.Want)
			}
		}
	})
}
