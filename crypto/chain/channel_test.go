package chain

import (
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

func TestChannelGenesis(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		edit func(*world, *envelope.ChannelGenesisBody)
		want Reason
	}{
		"as it is":       {func(w *world, b *envelope.ChannelGenesisBody) {}, ""},
		"org head":       {func(w *world, b *envelope.ChannelGenesisBody) { b.OrgHead[0] ^= 1 }, HeadUnknown},
		"org seq":        {func(w *world, b *envelope.ChannelGenesisBody) { b.OrgSeq = 99 }, HeadUnknown},
		"access":         {func(w *world, b *envelope.ChannelGenesisBody) { b.Access = "all" }, Malformed},
		"history":        {func(w *world, b *envelope.ChannelGenesisBody) { b.History = envelope.HistoryFull }, Malformed},
		"short lifetime": {func(w *world, b *envelope.ChannelGenesisBody) { b.Lifetime = minLifetime - 1 }, Malformed},
		"long lifetime":  {func(w *world, b *envelope.ChannelGenesisBody) { b.Lifetime = maxLifetime + 1 }, Malformed},
		"nonce":          {func(w *world, b *envelope.ChannelGenesisBody) { b.Nonce = nil }, Malformed},
		"capture":        {func(w *world, b *envelope.ChannelGenesisBody) { b.Capture = "maybe" }, Malformed},
		"recorder unlisted": {func(w *world, b *envelope.ChannelGenesisBody) {
			b.Recorders = []envelope.KeyID{w.removal.ID()}
		}, NotListed},
		"recorder not yet listed": {func(w *world, b *envelope.ChannelGenesisBody) {
			b.OrgSeq, b.OrgHead = 0, w.org.heads[0]
		}, NotListed},
		"recorder twice": {func(w *world, b *envelope.ChannelGenesisBody) {
			b.Recorders = append(b.Recorders, b.Recorders[0])
		}, Malformed},
		"user head": {func(w *world, b *envelope.ChannelGenesisBody) { b.UserHead[0] ^= 1 }, HeadUnknown},
		"user seq":  {func(w *world, b *envelope.ChannelGenesisBody) { b.UserSeq++ }, HeadUnknown},
	} {
		w := found(t, envelope.CaptureRequired)
		first := w.start(w.genesis(func(b *envelope.ChannelGenesisBody) { x.edit(w, b) }))
		w.record(t.Name()+"/"+name, "channel.genesis", envelope.Marshal(first), x.want)
		_, err := NewChannel(w, first)
		want(t, name, err, x.want)
	}
}

func TestChannelGenesisLink(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	good := w.genesis(func(*envelope.ChannelGenesisBody) {})
	edited := func(k *seal.SigningKey, edit func(*envelope.Link)) *envelope.Placed {
		l, err := envelope.ParseLink(good)
		w.must(err)
		edit(l)
		return w.start(linkEntry(l, k))
	}
	moved := func(edit func(*envelope.Placed)) *envelope.Placed {
		p := w.start(good)
		edit(p)
		return p
	}
	own := w.alice.device
	for name, x := range map[string]struct {
		first *envelope.Placed
		want  Reason
	}{
		"type":            {edited(own, func(l *envelope.Link) { l.Type = envelope.MemberAdd }), Malformed},
		"seq":             {edited(own, func(l *envelope.Link) { l.Seq, l.Chain, l.Prev = 1, w.bob.id, w.bob.id }), Malformed},
		"body":            {edited(own, func(l *envelope.Link) { l.Body = nil }), Malformed},
		"org":             {edited(own, func(l *envelope.Link) { l.Org[0] ^= 1 }), WrongChain},
		"unknown creator": {edited(own, func(l *envelope.Link) { l.User[0] ^= 1 }), HeadUnknown},
		"foreign device":  {edited(w.bob.device, func(l *envelope.Link) { l.Key = w.bob.device.ID() }), DeviceUnknown},
		"signature":       {edited(w.bob.device, func(l *envelope.Link) {}), BadSignature},
		"two signatures":  {w.start(signed(&envelope.Entry{Kind: envelope.KindLink, Header: good.Header}, own, w.bob.device)), BadSignature},
		"not a link":      {w.start(&envelope.Entry{Kind: envelope.KindCoverage, Header: good.Header, Signatures: good.Signatures}), Malformed},
		"position":        {moved(func(p *envelope.Placed) { p.Position = 2 }), BrokenOrder},
		"head":            {moved(func(p *envelope.Placed) { p.Head[0] ^= 1 }), BrokenOrder},
		"before 1970":     {moved(func(p *envelope.Placed) { p.Received = -1 }), BrokenOrder},
		"payload":         {moved(func(p *envelope.Placed) { p.Payload[0] ^= 1 }), Malformed},
	} {
		w.record(t.Name()+"/"+name, "channel.genesis", envelope.Marshal(x.first), x.want)
		_, err := NewChannel(w, x.first)
		want(t, name, err, x.want)
	}
}

