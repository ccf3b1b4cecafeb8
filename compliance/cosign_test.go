package compliance_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
	"chancery/crypto/witness"
)

// newest reads what followers are given last, and extends what they knew by it.
func (x *sweep) newest(known *witness.Last) *witness.Note {
	x.T.Helper()
	said, err := x.Witnessed(x.ctx, x.ann.P, known.Size)
	x.Must(err)
	last := said.Checkpoints[len(said.Checkpoints)-1]
	n, err := witness.Read(x.org, []byte(last.Note))
	x.Must(err)
	proof := make([]tlog.Hash, len(last.Proof))
	for i, h := range last.Proof {
		proof[i] = tlog.Hash(h)
	}
	x.Must(known.Extend(x.org, n.Checkpoint, proof))
	return n
}

// TestCosigned follows a log from checkpoint to checkpoint: the published ones
// are those that the recorder cosigned, each with its proof.
func TestCosigned(t *testing.T) {
	t.Parallel()
	x := newSweep(t)
	var known witness.Last
	first := x.newest(&known)
	if len(first.Cosigned) != 0 {
		t.Fatalf("cosigned by %v before anybody did", first.Cosigned)
	}
	rec := x.recorderPrincipal()
	x.Must(x.Cosign(x.ctx, rec, x.cosignature()))
	x.clock = x.clock.Add(time.Minute)
	x.Must(x.Cosign(x.ctx, rec, x.cosignature())) // of the same, later
	n := x.newest(&known)
	if at := n.Cosigned[x.recorder.ID()]; at.Unix() != x.clock.Unix() || n.Size != first.Size {
		t.Errorf("cosigned at %s: %d", at, n.Size)
	}
	x.post(300)
	x.log()
	if same := x.newest(&known); same.Size != n.Size {
		t.Errorf("published is %d, which nobody cosigned", same.Size)
	}
	x.Must(x.Cosign(x.ctx, rec, x.cosignature()))
	if more := x.newest(&known); more.Size <= n.Size+600 {
		t.Errorf("published is %d", more.Size)
	}
	for name, in := range map[string]wire.Cosignature{
		"another size": {Size: n.Size, Line: x.cosignature().Line},
		"no line":      {Size: known.Size},
		"a stranger's": {Size: known.Size, Line: seal.Cosign("text\n", "name", 1, x.recorder)},
		"two lines":    {Size: known.Size, Line: x.cosignature().Line + "— a b\n"},
		"no such size": {Size: known.Size + 1000, Line: x.cosignature().Line},
	} {
		if err := x.Cosign(x.ctx, rec, in); !slices.Contains([]core.Kind{core.Invalid, core.NotFound}, core.KindOf(err)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLogged: people get proof of their own entries, and learn nothing of others'.
func TestLogged(t *testing.T) {
	t.Parallel()
	x := newSweep(t)
	var known witness.Last
	n := x.newest(&known)
	at := x.desk.State.Position
	got, err := x.Logged(x.ctx, x.ann.P, x.desk.ID, at, n.Size)
	x.Must(err)
	proof := make([]tlog.Hash, len(got.Proof))
	for i, h := range got.Proof {
		proof[i] = tlog.Hash(h)
	}
	x.Must(tlog.VerifyInclusion(n.Root, n.Size, got.Index, tlog.LeafHash(got.Leaf), proof))
	r, err := record.Parse(got.Leaf)
	x.Must(err)
	if r.Channel != x.desk.ID || r.Position != at || r.Head != x.desk.State.Top {
		t.Errorf("logged is %+v", r)
	}
	for name, ask := range map[string]struct {
		who      *coretest.Person
		channel  envelope.ChannelID
		position uint64
		size     int64
	}{
		"not there yet":      {x.ann, x.desk.ID, at + 1, n.Size},
		"not in that log":    {x.ann, x.desk.ID, at, 1},
		"another's":          {x.legal, x.desk.ID, at, n.Size},
		"of another channel": {x.ann, envelope.ChannelID{1}, at, n.Size},
		"of nobody":          {&coretest.Person{P: x.recorderPrincipal()}, x.desk.ID, at, n.Size},
	} {
		if _, err := x.Logged(x.ctx, ask.who.P, ask.channel, ask.position, ask.size); core.KindOf(err) != core.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	leaves, err := x.Leaves(x.ctx, x.recorderPrincipal(), 0)
	x.Must(err)
	if len(leaves.Leaves) != int(min(500, n.Size)) || tlog.LeafHash(leaves.Leaves[got.Index]) != tlog.LeafHash(got.Leaf) {
		t.Errorf("%d leaves", len(leaves.Leaves))
	}
	if _, err := x.Leaves(x.ctx, x.ann.P, 0); errors.Is(err, nil) {
		t.Error("a member read the whole log")
	}
}
