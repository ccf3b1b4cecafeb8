package chain

import (
	"bytes"
	"slices"
	"testing"

	"filippo.io/edwards25519"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/sign"
)

// The attacks of the threat model that the validator alone must stop, by number.

func TestAttack01GhostMember(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.refused(w.post(w.dave), NotMember)
	w.refused(w.epoch(w.dave), NotMember)
	w.refused(w.add(w.dave, w.dave), NotMember)
}

func TestAttack02GhostDevice(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	ghost := &person{key("ghost"), w.bob.User}
	w.refused(w.post(ghost), DeviceUnknown)
	// In bob's chain the device is known; in the channel only once it is synced.
	w.must(w.bob.Apply(w.device(w.bob, ghost.device)))
	w.refused(w.post(ghost), DeviceUnknown)
	w.refused(w.remove(ghost, w.bob), DeviceUnknown)
	w.place(w.by(w.alice, envelope.Sync, syncUser(w.bob)))
	w.place(w.post(ghost))
}

func TestAttack03AddByServerKey(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	b := &envelope.AddBody{User: w.dave.ID(), UserHead: w.dave.Head(), Rank: envelope.RankMember, HistoryFrom: 2}
	for _, k := range []*seal.SigningKey{w.removal, w.receipts, w.recorder} {
		w.refused(w.byKey(envelope.UserID{}, k, envelope.MemberAdd, b), NotMember)
		w.refused(w.byKey(w.alice.ID(), k, envelope.MemberAdd, b), DeviceUnknown)
	}
}

func TestAttack05UserChainRollback(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	old := syncUser(w.bob)
	second := w.device(w.bob, key("phone"))
	fork := w.device(w.bob, key("tablet"))
	w.must(w.bob.Apply(second))
	w.place(w.by(w.alice, envelope.Sync, syncUser(w.bob)))
	w.refused(w.by(w.alice, envelope.Sync, old), HeadUnknown)
	w.refused(w.by(w.alice, envelope.Sync, syncUser(w.bob)), HeadUnknown)
	want(t, "fork", w.bob.Apply(fork), Broken)
	want(t, "replay", w.bob.Apply(second), Broken)
}

func TestAttack06ChannelRollback(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	fork := w.remove(w.alice, w.carol)
	w.place(w.remove(w.alice, w.bob))
	w.refused(fork, Broken)
	want(t, "earlier entry", w.c.Apply(w.log[2]), BrokenOrder)
	w.refused(&w.log[2].Entry, Broken)
}

func TestAttack08StaleHead(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.epoch(w.alice))
	ack := w.ack(w.recorder)
	w.must(w.org.Apply(w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleRecorder, Party: w.recorder.ID()})))
	// Members judge by the head that the channel knows, so any of them ends the
	// hiding, and so does the server's own key.
	w.must(w.c.Judge(ack, w.now))
	w.place(w.byKey(envelope.UserID{}, w.receipts, envelope.Sync, &envelope.SyncBody{Chain: w.org.id, Seq: w.org.Seq(), Head: w.org.Head()}))
	w.refused(ack, NotListed)
	w.refused(w.cover(w.recorder), NotListed)
}

func TestAttack11EpochNumberReused(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.refused(w.epoch(w.bob, func(b *envelope.EpochBody) { b.N = 1 }), EpochBad)
}

func TestAttack12EpochOmitsMember(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.refused(w.without(func(r envelope.Recipient) bool { return r.ID == w.bob.id }), EpochBad)
}

func TestAttack13EpochOmitsRecorder(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.refused(w.without(func(r envelope.Recipient) bool { return r.Kind == envelope.RecipientRecorder }), EpochBad)
}

// without is an epoch that leaves out some recipients.
func (w *world) without(drop func(envelope.Recipient) bool) *envelope.Entry {
	recipients, err := w.c.Recipients()
	w.must(err)
	return w.epoch(w.alice, func(b *envelope.EpochBody) { b.MembersRoot = MembersRoot(slices.DeleteFunc(recipients, drop)) })
}

