package seal

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/mlkem"
	"maps"
	"slices"
	"testing"

	"chancery/crypto/envelope"
)

const fipsSuite = envelope.SuiteFIPS

// hpkeParts are what a forger may choose; zero values stand for the right ones.
type hpkeParts struct {
	kdf             hpke.KDF
	info, export    []byte
	aad             []byte
	version         uint
	suite           envelope.Suite
	encEdit, sealed func([]byte) []byte
}

// forge is a second, plain writing of the format, which can be told to differ.
func (x hpkeParts) forge(t *testing.T, id *Identity, p Purpose, plaintext []byte) []byte {
	t.Helper()
	public, err := hpke.MLKEM1024P384().NewPublicKey(id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	recipient := envelope.Sum("recipient", id.Recipient())
	context := envelope.Frame("wrap", p.Type, "fips", p.Org, p.About, p.N, recipient)
	or := func(b []byte) []byte {
		if b != nil {
			return b
		}
		return context
	}
	if x.kdf == nil {
		x.kdf = hpke.HKDFSHA384()
	}
	enc, sender, err := hpke.NewSender(public, x.kdf, hpke.ExportOnly(), or(x.info))
	if err != nil {
		t.Fatal(err)
	}
	key, err := sender.Export(string(or(x.export)), 32)
	if err != nil {
		t.Fatal(err)
	}
	sealed := SealBytes(DataKey(key), or(x.aad), plaintext)
	if x.encEdit != nil {
		enc = x.encEdit(enc)
	}
	if x.sealed != nil {
		sealed = x.sealed(sealed)
	}
	if x.suite == "" {
		x.suite = "fips"
	}
	return envelope.Marshal([]any{1 + x.version, string(x.suite), enc, sealed})
}

// forgeries differ from a good wrap in one thing each.
func forgeries(p Purpose, id *Identity) map[string]hpkeParts {
	other := envelope.Frame("wrap", p.Type, "age", p.Org, p.About, p.N, envelope.Sum("recipient", id.Recipient()))
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	flip := func(i int) func([]byte) []byte {
		return func(b []byte) []byte { b = bytes.Clone(b); b[(i+len(b))%len(b)] ^= 1; return b }
	}
	return map[string]hpkeParts{
		"info of another context": {info: other}, "exporter context of another": {export: other}, "data of another context": {aad: other},
		"no info": {info: []byte{}}, "KDF SHA-256": {kdf: hpke.HKDFSHA256()}, "KDF SHA-512": {kdf: hpke.HKDFSHA512()},
		"version 2": {version: 1}, "suite age": {suite: "age"}, "suite unknown": {suite: "fips2"},
		"encapsulated key cut": {encEdit: cut}, "ML-KEM ciphertext changed": {encEdit: flip(0)}, "point not on the curve": {encEdit: flip(-1)},
		"tag changed": {sealed: flip(-1)}, "nonce changed": {sealed: flip(0)}, "sealed part cut": {sealed: func(b []byte) []byte { return b[:Overhead-1] }},
	}
}

func TestAttack14ForgedWrap(t *testing.T) {
	t.Parallel()
	id, p := testIdentity(t, fipsSuite, "one"), testPurpose()
	if got, err := Unwrap(id, p, hpkeParts{}.forge(t, id, p, []byte("x"))); err != nil || string(got) != "x" {
		t.Fatalf("the second writing does not open: %v", err)
	}
	for name, x := range forgeries(p, id) {
		if _, err := Unwrap(id, p, x.forge(t, id, p, []byte("x"))); err == nil {
			t.Errorf("%s: opened", name)
		} else {
			wantError(t, err, ErrWrap)
		}
	}
}

// A wrap is bound to everything that its purpose says.
func TestAttack20WrapMoved(t *testing.T) {
	t.Parallel()
	id, made := testIdentity(t, fipsSuite, "one"), testPurpose()
	file, err := Wrap(fipsSuite, made, id.Recipient(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Purpose){
		"type": func(p *Purpose) { p.Type += "x" }, "org": func(p *Purpose) { p.Org[31]++ },
		"about": func(p *Purpose) { p.About[0]++ }, "n": func(p *Purpose) { p.N++ },
	} {
		p := made
		edit(&p)
		if _, err := Unwrap(id, p, file); err == nil {
			t.Errorf("%s: opened", name)
		} else {
			wantError(t, err, ErrWrap)
		}
	}
}

func TestAttack28WeakHPKEKeys(t *testing.T) {
	t.Parallel()
	good := testIdentity(t, fipsSuite, "one").Recipient()
	if len(good) != mlkem.EncapsulationKeySize1024+97 {
		t.Fatalf("recipient has %d bytes", len(good))
	}
	edit := func(f func([]byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	point := mlkem.EncapsulationKeySize1024
	x25519, err := ecdh.X25519().NewPrivateKey(make([]byte, 32))
	if err != nil {
		x25519 = nil // refused under enforcement, as it should be
	}
	for name, r := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0),
		"coefficients not reduced":   edit(func(b []byte) { b[0], b[1] = 0xff, 0xff }),
		"all coefficients too large": edit(func(b []byte) { copy(b, bytes.Repeat([]byte{0xff}, 1536)) }),
		"point off the curve":        edit(func(b []byte) { b[len(b)-1] ^= 1 }),
		"point at infinity":          append(bytes.Clone(good[:point]), make([]byte, 97)...),
		"infinity in one byte":       append(bytes.Clone(good[:point]), 0),
		"compressed point":           append(append(bytes.Clone(good[:point]), 2+good[point+96]&1), good[point+1:point+49]...),
		"point alone":                good[point:],
		"ML-KEM alone":               good[:point],
		"halves swapped":             append(bytes.Clone(good[point:]), good[:point]...),
		"X25519 in place of P-384":   append(bytes.Clone(good[:point]), publicOf(x25519)...),
		"another form byte":          edit(func(b []byte) { b[point] = 6 }),
	} {
		wantError(t, CheckRecipient(fipsSuite, r), ErrRecipient)
		if _, err := Wrap(fipsSuite, testPurpose(), r, []byte("x")); err == nil {
			t.Errorf("%s: wrapped", name)
		}
	}
}

func publicOf(k *ecdh.PrivateKey) []byte {
	if k == nil {
		return make([]byte, 32)
	}
	return k.PublicKey().Bytes()
}

// hpkeVectors are the failures that only suite fips has.
func hpkeVectors(t *testing.T, vector func(name, want string, file []byte) wrapVector, good []byte) (list []wrapVector) {
	id, e, seed := testIdentity(t, fipsSuite, "member"), testEpoch(), fill("seed")
	plain := func(org envelope.OrgID, n uint64) []byte {
		return envelope.Marshal(&envelope.SeedWrap{Type: epochSeedType, Org: org, Channel: e.Channel, N: n, Seed: seed[:]})
	}
	list = append(list,
		vector("second writing", "ok", hpkeParts{}.forge(t, id, e.purpose(), plain(e.Org, e.N))),
		vector("plaintext names another org", "wrong_context", hpkeParts{}.forge(t, id, e.purpose(), plain(envelope.OrgID{}, e.N))),
		vector("plaintext names another epoch", "wrong_context", hpkeParts{}.forge(t, id, e.purpose(), plain(e.Org, e.N+1))),
		vector("plaintext is no structure", "bad_wrap", hpkeParts{}.forge(t, id, e.purpose(), seed[:])),
		vector("byte after", "bad_wrap", append(bytes.Clone(good), 0)),
		vector("empty", "bad_wrap", []byte{}),
	)
	all := forgeries(e.purpose(), id)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, vector(name, "bad_wrap", all[name].forge(t, id, e.purpose(), plain(e.Org, e.N))))
	}
	return list
}
