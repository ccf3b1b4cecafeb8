package chain

import (
	"slices"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// governed is a channel of alice, bob and carol, recorded by the given, in an
// organisation that lists a third recorder, carol for compliance and bob for
// legal.
func governed(t tester, recorders ...*seal.SigningKey) *world {
	w := opened(t, captureBy(recorders), recorders...)
	w.settle()
	w.govern()
	return w
}

func (w *world) govern() {
	w.t.Helper()
	for _, p := range []envelope.Party{
		{Role: envelope.RoleRecorder, Key: w.third.Public(), Recipient: []byte("third recipient")},
		{Role: envelope.RoleCompliance, User: w.carol.ID()},
		{Role: envelope.RoleLegal, User: w.bob.ID()},
	} {
		p.Name = string(p.Role)
		w.must(w.org.Apply(w.orgLink(envelope.OrgList, &p)))
	}
	w.place(w.syncOrg(w.alice))
}

// order has the first recorder go and the third come.
func (w *world) order(edit func(*envelope.HandoverOrder)) *envelope.HandoverOrder {
	o := &envelope.HandoverOrder{
		Version: envelope.Version, Org: w.org.ID(), Channel: w.c.ID(), Seen: envelope.Ref{Position: w.c.Position, Hash: w.c.Top},
		From: w.recorder.ID(), To: w.third.ID(), Reason: "disk failed", NotAfter: w.now + 3600e6,
	}
	if edit != nil {
		edit(o)
	}
	return o
}

// handover is the link that carries an order which one person asked for and
// another signs.
func (w *world) handover(o *envelope.HandoverOrder, asks, signs *person, edits ...func(*envelope.Approval, *envelope.HandoverBody)) *envelope.Entry {
	b := envelope.HandoverBody{Order: envelope.Marshal(o), AskedSeq: asks.Seq(), AskedHead: asks.Head(), UserSeq: signs.Seq(), UserHead: signs.Head()}
	a := envelope.Approval{
		Version: envelope.Version, Org: w.org.ID(), Action: envelope.ActionHandover, Object: envelope.OrderHash(b.Order),
		User: asks.ID(), Device: asks.device.ID(), Time: w.now,
	}
	for _, edit := range edits {
		edit(&a, &b)
	}
	asked, err := seal.SignStatement(envelope.LabelApproval, &a, asks.device)
	w.must(err)
	b.Asked = asked
	return w.by(signs, envelope.Handover, &b)
}

func (w *world) rootHandover(o *envelope.HandoverOrder) *envelope.Entry {
	return linkEntry(w.next(&w.c.spine, envelope.Handover, &envelope.HandoverBody{Order: envelope.Marshal(o)}), w.roots[:2]...)
}

func TestHandover(t *testing.T) {
	t.Parallel()
	w := governed(t, key("recorder"))
	w.place(w.post(w.alice))
	said := w.c.Position
	w.place(w.handover(w.order(nil), w.carol, w.bob))
	at := w.c.Position
	if now := w.c.Recorders(); !slices.Equal(now, []envelope.KeyID{w.third.ID()}) {
		t.Fatalf("recorded by %v", now)
	}
	w.refused(w.post(w.alice), RotationDue)
	old := w.ack(w.third)
	w.refused(old, EpochBad) // of an epoch that it was not given
	w.place(w.epoch(w.alice))
	w.refused(w.post(w.alice), RotationDue)
	w.refused(w.ack(w.recorder), NotListed)
	w.place(w.ack(w.third))
	w.place(w.post(w.alice))

	// What was said before is the old one's to cover, and no more than that.
	if w.c.Captured() >= said {
		t.Error("captured what nobody has covered")
	}
	w.refused(w.cover(w.recorder), CoverageBad)
	w.refused(w.cover(w.third, func(v *envelope.Coverage) { v.From = 1 }), CoverageBad)
	w.place(w.cover(w.third))
	if w.c.Captured() >= said {
		t.Error("the new recorder's coverage stands for the old one's")
	}
	w.place(w.cover(w.recorder, func(v *envelope.Coverage) { v.To, v.HeadTo = at, w.log[at-1].Head }))
	w.refused(w.cover(w.recorder), NotListed)
	if w.c.Captured() < said || w.c.Captured() != w.c.Covered(w.third.ID()) {
		t.Errorf("captured to %d", w.c.Captured())
	}
	for _, x := range []struct {
		from, to uint64
		want     []envelope.KeyID
	}{{1, said, []envelope.KeyID{w.recorder.ID()}}, {at + 1, at + 9, []envelope.KeyID{w.third.ID()}}, {said, at + 1, []envelope.KeyID{w.recorder.ID(), w.third.ID()}}} {
		if got := Keepers(w.c.Duties(), x.from, x.to); !slices.Equal(got, x.want) {
			t.Errorf("%d..%d is kept by %v", x.from, x.to, got)
		}
	}
}

// A lost recorder owes nothing any more: two people have said so.
func TestHandoverOfALostRecorder(t *testing.T) {
	t.Parallel()
	w := governed(t, key("recorder"))
	w.place(w.post(w.alice))
	said := w.c.Position
	w.delistRecorder()
	w.refused(w.epochFor(w.alice), NotListed) // there was no way on
	w.place(w.handover(w.order(func(o *envelope.HandoverOrder) { o.Lost = true }), w.carol, w.bob))
	w.refused(w.cover(w.recorder), NotListed)
	if w.c.Captured() < said || len(Keepers(w.c.Duties(), 1, said)) != 0 {
		t.Errorf("captured to %d, kept by %v", w.c.Captured(), w.c.Duties())
	}
	w.rotate(w.alice)
	w.place(w.post(w.alice))
}

// epochFor is an epoch whoever it is wrapped to.
func (w *world) epochFor(p *person) *envelope.Entry {
	return w.by(p, envelope.EpochStart, &envelope.EpochBody{N: uint64(len(w.c.epochs)) + 1})
}

// One that went alive may be given up later, and may come back once it has
// covered its duty.
func TestHandoverAndBack(t *testing.T) {
	t.Parallel()
	w := governed(t, key("recorder"), key("second recorder"))
	w.place(w.handover(w.order(nil), w.carol, w.bob))
	at := w.c.Position
	back := func(o *envelope.HandoverOrder) { o.From, o.To = w.third.ID(), w.recorder.ID() }
	w.refused(w.handover(w.order(back), w.carol, w.bob), HandoverBad)
	w.place(w.cover(w.recorder, func(v *envelope.Coverage) { v.To, v.HeadTo = at, w.log[at-1].Head }))
	w.place(w.handover(w.order(back), w.carol, w.bob))
	w.rotate(w.alice)
	w.place(w.cover(w.recorder))
	giveUp := func(o *envelope.HandoverOrder) { o.From, o.To, o.Lost = w.third.ID(), envelope.KeyID{}, true }
	due := *w.c.due
	w.place(w.handover(w.order(giveUp), w.carol, w.bob))
	if *w.c.due != due || w.c.owes(w.third.ID()) {
		t.Error("giving up who went asks for a new epoch, or leaves its debt")
	}
	w.place(w.post(w.alice))
	w.refused(w.handover(w.order(giveUp), w.carol, w.bob), NotListed)
}

func TestHandoverRefused(t *testing.T) {
	t.Parallel()
	edit := func(change func(*world, *envelope.HandoverOrder)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			return w.handover(w.order(func(o *envelope.HandoverOrder) { change(w, o) }), w.carol, w.bob)
		}
	}
	body := func(change func(*world, *envelope.Approval, *envelope.HandoverBody)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			return w.handover(w.order(nil), w.carol, w.bob, func(a *envelope.Approval, b *envelope.HandoverBody) { change(w, a, b) })
		}
	}
	for name, x := range map[string]change{
		"as it is":       {edit(func(*world, *envelope.HandoverOrder) {}), ""},
		"to who is here": {edit(func(w *world, o *envelope.HandoverOrder) { o.To = o.From }), Malformed},
		"lost is nobody": {edit(func(w *world, o *envelope.HandoverOrder) { o.From, o.Lost = envelope.KeyID{}, true }), Malformed},
		"long reason":    {edit(func(_ *world, o *envelope.HandoverOrder) { o.Reason = string(make([]byte, 201)) }), Malformed},
		"other version":  {edit(func(_ *world, o *envelope.HandoverOrder) { o.Version = 2 }), Malformed},
		"no order":       {body(func(_ *world, _ *envelope.Approval, b *envelope.HandoverBody) { b.Order = nil }), Malformed},
		"other channel":  {edit(func(_ *world, o *envelope.HandoverOrder) { o.Channel[0] ^= 1 }), WrongChain},
		"other org":      {edit(func(_ *world, o *envelope.HandoverOrder) { o.Org[0] ^= 1 }), WrongChain},
		"ended":          {edit(func(w *world, o *envelope.HandoverOrder) { o.NotAfter = w.now }), HandoverBad},
		"seen later":     {edit(func(_ *world, o *envelope.HandoverOrder) { o.Seen.Position++ }), HandoverBad},
		"seen nothing":   {edit(func(_ *world, o *envelope.HandoverOrder) { o.Seen = envelope.Ref{} }), HandoverBad},
		"from who isn't": {edit(func(w *world, o *envelope.HandoverOrder) { o.From = w.second.ID() }), NotListed},
		"of another act": {body(func(_ *world, a *envelope.Approval, _ *envelope.HandoverBody) { a.Action = "hold.create" }), HandoverBad},
		"other order":    {body(func(_ *world, a *envelope.Approval, _ *envelope.HandoverBody) { a.Object[0] ^= 1 }), HandoverBad},
		"unknown device": {body(func(w *world, a *envelope.Approval, _ *envelope.HandoverBody) { a.Device = w.bob.device.ID() }), DeviceUnknown},
		"asker's head":   {body(func(_ *world, _ *envelope.Approval, b *envelope.HandoverBody) { b.AskedHead[0] ^= 1 }), HeadUnknown},
		"signer's head":  {body(func(_ *world, _ *envelope.Approval, b *envelope.HandoverBody) { b.UserSeq++ }), HeadUnknown},
		"forged":         {func(w *world) *envelope.Entry { return forged(w.handover(w.order(nil), w.carol, w.bob)) }, BadSignature},
		"older than the channel's": {func(w *world) *envelope.Entry {
			old := *w.bob.User
			w.must(w.bob.Apply(w.device(w.bob, key("phone"))))
			w.place(w.by(w.alice, envelope.Sync, syncUser(w.bob)))
			return w.handover(w.order(nil), w.carol, &person{w.bob.device, &old})
		}, HeadUnknown},
		"asked by a stranger's key": {func(w *world) *envelope.Entry {
			return w.handover(w.order(nil), &person{key("mallory"), w.carol.User}, w.bob, func(a *envelope.Approval, _ *envelope.HandoverBody) {
				a.Device = w.carol.device.ID()
			})
		}, BadSignature},
		"nobody asked": {func(w *world) *envelope.Entry {
			return w.by(w.bob, envelope.Handover, &envelope.HandoverBody{Order: envelope.Marshal(w.order(nil)), UserHead: w.bob.Head()})
		}, Malformed},
	} {
		w := governed(t, key("recorder"))
		e := x.entry(w)
		if x.want == "" {
			w.place(e)
			continue
		}
		t.Log(name)
		w.refused(e, x.want)
	}
}

