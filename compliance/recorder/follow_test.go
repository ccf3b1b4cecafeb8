package recorder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/tlog"
)

// recorded is a channel of ann and bob whose first epoch is acknowledged.
func recorded(t *testing.T) (w *world, d *desk, ann, bob *person) {
	w = newWorld(t)
	ann, bob = w.enrol(envelope.RoleCompliance), w.enrol()
	w.found(ann)
	w.add(ann, bob)
	w.rotate(ann, envelope.CauseAdd)
	d = newDesk(t, w)
	d.want(d.follow(), "")
	d.want(d.follow(), "")
	return w, d, ann, bob
}

// coverages are the recorder's placed coverage entries.
func (w *world) coverages() (out []*envelope.Coverage) {
	for _, p := range w.placed {
		if c, err := envelope.ParseCoverage(&p.Entry); err == nil {
			out = append(out, c)
		}
	}
	return out
}

func TestAcknowledgeThenCover(t *testing.T) {
	t.Parallel()
	w, d, ann, bob := recorded(t)
	if e, ok := w.channel.Current(); !ok || e.N != 2 {
		t.Fatalf("epoch 2 is not current after acknowledgement")
	}
	first := w.say(ann, "good morning")
	w.say(bob, "and to you")
	d.want(d.follow(), "")
	if len(w.coverages()) != 0 {
		t.Fatal("covered before the channel was quiet")
	}
	w.now = w.now.Add(2 * time.Second)
	d.settled()
	got := w.coverages()
	if len(got) != 1 || got[0].From != 1 || got[0].To != first.Position+1 || len(got[0].Exceptions) != 0 {
		t.Fatalf("coverage is %+v", got)
	}
	if want := w.coverRoot(got[0]); got[0].Root != want {
		t.Fatal("coverage root is not over the openings of the messages")
	}
}

// coverRoot computes a coverage root as a member of the channel would.
func (w *world) coverRoot(c *envelope.Coverage) envelope.Hash {
	w.t.Helper()
	var b tlog.RootBuilder
	for _, p := range w.placed[c.From-1 : c.To] {
		h, err := envelope.ParseHeader(&p.Entry)
		if err != nil {
			continue
		}
		e, _ := w.channel.Epoch(h.Epoch)
		key := w.seeds[h.Epoch].Key(seal.Epoch{Org: h.Org, Channel: h.Channel, N: h.Epoch, Link: e.Link})
		if o, err := seal.Open(key, &p.Entry, p.Salt); err == nil {
			b.Append(tlog.LeafHash(envelope.CoverLeaf(p.Position, p.Hash(), o.Secret.Cov())))
		}
	}
	return envelope.Hash(b.Root())
}

func TestCoverageAfter200Messages(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	for range 450 {
		w.say(ann, "x")
	}
	d.want(d.follow(), "")
	d.want(d.follow(), "")
	if n := len(w.coverages()); n != 2 {
		t.Fatalf("%d coverages without quiet, want 2", n)
	}
	d.settled()
	got := w.coverages()
	if len(got) != 3 {
		t.Fatalf("%d coverages, want 3", len(got))
	}
	for _, c := range got {
		if c.Root != w.coverRoot(c) {
			t.Fatalf("coverage %d..%d has another root", c.From, c.To)
		}
	}
}

func TestRestartGoesOn(t *testing.T) {
	t.Parallel()
	w, d, ann, bob := recorded(t)
	for i := range 5 {
		w.say(ann, strings.Repeat("a", i+1))
		d.kill()
		d.settled()
		w.rotate(bob, envelope.CauseDemand)
		d.kill()
		d.settled()
	}
	if got := len(w.coverages()); got != 5 {
		t.Fatalf("%d coverages, want 5", got)
	}
	if e, _ := w.channel.Current(); e.N != 7 {
		t.Fatalf("epoch %d is current, want 7", e.N)
	}
}

