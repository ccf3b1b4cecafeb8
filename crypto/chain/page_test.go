package chain

import (
	"strings"
	"testing"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// The cases of this file were written from chains.md and channel.md, sentence by
// sentence, not from the code.

// TestPageOrder has two faults in one entry: the rule that is judged first gives
// the reason.
func TestPageOrder(t *testing.T) {
	t.Parallel()
	post := func(edit func(*world, *envelope.Header)) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			w.place(w.post(w.bob))
			return w.post(w.bob, func(h *envelope.Header) { edit(w, h) })
		}
	}
	link := func(kind envelope.LinkType, by func(*world) *person, body func(*world) any) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry { return w.by(by(w), kind, body(w)) }
	}
	member, moderator, owner, nobody := (*world).theMember, (*world).theModerator, (*world).theOwner, (*world).theStranger
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"channel before sender": {post(func(_ *world, h *envelope.Header) { h.Channel[0] ^= 1; h.User[0] ^= 1 }), WrongChain},
		"sender before device":  {post(func(_ *world, h *envelope.Header) { h.User[0] ^= 1; h.Device[0] ^= 1 }), NotMember},
		"device before signature": {func(w *world) *envelope.Entry {
			return forged(w.post(w.bob, func(h *envelope.Header) { h.Device[0] ^= 1 }))
		}, DeviceUnknown},
		"signature before epoch": {func(w *world) *envelope.Entry { return forged(w.post(w.bob, func(h *envelope.Header) { h.Epoch++ })) }, BadSignature},
		"epoch before expiry": {func(w *world) *envelope.Entry {
			w.now = w.c.current.Body.NotAfter
			return w.post(w.bob, func(h *envelope.Header) { h.Epoch++ })
		}, EpochNotCurrent},
		"rotation before epoch": {func(w *world) *envelope.Entry {
			w.place(w.add(w.alice, w.dave))
			return w.post(w.bob, func(h *envelope.Header) { h.Epoch++ })
		}, RotationDue},
		"expiry before counter": {func(w *world) *envelope.Entry {
			w.now = w.c.current.Body.NotAfter
			return w.post(w.bob, func(h *envelope.Header) { h.DeviceSeq = 9 })
		}, EpochExpired},
		"epoch before counter": {post(func(_ *world, h *envelope.Header) { h.EpochLink[0] ^= 1; h.DevicePrev[0] ^= 1 }), EpochNotCurrent},
		"counter before seen":  {post(func(_ *world, h *envelope.Header) { h.DevicePrev[0] ^= 1; h.Seen.Position = 0 }), CounterBad},
		"order before member":  {func(w *world) *envelope.Entry { e := w.post(w.dave); w.now = w.c.Received - 1; return e }, BrokenOrder},
		"chain before seq":     {changedLink(func(l *envelope.Link) { l.Chain[0] ^= 1; l.Seq++ }), WrongChain},
		"seq before signature": {func(w *world) *envelope.Entry { return forged(changedLink(func(l *envelope.Link) { l.Seq++ })(w)) }, Broken},
		"body before member":   {link(envelope.MemberAdd, nobody, func(*world) any { return "add" }), Malformed},
		"add, head before twice": {func(w *world) *envelope.Entry {
			return w.add(w.alice, w.bob, func(b *envelope.AddBody) { b.UserHead[0] ^= 1 })
		}, HeadUnknown},
		"add, twice before rank": {func(w *world) *envelope.Entry {
			return w.add(w.alice, w.bob, func(b *envelope.AddBody) { b.Rank = "king" })
		}, Duplicate},
		"add, rank before right": {func(w *world) *envelope.Entry {
			return w.add(w.bob, w.dave, func(b *envelope.AddBody) { b.Rank = "king" })
		}, Malformed},
		"add, member before right": {func(w *world) *envelope.Entry { return w.add(w.dave, w.dave) }, NotMember},
		"add, right before history": {func(w *world) *envelope.Entry {
			return w.add(w.bob, w.dave, func(b *envelope.AddBody) { b.HistoryFrom = 9 })
		}, NotAllowed},
		"remove, target before reason": {link(envelope.MemberRemove, owner, func(w *world) any {
			return &envelope.RemoveBody{User: w.dave.ID(), Reason: strings.Repeat("r", 65)}
		}), NotMember},
		"remove, reason before right": {link(envelope.MemberRemove, member, func(w *world) any {
			return &envelope.RemoveBody{User: w.carol.ID(), Reason: strings.Repeat("r", 65)}
		}), Malformed},
		"role, target before right": {link(envelope.MemberRole, member, func(w *world) any { return &envelope.RoleBody{User: w.dave.ID(), Rank: "king"} }), NotMember},
		"role, right before rank":   {link(envelope.MemberRole, moderator, func(w *world) any { return &envelope.RoleBody{User: w.bob.ID(), Rank: "king"} }), NotAllowed},
		"role, last owner before rank": {link(envelope.MemberRole, owner, func(w *world) any {
			return &envelope.RoleBody{User: w.alice.ID(), Rank: "king"}
		}), NotAllowed},
		"sync, signer before head":    {link(envelope.Sync, nobody, func(w *world) any { return &envelope.SyncBody{Chain: w.org.id, Seq: 99} }), NotMember},
		"sync, member before head":    {link(envelope.Sync, owner, func(w *world) any { return &envelope.SyncBody{Chain: w.dave.id, Seq: 99} }), NotMember},
		"epoch, member before number": {func(w *world) *envelope.Entry { return w.epoch(w.dave, func(b *envelope.EpochBody) { b.N = 9 }) }, NotMember},
		"restore, body before roots": {func(w *world) *envelope.Entry {
			return forged(linkEntry(w.next(&w.c.spine, envelope.Restore, &envelope.RestoreBody{NewPosition: 1}), w.roots[:2]...))
		}, RestoreBad},
		"acknowledgement, channel before recorder": {func(w *world) *envelope.Entry {
			return w.ack(w.second, func(a *envelope.Acknowledgement) { a.Channel[0] ^= 1 })
		}, WrongChain},
		"acknowledgement, recorder before epoch": {func(w *world) *envelope.Entry { return w.ack(w.second, func(a *envelope.Acknowledgement) { a.N = 9 }) }, NotListed},
		"acknowledgement, signature before epoch": {func(w *world) *envelope.Entry {
			return forged(w.ack(w.recorder, func(a *envelope.Acknowledgement) { a.N = 9 }))
		}, BadSignature},
		"acknowledgement, epoch before twice": {func(w *world) *envelope.Entry {
			return w.ack(w.recorder, func(a *envelope.Acknowledgement) { a.SeedCommit[0] ^= 1 })
		}, EpochBad},
		"sync by a receipt key that did not sign": {func(w *world) *envelope.Entry {
			w.must(w.org.Apply(w.orgLink(envelope.OrgList, &envelope.Party{Role: envelope.RoleRemoval, Name: "n", Key: key("third removal").Public()})))
			return forged(w.byKey(envelope.UserID{}, w.receipts, envelope.Sync, &envelope.SyncBody{Chain: w.org.id, Seq: w.org.Seq(), Head: w.org.Head()}))
		}, BadSignature},
		"coverage, channel before recorder": {func(w *world) *envelope.Entry { return w.cover(w.second, func(v *envelope.Coverage) { v.Org[0] ^= 1 }) }, WrongChain},
		"coverage, signature before range": {func(w *world) *envelope.Entry {
			return forged(w.cover(w.recorder, func(v *envelope.Coverage) { v.From = 2 }))
		}, BadSignature},
	})
}