// Who records is changed by two people, one recorder for another; how many do, by
// the root alone, and never to none.
func TestAttack47Handover(t *testing.T) {
	t.Parallel()
	one, two := []*seal.SigningKey{key("recorder")}, []*seal.SigningKey{key("recorder"), key("second recorder")}
	drop := func(o *envelope.HandoverOrder) { o.To = envelope.KeyID{} }
	add := func(o *envelope.HandoverOrder) { o.From = envelope.KeyID{} }
	byTwo := func(change func(*envelope.HandoverOrder)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry { return w.handover(w.order(change), w.carol, w.bob) }
	}
	byRoot := func(change func(*envelope.HandoverOrder)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry { return w.rootHandover(w.order(change)) }
	}
	for name, x := range map[string]struct {
		recorders []*seal.SigningKey
		entry     func(*world) *envelope.Entry
		want      Reason
	}{
		"two people drop one of two":      {two, byTwo(drop), CaptureBad},
		"two people add one":              {one, byTwo(add), CaptureBad},
		"two people drop the last":        {one, byTwo(drop), CaptureBad},
		"the root drops the last":         {one, byRoot(drop), CaptureBad},
		"the root adds a third":           {two, byRoot(add), CaptureBad},
		"the root drops one of two":       {two, byRoot(drop), ""},
		"the root adds a second":          {one, byRoot(add), ""},
		"the root replaces one":           {one, byRoot(nil), ""},
		"a recorder where capture is off": {nil, byRoot(add), CaptureBad},
		"a minority of the root": {one, func(w *world) *envelope.Entry {
			return linkEntry(w.next(&w.c.spine, envelope.Handover, &envelope.HandoverBody{Order: envelope.Marshal(w.order(add))}), w.roots[0])
		}, BadSignature},
		"people beside the root": {one, func(w *world) *envelope.Entry {
			return linkEntry(w.next(&w.c.spine, envelope.Handover, &envelope.HandoverBody{Order: envelope.Marshal(w.order(add)), UserSeq: 1}), w.roots[:2]...)
		}, Malformed},
		"one person in both roles": {one, func(w *world) *envelope.Entry {
			both := envelope.Party{Role: envelope.RoleLegal, Name: "both", User: w.carol.ID()}
			w.must(w.org.Apply(w.orgLink(envelope.OrgList, &both)))
			w.place(w.syncOrg(w.alice))
			return w.handover(w.order(nil), w.carol, w.carol)
		}, NotAllowed},
		"two for legal":      {one, func(w *world) *envelope.Entry { return w.handover(w.order(nil), w.bob, w.bob) }, NotListed},
		"two for compliance": {one, func(w *world) *envelope.Entry { return w.handover(w.order(nil), w.carol, w.carol) }, NotAllowed},
		"signed by no role":  {one, func(w *world) *envelope.Entry { return w.handover(w.order(nil), w.carol, w.alice) }, NotListed},
		"a role that ended": {one, func(w *world) *envelope.Entry {
			gone := envelope.Party{User: w.bob.ID()}
			w.must(w.org.Apply(w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleLegal, Party: gone.ID()})))
			late := envelope.Party{Role: envelope.RoleLegal, Name: "late", User: w.bob.ID(), NotAfter: w.now}
			w.must(w.org.Apply(w.orgLink(envelope.OrgList, &late)))
			w.place(w.syncOrg(w.alice))
			return w.handover(w.order(nil), w.carol, w.bob)
		}, NotListed},
	} {
		w := governed(t, x.recorders...)
		e := x.entry(w)
		if x.want != "" {
			t.Log(name)
			w.refused(e, x.want)
			continue
		}
		w.place(e)
		w.rotate(w.alice)
		w.place(w.post(w.alice))
	}
}

