package compliance_test

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"chancery/compliance"
	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/witness"
	"chancery/identity"
	"chancery/policy"
)

// operation is one exported method of compliance.Service: how to call it so
// that policy alone stands between the caller and the change.
type operation struct {
	open string // why nobody is asked; then there is no call
	job  bool   // of the server's own: there is no caller
	// A refusal reads as "not found", so that nobody learns what is there.
	hides bool
	call  func(x *sweep, s *compliance.Service, p identity.Principal) error
}

var operations = map[string]operation{
	"Register": {open: "tells the queue who does what"},
	"CreateMatter": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.CreateMatter(x.ctx, p, wire.Matter{ID: "case-2", Title: "Case"})
		return err
	}},
	"Matters": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Matters(x.ctx, p)
		return err
	}},
	"CreateHold": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.CreateHold(x.ctx, p, x.newHold)
		return err
	}},
	"ApproveHold": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.ApproveHold(x.ctx, p, x.draft, wire.Order{Approval: x.approval(x.legal, policy.HoldApprove, x.draft)})
		return err
	}},
	"RequestRelease": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.RequestRelease(x.ctx, p, x.active, x.release)
		return err
	}},
	"ApproveRelease": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.ApproveRelease(x.ctx, p, x.releasing, wire.Order{Approval: x.approval(x.legal, policy.HoldReleaseApprove, x.releasing)})
		return err
	}},
	"CloseHolds": {job: true, call: func(x *sweep, s *compliance.Service, _ identity.Principal) error {
		_, err := s.CloseHolds(x.ctx)
		return err
	}},
	"Holds": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Holds(x.ctx, p)
		return err
	}},
	"Hold": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Hold(x.ctx, p, x.draft)
		return err
	}},
	"SetSchedule": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.SetSchedule(x.ctx, p, x.newSchedule)
		return err
	}},
	"ApproveSchedule": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.ApproveSchedule(x.ctx, p, "daily", x.newSchedule)
		return err
	}},
	"Schedules": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Schedules(x.ctx, p)
		return err
	}},
	"RunSchedule": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.RunSchedule(x.ctx, p, "daily")
		return err
	}},
	"Exports": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Exports(x.ctx, p, "")
		return err
	}},
	"Export": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Export(x.ctx, p, x.cut.ID)
		return err
	}},
	"PutOpenings": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		return s.PutOpenings(x.ctx, p, x.cut.ID, x.openings(x.cut))
	}},
	"MayPutOpenings": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		return s.MayPutOpenings(x.ctx, p, x.cut.ID)
	}},
	"Witnessed": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Witnessed(x.ctx, p, 0)
		return err
	}},
	"Leaves": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Leaves(x.ctx, p, 0)
		return err
	}},
	"Logged": {hides: true, call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		_, err := s.Logged(x.ctx, p, x.desk.ID, 1, 1)
		return err
	}},
	"Cosign": {call: func(x *sweep, s *compliance.Service, p identity.Principal) error {
		return s.Cosign(x.ctx, p, x.cosignature())
	}},
	"Advance": {job: true, call: func(x *sweep, s *compliance.Service, _ identity.Principal) error {
		return s.Advance(x.ctx, x.ready.ID)
	}},
	"Tick": {job: true, call: func(x *sweep, s *compliance.Service, _ identity.Principal) error {
		return s.Tick(x.ctx)
	}},
}

func TestOperationsHaveCases(t *testing.T) {
	t.Parallel()
	methods := reflect.TypeFor[*compliance.Service]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		if _, ok := operations[name]; !ok && name != "CrashAt" {
			t.Errorf("compliance.Service.%s has no case in the sweep", name)
		}
	}
	for name := range operations {
		if _, ok := methods.MethodByName(name); !ok {
			t.Errorf("there is no compliance.Service.%s", name)
		}
	}
}

// sweep is a press in which each operation has something to change.
type sweep struct {
	*press
	ctx                      context.Context
	draft, active, releasing envelope.Hash // holds; releasing is its release order
	newHold, release         wire.Order
	newSchedule              wire.Order
	cut, ready               wire.Export // waiting for openings; waiting for the server
}

