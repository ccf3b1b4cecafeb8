package core_test

import (
	"errors"
	"strings"
	"testing"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/policy"
)

// A database that rules number n decided on takes no lower number and no other
// rules under that number, and keeps nothing of the attempt.
func TestAttackOlderOrOtherRules(t *testing.T) {
	t.Parallel()
	s := coretest.Start(t)
	number, digest := s.Engine.Current()
	other := strings.Repeat("ab", 32)
	for _, row := range []struct {
		name   string
		number uint64
		digest string
		want   error
	}{
		{"the same again", number, digest, nil},
		{"same number, other rules", number, other, policy.ErrNumberTaken},
		{"older", number - 1, digest, policy.ErrOldBundle},
		{"newer", number + 1, other, nil},
		{"back after an upgrade", number, digest, policy.ErrOldBundle},
	} {
		if err := s.DB.SavePolicy(t.Context(), row.number, row.digest); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
	if n := s.Number(`SELECT count(*) FROM policies`); n != 2 {
		t.Errorf("%d policies kept, want 2", n)
	}
}

// The decision to let a member read is remembered; that they are none any more
// is seen by the next question all the same.
func TestAttackCachedAllowAfterRemoval(t *testing.T) {
	t.Parallel()
	s, c, ann, bob := desk(t)
	remove := c.Link(ann, envelope.MemberRemove, &envelope.RemoveBody{User: bob.User, Reason: "removed"})
	for range 3 {
		_, err := s.Entries(t.Context(), bob.P, c.ID, 0, 100, core.AllEntries)
		s.Must(err)
	}
	c.Place(ann, wire.NewEntry{Entry: envelope.Marshal(remove)})
	if _, err := s.Entries(t.Context(), bob.P, c.ID, 0, 100, core.AllEntries); core.KindOf(err) != core.NotFound {
		t.Errorf("a removed member reads: %v", err)
	}
}