func TestAttack16Acknowledgement(t *testing.T) {
	t.Parallel()
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"forged": {func(w *world) *envelope.Entry {
			w.place(w.epoch(w.alice))
			return forged(w.ack(w.recorder))
		}, BadSignature},
		"in another's name": {func(w *world) *envelope.Entry {
			w.place(w.epoch(w.alice))
			return w.ack(w.alice.device, func(a *envelope.Acknowledgement) { a.Recorder = w.recorder.ID() })
		}, BadSignature},
		"by a key that is not listed": {func(w *world) *envelope.Entry {
			w.place(w.epoch(w.alice))
			return w.ack(w.alice.device)
		}, NotListed},
		"by a recorder of other channels": {func(w *world) *envelope.Entry {
			w.place(w.epoch(w.alice))
			return w.ack(w.second)
		}, NotListed},
		"replayed": {func(w *world) *envelope.Entry { return w.ack(w.recorder) }, Duplicate},
		"of an earlier epoch": {func(w *world) *envelope.Entry {
			first := w.c.epochs[0].Link
			w.place(w.epoch(w.alice))
			return w.ack(w.recorder, func(a *envelope.Acknowledgement) { a.EpochLink = first })
		}, EpochBad},
		"of another channel": {func(w *world) *envelope.Entry {
			other := found(t, envelope.CaptureRequired)
			other.open(func(b *envelope.ChannelGenesisBody) { b.Nonce = nonce("other") })
			other.place(other.epoch(other.alice))
			w.place(w.epoch(w.alice))
			return other.ack(other.recorder)
		}, WrongChain},
		"after delisting": {func(w *world) *envelope.Entry {
			w.place(w.epoch(w.alice))
			e := w.ack(w.recorder)
			w.delistRecorder()
			return e
		}, NotListed},
	})
}

func TestAttack19Replay(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	first := w.post(w.bob)
	twin := w.post(w.bob, func(h *envelope.Header) { h.ID[0] = 9 })
	w.place(first)
	w.refused(first, CounterBad)
	w.refused(twin, CounterBad)
	w.refused(w.post(w.bob, func(h *envelope.Header) { h.DeviceSeq = 1 }), CounterBad)
}

func TestAttack20OtherPlace(t *testing.T) {
	t.Parallel()
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"channel":      {func(w *world) *envelope.Entry { return w.post(w.bob, func(h *envelope.Header) { h.Channel[0] ^= 1 }) }, WrongChain},
		"organisation": {func(w *world) *envelope.Entry { return w.post(w.bob, func(h *envelope.Header) { h.Org[0] ^= 1 }) }, WrongChain},
		"epoch link":   {func(w *world) *envelope.Entry { return w.post(w.bob, func(h *envelope.Header) { h.EpochLink[0] ^= 1 }) }, EpochNotCurrent},
		"epoch number": {func(w *world) *envelope.Entry { return w.post(w.bob, func(h *envelope.Header) { h.Epoch++ }) }, EpochNotCurrent},
		"link of another channel": {func(w *world) *envelope.Entry {
			other := found(t, envelope.CaptureRequired)
			other.open(func(b *envelope.ChannelGenesisBody) { b.Nonce = nonce("other") })
			return other.add(other.alice, other.bob)
		}, WrongChain},
	})
}

func TestAttack21ReorderAndDrop(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	from := len(w.log)
	for range 3 {
		w.place(w.post(w.bob))
		w.place(w.post(w.carol))
	}
	tail := func() (*Channel, []*envelope.Placed) {
		return w.validator(w.log[:from]), w.log[from:]
	}
	c, log := tail()
	want(t, "drop", c.Apply(log[1]), BrokenOrder)
	moved := *log[1]
	moved.Position--
	want(t, "drop and renumber", c.Apply(&moved), BrokenOrder)
	skipped := *log[0]
	skipped.Position++
	skipped.Head = envelope.NextHead(c.Top, skipped.Position, skipped.Received, skipped.Hash())
	want(t, "skip a position", c.Apply(&skipped), BrokenOrder)
	w.must(c.Apply(log[0]))
	want(t, "duplicate", c.Apply(log[0]), BrokenOrder)
	late := *log[1]
	late.Received = log[0].Received - 1
	late.Head = envelope.NextHead(c.Top, late.Position, late.Received, late.Hash())
	want(t, "earlier than the one before", c.Apply(&late), BrokenOrder)

	// A server that recomputes every head still can't hide what a device said.
	w.c, _ = tail()
	w.refused(&log[2].Entry, CounterBad)
}

