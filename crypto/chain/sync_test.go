package chain

import (
	"testing"

	"chancery/crypto/envelope"
)

// TestSyncOfNewKey: a device more changes nothing, a new key ends the epochs
// that the old one opens, and the next epoch is for the new one.
func TestSyncOfNewKey(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.must(w.bob.Apply(w.device(w.bob, key("phone"))))
	w.place(w.by(w.alice, envelope.Sync, syncUser(w.bob)))
	w.place(w.post(w.alice))
	old, err := w.c.Recipients()
	w.must(err)
	w.must(w.bob.Apply(w.renew(w.bob)))
	w.place(w.by(w.alice, envelope.Sync, syncUser(w.bob)))
	if cause, due := w.c.Due(w.now); !due || cause != envelope.CauseDevice {
		t.Fatalf("due %v for %q", due, cause)
	}
	w.refused(w.post(w.alice), RotationDue)
	w.refused(w.epoch(w.alice, func(b *envelope.EpochBody) { b.MembersRoot = MembersRoot(old) }), EpochBad)
	w.place(w.epoch(w.alice))
	w.refused(w.post(w.alice), RotationDue) // bob's lost device could read until the recorder says that it is done
	w.place(w.ack(w.recorder))
	w.place(w.post(w.alice))
	current, _ := w.c.Current()
	for _, r := range current.Recipients() {
		if want := map[bool]uint64{true: 2, false: 1}[r.ID == w.bob.id]; r.Kind == envelope.RecipientMember && r.Generation != want {
			t.Errorf("wrapped to generation %d of %s, want %d", r.Generation, r.ID, want)
		}
	}
}

// TestSyncOfReset: who started again is out of every channel until somebody adds
// the new chain; the old one can't come back.
func TestSyncOfReset(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	genesis, end := w.restart(w.bob, "bob again")
	u, err := NewUser(w.org, genesis)
	w.must(err)
	w.users[u.ID()] = u
	again := &person{key("bob again's device"), u}
	w.must(w.bob.Apply(end))
	w.place(w.byKey(envelope.UserID{}, w.receipts, envelope.Sync, syncUser(w.bob)))
	if _, still := w.c.Member(w.bob.ID()); still || len(w.c.Members()) != 2 {
		t.Fatal("the old chain is a member still")
	}
	w.refused(w.post(w.bob), NotMember)
	w.refused(w.post(again), NotMember)
	w.refused(w.post(w.alice), RotationDue)
	w.refused(w.add(w.alice, w.bob), NotAllowed)
	w.refused(w.add(w.alice, w.bob, func(b *envelope.AddBody) { b.UserSeq, b.UserHead = 0, w.bob.heads[0] }), HeadUnknown)
	w.place(w.add(w.alice, again))
	w.rotate(w.alice)
	w.place(w.post(again))
}
