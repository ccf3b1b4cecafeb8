package retention_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"chancery/compliance"
	"chancery/compliance/archive"
	"chancery/compliance/compliancetest"
	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/sign"
	"chancery/crypto/tlog"
	"chancery/policy"
	"chancery/retention"
)

func TestDisposal(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(7)
	fresh := s.desk.Post(s.ann, s.Clock)
	p := s.start()
	if p.Messages != 7 {
		t.Fatalf("plan has %d messages", p.Messages)
	}
	ctx := t.Context()
	if err := s.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	if got := s.state(p.ID); got.State != retention.Pending || s.desk.Bodies() != 1 {
		t.Fatalf("plan is %s, %d bodies", got.State, s.desk.Bodies())
	}
	for i := uint64(1); i <= 8; i++ {
		if message := i >= 2; message == s.readable(i) {
			t.Errorf("leaf %d: readable %v", i, s.readable(i))
		}
	}
	if !s.readable(fresh) {
		t.Error("a message that stays was shredded")
	}
	why, err := s.Why(ctx, s.legal.Principal, s.desk.ID, 3)
	if err != nil || why.Code != retention.Disposed {
		t.Errorf("why: %+v, %v", why, err)
	}
	if err := s.confirm(s.recorder, p.ID); err != nil {
		t.Fatal(err)
	}
	s.signer.Down = errors.New("signer is away")
	if err := s.Resume(ctx); err == nil {
		t.Error("certified without a signer")
	}
	s.signer.Down = nil
	if err := s.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	s.checkCertificate(t, s.state(p.ID))
	if n := s.Number(`SELECT count(*) FROM records WHERE op = 'ret.run' AND outcome = 'intent'`); n != 4 {
		t.Errorf("%d intents on record, want that of the start and one for each of 3 batches", n)
	}
}

func (s *scene) checkCertificate(t *testing.T, p wire.Plan) {
	t.Helper()
	doc, err := sign.VerifyDSSE(p.Certificate, s.signer.Key.Public())
	if err != nil || p.State != retention.Certified {
		t.Fatal(p.State, err)
	}
	var statement struct{ Predicate archive.Disposal }
	if err := json.Unmarshal(doc.Payload, &statement); err != nil {
		t.Fatal(err)
	}
	d := statement.Predicate
	if !bytes.Equal(d.Order, p.Order) || len(d.Approvals) != 2 || len(d.Confirmations) != 1 || d.Destroyed != 7 {
		t.Errorf("certificate says %+v", d)
	}
}