func TestAttack23RemovedMember(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.post(w.bob))
	kept := w.post(w.bob)
	w.place(w.remove(w.alice, w.bob))
	w.refused(kept, NotMember)
	w.refused(w.epoch(w.bob), NotMember)
	w.rotate(w.alice)
	w.refused(kept, NotMember)
}

func TestAttack24StaleWriter(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.add(w.alice, w.dave))
	old := w.post(w.bob)
	w.refused(old, RotationDue)
	w.place(w.epoch(w.alice))
	w.place(w.post(w.bob)) // an add does not restrict: the old epoch serves until the new one is acknowledged
	w.place(w.ack(w.recorder))
	w.refused(w.post(w.bob, func(h *envelope.Header) { h.Epoch, h.EpochLink = 1, w.c.epochs[0].Link }), EpochNotCurrent)
	w.place(w.post(w.bob))
}

// TestAttack24LateAcknowledgement: an epoch that the removed member was in
// becomes current after the removal, and must open nothing.
func TestAttack24LateAcknowledgement(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.epoch(w.alice))
	ack := w.ack(w.recorder)
	w.place(w.remove(w.alice, w.bob))
	w.place(ack)
	w.refused(w.post(w.carol), RotationDue)
	w.place(w.add(w.alice, w.dave)) // does not restrict, and must not lift what does
	w.refused(w.post(w.carol), RotationDue)
	w.place(w.epoch(w.carol))
	w.refused(w.post(w.carol), RotationDue)
	w.place(w.ack(w.recorder))
	w.place(w.post(w.carol))
}

func TestAttack28Signatures(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(*world) *envelope.Entry{
		"link":    func(w *world) *envelope.Entry { return w.remove(w.alice, w.bob) },
		"server":  func(w *world) *envelope.Entry { return w.removeByKey(w.bob) },
		"message": func(w *world) *envelope.Entry { return w.post(w.bob) },
		"ack":     func(w *world) *envelope.Entry { w.place(w.epoch(w.alice)); return w.ack(w.recorder) },
		"cover":   func(w *world) *envelope.Entry { return w.cover(w.recorder) },
		"restore": func(w *world) *envelope.Entry { return w.restore(func(*envelope.RestoreBody) {}) },
	}
	for name, make := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := settled(t, envelope.CaptureRequired)
			e := make(w)
			w.must(w.c.Judge(e, w.now))
			s := &e.Signatures[0]
			right := s.Bytes
			s.Bytes = append(bytes.Clone(right[:32]), plusOrder(right[32:])...)
			w.refused(e, BadSignature)
			s.Bytes = append(identityPoint, right[32:]...)
			w.refused(e, BadSignature)
			s.Bytes = right
			extra := BadSignature
			if e.Kind != envelope.KindLink {
				extra = Malformed
			}
			seal.SignEntry(e, key("a stranger"))
			w.refused(e, extra)
		})
	}
}

// plusOrder is s + L, the same scalar spelt out of range.
func plusOrder(s []byte) []byte {
	minusOne := new(edwards25519.Scalar).Negate(oneScalar())
	sum, carry := slices.Clone(s), 1 // L = (L-1) + 1
	for i, b := range minusOne.Bytes() {
		carry += int(sum[i]) + int(b)
		sum[i], carry = byte(carry), carry>>8
	}
	return sum
}

func oneScalar() *edwards25519.Scalar {
	one, err := new(edwards25519.Scalar).SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		panic(err)
	}
	return one
}

func TestAttack28IdentityKey(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	_, err := NewUser(w.org, w.userGenesis("erin", func(l *envelope.Link, b *envelope.UserGenesisBody) {
		b.Device.Key, l.Key = identityPoint, envelope.KeyOf(identityPoint)
	}))
	want(t, "identity point as a device", err, Malformed)
}

