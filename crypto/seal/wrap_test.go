package seal

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
)

func TestIdentityIsFixedBySeed(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		one, err := GenerateIdentity(s, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		two, err := IdentityFromSeed(s, one.Seed())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one.Recipient(), two.Recipient()) || one.Suite() != s {
			t.Fatal("the seed gave another recipient")
		}
		if err := CheckRecipient(s, one.Recipient()); err != nil {
			t.Fatal(err)
		}
		file, err := Wrap(s, testPurpose(), two.Recipient(), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Unwrap(one, testPurpose(), file); err != nil || string(got) != "x" {
			t.Fatalf("unwrapping: %q, %v", got, err)
		}
		if _, err := IdentityFromSeed(s, make([]byte, 31)); err == nil {
			t.Fatal("took a short seed")
		}
	})
}

func testPurpose() Purpose {
	return Purpose{Type: "chancery/v1/test", Org: envelope.OrgID(fill("org")), About: envelope.Hash(fill("about")), N: 7}
}

func TestAttack14ForeignWrap(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		id, other, p := testIdentity(t, s, "one"), testIdentity(t, s, "two"), testPurpose()
		wrap := func(to *Identity) []byte {
			t.Helper()
			file, err := Wrap(s, p, to.Recipient(), []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			return file
		}
		good := wrap(id)
		cases := map[string][]byte{
			"empty": nil, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0),
			"for another": wrap(other), "too large": make([]byte, maxWrap+1),
		}
		for _, i := range []int{0, 1, 10, len(good) / 2, len(good) - 1} {
			changed := bytes.Clone(good)
			changed[i] ^= 1
			cases[fmt.Sprint("changed at ", i)] = changed
		}
		for name, file := range cases {
			if _, err := Unwrap(id, p, file); !errors.Is(err, ErrWrap) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := Unwrap(id, p, good); err != nil {
			t.Fatal(err)
		}
		if _, err := Wrap(s, p, id.Recipient(), make([]byte, MaxWrapped+1)); err == nil {
			t.Fatal("wrapped more than the limit")
		}
		if _, err := Wrap(s, p, []byte("junk"), nil); !errors.Is(err, ErrRecipient) {
			t.Fatalf("wrapping to junk: %v", err)
		}
	})
}

// A key or a wrap of one suite is nothing in the other, whoever offers it.
func TestAttack29OtherSuite(t *testing.T) {
	t.Parallel()
	suitetest.NeedsAge(t)
	seed, p := fill("one"), testPurpose()
	for _, pair := range [][2]envelope.Suite{{envelope.SuiteAge, envelope.SuiteFIPS}, {envelope.SuiteFIPS, envelope.SuiteAge}} {
		own, err := IdentityFromSeed(pair[0], seed[:])
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := IdentityFromSeed(pair[1], seed[:])
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, CheckRecipient(pair[0], foreign.Recipient()), ErrRecipient)
		_, err = Wrap(pair[0], p, foreign.Recipient(), nil)
		wantError(t, err, ErrRecipient)
		file, err := Wrap(pair[1], p, foreign.Recipient(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Unwrap(own, p, file)
		wantError(t, err, ErrWrap)
	}
}

func TestUserSeedWrap(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		device, seed := testIdentity(t, s, "device"), NewUserSeed()
		c := UserSeedContext{Org: envelope.OrgID(fill("org")), Device: envelope.KeyID(fill("dev")), Generation: 2}
		wrap, err := WrapUserSeed(s, seed, c, device.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		got, err := UnwrapUserSeed(device, wrap, c)
		if err != nil || got != seed {
			t.Fatalf("unwrapping: %v", err)
		}
		for name, edit := range map[string]func(*UserSeedContext){
			"org": func(c *UserSeedContext) { c.Org[0]++ }, "device": func(c *UserSeedContext) { c.Device[0]++ },
			"generation": func(c *UserSeedContext) { c.Generation++ },
		} {
			want := c
			edit(&want)
			if _, err := UnwrapUserSeed(device, wrap, want); !errors.Is(err, ErrContext) && !(s == envelope.SuiteFIPS && errors.Is(err, ErrWrap)) {
				t.Errorf("%s: %v", name, err)
			}
		}
		one, err := UserIdentity(s, seed)
		if err != nil {
			t.Fatal(err)
		}
		if raw, _ := IdentityFromSeed(s, seed[:]); bytes.Equal(raw.Recipient(), one.Recipient()) {
			t.Fatal("the user's identity is the bare seed's")
		}
	})
}