// TestCrash crashes a run at every step and goes on.
func TestCrash(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	for _, where := range []string{"intended", "punctured", "dropped", "finished", "signed"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.old(5)
			p := s.start()
			left := 2 // the second time, so that something was done before
			if where == "finished" || where == "signed" {
				left = 1
			}
			s.CrashAt(func(step string) error {
				if step == where {
					if left--; left == 0 {
						return crash
					}
				}
				return nil
			})
			confirmed := false
			for range 6 {
				err := s.Resume(t.Context())
				if err != nil && !errors.Is(err, crash) {
					t.Fatal(err)
				}
				if !confirmed && s.state(p.ID).State == retention.Pending {
					confirmed = true
					if err := s.confirm(s.recorder, p.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
			if left > 0 || s.state(p.ID).State != retention.Certified || s.desk.Bodies() != 0 {
				t.Errorf("crash left %d, plan is %s, %d bodies", left, s.state(p.ID).State, s.desk.Bodies())
			}
			if n := s.Number(`SELECT disposed FROM plans`); n != 5 {
				t.Errorf("%d messages counted", n)
			}
		})
	}
}

// A hold that comes at any step of a run stops it before the next batch, and
// what it finds is kept.
func TestAttackHoldDuringRun(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(7)
	p := s.start()
	batches := 0
	var held error
	done := make(chan struct{})
	s.CrashAt(func(step string) error {
		switch {
		case step == "punctured" && batches == 0:
			// In the middle of a batch it waits for the batch's end.
			go func() { defer close(done); held = s.hold(t) }()
			select {
			case <-done:
				t.Error("a hold took effect in the middle of a batch")
			case <-time.After(300 * time.Millisecond):
			}
		case step == "dropped" && batches == 0:
			<-done
			batches++
		}
		return nil
	})
	if err := s.Resume(t.Context()); err != nil || held != nil {
		t.Fatal(err, held)
	}
	got := s.state(p.ID)
	if got.State != retention.Stopped || s.desk.Bodies() != 4 || got.Why == "" {
		t.Fatalf("plan is %s (%s), %d bodies; want stopped after 3 of 7", got.State, got.Why, s.desk.Bodies())
	}
	for i := uint64(5); i <= 8; i++ {
		if !s.readable(i) {
			t.Errorf("leaf %d of a held message was shredded", i)
		}
	}
	// Those that went have no certificate, so the next plan is to tell of them too.
	if again := s.plan(); again.Messages != 0 || again.Blocked != 7 {
		t.Errorf("a new plan has %d messages, %d blocked", again.Messages, again.Blocked)
	}
	why, err := s.Why(t.Context(), s.legal.Principal, s.desk.ID, 6)
	if err != nil || why.Code != retention.HoldActive || len(why.Holds) != 1 {
		t.Errorf("why: %+v, %v", why, err)
	}
}

// A hold between approval and run is seen by policy, and by the store.
func TestAttackRunUnderHold(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(3)
	p := s.plan()
	for _, x := range []struct {
		who *compliancetest.Person
		a   policy.Action
	}{{s.officer, policy.RetentionPlan}, {s.legal, policy.RetentionApprove}} {
		if _, err := s.approve(x.who, x.a, p.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.hold(t); err != nil {
		t.Fatal(err)
	}
	_, err := s.RunPlan(t.Context(), s.officer.Principal, p.ID)
	refused(t, err, core.Denied, "hold.active")
	plan, _, err := s.DB.Plan(t.Context(), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	zero := int64(0)
	_, g, e, err := s.Service.Gate.Permit(t.Context(), s.officer.Principal, policy.RetentionRun, policy.Resource{
		Type: policy.PlanResource, ID: p.ID.String(), Holds: &zero, RequestedBy: "0", Approvals: compliance.PolicyApprovals(plan.Requester, plan.Consents),
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Op = "ret.run"
	if err := s.DB.StartPlan(t.Context(), g, e, &plan, s.Clock); !errors.Is(err, retention.ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestAttackPlanByOnePerson(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	both := s.Person("both", []string{policy.RoleOfficer, policy.RoleLegal}, envelope.RoleCompliance, envelope.RoleLegal)
	s.old(2)
	p := s.plan()
	if _, err := s.approve(both, policy.RetentionPlan, p.ID); err != nil {
		t.Fatal(err)
	}
	_, err := s.approve(both, policy.RetentionApprove, p.ID)
	refused(t, err, core.Denied, "dual.approved_twice")
	other := both.Principal
	other.User = s.legal.Principal.User
	_, err = s.ApprovePlan(t.Context(), other, p.ID, wire.Order{Approval: both.Approve(policy.RetentionApprove, p.ID)})
	refused(t, err, core.Denied, compliance.SamePerson)
	_, err = s.RunPlan(t.Context(), s.officer.Principal, p.ID)
	refused(t, err, core.Denied, "dual.not_approved")
	stale := s.legal.ApproveAt(policy.RetentionApprove, p.ID, s.Clock.Add(-hour))
	_, err = s.ApprovePlan(t.Context(), s.legal.Principal, p.ID, wire.Order{Approval: stale})
	refused(t, err, core.Denied, compliance.Expired)
}

// The server's clock and its checkpoints ten years ahead purge nothing.
func TestAttackClockTenYearsOn(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(0)
	for range 3 {
		s.desk.Post(s.ann, s.Clock)
	}
	s.desk.Cover(s.recorder, s.desk.Last-3, s.desk.Last)
	s.look()
	s.Clock = s.Clock.AddDate(10, 0, 0)
	s.officer.Principal.AuthTime, s.officer.Principal.Expires = s.Clock, s.Clock.Add(hour)
	s.checkpoint(1000, s.Clock)
	if p := s.plan(); p.Messages != 0 {
		t.Errorf("plan has %d messages", p.Messages)
	}
}

// Nor does a clock that goes there in steps of less than two days.
func TestAttackClockInSteps(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(0)
	if _, err := s.rule(func(o *envelope.RuleOrder) { o.Revision, o.MaxRetain = 2, 30*24*3600 }); err != nil {
		t.Fatal(err)
	}
	s.desk.Post(s.ann, s.Clock)
	s.desk.Cover(s.recorder, 1, s.desk.Last)
	s.look()
	for i := range int64(50) {
		s.Clock = s.Clock.Add(47 * hour)
		s.checkpoint(1000+i, s.Clock)
		s.look()
	}
	s.officer.Principal.AuthTime, s.officer.Principal.Expires = s.Clock, s.Clock.Add(hour)
	if p := s.plan(); p.Messages != 0 {
		t.Errorf("plan has %d messages", p.Messages)
	}
}

// look has the server look at its clock.
func (s *scene) look() {
	s.T.Helper()
	if err := s.DB.LookAtClock(s.T.Context(), s.Clock); err != nil {
		s.T.Fatal(err)
	}
}

// What a recorder has not covered stays.
func TestAttackDisposeBeforeCoverage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(2)
	for range 3 {
		s.desk.Post(s.ann, s.Clock.Add(-2*hour))
	}
	p := s.plan()
	o, err := envelope.ParseOrder[envelope.DisposalPlan](p.Order)
	if err != nil || p.Messages != 2 || o.Unconfirmed != 3 {
		t.Errorf("plan has %d messages, %d unconfirmed; %v", p.Messages, o.Unconfirmed, err)
	}
	var leaves [][]byte
	for _, i := range []int64{2, 3} {
		var h []byte
		if err := s.DB.App().QueryRow(t.Context(), `SELECT hash FROM entries WHERE channel_id = $1 AND seq = $2`, s.desk.Number, i).Scan(&h); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, h)
	}
	if len(o.Ranges) != 1 || tlog.Hash(o.Ranges[0].Root) != tlog.Root(leaves) || o.Ranges[0].From != 2 || o.Ranges[0].To != 3 {
		t.Errorf("ranges are %+v", o.Ranges)
	}
}

// A message goes only together with its revisions.
func TestRevisionsKeepTheirMessage(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	i := s.desk.Post(s.ann, s.Clock.Add(-3*hour))
	alone := s.desk.Post(s.ann, s.Clock.Add(-3*hour))
	s.desk.Revise(s.ann, s.Clock.Add(-time.Minute), envelope.Edit, i)
	s.old(0)
	o, err := envelope.ParseOrder[envelope.DisposalPlan](s.plan().Order)
	if err != nil || len(o.Ranges) != 1 || o.Ranges[0].From != alone || o.Ranges[0].To != alone {
		t.Fatalf("ranges are %+v, %v", o.Ranges, err)
	}
	why, err := s.Why(t.Context(), s.legal.Principal, s.desk.ID, i)
	if err != nil || why.Verdict != "expires" || why.Code != retention.RetentionMax {
		t.Errorf("why: %+v, %v", why, err)
	}
}

func TestAttackShortenLockedRule(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	if _, err := s.rule(func(o *envelope.RuleOrder) { o.MinRetain, o.Lock = 3600, true }); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*envelope.RuleOrder){
		"minimum": func(o *envelope.RuleOrder) { o.MinRetain, o.Lock = 3599, true },
		"lock":    func(o *envelope.RuleOrder) { o.MinRetain, o.Lock = 3600, false },
		"channel": func(o *envelope.RuleOrder) { o.MinRetain, o.Lock, o.Channel = 3600, true, s.desk.ID },
	} {
		_, err := s.rule(func(o *envelope.RuleOrder) { o.Revision = 2; edit(o) })
		t.Run(name, func(t *testing.T) { refused(t, err, core.Held, "retention.locked") })
	}
	// The server's own role can't do it in SQL either.
	for _, sql := range []string{
		`INSERT INTO rules SELECT id, 2, sha256(hash), order_bytes, channel, 0, max_retain, locked, now() FROM rules`,
		`UPDATE rules SET min_retain = 0`, `DELETE FROM rules`,
	} {
		if _, err := s.DB.App().Exec(t.Context(), sql); err == nil {
			t.Errorf("%s: allowed", sql)
		}
	}
	_, err := s.rule(func(o *envelope.RuleOrder) { o.Revision = 3; o.MinRetain, o.Lock = 3600, true })
	refused(t, err, core.Conflict, "state.moved")
	if _, err := s.rule(func(o *envelope.RuleOrder) { o.Revision, o.MinRetain, o.MaxRetain, o.Lock = 2, 7200, 7200, true }); err != nil {
		t.Error(err)
	}
}

func TestAttackConfirmations(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(1)
	early := s.plan()
	refused(t, s.confirm(s.recorder, early.ID), core.Denied, "dual.not_approved")
	p := s.start()
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger := s.Recorder("stranger")
	refused(t, s.confirm(stranger, p.ID), core.Denied, "capture.not_listed")
	forged := &compliancetest.Recorder{Key: stranger.Key, Party: s.recorder.Party, Principal: s.recorder.Principal}
	refused(t, s.confirm(forged, p.ID), core.Denied, compliance.BadApproval)
	s.Delist(s.recorder.Party)
	refused(t, s.confirm(s.recorder, p.ID), core.Denied, compliance.NotListed)
	if err := s.Resume(t.Context()); err != nil || s.state(p.ID).State != retention.Pending {
		t.Errorf("plan is %s, %v", s.state(p.ID).State, err)
	}
}

// A member may ask what keeps a message of the channel; a stranger is told
// nothing.
func TestWhyForMembers(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.old(1)
	if w, err := s.Why(t.Context(), s.ann.Principal, s.desk.ID, s.desk.Last-1); err != nil || w.Code != retention.RetentionMax {
		t.Errorf("a member: %+v, %v", w, err)
	}
	eve := s.Person("eve", nil)
	if _, err := s.Why(t.Context(), eve.Principal, s.desk.ID, s.desk.Last-1); core.KindOf(err) != core.Denied {
		t.Errorf("a stranger: %v", err)
	}
}

// Of two recorders both must have covered what goes, and both must confirm that
// it has gone from their own copies.
func TestAttackDisposeByOneOfTwoRecorders(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	second := s.Recorder("second")
	s.record("pair", second)
	s.old(2) // covered by the first
	if p := s.plan(); p.Messages != 0 {
		t.Fatalf("%d messages are to go that one of two has covered", p.Messages)
	}
	s.desk.Cover(second, 1, s.desk.Last)
	p := s.start()
	for _, r := range []*compliancetest.Recorder{s.recorder, second} {
		if err := s.Resume(t.Context()); err != nil || s.state(p.ID).State != retention.Pending {
			t.Fatalf("plan is %s, %v", s.state(p.ID).State, err)
		}
		if err := s.confirm(r, p.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Resume(t.Context()); err != nil || s.state(p.ID).State != retention.Certified {
		t.Errorf("plan is %s, %v", s.state(p.ID).State, err)
	}
}
