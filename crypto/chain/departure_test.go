package chain

import (
	"fmt"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// removeByKey is a removal by the server's key, countersigned by more.
func (w *world) removeByKey(who *person, more ...*seal.SigningKey) *envelope.Entry {
	e := w.byKey(envelope.UserID{}, w.removal, envelope.MemberRemove, &envelope.RemoveBody{User: who.ID(), Reason: "departed"})
	for _, k := range more {
		seal.SignEntry(e, k)
	}
	return e
}

func TestAttack46RemovalKey(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.refused(w.removeByKey(w.alice), NotAllowed)
	w.place(w.rank(w.alice, w.bob, envelope.RankOwner))
	w.refused(w.removeByKey(w.bob), NotAllowed)
	w.refused(w.byKey(envelope.UserID{}, w.removal, envelope.MemberRemove,
		&envelope.RemoveBody{User: envelope.UserID(w.recorder.ID())}), NotMember)
	w.refused(w.byKey(envelope.UserID{}, w.receipts, envelope.MemberRemove, &envelope.RemoveBody{User: w.carol.ID()}), NotListed)
	w.place(w.removeByKey(w.carol))
	w.refused(w.post(w.alice), RotationDue)
}

// TestAttack03RemovalKeyDoesNothingElse: neither one removal key nor two make
// anything but a removal.
func TestAttack03RemovalKeyDoesNothingElse(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	for kind, want := range map[envelope.LinkType]Reason{
		envelope.MemberAdd: NotMember, envelope.MemberRole: NotMember, envelope.EpochStart: NotMember, envelope.Sync: NotListed, envelope.Restore: BadSignature,
	} {
		var body any
		switch kind {
		case envelope.MemberAdd:
			body = &envelope.AddBody{User: w.dave.ID(), UserSeq: w.dave.Seq(), UserHead: w.dave.Head(), Rank: envelope.RankMember, HistoryFrom: 2}
		case envelope.MemberRole:
			body = &envelope.RoleBody{User: w.bob.ID(), Rank: envelope.RankOwner}
		case envelope.Sync:
			body = syncUser(w.bob)
		case envelope.Restore:
			body = &envelope.RestoreBody{OldPosition: w.c.Position, NewPosition: w.c.Position, NewHead: w.c.Top}
		case envelope.EpochStart:
			body = &envelope.EpochBody{N: 2}
		}
		w.refused(w.byKey(envelope.UserID{}, w.removal, kind, body), want)
		twice := w.byKey(envelope.UserID{}, w.removal, kind, body)
		seal.SignEntry(twice, w.removal2)
		w.refused(twice, want)
	}
}

// TestAttack57OwnersOneByOne: no owner goes by one key, however slowly, and
// nothing but a second listed removal key is one.
func TestAttack57OwnersOneByOne(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.rank(w.alice, w.bob, envelope.RankOwner))
	for _, owner := range []*person{w.bob, w.alice} {
		w.now += 2 * fuseWindow
		w.refused(w.removeByKey(owner), NotAllowed)
		w.refused(w.removeByKey(owner, w.removal), Malformed) // one key twice
		w.refused(w.removeByKey(owner, w.receipts), NotListed)
		w.refused(w.removeByKey(owner, w.recorder), NotListed)
		w.refused(w.removeByKey(owner, w.alice.device), NotListed)
		w.refused(w.removeByKey(owner, w.removal2, w.receipts), BadSignature)
		w.refused(forged(w.removeByKey(owner, w.removal2)), BadSignature)
		other := w.byKey(envelope.UserID{}, w.receipts, envelope.MemberRemove, &envelope.RemoveBody{User: owner.ID()})
		w.refused(signed(other, w.removal, w.removal2), BadSignature) // the link names a key that did not sign
		w.place(w.removeByKey(owner, w.removal2))
	}
	w.refused(w.removeByKey(w.carol, w.removal2), BadSignature) // one is enough, and so two are too many
	w.place(w.removeByKey(w.carol))
}

// crowd is a channel of alice and n members.
func crowd(t *testing.T, n int) (*world, []*person) {
	w := found(t, envelope.CaptureOff)
	w.open(func(*envelope.ChannelGenesisBody) {})
	members := make([]*person, n)
	for i := range members {
		members[i] = w.person(fmt.Sprint("member ", i))
		w.place(w.add(w.alice, members[i]))
	}
	return w, members
}

// TestAttack57PastTheFuse: one key takes twenty in a rolling day; the next
// needs two, until the first is a day old. Who starts late judges alike.
func TestAttack57PastTheFuse(t *testing.T) {
	t.Parallel()
	w, members := crowd(t, 25)
	for _, who := range members[:fuseLeast] {
		w.now += 3600e6 / 2
		w.place(w.removeByKey(who))
	}
	last := members[fuseLeast]
	w.refused(w.removeByKey(last), NotAllowed)
	late := w.late()
	want(t, "a late starter", late.Judge(w.removeByKey(last), w.now), NotAllowed)
	w.must(late.Judge(w.removeByKey(last, w.removal2), w.now))
	w.place(w.removeByKey(last, w.removal2))
	w.now += fuseWindow / 2
	w.refused(w.removeByKey(members[fuseLeast+1]), NotAllowed)
	w.now += fuseWindow / 2
	w.place(w.removeByKey(members[fuseLeast+1]))
	if n := len(w.c.departures); n > fuseLeast+1 {
		t.Errorf("%d removals are remembered", n)
	}
}

// TestFuseIsOfRemovalKeys: what members do among themselves burns none of it.
func TestFuseIsOfRemovalKeys(t *testing.T) {
	t.Parallel()
	w, members := crowd(t, fuseLeast+1)
	for _, who := range members[:fuseLeast] {
		w.place(w.remove(w.alice, who))
	}
	w.place(w.removeByKey(members[fuseLeast]))
}

// TestFuseGrows: in a large channel a fiftieth of the members is more than twenty.
func TestFuseGrows(t *testing.T) {
	t.Parallel()
	c := &Channel{members: map[envelope.UserID]Member{}}
	for i := range 1500 {
		c.members[envelope.UserID{byte(i), byte(i >> 8)}] = Member{Rank: envelope.RankMember}
	}
	for range 29 {
		c.departures = append(c.departures, 1)
	}
	if n := c.RemovalKeys(Member{Rank: envelope.RankMember}, 2); n != 1 {
		t.Errorf("the thirtieth of 1,500 needs %d keys", n)
	}
	c.departures = append(c.departures, 1)
	if n := c.RemovalKeys(Member{Rank: envelope.RankMember}, 2); n != 2 {
		t.Errorf("the thirty-first of 1,500 needs %d keys", n)
	}
}

// TestLastOwnerDeparts: two keys take also whom no member could remove, in a
// direct channel too.
func TestLastOwnerDeparts(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	w.open(func(b *envelope.ChannelGenesisBody) { b.Access = envelope.AccessDirect })
	w.place(w.add(w.alice, w.bob))
	w.rotate(w.alice)
	w.place(w.removeByKey(w.alice, w.removal2))
	w.rotate(w.bob)
	w.place(w.post(w.bob))
	w.place(w.removeByKey(w.bob))
}
