package compliance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"chancery/compliance"
	"chancery/compliance/compliancetest"
	"chancery/core"
	"chancery/core/postgres/postgrestest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/tlog"
	"chancery/policy"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// scene is an organisation with the people that orders need.
type scene struct {
	*compliancetest.Org
	*compliance.Service
	officer, legal, ann *compliancetest.Person
}

func newScene(t *testing.T) *scene {
	t.Helper()
	o := compliancetest.New(t)
	s := &scene{Org: o, officer: o.Officer("olga"), legal: o.Legal("leo"), ann: o.Person("ann", nil)}
	s.Service = compliance.New(compliance.Config{Store: o.DB, Gate: o.Gate(), Directory: o, Now: o.Now})
	if _, err := s.CreateMatter(t.Context(), s.officer.Principal, wire.Matter{ID: "case-1", Title: "Case"}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scene) order(edit func(*envelope.HoldOrder)) ([]byte, envelope.Hash) {
	o := envelope.HoldOrder{Version: envelope.Version, Org: s.Org.Org().ID(), Matter: "case-1", Name: "hold", Nonce: bytes.Repeat([]byte{7}, 16)}
	if edit != nil {
		edit(&o)
	}
	b := envelope.Marshal(&o)
	return b, envelope.OrderHash(b)
}

// hold makes an active hold.
func (s *scene) hold(t *testing.T, edit func(*envelope.HoldOrder)) wire.Hold {
	t.Helper()
	b, id := s.order(edit)
	if _, err := s.CreateHold(t.Context(), s.officer.Principal, wire.Order{Order: b, Approval: s.officer.Approve(policy.HoldCreate, id)}); err != nil {
		t.Fatal(err)
	}
	h, err := s.ApproveHold(t.Context(), s.legal.Principal, id, wire.Order{Approval: s.legal.Approve(policy.HoldApprove, id)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func refused(t *testing.T, err error, kind core.Kind, code string) {
	t.Helper()
	e, ok := errors.AsType[*core.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("got %v, want kind %d code %s", err, kind, code)
	}
}

func TestHoldLife(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	c := s.Channel("desk", s.ann)
	for range 3 {
		c.Post(s.ann, s.Clock)
	}
	ctx := t.Context()
	h := s.hold(t, nil)
	if h.State != compliance.Active || h.Messages != 3 || len(h.Approvals) != 2 || h.Active.IsZero() {
		t.Fatalf("got %+v", h)
	}
	release := envelope.Marshal(&envelope.ReleaseOrder{Version: 1, Org: s.Org.Org().ID(), Hold: h.ID, Reason: "settled"})
	object := envelope.OrderHash(release)
	h, err := s.RequestRelease(ctx, s.officer.Principal, h.ID, wire.Order{Order: release, Approval: s.officer.Approve(policy.HoldReleaseRequest, object)})
	if err != nil || h.State != compliance.ReleaseRequested {
		t.Fatal(h.State, err)
	}
	h, err = s.ApproveRelease(ctx, s.legal.Principal, h.ID, wire.Order{Approval: s.legal.Approve(policy.HoldReleaseApprove, object)})
	if err != nil || h.State != compliance.Cooling || len(h.Approvals) != 4 {
		t.Fatal(h.State, err)
	}
	held, err := s.DB.Held(ctx, c.Number)
	if err != nil || !held {
		t.Errorf("a cooling hold keeps nothing: %v", err)
	}
	list, err := s.Holds(ctx, s.legal.Principal)
	if err != nil || list.Generation != 3 || len(list.Holds) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
	if n := s.Number(`SELECT count(*) FROM records WHERE class = 'hold' AND object = $1`, "hold:"+h.ID.String()); n != 4 {
		t.Errorf("%d records, want 4", n)
	}
}

// Moving the server's clock on ends no hold: the database's clock has a say.
func TestAttackClockEndsCooling(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	h := s.hold(t, nil)
	release := envelope.Marshal(&envelope.ReleaseOrder{Version: 1, Org: s.Org.Org().ID(), Hold: h.ID, Reason: "settled"})
	object := envelope.OrderHash(release)
	_, err := s.RequestRelease(t.Context(), s.officer.Principal, h.ID, wire.Order{Order: release, Approval: s.officer.Approve(policy.HoldReleaseRequest, object)})
	if err == nil {
		_, err = s.ApproveRelease(t.Context(), s.legal.Principal, h.ID, wire.Order{Approval: s.legal.Approve(policy.HoldReleaseApprove, object)})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Clock = s.Clock.AddDate(10, 0, 0)
	if n, err := s.CloseHolds(t.Context()); n != 0 || err != nil {
		t.Fatalf("closed %d, %v", n, err)
	}
	s.Exec(`UPDATE holds SET released_at = now() - interval '31 days'`)
	if n, err := s.CloseHolds(t.Context()); n != 1 || err != nil {
		t.Fatalf("closed %d, %v", n, err)
	}
}

func TestAttackHoldByOnePerson(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	both := s.Person("both", []string{policy.RoleOfficer, policy.RoleLegal}, envelope.RoleCompliance, envelope.RoleLegal)
	b, id := s.order(nil)
	ctx := t.Context()
	if _, err := s.CreateHold(ctx, both.Principal, wire.Order{Order: b, Approval: both.Approve(policy.HoldCreate, id)}); err != nil {
		t.Fatal(err)
	}
	in := wire.Order{Approval: both.Approve(policy.HoldApprove, id)}
	_, err := s.ApproveHold(ctx, both.Principal, id, in)
	refused(t, err, core.Denied, "dual.same_person")
	// The signatures refuse it too, were policy fooled by a second account.
	other := both.Principal
	other.User = s.ann.Principal.User
	_, err = s.ApproveHold(ctx, other, id, in)
	refused(t, err, core.Denied, compliance.SamePerson)
	// And the database, were both fooled.
	h, _, err := s.DB.Hold(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	c := h.Consents[0]
	c.Action = policy.HoldApprove
	_, g, e, err := s.Service.Gate.Permit(ctx, s.legal.Principal, policy.HoldApprove, policy.Resource{Type: policy.HoldResource, ID: id.String(), RequestedBy: "0", Approvals: []policy.Approval{}})
	if err != nil {
		t.Fatal(err)
	}
	e.Op = "hold.approve"
	if err := s.DB.ActivateHold(ctx, g, e, id, c, s.Clock); !errors.Is(err, compliance.ErrSamePerson) {
		t.Errorf("got %v", err)
	}
	if h, _, _ := s.DB.Hold(ctx, id); h.State != compliance.Draft {
		t.Errorf("hold is %s", h.State)
	}
}

func TestAttackApprovals(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	unlisted := s.Person("una", []string{policy.RoleLegal})
	b, id := s.order(nil)
	ctx := t.Context()
	create := func(a []byte) error {
		_, err := s.CreateHold(ctx, s.officer.Principal, wire.Order{Order: b, Approval: a})
		return err
	}
	tampered := slices.Clone(s.officer.Approve(policy.HoldCreate, id))
	tampered[len(tampered)-1] ^= 1
	refused(t, create(nil), core.Invalid, compliance.BadApproval)
	refused(t, create(tampered), core.Denied, compliance.BadApproval)
	refused(t, create(s.officer.Approve(policy.HoldCreate, envelope.Hash{1})), core.Denied, compliance.OtherObject)
	refused(t, create(s.officer.Approve(policy.HoldApprove, id)), core.Denied, compliance.OtherObject)
	refused(t, create(s.officer.ApproveAt(policy.HoldCreate, id, s.Clock.Add(-16*time.Minute))), core.Denied, compliance.Expired)
	refused(t, create(s.officer.ApproveAt(policy.HoldCreate, id, s.Clock.Add(16*time.Minute))), core.Denied, compliance.Expired)
	refused(t, create(s.legal.Approve(policy.HoldCreate, id)), core.Denied, compliance.OtherPerson)
	if err := create(s.officer.Approve(policy.HoldCreate, id)); err != nil {
		t.Fatal(err)
	}
	_, err := s.ApproveHold(ctx, unlisted.Principal, id, wire.Order{Approval: unlisted.Approve(policy.HoldApprove, id)})
	refused(t, err, core.Denied, compliance.NotListed)
	_, err = s.ApproveHold(ctx, s.officer.Principal, id, wire.Order{Approval: s.officer.Approve(policy.HoldApprove, id)})
	refused(t, err, core.Denied, "dual.same_person")
	if n := s.Number(`SELECT count(*) FROM holds WHERE state <> 'draft'`); n != 0 {
		t.Errorf("%d holds are active", n)
	}
}

// A mistyped custodian would be a hold that keeps nothing.
func TestHoldNamesWhatExists(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, edit := range map[string]func(*envelope.HoldOrder){
		"user":    func(o *envelope.HoldOrder) { o.Users = []envelope.UserID{{9}} },
		"channel": func(o *envelope.HoldOrder) { o.Channels = []envelope.ChannelID{{9}} },
		"matter":  func(o *envelope.HoldOrder) { o.Matter = "none" },
	} {
		b, id := s.order(edit)
		_, err := s.CreateHold(t.Context(), s.officer.Principal, wire.Order{Order: b, Approval: s.officer.Approve(policy.HoldCreate, id)})
		t.Run(name, func(t *testing.T) { refused(t, err, core.Invalid, "hold.scope") })
	}
}

// TestHoldAttestsScope compares what is held with a plain reading of the scope.
func TestHoldAttestsScope(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	bob := s.Person("bob", nil)
	desk, other := s.Channel("desk", s.ann), s.Channel("other", s.ann)
	start := s.Clock.Add(-100 * time.Hour)
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	hash := map[string]envelope.Hash{}
	post := func(name string, c *compliancetest.Channel, p *compliancetest.Person, h int) {
		i := c.Post(p, at(h))
		var b []byte
		if err := s.DB.App().QueryRow(context.Background(), `SELECT hash FROM entries WHERE channel_id = $1 AND seq = $2`, c.Number, int64(i)).Scan(&b); err != nil {
			t.Fatal(err)
		}
		hash[name] = envelope.Hash(b)
	}
	post("before bob", desk, s.ann, 1)
	desk.Join(bob)
	post("with bob", desk, s.ann, 2)
	post("by bob", desk, bob, 3)
	desk.Leave(bob)
	post("after bob", desk, s.ann, 4)
	post("elsewhere", other, s.ann, 5)
	for name, c := range map[string]struct {
		edit func(*envelope.HoldOrder)
		want []string
	}{
		"all":     {nil, []string{"before bob", "with bob", "by bob", "after bob", "elsewhere"}},
		"channel": {func(o *envelope.HoldOrder) { o.Channels = []envelope.ChannelID{other.ID} }, []string{"elsewhere"}},
		"user":    {func(o *envelope.HoldOrder) { o.Users = []envelope.UserID{bob.ID} }, []string{"with bob", "by bob"}},
		"time":    {func(o *envelope.HoldOrder) { o.From, o.To = at(2).UnixMicro(), at(3).UnixMicro() }, []string{"with bob", "by bob"}},
		"user and channel": {func(o *envelope.HoldOrder) {
			o.Users, o.Channels = []envelope.UserID{bob.ID}, []envelope.ChannelID{other.ID}
		}, nil},
	} {
		h := s.hold(t, func(o *envelope.HoldOrder) {
			o.Name = name
			if c.edit != nil {
				c.edit(o)
			}
		})
		// Channels follow one another by id, which is random here.
		roots := []tlog.Hash{}
		for _, order := range [][]string{c.want, rotate(c.want)} {
			var leaves [][]byte
			for _, w := range order {
				v := hash[w]
				leaves = append(leaves, v[:])
			}
			roots = append(roots, tlog.Root(leaves))
		}
		if h.Messages != uint64(len(c.want)) || !slices.Contains(roots, tlog.Hash(h.Root)) {
			t.Errorf("%s: %d messages, want %d; root %s", name, h.Messages, len(c.want), h.Root)
		}
	}
}

// rotate puts the last first: the one message of the other channel.
func rotate(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return append([]string{list[len(list)-1]}, list[:len(list)-1]...)
}

func TestMatterOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	_, err := s.CreateMatter(t.Context(), s.legal.Principal, wire.Matter{ID: "case-1", Title: "again"})
	refused(t, err, core.Conflict, "matter.exists")
	_, err = s.CreateMatter(t.Context(), s.legal.Principal, wire.Matter{ID: "Case", Title: "x"})
	refused(t, err, core.Invalid, "request.malformed")
	list, err := s.Matters(t.Context(), s.legal.Principal)
	if err != nil || fmt.Sprint(list) != "{[{case-1 Case false}]}" {
		t.Errorf("got %v, %v", list, err)
	}
}