func TestReplaySkimsOldEntries(t *testing.T) {
	if testing.Short() {
		t.Skip("seals thousands of messages")
	}
	t.Parallel()
	w, d, ann, bob := recorded(t)
	for range replayed + 300 {
		w.say(ann, "x")
	}
	for range 30 {
		d.settled()
	}
	d.kill()
	f, _ := d.known(w.channel.ID())
	if f.channel.Top != w.channel.Top || f.channel.Messages != w.channel.Messages || f.channel.Covered(d.ID()) != w.channel.Covered(d.ID()) {
		t.Fatal("replayed state is another")
	}
	w.say(bob, "a device that had not written before")
	w.say(ann, "and one that had")
	d.settled()
	if got := w.coverages(); got[len(got)-1].To < w.channel.Position-1 {
		t.Fatal("not covered after replay")
	}
}

// A post whose answer is lost must not be made anew with other bytes.
func TestPostAnswerLost(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	w.say(ann, "x")
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	w.postError = errors.New("connection reset")
	w.say(ann, "y")
	w.now = w.now.Add(3 * time.Second)
	for range 2 {
		w.now = w.now.Add(3 * time.Second)
		_, _ = d.Follow(t.Context(), w.channel.ID())
	}
	w.postError = nil
	d.settled()
	d.settled()
	if got := len(w.coverages()); got != 2 {
		t.Fatalf("%d coverages, want 2", got)
	}
}

func TestExceptionFollowsFromSignedBytes(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	e, salt := w.compose(ann, "never readable")
	e.Payload[0] ^= 1 // the commitment
	e.Signatures = nil
	seal.SignEntry(e, ann.device)
	bad := must(w.place(e, salt))
	w.say(ann, "readable")
	w.now = w.now.Add(3 * time.Second)
	d.settled()
	got := w.coverages()
	if len(got) != 1 || len(got[0].Exceptions) != 1 ||
		got[0].Exceptions[0] != (envelope.Exception{Position: bad.Position, Code: envelope.BadCommit}) {
		t.Fatalf("coverage is %+v", got)
	}
}

func TestAttackWrongSalt(t *testing.T) {
	t.Parallel()
	for name, salt := range map[string][]byte{"wrong": make([]byte, 32), "missing": nil, "short": {1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, ann, bob := recorded(t)
			good := w.say(ann, "first")
			p := w.say(ann, "withheld")
			right := p.Salt
			p.Salt = salt
			w.say(bob, "after")
			w.now = w.now.Add(3 * time.Second)
			for range 2 {
				d.want(d.follow(), SaltBad)
				w.now = w.now.Add(3 * time.Second)
			}
			if got := w.coverages(); len(got) != 1 || got[0].To != good.Position {
				t.Fatalf("coverage is %+v, want up to %d", got, good.Position)
			}
			// Later epochs are acknowledged all the same.
			w.rotate(ann, envelope.CauseDemand)
			d.want(d.follow(), SaltBad)
			if e, _ := w.channel.Current(); e.N != 3 {
				t.Fatal("a withheld salt stopped acknowledgement")
			}
			d.kill()
			p.Salt = right
			d.settled()
			d.settled()
			if got := w.channel.Covered(d.ID()); got < p.Position+1 {
				t.Fatalf("covered to %d after the salt came", got)
			}
		})
	}
}