func (w *world) theOwner() *person     { return w.alice }
func (w *world) theMember() *person    { return w.bob }
func (w *world) theModerator() *person { return w.carol }
func (w *world) theStranger() *person  { return w.dave }

// changedLink is a removal of bob by alice, changed before it is signed.
func changedLink(edit func(*envelope.Link)) func(*world) *envelope.Entry {
	return func(w *world) *envelope.Entry {
		l := w.next(&w.c.spine, envelope.MemberRemove, &envelope.RemoveBody{User: w.bob.ID()})
		l.User, l.Key = w.alice.ID(), w.alice.device.ID()
		edit(l)
		return linkEntry(l, w.alice.device)
	}
}

// TestPageBounds has the last value that each bound takes, and the first that it
// refuses.
func TestPageBounds(t *testing.T) {
	t.Parallel()
	reason := func(n int) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			return w.by(w.alice, envelope.MemberRemove, &envelope.RemoveBody{User: w.bob.ID(), Reason: strings.Repeat("r", n)})
		}
	}
	ends := func(after int64) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			return w.epoch(w.alice, func(b *envelope.EpochBody) { b.NotAfter = w.now + after })
		}
	}
	restore := func(n int, old uint64) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			return linkEntry(w.next(&w.c.spine, envelope.Restore, &envelope.RestoreBody{OldPosition: w.c.Position + old, NewPosition: w.c.Position,
				NewHead: w.c.Top, Reason: strings.Repeat("r", n)}), w.roots[:2]...)
		}
	}
	covers := func(back uint64) func(*world) *envelope.Entry {
		return func(w *world) *envelope.Entry {
			return w.cover(w.recorder, func(v *envelope.Coverage) {
				v.To -= back
				v.HeadTo, _ = w.c.HeadAt(v.To)
			})
		}
	}
	const lifetime, slack = 3600e6, 120e6
	refuseAll(t, envelope.CaptureRequired, map[string]change{
		"reason of 64 bytes":          {reason(64), ""},
		"reason of 65 bytes":          {reason(65), Malformed},
		"no reason":                   {reason(0), ""},
		"epoch that ends now":         {ends(0), EpochBad},
		"epoch of a microsecond":      {ends(1), ""},
		"epoch of the longest life":   {ends(lifetime + slack), ""},
		"epoch a microsecond longer":  {ends(lifetime + slack + 1), EpochBad},
		"epoch that ends before time": {ends(-1 << 62), EpochBad},
		"restore of nothing lost":     {restore(0, 0), ""},
		"restore of much lost":        {restore(200, 1<<40), ""},
		"restore, 201 bytes":          {restore(201, 1), RestoreBad},
		"coverage of all":             {covers(0), ""},
		"coverage of all but one":     {covers(1), ""},
		"coverage of itself":          {func(w *world) *envelope.Entry { return w.cover(w.recorder, func(v *envelope.Coverage) { v.To++ }) }, CoverageBad},
	})
}