func newSweep(t *testing.T) *sweep {
	t.Helper()
	x := &sweep{press: newPress(t), ctx: t.Context()}
	_, err := x.CreateMatter(x.ctx, x.officer.P, wire.Matter{ID: "case-1", Title: "Case"})
	x.Must(err)
	x.draft = x.hold(1, false)
	x.active = x.hold(2, true)
	x.releasing = x.releaseOf(x.hold(3, true))
	_, cooling := x.hold(4, true), x.clock.Add(-40*24*time.Hour)
	x.exec(`UPDATE holds SET state = 'cooling', released_at = $1, release_id = id, release_bytes = order_bytes, release_by = requested_by
		WHERE name = 'hold 4'`, cooling)
	x.newHold = x.holdOrder(5)
	o := envelope.Marshal(&envelope.ReleaseOrder{Version: 1, Org: x.org.ID(), Hold: x.active, Reason: "settled"})
	x.release = wire.Order{Order: o, Approval: x.approval(x.officer, policy.HoldReleaseRequest, envelope.OrderHash(o))}
	x.exports()
	return x
}

func (x *sweep) holdOrder(n byte) wire.Order {
	o := envelope.Marshal(&envelope.HoldOrder{
		Version: 1, Org: x.org.ID(), Matter: "case-1", Name: "hold " + string('0'+n), Nonce: slices.Repeat([]byte{n}, 16),
	})
	return wire.Order{Order: o, Approval: x.approval(x.officer, policy.HoldCreate, envelope.OrderHash(o))}
}

func (x *sweep) hold(n byte, approve bool) envelope.Hash {
	x.T.Helper()
	h, err := x.CreateHold(x.ctx, x.officer.P, x.holdOrder(n))
	if err == nil && approve {
		_, err = x.ApproveHold(x.ctx, x.legal.P, h.ID, wire.Order{Approval: x.approval(x.legal, policy.HoldApprove, h.ID)})
	}
	x.Must(err)
	return h.ID
}

func (x *sweep) releaseOf(hold envelope.Hash) envelope.Hash {
	x.T.Helper()
	o := envelope.Marshal(&envelope.ReleaseOrder{Version: 1, Org: x.org.ID(), Hold: hold, Reason: "settled"})
	id := envelope.OrderHash(o)
	_, err := x.RequestRelease(x.ctx, x.officer.P, hold, wire.Order{Order: o, Approval: x.approval(x.officer, policy.HoldReleaseRequest, id)})
	x.Must(err)
	return id
}

// exports makes one schedule with an export that waits for openings, one with
// an export that is ready to be written, and one that is due.
func (x *sweep) exports() {
	x.T.Helper()
	x.schedule(nil)
	x.schedule(func(o *envelope.ExportOrder) { o.Schedule, o.Channels = "open", []envelope.ChannelID{x.open.ID} })
	s := x.schedule(func(o *envelope.ExportOrder) { o.Schedule, o.Cron = "due", "* * * * *" })
	x.exec(`UPDATE schedules SET due_at = created_at WHERE id = $1`, s.ID)
	x.post(1)
	x.log()
	var err error
	x.cut, err = x.RunSchedule(x.ctx, x.officer.P, "daily")
	x.Must(err)
	x.ready, err = x.RunSchedule(x.ctx, x.officer.P, "open")
	x.Must(err)
	auditor := x.auditorParty()
	o := envelope.Marshal(&envelope.ExportOrder{
		Version: 1, Org: x.org.ID(), Schedule: "daily", Revision: 2, Zone: "UTC", Auditors: []envelope.KeyID{auditor.ID()},
		NotAfter: x.clock.Add(time.Hour).UnixMicro(),
	})
	x.newSchedule = wire.Order{Order: o, Approval: x.approval(x.officer, policy.ExportScheduleSet, envelope.OrderHash(o))}
}

// cosignature is the recorder's of the newest checkpoint.
func (x *sweep) cosignature() wire.Cosignature {
	x.T.Helper()
	note, found, err := x.DB.Log().Checkpoint(x.ctx)
	x.Must(err)
	if !found {
		x.T.Fatal("no checkpoint")
	}
	n, err := witness.Read(x.org, []byte(note))
	x.Must(err)
	name := witness.CosignerName(x.org.ID(), x.recorder.ID())
	return wire.Cosignature{Size: n.Size, Line: seal.Cosign(n.Text, name, x.clock.Unix(), x.recorder)}
}