func TestAttackWraps(t *testing.T) {
	t.Parallel()
	type spoiler func(*world) func(uint64, []byte, []envelope.Hash) ([]byte, []envelope.Hash)
	cases := map[string]spoiler{
		"another wrap": func(*world) func(uint64, []byte, []envelope.Hash) ([]byte, []envelope.Hash) {
			return func(_ uint64, wrap []byte, h []envelope.Hash) ([]byte, []envelope.Hash) { return wrap[1:], h }
		},
		"another wrap and its hash": func(*world) func(uint64, []byte, []envelope.Hash) ([]byte, []envelope.Hash) {
			return func(_ uint64, wrap []byte, h []envelope.Hash) ([]byte, []envelope.Hash) {
				h[len(h)-1] = envelope.SumBytes(wrap[1:])
				return wrap[1:], h
			}
		},
		"another hash for a member": func(*world) func(uint64, []byte, []envelope.Hash) ([]byte, []envelope.Hash) {
			return func(_ uint64, wrap []byte, h []envelope.Hash) ([]byte, []envelope.Hash) {
				h[0][0] ^= 1
				return wrap, h
			}
		},
		"the same seed wrapped again": func(w *world) func(uint64, []byte, []envelope.Hash) ([]byte, []envelope.Hash) {
			return func(n uint64, _ []byte, h []envelope.Hash) ([]byte, []envelope.Hash) {
				e := seal.Epoch{Org: w.org.ID(), Channel: w.channel.ID(), N: n}
				return must(seal.WrapSeed(w.org.Suite(), w.seeds[n], e, w.rec.identity.Recipient())), h
			}
		},
		"a hash too few": func(*world) func(uint64, []byte, []envelope.Hash) ([]byte, []envelope.Hash) {
			return func(_ uint64, wrap []byte, h []envelope.Hash) ([]byte, []envelope.Hash) { return wrap, h[1:] }
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.found(w.enrol())
			w.spoilWrap = spoil(w)
			d := newDesk(t, w)
			d.want(d.follow(), WrapBad)
			if w.posts != 0 {
				t.Fatal("acknowledged")
			}
			w.spoilWrap = nil
			d.want(d.follow(), "")
			if _, ok := w.channel.Current(); !ok {
				t.Fatal("not acknowledged once the wrap was right")
			}
		})
	}
}

// The creator of an epoch wraps junk, or another seed, to the recorder. Roots and
// hashes are right, because the creator signs them.
func TestAttackCreatorWrapsJunk(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*world, seal.Epoch) []byte{
		"junk": func(*world, seal.Epoch) []byte { return bytes.Repeat([]byte("junk"), 100) },
		"another seed": func(w *world, e seal.Epoch) []byte {
			return must(seal.WrapSeed(w.org.Suite(), seal.NewSeed(), e, w.rec.identity.Recipient()))
		},
		"seed of another epoch": func(w *world, e seal.Epoch) []byte {
			e.N++
			return must(seal.WrapSeed(w.org.Suite(), w.seeds[2], e, w.rec.identity.Recipient()))
		},
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, ann, _ := recorded(t)
			w.rotateJunk(ann, make)
			before := w.channel.Position
			d.want(d.follow(), WrapBad)
			if e, _ := w.channel.Current(); e.N != 2 || w.channel.Position != before {
				t.Fatal("an epoch that can't be opened was acknowledged")
			}
			w.rotate(ann, envelope.CauseDemand)
			d.follow()
			if e, _ := w.channel.Current(); e.N != 4 {
				t.Fatal("the next good epoch was not acknowledged")
			}
		})
	}
}

func (w *world) rotateJunk(by *person, junk func(*world, seal.Epoch) []byte) {
	n := w.epochs() + 1
	seed := seal.NewSeed()
	e := seal.Epoch{Org: w.org.ID(), Channel: w.channel.ID(), N: n}
	recipients := must(w.channel.Recipients())
	wraps := must(seal.WrapAll(w.org.Suite(), seed, e, recipients))
	wraps.Files[len(wraps.Files)-1] = junk(w, e)
	var root tlog.RootBuilder
	for i := range recipients {
		root.Append(tlog.LeafHash(recipients[i].WrapLeaf(envelope.SumBytes(wraps.Files[i]))))
	}
	last, _ := w.channel.Newest()
	w.seeds[n], w.wraps[n] = seed, wraps.Files
	w.link(by, envelope.EpochStart, &envelope.EpochBody{
		N: n, Cause: envelope.CauseDemand, MembersRoot: wraps.MembersRoot, SeedCommit: wraps.SeedCommit,
		WrapsRoot: envelope.Hash(root.Root()), PrevCommit: last.Body.SeedCommit,
		History: envelope.HistorySinceJoin, NotAfter: w.now.Add(time.Hour).UnixMicro(),
	})
}

