package witness_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
	"chancery/crypto/suitetest"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// world is an organisation with a signer, a recorder and a witness, and its log.
type world struct {
	t                       *testing.T
	root, recorder, witness *seal.SigningKey
	signer                  *sign.Key
	org                     *chain.Org
	leaves                  [][]byte
}

func key(t *testing.T) *seal.SigningKey {
	k, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, root: key(t), recorder: key(t), witness: key(t), signer: suitetest.SignerKey(t)}
	e := w.signed(&envelope.Link{Type: envelope.OrgGenesis, Body: envelope.Marshal(&envelope.OrgGenesisBody{
		Name: "org", Suite: suitetest.Suite(), Roots: [][]byte{w.root.Public()}, Threshold: 1, Capture: envelope.CaptureOff, Nonce: make([]byte, 16),
	})})
	var err error
	if w.org, err = chain.NewOrg(e); err != nil {
		t.Fatal(err)
	}
	w.extend(envelope.OrgList, &envelope.Party{Role: envelope.RoleSigner, Name: "signer", Key: w.signer.Public()})
	w.extend(envelope.OrgList, &envelope.Party{Role: envelope.RoleRecorder, Name: "rec", Key: w.recorder.Public(), Recipient: []byte("r")})
	w.extend(envelope.OrgList, &envelope.Party{Role: envelope.RoleWitness, Name: "wit", Key: w.witness.Public()})
	w.extend(envelope.OrgList, &envelope.Party{Role: envelope.RoleWitness, Name: "both", Key: w.recorder.Public()})
	for i := range 20 {
		w.leaves = append(w.leaves, fmt.Appendf(nil, "leaf %d", i))
	}
	return w
}

func (w *world) signed(l *envelope.Link) *envelope.Entry {
	l.Version, l.Key = envelope.Version, w.root.ID()
	e := &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l)}
	seal.SignEntry(e, w.root)
	return e
}

func (w *world) extend(kind envelope.LinkType, body any) {
	w.t.Helper()
	err := w.org.Apply(w.signed(&envelope.Link{
		Org: w.org.ID(), Chain: envelope.Hash(w.org.ID()), Seq: w.org.Seq() + 1, Prev: w.org.Head(), Type: kind, Body: envelope.Marshal(body),
	}))
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) state(leaves [][]byte) tlog.Checkpoint {
	return tlog.Checkpoint{Origin: witness.Origin(w.org.ID()), Size: int64(len(leaves)), Root: tlog.Root(leaves)}
}

func (w *world) note(signer sign.Signer) (note []byte, text string) {
	b, err := w.state(w.leaves).MarshalText()
	if err != nil {
		w.t.Fatal(err)
	}
	note, err = sign.SignNote(string(b), witness.Origin(w.org.ID()), signer)
	if err != nil {
		w.t.Fatal(err)
	}
	return note, string(b)
}

func (w *world) cosign(text string, k *seal.SigningKey, at int64) string {
	return seal.Cosign(text, witness.CosignerName(w.org.ID(), k.ID()), at, k)
}

// TestAttack09Cosignatures: only the listed count, each once, over this very
// text and time.
func TestAttack09Cosignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	note, text := w.note(w.signer)
	stranger := key(t)
	with := append(note, w.cosign(text, w.recorder, 70)+w.cosign(text, w.witness, 80)+w.cosign(text, stranger, 90)...)
	n, err := witness.Read(w.org, with)
	if err != nil {
		t.Fatal(err)
	}
	want := map[envelope.KeyID]int64{w.recorder.ID(): 70, w.witness.ID(): 80}
	for k, at := range want {
		if !n.Cosigned[k].Equal(time.Unix(at, 0)) {
			t.Errorf("%s at %s", k, n.Cosigned[k])
		}
	}
	if len(n.Cosigned) != 2 || n.Unknown != 1 || n.Size != 20 {
		t.Errorf("%+v", n)
	}
	for name, line := range map[string]string{
		"stranger":          w.cosign(text, stranger, 1),
		"another's name":    seal.Cosign(text, witness.CosignerName(w.org.ID(), w.recorder.ID()), 1, stranger),
		"another text":      w.cosign(text+"x\n", w.recorder, 1),
		"another time":      w.cosign(text, w.recorder, 1)[:200] + w.cosign(text, w.recorder, 2)[200:],
		"nothing":           "",
		"a second line":     w.cosign(text, w.recorder, 1) + w.cosign(text, w.witness, 1),
		"a line twice":      w.cosign(text, w.recorder, 1) + w.cosign(text, w.recorder, 2),
		"and something":     w.cosign(text, w.recorder, 1) + "more",
		"in front of a gap": "\n" + w.cosign(text, w.recorder, 1),
	} {
		if _, _, err := witness.ReadCosignature(w.org, note, line); !errors.Is(err, witness.ErrCosigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	by, at, err := witness.ReadCosignature(w.org, note, w.cosign(text, w.witness, 5))
	if err != nil || by != w.witness.ID() || at.Unix() != 5 {
		t.Errorf("by %s at %s: %v", by, at, err)
	}
	other, _ := w.note(suitetest.SignerKey(t))
	if _, err := witness.Read(w.org, other); !errors.Is(err, tlog.ErrNote) {
		t.Errorf("another signer: %v", err)
	}
	w.extend(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleWitness, Party: w.witness.ID()})
	if n, err := witness.Read(w.org, with); err != nil || len(n.Cosigned) != 1 {
		t.Errorf("de-listed: %+v, %v", n, err)
	}
}