// TestPageNotJudged has what the pages say is carried, and not judged.
func TestPageNotJudged(t *testing.T) {
	t.Parallel()
	refuseAll(t, envelope.CaptureOff, map[string]change{
		"a link's time":    {changedLink(func(l *envelope.Link) { l.Time = -1 << 63 }), ""},
		"a message's time": {func(w *world) *envelope.Entry { return w.post(w.bob, func(h *envelope.Header) { h.Time = 1<<63 - 1 }) }, ""},
		"the target of an edit": {func(w *world) *envelope.Entry {
			return w.post(w.bob, func(h *envelope.Header) { h.Kind, h.Target.Position = envelope.Edit, 1<<64-1 })
		}, ""},
		"mentions of strangers": {func(w *world) *envelope.Entry {
			return w.post(w.bob, func(h *envelope.Header) { h.Mentions = []envelope.UserID{{1}} })
		}, ""},
		"sizes and roots of files": {func(w *world) *envelope.Entry {
			return w.post(w.bob, func(h *envelope.Header) { h.Attachments = []envelope.Attachment{{}} })
		}, ""},
		"a message's id, used twice": {func(w *world) *envelope.Entry { w.place(w.post(w.bob)); return w.post(w.bob) }, ""},
		"the cause of an epoch": {func(w *world) *envelope.Entry {
			return w.epoch(w.bob, func(b *envelope.EpochBody) { b.Cause = "whim" })
		}, ""},
		"the wraps of an epoch": {func(w *world) *envelope.Entry {
			return w.epoch(w.bob, func(b *envelope.EpochBody) { b.WrapsRoot[0] ^= 1 })
		}, ""},
		"a seed used before": {func(w *world) *envelope.Entry {
			return w.epoch(w.bob, func(b *envelope.EpochBody) { b.SeedCommit = b.PrevCommit })
		}, ""},
	})
	w := found(t, envelope.CaptureOff)
	for name, edit := range map[string]func(*envelope.Party, *envelope.Link){
		"a party's end":        func(p *envelope.Party, _ *envelope.Link) { p.NotAfter = -1 },
		"the order of a scope": func(p *envelope.Party, _ *envelope.Link) { p.Scope = []envelope.ChannelID{{2}, {1}, {1}} },
		"the user of a root":   func(_ *envelope.Party, l *envelope.Link) { l.User = w.alice.ID() },
		"the key of a root":    func(_ *envelope.Party, l *envelope.Link) { l.Key[0] ^= 1 },
		"the time of a root":   func(_ *envelope.Party, l *envelope.Link) { l.Time = -1 },
		"a recipient's bytes": func(p *envelope.Party, _ *envelope.Link) {
			p.Role, p.Key, p.Recipient = envelope.RoleAuditor, nil, []byte{0}
		},
		"a name's characters":   func(p *envelope.Party, _ *envelope.Link) { p.Name = "\x00\u202e" },
		"a name in use already": func(p *envelope.Party, _ *envelope.Link) { p.Name = "recorder" },
	} {
		p := envelope.Party{Role: envelope.RoleRemoval, Name: "n", Key: key("third removal").Public()}
		l := w.next(&w.org.spine, envelope.OrgList, &p)
		edit(&p, l)
		l.Body = envelope.Marshal(&p)
		e := linkEntry(l, w.roots[:2]...)
		w.record(t.Name()+"/"+name, "org.link", envelope.Marshal(e), "")
		want(t, name, w.org.Try(e), "")
	}
	e := w.userGenesis("erin", func(l *envelope.Link, _ *envelope.UserGenesisBody) { l.User = w.alice.ID() })
	w.record(t.Name()+"/the user of a user's genesis", "user.genesis", envelope.Marshal(e), "")
	_, err := NewUser(w.org, e)
	want(t, "the user of a user's genesis", err, "")
}