func TestAttack29SuiteDowngrade(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	_, err := NewUser(w.org, w.userGenesis("erin", func(_ *envelope.Link, b *envelope.UserGenesisBody) { b.Suite = "none" }))
	want(t, "user", err, SuiteBad)
	_, err = NewOrg(w.orgGenesis(func(b *envelope.OrgGenesisBody) { b.Suite = "" }))
	want(t, "organisation", err, SuiteBad)
	for _, s := range []envelope.Suite{"FIPS", "fips ", "age+fips", "fips2"} {
		_, err = NewOrg(w.orgGenesis(func(b *envelope.OrgGenesisBody) { b.Suite = s }))
		want(t, "organisation of suite "+string(s), err, SuiteBad)
	}
}

// Whoever joins an organisation, or signs for it, does so in its suite.
func TestAttack29OtherSuiteInTheChain(t *testing.T) {
	t.Parallel()
	p384, err := sign.NewP384Key()
	if err != nil {
		t.Fatal(err)
	}
	suites := map[envelope.Suite]struct {
		other       envelope.Suite
		good, wrong []byte
	}{
		envelope.SuiteAge:  {envelope.SuiteFIPS, key("signer").Public(), p384.Public()},
		envelope.SuiteFIPS: {envelope.SuiteAge, p384.Public(), key("signer").Public()},
	}
	for suite, x := range suites {
		w := found(t, envelope.CaptureOff)
		w.org, err = NewOrg(w.orgGenesis(func(b *envelope.OrgGenesisBody) { b.Suite = suite }))
		want(t, "organisation", err, "")
		_, err = NewUser(w.org, w.userGenesis("erin", func(_ *envelope.Link, b *envelope.UserGenesisBody) { b.Suite = suite }))
		want(t, "user of the suite", err, "")
		_, err = NewUser(w.org, w.userGenesis("erin", func(_ *envelope.Link, b *envelope.UserGenesisBody) { b.Suite = x.other }))
		want(t, "user of the other suite", err, SuiteBad)
		list := func(role envelope.Role, key []byte) error {
			return w.org.Apply(w.orgLink(envelope.OrgList, &envelope.Party{Role: role, Name: "n", Key: key}))
		}
		want(t, "signer of the other suite", list(envelope.RoleSigner, x.wrong), SuiteBad)
		want(t, "receipt key that is P-384", list(envelope.RoleReceipt, p384.Public()), Malformed)
		want(t, "signer", list(envelope.RoleSigner, x.good), "")
		want(t, "point off the curve", list(envelope.RoleSigner, append([]byte{4}, make([]byte, 96)...)), Malformed)
	}
}

func TestAttack30AnotherUsersDevice(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.refused(w.post(&person{w.carol.device, w.bob.User}), DeviceUnknown)
	w.refused(w.remove(&person{w.bob.device, w.alice.User}, w.carol), DeviceUnknown)
	e := w.post(w.bob)
	w.refused(signed(e, w.carol.device), BadSignature)
}

// TestAttack30RevokedDevice: once the channel knows of the revocation, nothing
// that the device signs is taken, whatever time it claims and whatever it had
// signed and kept before. What was placed before stays.
func TestAttack30RevokedDevice(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	phone := key("phone")
	w.must(w.bob.Apply(w.device(w.bob, phone)))
	thief := &person{phone, w.bob.User}
	w.place(w.by(thief, envelope.Sync, syncUser(w.bob)))
	w.place(w.post(thief))
	kept := w.post(thief, func(h *envelope.Header) { h.Time = w.now - 3600e6 })
	w.must(w.bob.Apply(w.revoke(w.bob, phone.ID())))
	w.must(w.c.Judge(kept, w.now)) // nobody told the channel yet
	w.place(w.by(w.alice, envelope.Sync, syncUser(w.bob)))
	w.refused(kept, DeviceUnknown)
	w.refused(w.post(thief), DeviceUnknown)
	w.refused(w.epoch(thief), DeviceUnknown)
	w.refused(w.add(thief, w.dave), DeviceUnknown)
	w.refused(w.post(w.alice), RotationDue)
	w.rotate(w.alice)
	w.refused(kept, DeviceUnknown)
	w.place(w.post(w.bob))
	w.refused(w.by(thief, envelope.Sync, &envelope.SyncBody{Chain: w.bob.id, Seq: 1, Head: w.bob.heads[1]}), HeadUnknown)
}

