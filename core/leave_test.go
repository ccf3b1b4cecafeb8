package core_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/identity"
)

// admin is the one who founded the organisation, signed in again.
func adminOf(s *coretest.Server) identity.Principal { return s.SignIn("admins.ann").P }

// eventually waits for what a background round of the server does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// departed waits until the channel's chain has ended somebody's membership.
func departed(t *testing.T, c *coretest.Channel, by, who *coretest.Person) {
	t.Helper()
	eventually(t, "the removal", func() bool {
		c.CatchUp(by)
		_, still := c.State.Member(who.User)
		return !still
	})
}

func wantKind(t *testing.T, what string, err error, kind core.Kind) {
	t.Helper()
	if err == nil || core.KindOf(err) != kind {
		t.Errorf("%s: %v, want kind %d", what, err, kind)
	}
}

// TestAttackDisabledIsOut: nothing of what the person had opens anything, the
// membership ends by the server's key, the next writer rotates, and nothing
// that the person said or did goes.
func TestAttackDisabledIsOut(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	c.Place(bob, c.Seal(bob, "what bob said"))
	s.Must(s.Disable(t.Context(), adminOf(s), "members.bob", "left the firm"))
	_, err := s.Authenticate(t.Context(), bob.Token)
	wantKind(t, "the old token", err, core.Unauthorized)
	_, err = s.Login(t.Context(), wire.Login{Username: "members.bob", Password: "right"})
	wantKind(t, "signing in", err, core.Denied)
	if !slices.Contains(s.Heard.Ended, bob.P.Session) {
		t.Error("the sockets were not closed")
	}
	departed(t, c, ann, bob)
	_, err = s.EpochWrap(t.Context(), bob.P, c.ID, 1)
	wantKind(t, "a wrap, by a request that was let in before", err, core.NotFound)
	c.Rotate(ann, envelope.CauseRemove)
	c.Place(ann, c.Seal(ann, "without bob"))
	if s.Number(`SELECT count(*) FROM entries WHERE kind = 2 AND body IS NOT NULL AND sealed_salt IS NOT NULL`) != 2 {
		t.Error("a message is gone")
	}
	if got := s.Text(`SELECT object || ' ' || (service IS NOT NULL) FROM records WHERE op = 'mem.remove'`); got != "user:"+core.SubjectID(bob.P.User)+" true" {
		t.Errorf("the removal is recorded as %q", got)
	}
}

// TestAttackOldEpochAfterDeparture: a client that has not seen the removal
// seals in the old epoch. The server refuses, and for good.
func TestAttackOldEpochAfterDeparture(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	unaware := c.Seal(ann, "bob reads this, I think")
	s.Must(s.Disable(t.Context(), adminOf(s), "members.bob", "left"))
	departed(t, c, ann, bob)
	_, err := s.Place(t.Context(), ann.P, c.ID, unaware)
	wantKind(t, "in the old epoch", err, core.Stale)
	if chain.ReasonOf(err) != chain.RotationDue {
		t.Errorf("refused by %q, want %q", chain.ReasonOf(err), chain.RotationDue)
	}
	c.Rotate(ann, envelope.CauseRemove)
	_, err = s.Place(t.Context(), ann.P, c.ID, unaware)
	wantKind(t, "the same again", err, core.Stale)
}

// during opens salts for real, with a moment to interfere.
type during struct {
	core.Vault
	once sync.Once
	do   func()
}

func (d *during) OpenSalt(c envelope.ChannelID, i uint64, sealed []byte) ([32]byte, bool, error) {
	d.once.Do(d.do)
	return d.Vault.OpenSalt(c, i, sealed)
}

// TestAttackPageInFlight: a page is being opened when its reader is disabled.
func TestAttackPageInFlight(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	c.Place(ann, c.Seal(ann, "secret"))
	admin, config := adminOf(s), s.Config
	config.Vault = &during{Vault: config.Vault, do: func() { s.Must(s.Disable(t.Context(), admin, "members.bob", "now")) }}
	service := s.Run(&config)
	page, err := service.Entries(t.Context(), bob.P, c.ID, 0, 100, core.AllEntries)
	wantKind(t, "the page", err, core.Unauthorized)
	if len(page.Entries) != 0 {
		t.Errorf("%d entries went out", len(page.Entries))
	}
	if page, err := service.Subscribe(t.Context(), bob.P, c.ID, 0); err == nil || len(page.Entries) != 0 {
		t.Errorf("a subscription after it: %d entries, %v", len(page.Entries), err)
	}
}

