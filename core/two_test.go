package core_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/identity"
)

// Another server, that has read the channel as it stands.
func second(t *testing.T, w *world) *core.Service {
	t.Helper()
	two := w.Again(w.Engine)
	_, err := two.Channel(t.Context(), w.ann.P, w.desk.ID)
	w.Must(err)
	return two
}

// A number that one server refused is not placed by another, which has not
// heard of it.
func TestAttack45RefusedByOnePlacedByOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stale := w.desk.Seal(w.bob, "sealed in the old epoch")
	w.desk.Rotate(w.ann, envelope.CauseDemand)
	two := second(t, w)
	if _, err := w.Place(t.Context(), w.bob.P, w.desk.ID, stale); core.KindOf(err) != core.Stale {
		t.Fatal(err)
	}
	fresh := w.desk.Seal(w.bob, "the same number, sealed in the new epoch")
	if _, err := two.Place(t.Context(), w.bob.P, w.desk.ID, fresh); core.KindOf(err) != core.Conflict {
		t.Errorf("a number that another server refused: %v", err)
	}
	if n := w.Number(`SELECT count(*) FROM entries WHERE kind = 2`); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// A server that lags behind does not refuse for good what it can't judge.
func TestAttack45LaggingServerRefusesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := second(t, w)
	w.desk.Place(w.ann, w.desk.Seal(w.ann, "the second server has not read this"))
	in := w.desk.Seal(w.bob, "written after reading it")
	if _, err := two.Place(t.Context(), w.bob.P, w.desk.ID, in); err != nil {
		t.Errorf("a message that has seen more than the server: %v", err)
	}
}

// Two entries under one number, sent to two servers at once: one is placed or
// the other refused, never both.
func TestAttack45OneNumberTwoServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stale := w.desk.Seal(w.bob, "sealed in the old epoch")
	w.desk.Rotate(w.ann, envelope.CauseDemand)
	fresh := w.desk.Seal(w.bob, "sealed in the new epoch")
	two := second(t, w)
	var g sync.WaitGroup
	var placed, refused bool
	g.Go(func() {
		_, err := w.Place(t.Context(), w.bob.P, w.desk.ID, fresh)
		placed = err == nil
	})
	g.Go(func() {
		_, err := two.Place(t.Context(), w.bob.P, w.desk.ID, stale)
		refused = core.KindOf(err) == core.Stale
	})
	g.Wait()
	if placed == refused {
		t.Errorf("placed %v, refused %v", placed, refused)
	}
	if n := w.Number(`SELECT count(*) FROM device_numbers`); n != 1 {
		t.Errorf("%d numbers are used up", n)
	}
}

// Guesses sent to two servers at once are no more than guesses sent to one.
func TestAttackGuessesOnTwoServers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	servers := []*core.Service{w.Service, w.Again(w.Engine)}
	var g sync.WaitGroup
	var asked atomic.Int32
	for i := range 20 {
		g.Go(func() {
			_, err := servers[i%2].Login(t.Context(), wire.Login{Username: "members.ann", Password: "wrong"})
			if errors.Is(err, identity.ErrCredentials) {
				asked.Add(1)
			}
		})
	}
	g.Wait()
	if n := asked.Load(); n != 3 {
		t.Errorf("the directory was asked %d times", n)
	}
	if _, err := servers[1].Login(t.Context(), wire.Login{Username: "members.ann", Password: "right"}); !errors.Is(err, identity.ErrLocked) {
		t.Errorf("the right password for a locked name: %v", err)
	}
}

// A guess that was right is not counted, also when it was the last one left.
func TestRightGuessIsNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	login := func(password string) error {
		_, err := w.Login(t.Context(), wire.Login{Username: "members.ann", Password: password})
		return err
	}
	for range 5 {
		w.Must(login("right"))
	}
	for range 2 {
		if err := login("wrong"); !errors.Is(err, identity.ErrCredentials) {
			t.Fatal(err)
		}
	}
	for range 5 {
		w.Must(login("right"))
	}
	if err := login("wrong"); !errors.Is(err, identity.ErrCredentials) {
		t.Fatal(err)
	}
	if err := login("right"); !errors.Is(err, identity.ErrLocked) {
		t.Errorf("after three failures: %v", err)
	}
}

// A recorder that was silent while another covered a lot goes on where it
// stopped, also after the server was started again.
func TestSilentRecorderGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	busy, err := seal.GenerateSigningKey(rand.Reader)
	w.Must(err)
	w.List(w.admin, envelope.Party{Role: envelope.RoleRecorder, Name: "busy", Key: busy.Public(), Recipient: []byte("age1pq")})
	ids := []envelope.KeyID{w.recorder.ID(), busy.ID()}
	slices.SortFunc(ids, envelope.CompareKey)
	c := w.ann.Create(w.team.ID, "taped", envelope.CaptureRequired, ids)
	w.Must(cover(t, w.Service, c, w.recorder))
	for range 260 {
		w.Must(cover(t, w.Service, c, busy))
	}
	if err := cover(t, w.Again(w.Engine), c, w.recorder); err != nil {
		t.Errorf("going on after 260 coverages of another: %v", err)
	}
}

// cover places a recorder's coverage of all that it has not covered.
func cover(t *testing.T, s *core.Service, c *coretest.Channel, by *seal.SigningKey) error {
	t.Helper()
	body := envelope.Coverage{
		Version: envelope.Version, Org: c.State.Org(), Channel: c.ID, From: c.State.Covered(by.ID()) + 1, To: c.State.Position,
		HeadTo: c.State.Top, Recorder: by.ID(), Time: time.Now().UnixMicro(),
	}
	e := &envelope.Entry{Kind: envelope.KindCoverage, Header: envelope.Marshal(&body), Payload: []byte{}}
	seal.SignEntry(e, by)
	p := identity.Principal{Kind: identity.Recorder, Service: by.ID(), Session: 1, AuthTime: time.Now(), Expires: time.Now().Add(time.Hour)}
	return c.PlaceAs(s, p, wire.NewEntry{Entry: envelope.Marshal(e)})
}
