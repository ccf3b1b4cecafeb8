package core_test

import (
	"slices"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

// TestAttack30RevokedDeviceOnTheServer: a device that was revoked has no session,
// socket or seed from that moment, can't get a session, and what it signed
// before and kept is refused in every channel.
func TestAttack30RevokedDeviceOnTheServer(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	phone := bob.Phone("members.bob")
	c.Place(phone, wire.NewEntry{Entry: envelope.Marshal(c.Link(phone, envelope.Sync, &envelope.SyncBody{
		Chain: envelope.Hash(bob.User), Seq: bob.Chain.Seq(), Head: bob.Chain.Head()}))})
	c.Place(phone, c.Seal(phone, "from the phone"))
	kept := c.Seal(phone, "for later")
	proof := phone.Proof(t.Context())
	s.Must(bob.Extend(bob.Revocation(phone.Key.ID())))

	_, err := s.Authenticate(t.Context(), phone.Token)
	wantKind(t, "the phone's token", err, core.Unauthorized)
	if !slices.Contains(s.Heard.Ended, phone.P.Session) || slices.Contains(s.Heard.Ended, bob.P.Session) {
		t.Errorf("sockets closed: %v", s.Heard.Ended)
	}
	thief := s.SignIn("members.bob") // who knows the password as well
	wantKind(t, "binding a session", s.BindDevice(t.Context(), thief.P, wire.BindDevice{Statement: proof}), core.Denied)
	if w, err := s.DeviceWrap(t.Context(), thief.P, phone.Key.ID()); err == nil && len(w.Wrap) != 0 {
		t.Error("the phone's wrap is served")
	}
	_, err = s.Place(t.Context(), phone.P, c.ID, kept) // by a request that was let in before
	wantCode(t, "a message kept for later", err, string(chain.DeviceUnknown))

	c.CatchUp(ann)
	if m, _ := c.State.Member(bob.User); m.UserSeq != bob.Chain.Seq() {
		t.Errorf("the channel knows link %d, want %d", m.UserSeq, bob.Chain.Seq())
	}
	_, err = s.Place(t.Context(), ann.P, c.ID, c.Seal(ann, "before a rotation"))
	wantCode(t, "a message in the old epoch", err, string(chain.RotationDue))
	if got := s.Number(`SELECT count(*) FROM records WHERE op = 'key.device_revoke'`); got != 1 {
		t.Errorf("%d records of the revocation", got)
	}
}

// TestUserKeyRenewed: the new seed is there for each device, and opens what is
// wrapped to the new key; a link with other wraps is refused.
func TestUserKeyRenewed(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	in := bob.Renewal()
	swapped := in
	swapped.Wraps = [][]byte{[]byte("another")}
	wantKind(t, "another wrap", s.ExtendUser(t.Context(), bob.P, swapped), core.Invalid)
	swapped.Wraps = nil
	wantKind(t, "no wrap", s.ExtendUser(t.Context(), bob.P, swapped), core.Invalid)
	s.Must(bob.Extend(in))
	d, err := s.DeviceWrap(t.Context(), bob.P, bob.Key.ID())
	if s.Must(err); envelope.SumBytes(d.Wrap) != envelope.SumBytes(in.Wraps[0]) {
		t.Error("the device is given another seed")
	}
	c.CatchUp(ann)
	c.Rotate(ann, envelope.CauseDevice)
	c.Place(ann, c.Seal(ann, "for the new key"))
	newest, _ := c.State.Newest()
	w, err := s.EpochWrap(t.Context(), bob.P, c.ID, newest.N)
	s.Must(err)
	user, err := seal.UserIdentity(suitetest.Suite(), bob.Seed)
	s.Must(err)
	_, err = seal.UnwrapSeed(user, w.Wrap, seal.Epoch{Org: c.State.Org(), Channel: c.ID, N: newest.N, Commit: newest.Body.SeedCommit})
	s.Must(err)
}

// TestLinkFromTheFuture: who could date links ahead would have as many days as
// they like.
func TestLinkFromTheFuture(t *testing.T) {
	t.Parallel()
	s, _, _, bob := desk(t)
	e, err := envelope.ParseEntry(bob.Renewal().Entry)
	s.Must(err)
	l, err := envelope.ParseLink(e)
	s.Must(err)
	l.Time = time.Now().Add(3 * time.Minute).UnixMicro()
	e = &envelope.Entry{Kind: envelope.KindLink, Header: envelope.Marshal(l), Payload: []byte{}}
	seal.SignEntry(e, bob.Key)
	wantKind(t, "a link signed ahead", s.ExtendUser(t.Context(), bob.P, wire.NewLink{Entry: envelope.Marshal(e)}), core.Invalid)
}

// TestAttackLinkFromThePast: who takes a device can't use the days since its owner's
// last link for more links than a day has.
func TestAttackLinkFromThePast(t *testing.T) {
	t.Parallel()
	s, _, _, bob := desk(t)
	c := s.Config
	c.Now = func() time.Time { return time.Now().Add(25 * time.Hour) }
	err := s.Run(&c).ExtendUser(t.Context(), bob.P, bob.Renewal())
	wantKind(t, "a link signed 25 hours ago", err, core.Invalid)
}