// change is one entry that a settled channel must refuse, or take when want is
// empty.
type change struct {
	entry func(*world) *envelope.Entry
	want  Reason
}

func refuseAll(t *testing.T, capture envelope.Capture, cases map[string]change) {
	t.Helper()
	for name, x := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := settled(t, capture)
			if e := x.entry(w); x.want == "" {
				w.record(t.Name(), "channel", envelope.Marshal(w.placed(e)), "")
				w.place(e)
			} else {
				w.refused(e, x.want)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	edited := func(edit func(*world, *envelope.Link)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			l := w.next(&w.c.spine, envelope.MemberRemove, &envelope.RemoveBody{User: w.bob.ID()})
			l.User, l.Key = w.alice.ID(), w.alice.device.ID()
			edit(w, l)
			return linkEntry(l, w.alice.device)
		}
	}
	raw := func(kind envelope.LinkType) change {
		return change{func(w *world) *envelope.Entry { return w.by(w.alice, kind, "body") }, Malformed}
	}
	refuseAll(t, envelope.CaptureOff, map[string]change{
		"as it is":     {edited(func(*world, *envelope.Link) {}), ""},
		"chain":        {edited(func(w *world, l *envelope.Link) { l.Chain = w.org.id }), WrongChain},
		"org":          {edited(func(w *world, l *envelope.Link) { l.Org[0] ^= 1 }), WrongChain},
		"gap":          {edited(func(w *world, l *envelope.Link) { l.Seq++ }), Broken},
		"fork":         {edited(func(w *world, l *envelope.Link) { l.Prev = w.c.heads[1] }), Broken},
		"type":         {edited(func(w *world, l *envelope.Link) { l.Type = envelope.DeviceAdd }), Malformed},
		"policy":       {edited(func(w *world, l *envelope.Link) { l.Type = envelope.ChannelPolicy }), Malformed},
		"genesis":      {edited(func(w *world, l *envelope.Link) { l.Type = envelope.ChannelGenesis }), Malformed},
		"add body":     raw(envelope.MemberAdd),
		"remove body":  raw(envelope.MemberRemove),
		"role body":    raw(envelope.MemberRole),
		"sync body":    raw(envelope.Sync),
		"epoch body":   raw(envelope.EpochStart),
		"restore body": raw(envelope.Restore),
		"header": {func(w *world) *envelope.Entry {
			return signed(&envelope.Entry{Kind: envelope.KindLink, Header: []byte{0x80}}, w.alice.device)
		}, Malformed},
		"forged":        {func(w *world) *envelope.Entry { return forged(w.remove(w.alice, w.bob)) }, BadSignature},
		"not by member": {func(w *world) *envelope.Entry { return w.remove(w.dave, w.bob) }, NotMember},
		"signer's chain unknown": {func(w *world) *envelope.Entry {
			delete(w.users, w.carol.ID())
			return w.remove(w.carol, w.bob)
		}, HeadUnknown},
	})
}