// TestUserSeedsBefore: the newest seed opens all before it, and is opened by
// none of them; each stands in its own place alone.
func TestUserSeedsBefore(t *testing.T) {
	t.Parallel()
	one, two := UserSeed(fill("one")), UserSeed(fill("two"))
	l := Lineage{Org: envelope.OrgID(fill("org")), User: envelope.UserID(fill("user")), Generation: 2}
	sealed := SealPrevious(two, l, one)
	if len(sealed) != 60 {
		t.Fatalf("%d bytes", len(sealed))
	}
	if got, err := OpenPrevious(two, l, sealed); err != nil || got != one {
		t.Fatalf("opening: %v", err)
	}
	_, err := OpenPrevious(one, l, sealed)
	wantError(t, err, ErrUndecryptable)
	_, err = OpenPrevious(two, l, SealBytes(UserSealingKey(two), l.aad(), one[:31]))
	wantError(t, err, ErrUndecryptable)
	for name, edit := range map[string]func(*Lineage){
		"org": func(l *Lineage) { l.Org[0]++ }, "user": func(l *Lineage) { l.User[0]++ }, "generation": func(l *Lineage) { l.Generation++ },
	} {
		other := l
		edit(&other)
		if _, err := OpenPrevious(two, other, sealed); !errors.Is(err, ErrUndecryptable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAttack50ForeignUserSeed: a device that is handed another user key finds
// that it is not the one in the user's chain, whoever wrapped it.
func TestAttack50ForeignUserSeed(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		device := testIdentity(t, s, "device")
		c := UserSeedContext{Org: envelope.OrgID(fill("org")), Device: envelope.KeyID(fill("dev")), Generation: 1}
		listed, err := UserIdentity(s, UserSeed(fill("user")))
		if err != nil {
			t.Fatal(err)
		}
		wrap, err := WrapUserSeed(s, NewUserSeed(), c, device.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := UnwrapUserSeed(device, wrap, c)
		if err != nil {
			t.Fatal(err)
		}
		got, err := UserIdentity(s, foreign)
		if err != nil || bytes.Equal(got.Recipient(), listed.Recipient()) {
			t.Fatalf("another seed gives the listed key: %v", err)
		}
		e := testEpoch()
		epoch, err := WrapSeed(s, Seed(fill("seed")), e, listed.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		_, err = UnwrapSeed(got, epoch, e)
		wantError(t, err, ErrWrap)
	})
}

func TestSlip(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		one, two, out := testIdentity(t, s, "one"), testIdentity(t, s, "two"), testIdentity(t, s, "out")
		slip, err := SealTo(s, testPurpose(), [][]byte{one.Recipient(), two.Recipient()}, []byte("data key"))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []*Identity{one, two} {
			if got, err := OpenSlip(id, testPurpose(), slip); err != nil || string(got) != "data key" {
				t.Fatalf("opening: %q, %v", got, err)
			}
		}
		_, err = OpenSlip(out, testPurpose(), slip)
		wantError(t, err, ErrWrap)
		slip[0].File, slip[1].File = slip[1].File, slip[0].File
		_, err = OpenSlip(one, testPurpose(), slip)
		wantError(t, err, ErrWrap)
		if _, err := SealTo(s, testPurpose(), [][]byte{one.Recipient(), one.Recipient()}, nil); err == nil {
			t.Fatal("took one reader twice")
		}
	})
}

func TestSealBytes(t *testing.T) {
	t.Parallel()
	key := NewDataKey()
	sealed := SealBytes(key, []byte("record 1"), []byte("text"))
	if got, err := OpenBytes(key, []byte("record 1"), sealed); err != nil || string(got) != "text" {
		t.Fatalf("opening: %q, %v", got, err)
	}
	_, err := OpenBytes(key, []byte("record 2"), sealed)
	wantError(t, err, ErrUndecryptable)
	_, err = OpenBytes(NewDataKey(), []byte("record 1"), sealed)
	wantError(t, err, ErrUndecryptable)
	_, err = OpenBytes(key, []byte("record 1"), sealed[:Overhead-1])
	wantError(t, err, ErrUndecryptable)
}

func TestSigningKey(t *testing.T) {
	t.Parallel()
	k, err := GenerateSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	same, err := SigningKeyFromSeed(k.Seed())
	if err != nil || same.ID() != k.ID() || !bytes.Equal(same.Public(), k.Public()) {
		t.Fatalf("the seed gave another key: %v", err)
	}
	approval := envelope.Approval{Version: envelope.Version, Action: "hold.approve", Time: 1}
	raw, err := SignStatement(envelope.LabelApproval, &approval, k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.OpenStatement[envelope.Approval](raw, envelope.LabelApproval, k.Public())
	if err != nil || *got != approval {
		t.Fatalf("opening statement: %v", err)
	}
	_, err = SignStatement("long", strings.Repeat("x", envelope.MaxHeader), k)
	if err == nil {
		t.Fatal("signed a statement that nobody can parse")
	}
	if _, err := GenerateSigningKey(io.LimitReader(rand.Reader, 31)); err == nil {
		t.Fatal("made a key from 31 bytes")
	}
}