func (x *sweep) exec(sql string, args ...any) {
	x.T.Helper()
	_, err := x.DB.App().Exec(x.ctx, sql, args...)
	x.Must(err)
}

// TestDenyAll calls every operation without a policy, and as nobody. Nothing
// may change but the record of the refusal.
func TestDenyAll(t *testing.T) {
	t.Parallel()
	x := newSweep(t)
	empty := compliance.New(compliance.Config{
		Store: x.DB, Gate: core.NewGate(&policy.Engine{}, x.DB.Record, x.now), Directory: x, Exporting: x.exporting, Now: x.now, Log: slog.New(slog.DiscardHandler),
	})
	for name, o := range operations {
		if o.open != "" {
			continue
		}
		x.refuses(t, name+" without a policy", o, empty, x.caller(name).P)
		if !o.job {
			x.refuses(t, name+" as nobody", o, x.Service, identity.Principal{})
		}
	}
}

func (x *sweep) caller(name string) *coretest.Person {
	switch name {
	case "ApproveHold", "ApproveRelease", "ApproveSchedule":
		return x.legal
	case "PutOpenings", "MayPutOpenings", "Leaves", "Cosign":
		return &coretest.Person{P: x.recorderPrincipal()}
	}
	return x.officer
}

func (x *sweep) refuses(t *testing.T, name string, o operation, s *compliance.Service, p identity.Principal) {
	t.Helper()
	before, last := x.state(), x.Number(`SELECT coalesce(max(id), 0) FROM records`)
	err := o.call(x, s, p)
	refusals := []core.Kind{core.Denied, core.Unavailable}
	if o.hides {
		refusals[0] = core.NotFound
	}
	// A tick goes on to what it can do, so it may have nothing to report.
	if (err == nil || !slices.Contains(refusals, core.KindOf(err))) && name != "Tick without a policy" {
		t.Errorf("%s: %v, want a refusal", name, err)
	}
	if x.state() != before {
		t.Errorf("%s: changed something", name)
	}
	if n := x.Number(`SELECT count(*) FROM records WHERE id > $1 AND op <> 'pol.deny'`, last); n != 0 {
		t.Errorf("%s: recorded %d operations", name, n)
	}
}

// state is a digest of everything that an operation could change, but the record.
func (x *sweep) state() string {
	return x.Text(`SELECT string_agg(n || md5(coalesce(t, '')), ' ' ORDER BY n) FROM (
		SELECT 'matters' n, string_agg(m::text, '' ORDER BY id) t FROM matters m
		UNION ALL SELECT 'approvals', string_agg(a::text, '' ORDER BY n) FROM approvals a
		UNION ALL SELECT 'cosignatures', string_agg(c::text, '' ORDER BY cosigner, size) FROM cosignatures c
		UNION ALL SELECT 'holds', string_agg(h::text, '' ORDER BY id) FROM holds h
		UNION ALL SELECT 'schedules', string_agg(s::text, '' ORDER BY id, revision) FROM schedules s
		UNION ALL SELECT 'exports', string_agg(e::text, '' ORDER BY id) FROM exports e
		UNION ALL SELECT 'generations', string_agg(g::text, '' ORDER BY name) FROM generations g
		UNION ALL SELECT 'tasks', count(*)::text FROM river_job
	) x`)
}

// unfounded is a server whose organisation is not there, or can't be read.
type unfounded struct{ chain.Directory }

func (unfounded) Org() *chain.Org { return nil }

// TestUnfounded calls every operation without an organisation. None may panic,
// and those that need one say so.
func TestUnfounded(t *testing.T) {
	t.Parallel()
	x := newSweep(t)
	c := x.Service.Config
	c.Directory, c.Log = unfounded{x}, slog.New(slog.DiscardHandler)
	for name, o := range operations {
		if o.open != "" {
			continue
		}
		err := o.call(x, compliance.New(c), x.caller(name).P)
		switch name {
		case "CreateHold", "ApproveHold", "RequestRelease", "ApproveRelease", "SetSchedule", "PutOpenings", "MayPutOpenings":
			if core.KindOf(err) != core.NotFound {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
