package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/keyring"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
)

// A kit is refreshed by whichever device turns the key, works once, and every
// device that is left is told.
func TestRecover(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice := h.join()
	c := channel(t, alice)
	post(t, c, "before")
	if err := alice.TestKit(ctx, seal.NewKit()); !errors.Is(err, ErrNoKit) {
		t.Errorf("testing a kit where none stands: %v", err)
	}
	old, err := alice.CreateKit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	kit, err := alice.CreateKit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.RenewKey(ctx); err != nil {
		t.Fatal(err)
	}
	if err := alice.TestKit(ctx, old); !errors.Is(err, ErrOtherKit) {
		t.Errorf("the kit before: %v", err)
	}
	if err := alice.TestKit(ctx, kit); err != nil {
		t.Errorf("the kit that stands: %v", err)
	}

	fresh := h.another(alice)
	if err := fresh.Recover(ctx, kit, "new", []string{"no such"}); !errors.Is(err, ErrNoSuchDevice) {
		t.Errorf("a device that there is not: %v", err)
	}
	phone := h.another(alice)
	at, _ := hands()
	done := enrol(t, phone, at)
	_, ticket := asks(t, alice, at)
	_, err = alice.ApproveByTicket(ctx, ticket)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	if _, err := phone.News(ctx); err != nil {
		t.Fatal(err)
	}
	if err := fresh.Recover(ctx, kit, "new", []string{"test device"}); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, fresh.see(t, c.ID())); got != "before/open" {
		t.Errorf("the new device reads %q", got)
	}
	phone.looked = time.Time{}
	news, err := phone.News(ctx)
	if err != nil || len(news) != 1 || !strings.Contains(news[0], `recovery kit was used`) || !strings.Contains(news[0], `added "new" and revoked "test device"`) {
		t.Errorf("the device that is left is told %q, %v", news, err)
	}
	if err := h.another(fresh).Recover(ctx, kit, "again", nil); !errors.Is(err, ErrNoKit) {
		t.Errorf("the kit a second time: %v", err)
	}
}

// TestAttack51RecoveryKit: a client that has a kit's keys for its device's can't
// bind a session, post, add a member or take a device in.
func TestAttack51RecoveryKit(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHonest(t)
	alice, bob := h.join(), h.join()
	c := channel(t, alice)
	post(t, c, "before")
	kit, err := alice.CreateKit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Create(t.TempDir()+"/ring", "test", keyring.Cheap(), keyring.Suite(suitetest.Suite()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	identity, err := kit.Identity(suitetest.Suite())
	if err := errors.Join(err, ring.Put(itemSigning, kit.SigningKey().Seed()), ring.Put(itemIdentity, identity.Seed())); err != nil {
		t.Fatal(err)
	}
	thief := &person{dir: t.TempDir()}
	h.open(thief, ring, alice.Me.Chain.String()+newDevice)
	if err := thief.Enrolled(ctx); !errors.Is(err, ErrNotEnrolled) {
		t.Errorf("as a device: %v", err)
	}
	channel := thief.see(t, c.ID())
	_, posted := channel.Post(ctx, Draft{Kind: envelope.Post, Text: "by the kit"})
	for what, err := range map[string]error{"posting": posted, "adding a member": channel.Add(ctx, bob.Me.Chain, envelope.RankMember), "renewing the key": thief.RenewKey(ctx)} {
		if err == nil || !strings.Contains(err.Error(), string(chain.DeviceUnknown)) {
			t.Errorf("%s: %v, want %s", what, err, chain.DeviceUnknown)
		}
	}
	if got := texts(t, c); got != "before/open" {
		t.Errorf("alice reads %q", got)
	}
}