// TestPageGenesis has organisations at the edges of what chains.md takes.
func TestPageGenesis(t *testing.T) {
	t.Parallel()
	w := found(t, envelope.CaptureOff)
	roots := func(n int) []*seal.SigningKey {
		many := &world{t: t, suite: w.suite}
		manyRoots(many)
		return many.roots[:n]
	}
	for name, x := range map[string]struct {
		roots int
		edit  func(*envelope.OrgGenesisBody)
		want  Reason
	}{
		"one root":                  {1, func(b *envelope.OrgGenesisBody) { b.Threshold = 1 }, ""},
		"16 roots, all must sign":   {16, func(b *envelope.OrgGenesisBody) { b.Threshold = 16 }, ""},
		"17 roots":                  {17, func(*envelope.OrgGenesisBody) {}, Malformed},
		"no root":                   {0, func(*envelope.OrgGenesisBody) {}, Malformed},
		"threshold above the roots": {2, func(b *envelope.OrgGenesisBody) { b.Threshold = 3 }, Malformed},
		"name of 200 bytes":         {2, func(b *envelope.OrgGenesisBody) { b.Name = strings.Repeat("n", 200) }, ""},
		"name of 201 bytes":         {2, func(b *envelope.OrgGenesisBody) { b.Name = strings.Repeat("n", 201) }, Malformed},
		"name of one byte":          {2, func(b *envelope.OrgGenesisBody) { b.Name = "n" }, ""},
		"suite before capture":      {2, func(b *envelope.OrgGenesisBody) { b.Suite, b.Capture = "none", "maybe" }, SuiteBad},
		"roots before signatures":   {2, func(b *envelope.OrgGenesisBody) { b.Roots = [][]byte{identityPoint}; b.Threshold = 1 }, Malformed},
	} {
		keys := roots(x.roots)
		b := envelope.OrgGenesisBody{Name: "Example", Suite: w.suite, Threshold: 2, Capture: envelope.CaptureOff, Nonce: nonce("org")}
		for _, r := range keys {
			b.Roots = append(b.Roots, r.Public())
		}
		x.edit(&b)
		signers := append([]*seal.SigningKey{}, keys...)
		if len(signers) == 0 || len(signers) > 16 {
			signers = w.roots // an entry without a signature, or with 17, is no entry
		}
		e := linkEntry(&envelope.Link{Type: envelope.OrgGenesis, Body: envelope.Marshal(&b)}, signers...)
		w.record(t.Name()+"/"+name, "org.genesis", envelope.Marshal(e), x.want)
		_, err := NewOrg(e)
		want(t, name, err, x.want)
	}
}