func TestAdd(t *testing.T) {
	t.Parallel()
	as := func(r envelope.MemberRank) func(*envelope.AddBody) { return func(b *envelope.AddBody) { b.Rank = r } }
	refuseAll(t, envelope.CaptureOff, map[string]change{
		"owner adds owner":         {func(w *world) *envelope.Entry { return w.add(w.alice, w.dave, as(envelope.RankOwner)) }, ""},
		"moderator adds member":    {func(w *world) *envelope.Entry { return w.add(w.carol, w.dave) }, ""},
		"moderator adds moderator": {func(w *world) *envelope.Entry { return w.add(w.carol, w.dave, as(envelope.RankModerator)) }, NotAllowed},
		"member adds":              {func(w *world) *envelope.Entry { return w.add(w.bob, w.dave) }, NotAllowed},
		"oneself, private":         {func(w *world) *envelope.Entry { return w.add(w.dave, w.dave) }, NotMember},
		"twice":                    {func(w *world) *envelope.Entry { return w.add(w.alice, w.bob) }, Duplicate},
		"rank":                     {func(w *world) *envelope.Entry { return w.add(w.alice, w.dave, as("king")) }, Malformed},
		"unknown user": {func(w *world) *envelope.Entry {
			return w.add(w.alice, w.dave, func(b *envelope.AddBody) { b.User[0] ^= 1 })
		}, HeadUnknown},
		"unknown head": {func(w *world) *envelope.Entry {
			return w.add(w.alice, w.dave, func(b *envelope.AddBody) { b.UserHead[0] ^= 1 })
		}, HeadUnknown},
		"old epochs": {func(w *world) *envelope.Entry {
			return w.add(w.alice, w.dave, func(b *envelope.AddBody) { b.HistoryFrom = 1 })
		}, NotAllowed},
		"full": {func(w *world) *envelope.Entry {
			for i := range MaxMembers {
				w.c.members[envelope.UserID{byte(i >> 8), byte(i), 1}] = Member{Rank: envelope.RankMember}
			}
			return w.add(w.alice, w.dave)
		}, NotAllowed},
	})
}

// TestMostMembers fills a channel to the last place, and one further.
func TestMostMembers(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureOff)
	for i := 0; len(w.c.members) < MaxMembers-1; i++ {
		w.c.members[envelope.UserID{byte(i >> 8), byte(i), 1}] = Member{Rank: envelope.RankMember}
	}
	w.must(w.c.Judge(w.add(w.alice, w.dave), w.now))
	w.c.members[envelope.UserID{9, 9, 9}] = Member{Rank: envelope.RankMember}
	want(t, "one more", w.c.Judge(w.add(w.alice, w.dave), w.now), NotAllowed)
}

func TestAccess(t *testing.T) {
	t.Parallel()
	access := func(a envelope.Access) *world {
		w := found(t, envelope.CaptureOff)
		w.open(func(b *envelope.ChannelGenesisBody) { b.Access = a })
		return w
	}
	public := access(envelope.AccessPublic)
	public.refused(public.add(public.dave, public.dave, func(b *envelope.AddBody) { b.Rank = envelope.RankOwner }), NotMember)
	public.refused(public.add(public.dave, public.bob), NotMember)
	public.refused(forged(public.add(public.dave, public.dave)), BadSignature)
	public.place(public.add(public.dave, public.dave))

	direct := access(envelope.AccessDirect)
	direct.place(direct.add(direct.alice, direct.bob))
	direct.place(direct.epoch(direct.alice))
	direct.refused(direct.add(direct.alice, direct.dave), NotAllowed)
	direct.refused(direct.remove(direct.bob, direct.bob), NotAllowed)
	direct.refused(direct.rank(direct.alice, direct.bob, envelope.RankOwner), NotAllowed)
}