// TestAttackLoginRacesDisable: of sign-ins and a disabling at once, no session
// is left that anything can be asked with.
func TestAttackLoginRacesDisable(t *testing.T) {
	t.Parallel()
	s, _, _, bob := desk(t)
	admin := adminOf(s)
	for range 10 {
		var all sync.WaitGroup
		tokens := make(chan string, 8)
		for range cap(tokens) {
			all.Go(func() {
				if in, err := s.Login(context.Background(), wire.Login{Username: "members.bob", Password: "right"}); err == nil {
					tokens <- in.Token
				}
			})
		}
		s.Must(s.Disable(t.Context(), admin, "members.bob", "race"))
		all.Wait()
		close(tokens)
		for token := range tokens {
			_, err := s.Authenticate(t.Context(), token)
			wantKind(t, "a token of the race", err, core.Unauthorized)
		}
		if n := s.Number(`SELECT count(*) FROM sessions WHERE account_id = $1 AND revoked_at IS NULL`, int64(bob.P.User)); n != 0 {
			t.Fatalf("%d sessions stand", n)
		}
		s.Must(s.Enable(t.Context(), admin, "members.bob"))
	}
}

// TestAttackEnableGivesNothingBack: who is enabled again signs in, and is in no
// channel until somebody who may adds them.
func TestAttackEnableGivesNothingBack(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	admin := adminOf(s)
	s.Must(s.Disable(t.Context(), admin, "members.bob", "by mistake"))
	departed(t, c, ann, bob)
	c.Rotate(ann, envelope.CauseRemove)
	wantKind(t, "enabling somebody who is not disabled", s.Enable(t.Context(), admin, "members.ann"), core.Conflict)
	s.Must(s.Enable(t.Context(), admin, "members.bob"))
	_, err := s.Authenticate(t.Context(), bob.Token)
	wantKind(t, "the old session", err, core.Unauthorized)
	again := s.SignIn("members.bob")
	bob.P = again.P
	s.Must(s.BindDevice(t.Context(), again.P, wire.BindDevice{Statement: bob.Proof(t.Context())}))
	bob.P.Device = bob.Key.ID()
	_, err = s.Entries(t.Context(), bob.P, c.ID, 0, 100, core.AllEntries)
	wantKind(t, "reading", err, core.NotFound)
	_, err = s.EpochWrap(t.Context(), bob.P, c.ID, 2)
	wantKind(t, "the new epoch", err, core.NotFound)
	_, err = s.Place(t.Context(), bob.P, c.ID, c.Seal(bob, "I'm back"))
	wantKind(t, "writing", err, core.NotFound)
	c.Add(ann, bob)
	c.Rotate(ann, envelope.CauseAdd)
	c.Place(bob, c.Seal(bob, "now I'm back"))
}

// waits lists what departures wait for, by user name.
func waits(t *testing.T, s *coretest.Server, p identity.Principal) map[string]wire.Departure {
	t.Helper()
	list, err := s.Departures(t.Context(), p)
	s.Must(err)
	out := map[string]wire.Departure{}
	for _, d := range list.Departures {
		out[d.Username] = d
	}
	return out
}

// TestAttackOwnersOneByOne: a server can't take a channel's owners, however
// slowly. Each waits, in sight, for another key.
func TestAttackOwnersOneByOne(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	admin := adminOf(s)
	second, unlisted := s.NewKey(), s.NewKey()
	boss := &coretest.Person{P: admin}
	s.List(boss, envelope.Party{Role: envelope.RoleRemoval, Name: "legal's", Key: second.Public()})
	carl := s.Join("members.carl")
	c.Place(ann, wire.NewEntry{Entry: envelope.Marshal(c.Link(ann, envelope.MemberRole, &envelope.RoleBody{User: bob.User, Rank: envelope.RankOwner}))})
	for _, owner := range []*coretest.Person{bob, ann} {
		name := s.Text(`SELECT username FROM accounts WHERE id = $1`, int64(owner.P.User))
		s.Must(s.Disable(t.Context(), admin, name, "left"))
		eventually(t, "the alarm", func() bool { return s.Alarms().Waiting == 1 })
		eventually(t, "the channel knows the second key", func() bool { return waits(t, s, admin)[name].Waits == "second_key" })
		d := waits(t, s, admin)[name]
		_, err := s.Countersign(t.Context(), admin, d.Entry)
		wantKind(t, "with one signature", err, core.Conflict)
		for what, key := range map[string]struct {
			entry  []byte
			reason chain.Reason
		}{
			"by the server's receipt key": {cosigned(t, d.Entry, s.Receipt), chain.NotListed},
			"by a key of nobody's":        {cosigned(t, d.Entry, unlisted), chain.NotListed},
		} {
			if _, err := s.Countersign(t.Context(), admin, key.entry); chain.ReasonOf(err) != key.reason {
				t.Errorf("%s: %v, want %s", what, err, key.reason)
			}
		}
		both := cosigned(t, d.Entry, second)
		_, err = s.Countersign(t.Context(), carl.P, both)
		wantKind(t, "brought by somebody else", err, core.NotFound)
		_, err = s.Countersign(t.Context(), admin, both)
		s.Must(err)
		_, err = s.Countersign(t.Context(), admin, both)
		wantKind(t, "twice", err, core.NotFound)
	}
	eventually(t, "nothing waits", func() bool { return len(waits(t, s, admin)) == 0 })
}