// Nobody hands over to a recorder that the organisation does not list, by one
// person's word, in another history than the two saw, or twice by one order.
func TestAttack56Handover(t *testing.T) {
	t.Parallel()
	w := governed(t, key("recorder"))
	w.refused(w.handover(w.order(func(o *envelope.HandoverOrder) { o.To = key("unlisted").ID() }), w.carol, w.bob), NotListed)
	w.refused(w.handover(w.order(nil), w.carol, w.carol), NotAllowed)

	other := governed(t, key("recorder"))
	other.place(other.post(other.alice))
	order, seen := other.order(nil), other.c.Position
	w.place(w.post(w.bob)) // another history, of the same channel
	w.refused(w.handover(order, w.carol, w.bob), HandoverBad)
	other.place(other.handover(order, other.carol, other.bob))
	other.place(other.cover(other.recorder, func(v *envelope.Coverage) { v.To, v.HeadTo = seen+1, other.c.Top }))
	back := func(o *envelope.HandoverOrder) { o.From, o.To = other.third.ID(), other.recorder.ID() }
	other.place(other.handover(other.order(back), other.carol, other.bob))
	other.place(other.cover(other.third, func(v *envelope.Coverage) { v.To, v.HeadTo = other.c.Position, other.c.Top }))
	other.refused(other.handover(order, other.carol, other.bob), HandoverBad)
}

// A validator that read links alone judges what follows a handover as those do
// who read every entry, also of a recorder that came back.
func TestHandoverReadLate(t *testing.T) {
	t.Parallel()
	w := governed(t, key("recorder"))
	w.place(w.post(w.alice))
	w.place(w.handover(w.order(nil), w.carol, w.bob))
	at := w.c.Position
	w.place(w.cover(w.recorder, func(v *envelope.Coverage) { v.To, v.HeadTo = at, w.c.Top }))
	back := func(o *envelope.HandoverOrder) { o.From, o.To = w.third.ID(), w.recorder.ID() }
	w.place(w.handover(w.order(back), w.carol, w.bob))
	since := w.c.Position
	w.rotate(w.alice)
	late := w.late()
	late.Know(w.c.counters, map[envelope.KeyID]uint64{w.recorder.ID(): at}) // what its newest coverage says
	w.must(late.Remember(w.c.tops))
	if late.Covered(w.recorder.ID()) != since || !slices.Equal(late.Duties(), w.c.Duties()) {
		t.Errorf("covered %d, duties %v", late.Covered(w.recorder.ID()), late.Duties())
	}
	w.must(late.Apply(w.placed(w.cover(w.recorder))))
}