func TestRemoveAndRank(t *testing.T) {
	t.Parallel()
	refuseAll(t, envelope.CaptureOff, map[string]change{
		"owner removes moderator":   {func(w *world) *envelope.Entry { return w.remove(w.alice, w.carol) }, ""},
		"moderator removes member":  {func(w *world) *envelope.Entry { return w.remove(w.carol, w.bob) }, ""},
		"leaving":                   {func(w *world) *envelope.Entry { return w.remove(w.bob, w.bob) }, ""},
		"moderator removes owner":   {func(w *world) *envelope.Entry { twoOwners(w); return w.remove(w.carol, w.alice) }, NotAllowed},
		"member removes":            {func(w *world) *envelope.Entry { return w.remove(w.bob, w.carol) }, NotAllowed},
		"last owner leaves":         {func(w *world) *envelope.Entry { return w.remove(w.alice, w.alice) }, NotAllowed},
		"owner leaves another":      {func(w *world) *envelope.Entry { twoOwners(w); return w.remove(w.alice, w.alice) }, ""},
		"nobody":                    {func(w *world) *envelope.Entry { return w.remove(w.alice, w.dave) }, NotMember},
		"long reason":               {removeFor(65), Malformed},
		"reason":                    {removeFor(64), ""},
		"owner ranks":               {func(w *world) *envelope.Entry { return w.rank(w.alice, w.bob, envelope.RankModerator) }, ""},
		"moderator ranks":           {func(w *world) *envelope.Entry { return w.rank(w.carol, w.bob, envelope.RankModerator) }, NotAllowed},
		"rank by nobody":            {func(w *world) *envelope.Entry { return w.rank(w.dave, w.bob, envelope.RankModerator) }, NotMember},
		"rank of nobody":            {func(w *world) *envelope.Entry { return w.rank(w.alice, w.dave, envelope.RankMember) }, NotMember},
		"rank unknown":              {func(w *world) *envelope.Entry { return w.rank(w.alice, w.bob, "king") }, Malformed},
		"last owner steps down":     {func(w *world) *envelope.Entry { return w.rank(w.alice, w.alice, envelope.RankMember) }, NotAllowed},
		"last owner stays one":      {func(w *world) *envelope.Entry { return w.rank(w.alice, w.alice, envelope.RankOwner) }, ""},
		"one of two owners is less": {func(w *world) *envelope.Entry { twoOwners(w); return w.rank(w.alice, w.alice, envelope.RankMember) }, ""},
	})
}

func twoOwners(w *world) { w.place(w.rank(w.alice, w.bob, envelope.RankOwner)) }

func removeFor(n int) func(*world) *envelope.Entry {
	return func(w *world) *envelope.Entry {
		return w.by(w.alice, envelope.MemberRemove, &envelope.RemoveBody{User: w.bob.ID(), Reason: string(make([]byte, n))})
	}
}

func TestSync(t *testing.T) {
	t.Parallel()
	grown := func(w *world) *envelope.SyncBody {
		w.must(w.bob.Apply(w.device(w.bob, key("phone"))))
		return syncUser(w.bob)
	}
	refuseAll(t, envelope.CaptureOff, map[string]change{
		"by another member": {func(w *world) *envelope.Entry { return w.by(w.alice, envelope.Sync, grown(w)) }, ""},
		"by the server": {func(w *world) *envelope.Entry {
			return w.byKey(envelope.UserID{}, w.receipts, envelope.Sync, grown(w))
		}, ""},
		"by the new device": {func(w *world) *envelope.Entry {
			return w.byKey(w.bob.ID(), key("phone"), envelope.Sync, grown(w))
		}, ""},
		"new device, another's chain": {func(w *world) *envelope.Entry {
			grown(w)
			w.must(w.alice.Apply(w.device(w.alice, key("tablet"))))
			return w.byKey(w.bob.ID(), key("phone"), envelope.Sync, syncUser(w.alice))
		}, DeviceUnknown},
		"by nobody": {func(w *world) *envelope.Entry { return w.by(w.dave, envelope.Sync, grown(w)) }, NotMember},
		"by the removal key": {func(w *world) *envelope.Entry {
			return w.byKey(envelope.UserID{}, w.removal, envelope.Sync, grown(w))
		}, NotListed},
		"of nobody":    {func(w *world) *envelope.Entry { return w.by(w.alice, envelope.Sync, syncUser(w.dave)) }, NotMember},
		"no news":      {func(w *world) *envelope.Entry { return w.by(w.alice, envelope.Sync, syncUser(w.bob)) }, HeadUnknown},
		"no news, org": {func(w *world) *envelope.Entry { return w.syncOrg(w.alice) }, HeadUnknown},
		"head": {func(w *world) *envelope.Entry {
			b := grown(w)
			b.Head[0] ^= 1
			return w.by(w.alice, envelope.Sync, b)
		}, HeadUnknown},
		"head of the organisation": {func(w *world) *envelope.Entry {
			return w.by(w.alice, envelope.Sync, &envelope.SyncBody{Chain: w.org.id, Seq: w.org.Seq() + 1, Head: w.org.Head()})
		}, HeadUnknown},
		"chain unknown here": {func(w *world) *envelope.Entry {
			b := grown(w)
			delete(w.users, w.bob.ID())
			return w.by(w.alice, envelope.Sync, b)
		}, HeadUnknown},
	})
}