func TestAttackHistories(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(*Page)
		want  Reason
	}{
		"another head": {func(p *Page) { p.Head[0] ^= 1 }, RolledBack},
		"went back":    {func(p *Page) { p.Position -= 2; p.Entries = nil }, RolledBack},
		"equivocating entry": {func(p *Page) {
			for _, e := range p.Entries {
				e.Head[0] ^= 1
			}
		}, EntryRefused},
		"entry left out": {func(p *Page) {
			if len(p.Entries) > 1 {
				p.Entries = p.Entries[1:]
			}
		}, EntryRefused},
		"later received time": {func(p *Page) {
			for _, e := range p.Entries {
				e.Received++
			}
		}, EntryRefused},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, ann, _ := recorded(t)
			d.settled()
			if c.want == EntryRefused {
				w.say(ann, "one")
				w.say(ann, "two")
			}
			kept := d.Standings()[0]
			w.spoilPage = c.spoil
			d.want(d.follow(), c.want)
			if got := d.Standings()[0]; got != kept {
				t.Fatalf("standing went from %+v to %+v", kept, got)
			}
			w.spoilPage = nil
			d.settled()
		})
	}
}

func TestAttackChainsRolledBack(t *testing.T) {
	t.Parallel()
	w, d, _, _ := recorded(t)
	d.kill()
	links := w.links
	w.links = links[:len(links)-1]
	if err := d.JudgeOrders(t.Context()); ReasonOf(err) != ChainBad {
		t.Fatalf("a shorter organisation chain: %v", err)
	}
	other := newWorld(t)
	w.links = other.links
	if err := d.JudgeOrders(t.Context()); ReasonOf(err) != ChainBad {
		t.Fatalf("another organisation: %v", err)
	}
}

func TestAttackUnpinnedOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.found(w.enrol())
	d := newDesk(t, w)
	d.Recorder.Close()
	d.config.Org[0] ^= 1
	d.open()
	d.want(d.follow(), ChainBad)
}

// What was refused is not sent again: it is made anew of what stands then.
func TestRefusedCoverageIsMadeAnew(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	w.say(ann, "x")
	d.want(d.follow(), "")
	w.now = w.now.Add(3 * time.Second)
	w.postError = ErrRefused
	d.want(d.follow(), PostRefused)
	w.postError = nil
	w.now = w.now.Add(time.Second)
	d.want(d.follow(), "")
	if got := w.coverages(); len(got) != 1 || got[0].Time != w.now.UnixMicro() {
		t.Fatalf("coverage is %+v", got)
	}
}

func TestAttachmentsBeforeCoverage(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	var sealed bytes.Buffer
	id := envelope.BlobID{1}
	size, root, err := seal.SealFile(&sealed, bytes.NewReader(make([]byte, 200<<10)), id, seal.NewDataKey())
	if err != nil {
		t.Fatal(err)
	}
	p := w.say(ann, "see attached", envelope.Attachment{ID: id, Size: size, Root: root})
	changed := bytes.Clone(sealed.Bytes())
	changed[len(changed)-1] ^= 1
	for name, bytes := range map[string][]byte{"cut": sealed.Bytes()[:100<<10], "changed": changed, "empty": {}} {
		w.files[id] = bytes
		if got := d.follow(); got != FileBad {
			t.Fatalf("%s: %q", name, got)
		}
	}
	w.now = w.now.Add(3 * time.Second)
	d.want(d.follow(), FileBad)
	if len(w.coverages()) != 0 && w.channel.Covered(d.ID()) >= p.Position {
		t.Fatal("covered without the attachment")
	}
	w.files[id] = sealed.Bytes()
	d.settled()
	kept, err := os.ReadFile(filepath.Join(d.Copy, "channels", w.channel.ID().String(), "files", id.String()))
	if err != nil || !bytes.Equal(kept, sealed.Bytes()) {
		t.Fatalf("kept file differs: %v", err)
	}
	if w.channel.Covered(d.ID()) < p.Position {
		t.Fatal("not covered")
	}
}