func cosigned(t *testing.T, raw []byte, k sign.Signer) []byte {
	t.Helper()
	e, err := envelope.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := coretest.Sign(e, k); err != nil {
		t.Fatal(err)
	}
	return envelope.Marshal(e)
}

// TestAttackRemovalKeyBroughtForMore: what comes by the way of countersigned
// removals is a removal of somebody disabled, or nothing.
func TestAttackRemovalKeyBroughtForMore(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	admin, eve := adminOf(s), s.Join("members.eve")
	add := &envelope.AddBody{User: eve.User, UserSeq: eve.Chain.Seq(), UserHead: eve.Chain.Head(), Rank: envelope.RankMember, HistoryFrom: 2}
	_, err := s.Countersign(t.Context(), admin, c.ByKeys(envelope.MemberAdd, add, s.Removal))
	wantKind(t, "an add", err, core.Invalid)
	_, err = s.Place(t.Context(), ann.P, c.ID, wire.NewEntry{Entry: c.ByKeys(envelope.MemberAdd, add, s.Removal)})
	wantKind(t, "an add by a member's session", err, core.Denied)
	_, err = s.Countersign(t.Context(), admin, c.Departure(bob, s.Removal))
	wantKind(t, "a removal of somebody who is not disabled", err, core.NotFound)
	_, err = s.Countersign(t.Context(), admin, envelope.Marshal(c.Link(ann, envelope.MemberRemove, &envelope.RemoveBody{User: bob.User})))
	wantKind(t, "a member's own removal link", err, core.Invalid)
	if _, still := c.State.Member(bob.User); !still || s.Number(`SELECT count(*) FROM channel_members WHERE left_seq IS NOT NULL`) != 0 {
		t.Error("somebody was removed")
	}
}

// TestDepartureAfterKill: the process dies between the disabling and the
// removal. Two others start at once, and the removal is placed once.
func TestDepartureAfterKill(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	idle := core.New(s.Config) // never runs: it can't place anything
	s.Must(idle.Disable(t.Context(), adminOf(s), "members.bob", "left"))
	if n := s.Number(`SELECT count(*) FROM channel_members WHERE left_seq IS NOT NULL`); n != 0 {
		t.Fatal("the removal was placed already")
	}
	s.Again(s.Engine)
	s.Again(s.Engine)
	departed(t, c, ann, bob)
	time.Sleep(100 * time.Millisecond)
	if n := s.Number(`SELECT count(*) FROM records WHERE op = 'mem.remove'`); n != 1 {
		t.Errorf("%d removals were placed", n)
	}
}

// TestDepartureTellsTheChannelFirst: a removal key that was listed after the
// channel last heard of the organisation is synced, then used.
func TestDepartureTellsTheChannelFirst(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	admin, config := adminOf(s), s.Config
	newer := s.NewKey()
	config.Removals = newer
	s.Service = s.Run(&config)
	s.Must(s.Disable(t.Context(), admin, "members.bob", "left"))
	eventually(t, "the alarm", func() bool { return s.Alarms().Waiting == 1 })
	if d := waits(t, s, admin)["members.bob"]; d.Waits != "removal_key_not_listed" {
		t.Errorf("waits for %q", d.Waits)
	}
	s.List(&coretest.Person{P: admin}, envelope.Party{Role: envelope.RoleRemoval, Name: "newer", Key: newer.Public()})
	c.See(s.Org())
	s.Must(s.Disable(t.Context(), admin, "members.bob", "hurry")) // again: it does what is left to do
	departed(t, c, ann, bob)
	if n := s.Number(`SELECT count(*) FROM records WHERE op = 'chn.sync'`); n != 1 {
		t.Errorf("%d syncs were placed", n)
	}
}