func TestEpoch(t *testing.T) {
	t.Parallel()
	epoch := func(edit func(*world, *envelope.EpochBody)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			return w.epoch(w.bob, func(b *envelope.EpochBody) { edit(w, b) })
		}
	}
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"as it is":    {epoch(func(*world, *envelope.EpochBody) {}), ""},
		"number":      {epoch(func(_ *world, b *envelope.EpochBody) { b.N++ }), EpochBad},
		"prev commit": {epoch(func(_ *world, b *envelope.EpochBody) { b.PrevCommit = envelope.Hash{} }), EpochBad},
		"history":     {epoch(func(_ *world, b *envelope.EpochBody) { b.History = envelope.HistoryFull }), EpochBad},
		"over before": {epoch(func(w *world, b *envelope.EpochBody) { b.NotAfter = w.now }), EpochBad},
		"too long":    {epoch(func(w *world, b *envelope.EpochBody) { b.NotAfter = w.now + 3600e6 + clockSlack + 1 }), EpochBad},
		"just right":  {epoch(func(w *world, b *envelope.EpochBody) { b.NotAfter = w.now + 3600e6 + clockSlack }), ""},
		"by nobody":   {func(w *world) *envelope.Entry { return w.epoch(w.dave) }, NotMember},
		"chain of a member unknown here": {func(w *world) *envelope.Entry {
			e := w.epoch(w.alice)
			delete(w.users, w.bob.ID())
			return e
		}, HeadUnknown},
		"recorder gone": {func(w *world) *envelope.Entry {
			e := w.epoch(w.alice)
			w.delistRecorder()
			return w.by(w.alice, envelope.EpochStart, epochBody(w, e))
		}, NotListed},
	})
}

func (w *world) delistRecorder() {
	w.must(w.org.Apply(w.orgLink(envelope.OrgDelist, &envelope.DelistBody{Role: envelope.RoleRecorder, Party: w.recorder.ID()})))
	w.place(w.syncOrg(w.alice))
}

func epochBody(w *world, e *envelope.Entry) *envelope.EpochBody {
	l, err := envelope.ParseLink(e)
	w.must(err)
	b, err := envelope.ParseBody[envelope.EpochBody](l)
	w.must(err)
	return b
}

// TestRootsAgreeWithSeal wraps for real: what a writer publishes must be what
// the validator computes.
func TestRootsAgreeWithSeal(t *testing.T) {
	t.Parallel()
	w := settled(t, envelope.CaptureRequired)
	recipients, err := w.c.Recipients()
	w.must(err)
	for i := range recipients {
		id, err := seal.IdentityFromSeed(suitetest.Suite(), key(recipients[i].ID.String()).Seed())
		w.must(err)
		recipients[i].Public = id.Recipient()
	}
	wraps, err := seal.WrapAll(suitetest.Suite(), w.seed(2), seal.Epoch{Org: w.org.ID(), Channel: w.c.ID(), N: 2}, recipients)
	w.must(err)
	var hashes []envelope.Hash
	for _, f := range wraps.Files {
		hashes = append(hashes, envelope.SumBytes(f))
	}
	if wraps.MembersRoot != MembersRoot(recipients) || wraps.WrapsRoot != WrapsRoot(recipients, hashes) {
		t.Error("seal and chain compute different roots")
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	w.open(func(*envelope.ChannelGenesisBody) {})
	due := func(at int64, want envelope.Cause) {
		t.Helper()
		if cause, any := w.c.Due(at); cause != want || any != (want != "") {
			t.Errorf("due for %q, want %q", cause, want)
		}
	}
	due(w.now, envelope.CauseStart)
	w.place(w.epoch(w.alice))
	due(w.now, "")
	newest, _ := w.c.Newest()
	due(newest.Body.NotAfter, envelope.CauseExpiry)
	w.place(w.add(w.alice, w.bob))
	due(w.now, envelope.CauseAdd)
	w.place(w.epoch(w.alice))
	due(w.now, "")
	w.place(w.remove(w.alice, w.bob))
	due(w.now, envelope.CauseRemove)
	w.place(w.epoch(w.alice))
	w.place(linkEntry(w.next(&w.c.spine, envelope.Restore, &envelope.RestoreBody{OldPosition: w.c.Position, NewPosition: w.c.Position, NewHead: w.c.Top}), w.roots[:2]...))
	due(w.now, envelope.CauseRestore)
}