// TestAttack30RevokedComesBack: a removed member can't be brought back under a
// head at which the revoked device was live.
func TestAttack30RevokedComesBack(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	phone := key("phone")
	w.must(w.bob.Apply(w.device(w.bob, phone)))
	w.must(w.bob.Apply(w.revoke(w.bob, phone.ID())))
	w.place(w.by(w.alice, envelope.Sync, syncUser(w.bob)))
	w.place(w.remove(w.alice, w.bob))
	w.refused(w.add(w.alice, w.bob, func(b *envelope.AddBody) { b.UserSeq, b.UserHead = 1, w.bob.heads[1] }), HeadUnknown)
	w.place(w.add(w.alice, w.bob))
}

func TestAttack47CaptureLowered(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureRequired)
	for name, edit := range map[string]func(*envelope.ChannelGenesisBody){
		"off":       func(b *envelope.ChannelGenesisBody) { b.Capture, b.Recorders = envelope.CaptureOff, nil },
		"by nobody": func(b *envelope.ChannelGenesisBody) { b.Recorders = nil },
		"by three":  func(b *envelope.ChannelGenesisBody) { b.Recorders = append(b.Recorders, w.second.ID(), w.removal.ID()) },
	} {
		first := w.start(w.genesis(edit))
		w.record(t.Name()+"/"+name, "channel.genesis", envelope.Marshal(first), CaptureBad)
		_, err := NewChannel(w, first)
		want(t, name, err, CaptureBad)
	}
	free := found(t, envelope.CaptureOff)
	_, err := NewChannel(free, free.start(free.genesis(func(b *envelope.ChannelGenesisBody) { b.Recorders = []envelope.KeyID{free.recorder.ID()} })))
	want(t, "off with a recorder", err, CaptureBad)

	open := settled(t, envelope.CaptureRequired)
	open.refused(open.by(open.alice, envelope.ChannelPolicy, &envelope.RoleBody{}), Malformed)
}

// restore is the root's word that everything after the newest entry is lost.
func (w *world) restore(edit func(*envelope.RestoreBody)) *envelope.Entry {
	b := envelope.RestoreBody{OldPosition: w.c.Position + 2, NewPosition: w.c.Position, NewHead: w.c.Top, Reason: "disk lost"}
	edit(&b)
	l := w.next(&w.c.spine, envelope.Restore, &b)
	return linkEntry(l, w.roots[:2]...)
}

func TestAttack55RestoredServer(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	member := w.validator(w.log)
	w.must(member.Apply(w.placed(w.post(w.bob))))
	// Without the root's word the member keeps to what it has seen.
	want(t, "another history", member.Apply(w.placed(w.post(w.carol))), BrokenOrder)

	w.refused(w.restore(func(b *envelope.RestoreBody) { b.NewHead[0] ^= 1 }), RestoreBad)
	w.refused(w.restore(func(b *envelope.RestoreBody) { b.NewPosition-- }), RestoreBad)
	before, _ := w.c.HeadAt(w.c.Position - 1)
	w.refused(w.restore(func(b *envelope.RestoreBody) { b.NewPosition, b.NewHead = b.NewPosition-1, before }), RestoreBad)
	w.refused(w.restore(func(b *envelope.RestoreBody) { b.OldPosition = b.NewPosition - 1 }), RestoreBad)
	w.refused(w.restore(func(b *envelope.RestoreBody) { b.Reason = string(make([]byte, 201)) }), RestoreBad)
	e := w.restore(func(*envelope.RestoreBody) {})
	w.refused(signed(e, w.roots[0]), BadSignature)
	w.refused(signed(e, w.receipts, w.removal), BadSignature)
	w.place(w.restore(func(*envelope.RestoreBody) {}))
	w.refused(w.post(w.bob), RotationDue)
	w.rotate(w.alice)
	w.place(w.post(w.bob))
}

func TestAttack58VoidOfPlacedEntry(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	w.place(w.post(w.bob))
	given := w.post(w.bob)
	w.refused(w.post(w.bob, func(h *envelope.Header) { h.DeviceSeq, h.Void = 3, []uint64{1, 2} }), CounterBad)
	w.place(w.post(w.bob, func(h *envelope.Header) { h.DeviceSeq, h.Void = 3, []uint64{2} }))
	w.refused(given, CounterBad) // voided once, never valid again
}