// TestAttack07Fork: a state that does not extend the last one is refused, and
// changes nothing.
func TestAttack07Fork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var last witness.Last
	extend := func(leaves [][]byte, from int64) error {
		var proof []tlog.Hash
		if a, b := min(from, int64(len(leaves))), max(from, int64(len(leaves))); a > 0 {
			longer := w.leaves
			if from <= int64(len(leaves)) {
				longer = leaves
			}
			var err error
			if proof, err = tlog.ProvePrefix(longer[:b], a); err != nil {
				t.Fatal(err)
			}
		}
		return last.Extend(w.org, w.state(leaves), proof)
	}
	for _, n := range []int{7, 7, 12, 9, 20} {
		if err := extend(w.leaves[:n], last.Size); err != nil || last.Size < int64(n) {
			t.Fatalf("to %d: %v, %+v", n, err, last)
		}
	}
	fork := append(append([][]byte{}, w.leaves[:10]...), []byte("other"))
	for range 20 {
		fork = append(fork, []byte("more"))
	}
	for name, leaves := range map[string][][]byte{"longer": fork, "as long": fork[:20], "shorter": fork[:12]} {
		before := last
		if err := extend(leaves, last.Size); !errors.Is(err, witness.ErrFork) || last != before {
			t.Errorf("%s: %v, %+v", name, err, last)
		}
	}
}

// TestAttack55LogRestored: the root's word counts for what it names, and once.
func TestAttack55LogRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := func(n int) envelope.Hash { return envelope.Hash(tlog.Root(w.leaves[:n])) }
	at := func(n int) witness.Last { return witness.Last{Size: int64(n), Root: root(n)} }
	lost := func(from, to int) {
		w.extend(envelope.OrgRestore, &envelope.LogRestoreBody{
			OldSize: uint64(to), OldRoot: root(to), NewSize: uint64(from), NewRoot: root(from), Reason: "lost",
		})
	}
	lost(10, 15)
	for name, x := range map[string]struct {
		last witness.Last
		want witness.Last
	}{
		"in the gap":        {at(12), at(10)},
		"at its end":        {at(15), at(10)},
		"beyond":            {at(16), at(16)},
		"before":            {at(10), at(10)},
		"nothing yet":       {witness.Last{}, witness.Last{}},
		"another at end":    {witness.Last{Size: 15, Root: root(3)}, witness.Last{Size: 15, Root: root(3)}},
		"taken already":     {witness.Last{Size: 12, Root: root(12), Restores: 1}, at(12)},
		"a fork in the gap": {witness.Last{Size: 12, Root: root(3)}, at(10)},
	} {
		x.want.Restores = 1
		changed := x.last.Size != x.want.Size
		if got := x.last.Restore(w.org); got != changed || x.last != x.want {
			t.Errorf("%s: %v, %+v", name, got, x.last)
		}
	}
	l := at(12)
	other := append(append([][]byte{}, w.leaves[:10]...), []byte("after the restore"))
	proof, err := tlog.ProvePrefix(other, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Extend(w.org, w.state(other), proof); err != nil || l.Size != 11 || l.Restores != 1 {
		t.Fatalf("%v, %+v", err, l)
	}
	proof, err = tlog.ProvePrefix(w.leaves[:12], 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Extend(w.org, w.state(w.leaves[:12]), proof); !errors.Is(err, witness.ErrFork) {
		t.Errorf("the lost log again: %v", err)
	}
	lost(4, 12)
	lost(2, 8)
	l = at(11)
	if l.Restore(w.org); l.Size != 2 || l.Restores != 3 {
		t.Errorf("three losses: %+v", l)
	}
}
