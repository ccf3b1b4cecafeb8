package seal

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
)

func TestSeedWrap(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		id, e, seed := testIdentity(t, s, "member"), testEpoch(), Seed(fill("seed"))
		wrap, err := WrapSeed(s, seed, e, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		got, err := UnwrapSeed(id, wrap, e)
		if err != nil || got != seed {
			t.Fatalf("unwrapping: %v", err)
		}
	})
}

func TestAttack20WrapOfAnotherContext(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		id, seed := testIdentity(t, s, "member"), Seed(fill("seed"))
		for name, edit := range map[string]func(*Epoch){
			"org": func(e *Epoch) { e.Org[0]++ }, "channel": func(e *Epoch) { e.Channel[0]++ }, "n": func(e *Epoch) { e.N++ },
		} {
			made := testEpoch()
			edit(&made)
			wrap, err := WrapSeed(s, seed, made, id.Recipient())
			if err != nil {
				t.Fatal(err)
			}
			// The commitment alone would not find another organisation.
			want := ErrContext
			if s == envelope.SuiteFIPS {
				want = ErrWrap // the key itself is another
			}
			if _, err := UnwrapSeed(id, wrap, testEpoch()); !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A member or recorder who is given another seed than the rest must notice.
func TestAttack15OtherSeed(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		id, e := testIdentity(t, s, "recorder"), testEpoch()
		wrap, err := WrapSeed(s, NewSeed(), e, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		_, err = UnwrapSeed(id, wrap, e)
		wantError(t, err, ErrContext)
	})
}

func TestAttack14WrapPlaintext(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		id, e, seed := testIdentity(t, s, "member"), testEpoch(), Seed(fill("seed"))
		w := envelope.SeedWrap{Type: epochSeedType, Org: e.Org, Channel: e.Channel, N: e.N, Seed: seed[:]}
		short, typed := w, w
		short.Seed, typed.Type = seed[:31], userSeedType
		user := envelope.UserSeedWrap{Type: epochSeedType, Org: e.Org, Generation: 1, Seed: seed[:]}
		cases := []struct {
			name  string
			want  error
			plain []byte
		}{
			{"bare seed", ErrWrap, seed[:]},
			{"short seed", ErrWrap, envelope.Marshal(&short)},
			{"other type", ErrContext, envelope.Marshal(&typed)},
			{"user seed", ErrContext, envelope.Marshal(&user)}, // the same shape: an id, a number, a seed
			{"bytes after", ErrWrap, append(envelope.Marshal(&w), 0)},
		}
		for _, c := range cases {
			wrap, err := Wrap(s, e.purpose(), id.Recipient(), c.plain)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := UnwrapSeed(id, wrap, e); !errors.Is(err, c.want) {
				t.Errorf("%s: error is %v, want %v", c.name, err, c.want)
			}
		}
	})
}

func testRecipients(t testing.TB, s envelope.Suite, n int) ([]envelope.Recipient, []*Identity) {
	t.Helper()
	list, ids := make([]envelope.Recipient, n), make([]*Identity, n)
	for i := range list {
		ids[i] = testIdentity(t, s, fmt.Sprint("member ", i))
		list[i] = envelope.Recipient{
			Kind: envelope.RecipientMember, ID: fill(fmt.Sprint("user ", i)), Generation: 1, Public: ids[i].Recipient(),
		}
	}
	list[n-1].Kind, list[n-1].Generation = envelope.RecipientRecorder, 0
	order := slices.Clone(list)
	slices.SortFunc(order, envelope.CompareRecipient)
	sorted := make([]*Identity, n)
	for i, r := range order {
		sorted[i] = ids[slices.IndexFunc(list, func(l envelope.Recipient) bool { return l.ID == r.ID })]
	}
	return order, sorted
}

func TestWrapAll(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		recipients, ids := testRecipients(t, s, 9)
		e, seed := testEpoch(), Seed(fill("seed"))
		wraps, err := WrapAll(s, seed, e, recipients)
		if err != nil {
			t.Fatal(err)
		}
		var members, leaves [][]byte
		for i, id := range ids {
			if got, err := UnwrapSeed(id, wraps.Files[i], e); err != nil || got != seed {
				t.Fatalf("recipient %d: %v", i, err)
			}
			members = append(members, recipients[i].RecipientLeaf())
			leaves = append(leaves, recipients[i].WrapLeaf(envelope.SumBytes(wraps.Files[i])))
		}
		if wraps.MembersRoot != envelope.Hash(tlog.Root(members)) || wraps.WrapsRoot != envelope.Hash(tlog.Root(leaves)) {
			t.Fatal("roots differ")
		}
		if wraps.SeedCommit != e.Commit {
			t.Fatal("commitment differs")
		}
	})
}

func TestWrapAllRefuses(t *testing.T) {
	t.Parallel()
	suitetest.Each(t, func(t *testing.T, s envelope.Suite) {
		recipients, _ := testRecipients(t, s, 3)
		swapped := slices.Clone(recipients)
		swapped[0], swapped[1] = swapped[1], swapped[0]
		if _, err := WrapAll(s, NewSeed(), testEpoch(), swapped); err == nil {
			t.Fatal("took recipients out of order")
		}
		twice := []envelope.Recipient{recipients[0], recipients[0]}
		if _, err := WrapAll(s, NewSeed(), testEpoch(), twice); err == nil {
			t.Fatal("took a recipient twice")
		}
		recipients[1].Public = []byte("junk")
		_, err := WrapAll(s, NewSeed(), testEpoch(), recipients)
		wantError(t, err, ErrRecipient)
	})
}

// One core: go test -bench WrapAll1000 -cpu 1.
func BenchmarkWrapAll1000(b *testing.B) {
	benchmark(b, func(b *testing.B, s envelope.Suite) {
		recipients, _ := testRecipients(b, s, 1000)
		for b.Loop() {
			if _, err := WrapAll(s, Seed(fill("seed")), testEpoch(), recipients); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkUnwrapSeed(b *testing.B) {
	benchmark(b, func(b *testing.B, s envelope.Suite) {
		id, e := testIdentity(b, s, "member"), testEpoch()
		wrap, err := WrapSeed(s, Seed(fill("seed")), e, id.Recipient())
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := UnwrapSeed(id, wrap, e); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchmark runs in every suite that this process may use.
func benchmark(b *testing.B, run func(*testing.B, envelope.Suite)) {
	for _, s := range suitetest.Suites() {
		b.Run(string(s), func(b *testing.B) { run(b, s) })
	}
}
