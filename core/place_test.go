package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/postgres/postgrestest"
	"chancery/core/store"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// desk is a channel without recorder, with two members.
func desk(t *testing.T) (*coretest.Server, *coretest.Channel, *coretest.Person, *coretest.Person) {
	t.Helper()
	s := coretest.Start(t)
	admin := s.Found(envelope.CaptureOff)
	ann, bob := s.Join("members.ann"), s.Join("members.bob")
	team, err := s.CreateTeam(t.Context(), admin.P, wire.NewTeam{Name: "desk"})
	s.Must(err)
	for _, name := range []string{"members.ann", "members.bob"} {
		s.Must(s.AddTeamMember(t.Context(), admin.P, team.ID, wire.TeamMember{Username: name}))
	}
	return s, ann.Open(team.ID, "fx", envelope.CaptureOff, nil, bob), ann, bob
}

func TestPlace(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	first := c.Seal(ann, "hello")
	c.Place(ann, first)
	c.Place(bob, c.Seal(bob, "hello to you"))

	page, err := s.Entries(t.Context(), bob.P, c.ID, 0, 100, core.AllEntries)
	s.Must(err)
	if page.Position != c.State.Position || page.Head != c.State.Top {
		t.Fatalf("page ends at %d %s, want %d %s", page.Position, page.Head, c.State.Position, c.State.Top)
	}
	last, err := envelope.ParsePlaced(page.Entries[len(page.Entries)-1])
	s.Must(err)
	if len(last.Salt) != 32 || len(last.Entry.Payload) == 0 {
		t.Error("a message came without its salt or payload")
	}
	if got := s.Heard.Count(); got == 0 {
		t.Error("nothing was published")
	}
}

// Who may restore a channel reads its links without being in it, and nothing else.
func TestLinksForRestore(t *testing.T) {
	t.Parallel()
	s, c, ann, _ := desk(t)
	c.Place(ann, c.Seal(ann, "hello"))
	admin, eve := s.SignIn("admins.otto"), s.Join("members.eve")
	page, err := s.Entries(t.Context(), admin.P, c.ID, 0, 100, core.ForRestore)
	s.Must(err)
	if page.Head != c.State.Top || len(page.Entries) == 0 {
		t.Errorf("%d links, head %s", len(page.Entries), page.Head)
	}
	for _, raw := range page.Entries {
		if p, err := envelope.ParsePlaced(raw); err != nil || p.Entry.Kind == envelope.KindMessage {
			t.Errorf("entry %v: %v", p, err)
		}
	}
	for _, what := range []core.Listing{core.AllEntries, core.LinksOnly} {
		if _, err := s.Entries(t.Context(), admin.P, c.ID, 0, 100, what); core.KindOf(err) != core.NotFound {
			t.Errorf("listing %d by an admin: %v", what, err)
		}
	}
	if _, err := s.Entries(t.Context(), eve.P, c.ID, 0, 100, core.ForRestore); core.KindOf(err) != core.NotFound {
		t.Errorf("links for restore by a stranger: %v", err)
	}
}

func TestPlaceTwice(t *testing.T) {
	t.Parallel()
	s, c, ann, _ := desk(t)
	in := c.Seal(ann, "once")
	first, err := s.Place(t.Context(), ann.P, c.ID, in)
	s.Must(err)
	second, err := s.Place(t.Context(), ann.P, c.ID, in)
	s.Must(err)
	if string(first) != string(second) {
		t.Error("the same entry got another receipt")
	}
	other := c.Seal(ann, "another text under the same device number")
	if _, err := s.Place(t.Context(), ann.P, c.ID, other); core.KindOf(err) != core.Conflict {
		t.Errorf("another entry under a placed number: %v", err)
	}
}

// A message whose epoch has passed is refused for good, and its number with it.
func TestPlaceRefused(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	stale := c.Seal(bob, "sealed in the old epoch")
	c.Rotate(ann, envelope.CauseDemand)
	_, err := s.Place(t.Context(), bob.P, c.ID, stale)
	e, ok := err.(*core.Error)
	if !ok || e.Kind != core.Stale || len(e.Refusal) == 0 {
		t.Fatalf("stale message: %v, want a signed refusal", err)
	}
	r, err := envelope.OpenStatement[envelope.Refusal](e.Refusal, envelope.LabelRefusal, s.Receipt.Public())
	s.Must(err)
	if r.Code != string(chain.EpochNotCurrent) || r.DeviceSeq != 1 {
		t.Errorf("refusal %+v", r)
	}
	again, err := s.Place(t.Context(), bob.P, c.ID, stale)
	if e, ok := err.(*core.Error); !ok || string(e.Refusal) != string(envelope.Marshal(mustSigned(t, e.Refusal))) || again != nil {
		t.Errorf("the same entry again: %v", err)
	}
}

func mustSigned(t *testing.T, b []byte) *envelope.Signed {
	t.Helper()
	s, err := envelope.ParseSigned(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Strangers are told the same of a channel that exists and of one that does not.
func TestStrangerSeesNothing(t *testing.T) {
	t.Parallel()
	s, c, ann, _ := desk(t)
	eve := s.Join("members.eve")
	_, real := s.Entries(t.Context(), eve.P, c.ID, 0, 10, core.AllEntries)
	_, none := s.Entries(t.Context(), eve.P, envelope.ChannelID{1}, 0, 10, core.AllEntries)
	if core.KindOf(real) != core.NotFound || real.Error() != none.Error() {
		t.Errorf("%v, and of nothing %v", real, none)
	}
	in := c.Seal(ann, "ann's own message")
	if _, err := s.Place(t.Context(), eve.P, c.ID, in); core.KindOf(err) != core.NotFound {
		t.Errorf("placing somebody else's entry: %v", err)
	}
}

// Two members that write at once get positions without gap or double.
func TestPlaceTogether(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	var g sync.WaitGroup
	for _, p := range []*coretest.Person{ann, bob} {
		in := c.Seal(p, "at once")
		g.Go(func() {
			if _, err := s.Place(t.Context(), p.P, c.ID, in); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	page, err := s.Entries(t.Context(), ann.P, c.ID, c.State.Position, 10, core.AllEntries)
	s.Must(err)
	if len(page.Entries) != 2 {
		t.Fatalf("%d entries", len(page.Entries))
	}
	for _, b := range page.Entries {
		p, err := envelope.ParsePlaced(b)
		s.Must(err)
		s.Must(c.State.Apply(p))
	}
}

// The same message sent at once, many times, stands once and is never refused.
func TestAttack58SentManyTimes(t *testing.T) {
	t.Parallel()
	s, c, ann, _ := desk(t)
	in := c.Seal(ann, "impatient")
	var g sync.WaitGroup
	for range 20 {
		g.Go(func() {
			_, err := s.Place(t.Context(), ann.P, c.ID, in)
			if e, ok := err.(*core.Error); ok && (len(e.Refusal) > 0 || e.Kind != core.Unavailable) {
				t.Errorf("an entry that stands was answered %v", err)
			}
		})
	}
	g.Wait()
	if n := s.Number(`SELECT count(*) FROM entries WHERE kind = 2`); n != 1 {
		t.Errorf("%d messages", n)
	}
	if n := s.Number(`SELECT count(*) FROM device_numbers WHERE refused IS NOT NULL`); n != 0 {
		t.Errorf("%d refusals", n)
	}
}

// A number that was refused is never placed later, by any process.
func TestAttack45PublishedAfterRefused(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	stale := c.Seal(bob, "sealed in the old epoch")
	c.Rotate(ann, envelope.CauseDemand)
	if _, err := s.Place(t.Context(), bob.P, c.ID, stale); core.KindOf(err) != core.Stale {
		t.Fatal(err)
	}
	fresh := c.Seal(bob, "the same number, sealed in the new epoch")
	for _, process := range []*core.Service{s.Service, s.Again(s.Engine)} {
		if _, err := process.Place(t.Context(), bob.P, c.ID, fresh); core.KindOf(err) != core.Conflict {
			t.Errorf("a refused number: %v", err)
		}
	}
}

// TestAttack52OtherPast: a message that names an old head wrongly would be refused
// by all who read the channel, and so also by a server that was just started.
func TestAttack52OtherPast(t *testing.T) {
	t.Parallel()
	s, c, ann, _ := desk(t)
	newest, _ := c.State.Newest()
	in := c.SealSeen(ann, newest.N, "seen otherwise", envelope.Ref{Position: 1, Hash: envelope.Hash{1}})
	_, err := s.Again(s.Engine).Place(t.Context(), ann.P, c.ID, in)
	if code := refusalCode(t, s, err); code != string(chain.SeenBad) {
		t.Errorf("refused as %q: %v", code, err)
	}
}

// refusalCode is the reason in the signed refusal that an error carries.
func refusalCode(t *testing.T, s *coretest.Server, err error) string {
	t.Helper()
	e, ok := err.(*core.Error)
	if !ok || len(e.Refusal) == 0 {
		t.Fatalf("%v, want a signed refusal", err)
	}
	r, err := envelope.OpenStatement[envelope.Refusal](e.Refusal, envelope.LabelRefusal, s.Receipt.Public())
	s.Must(err)
	return r.Code
}

// A recorder that is listed no more has no session either.
func TestDelistedRecorderIsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.recorderToken(t)
	if _, err := w.Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	body := envelope.DelistBody{Role: envelope.RoleRecorder, Party: w.recorder.ID()}
	w.Must(w.AddOrgLink(t.Context(), w.admin.P, w.RootLink(envelope.OrgDelist, &body)))
	if _, err := w.Authenticate(t.Context(), token); core.KindOf(err) != core.Unauthorized {
		t.Errorf("a delisted recorder: %v", err)
	}
}

// failing is the real store, which takes no entry once: it waits until it may
// say so.
type failing struct {
	*store.DB
	asked, say chan struct{}
	once       sync.Once
}

func (f *failing) Append(ctx context.Context, drafts []*core.Draft) (err error) {
	f.once.Do(func() {
		close(f.asked)
		<-f.say
		err = errors.New("not stored")
	})
	if err != nil {
		return err
	}
	return f.DB.Append(ctx, drafts)
}

// TestAttack45RefusedByWhatWasNotStored: a rotation that is queued and then not
// stored uses up no number of a message that it would have made stale.
func TestAttack45RefusedByWhatWasNotStored(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	db := &failing{DB: s.DB, asked: make(chan struct{}), say: make(chan struct{})}
	other := again(t, s, db)
	message := c.Seal(bob, "sealed in the epoch that stays")
	rotation := c.Rotation(ann, envelope.CauseDemand)
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := other.Place(t.Context(), ann.P, c.ID, rotation); core.KindOf(err) != core.Unavailable {
			t.Errorf("a rotation that was not stored: %v", err)
		}
	})
	<-db.asked
	both.Go(func() {
		if _, err := other.Place(t.Context(), bob.P, c.ID, message); err != nil {
			t.Errorf("the message: %v", err)
		}
	})
	time.Sleep(50 * time.Millisecond) // so that the message is judged with the rotation
	close(db.say)
	both.Wait()
	if n := s.Number(`SELECT count(*) FROM device_numbers WHERE statement IS NOT NULL`); n != 0 {
		t.Errorf("%d numbers were refused", n)
	}
}
