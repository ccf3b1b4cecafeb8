package retention_test

import (
	"log/slog"
	"reflect"
	"slices"
	"testing"

	"chancery/core"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
	"chancery/retention"
)

// operation is one exported method of retention.Service: how to call it so that
// policy alone stands between the caller and the change.
type operation struct {
	open string // why nobody is asked; then there is no call
	job  bool   // of the server's own: there is no caller
	call func(x *sweep, s *retention.Service, p identity.Principal) error
}

var operations = map[string]operation{
	"Run": {open: "does again and again what Resume does once"},
	"SetRule": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		o := envelope.RuleOrder{Version: 1, Org: x.Org.Org().ID(), ID: "other", Revision: 1, MaxRetain: 7200}
		b := envelope.Marshal(&o)
		_, err := s.SetRule(x.T.Context(), p, wire.Order{Order: b, Approval: x.officer.Approve(policy.RetentionRuleSet, envelope.OrderHash(b))})
		return err
	}},
	"Rules": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.Rules(x.T.Context(), p)
		return err
	}},
	"CreatePlan": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.CreatePlan(x.T.Context(), p)
		return err
	}},
	"ApprovePlan": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.ApprovePlan(x.T.Context(), p, x.planned, wire.Order{Approval: x.legal.Approve(policy.RetentionApprove, x.planned)})
		return err
	}},
	"RunPlan": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.RunPlan(x.T.Context(), p, x.approved)
		return err
	}},
	"ConfirmPlan": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.ConfirmPlan(x.T.Context(), p, x.running, nil)
		return err
	}},
	"Resume": {job: true, call: func(x *sweep, s *retention.Service, _ identity.Principal) error {
		return s.Resume(x.T.Context())
	}},
	"Plan": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.Plan(x.T.Context(), p, x.planned)
		return err
	}},
	"Plans": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.Plans(x.T.Context(), p, "")
		return err
	}},
	"Certificate": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.Certificate(x.T.Context(), p, x.planned)
		return err
	}},
	"Why": {call: func(x *sweep, s *retention.Service, p identity.Principal) error {
		_, err := s.Why(x.T.Context(), p, x.desk.ID, 3)
		return err
	}},
}

func TestOperationsHaveCases(t *testing.T) {
	t.Parallel()
	methods := reflect.TypeFor[*retention.Service]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		if _, ok := operations[name]; !ok && name != "CrashAt" {
			t.Errorf("retention.Service.%s has no case in the sweep", name)
		}
	}
	for name := range operations {
		if _, ok := methods.MethodByName(name); !ok {
			t.Errorf("there is no retention.Service.%s", name)
		}
	}
}

// sweep is a scene in which each operation has something to change.
type sweep struct {
	*scene
	planned, approved, running envelope.Hash
}

func newSweep(t *testing.T) *sweep {
	t.Helper()
	x := &sweep{scene: newScene(t)}
	x.old(4)
	x.running = x.start().ID
	x.checkpoint(1000, x.Clock.Add(1000))
	x.approved = x.plan().ID
	for _, a := range []policy.Action{policy.RetentionPlan, policy.RetentionApprove} {
		who := x.officer
		if a == policy.RetentionApprove {
			who = x.legal
		}
		if _, err := x.approve(who, a, x.approved); err != nil {
			t.Fatal(err)
		}
	}
	x.checkpoint(1001, x.Clock.Add(2000))
	x.planned = x.plan().ID
	x.checkpoint(1002, x.Clock.Add(3000))
	return x
}

// TestDenyAll calls every operation without a policy, and as nobody. Nothing
// may change but the record of the refusal.
func TestDenyAll(t *testing.T) {
	t.Parallel()
	x := newSweep(t)
	empty := x.Service.Config
	empty.Gate = core.NewGate(&policy.Engine{}, x.DB.Record, x.Now)
	empty.Log = slog.New(slog.DiscardHandler)
	for name, o := range operations {
		if o.open != "" {
			continue
		}
		caller := x.officer.Principal
		switch name {
		case "ApprovePlan":
			caller = x.legal.Principal
		case "ConfirmPlan":
			caller = x.recorder.Principal
		}
		x.refuses(t, name+" without a policy", o, retention.New(empty), caller)
		if !o.job {
			x.refuses(t, name+" as nobody", o, x.Service, identity.Principal{})
		}
	}
	if n := x.desk.Bodies(); n != 4 {
		t.Errorf("%d messages are left", n)
	}
}

func (x *sweep) refuses(t *testing.T, name string, o operation, s *retention.Service, p identity.Principal) {
	t.Helper()
	before, last := x.state(), x.Number(`SELECT coalesce(max(id), 0) FROM records`)
	err := o.call(x, s, p)
	if err == nil || !slices.Contains([]core.Kind{core.Denied, core.Unavailable}, core.KindOf(err)) {
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
func (x *sweep) state() (text string) {
	x.T.Helper()
	err := x.DB.App().QueryRow(x.T.Context(), `SELECT string_agg(n || md5(coalesce(t, '')), ' ' ORDER BY n) FROM (
		SELECT 'rules' n, string_agg(r::text, '' ORDER BY id, revision) t FROM rules r
		UNION ALL SELECT 'approvals', string_agg(a::text, '' ORDER BY n) FROM approvals a
		UNION ALL SELECT 'plans', string_agg(p::text, '' ORDER BY id) FROM plans p
		UNION ALL SELECT 'confirmations', string_agg(c::text, '' ORDER BY plan_id, recorder) FROM confirmations c
		UNION ALL SELECT 'entries', string_agg(e::text, '' ORDER BY channel_id, seq) FROM entries e
		UNION ALL SELECT 'generations', string_agg(g::text, '' ORDER BY name) FROM generations g
	) x`).Scan(&text)
	if err != nil {
		x.T.Fatal(err)
	}
	return text
}

// unfounded is a server whose organisation is not there, or can't be read.
type unfounded struct{ chain.Directory }

func (unfounded) Org() *chain.Org { return nil }

// TestUnfounded calls every operation without an organisation. None may panic.
func TestUnfounded(t *testing.T) {
	t.Parallel()
	x := newSweep(t)
	c := x.Service.Config
	c.Directory, c.Log = unfounded{x.Org}, slog.New(slog.DiscardHandler)
	for _, name := range []string{"SetRule", "ApprovePlan", "ConfirmPlan", "Why", "Rules"} {
		caller := x.officer.Principal
		switch name {
		case "ApprovePlan":
			caller = x.legal.Principal
		case "ConfirmPlan":
			caller = x.recorder.Principal
		}
		err := operations[name].call(x, retention.New(c), caller)
		if name != "Why" && name != "Rules" && core.KindOf(err) != core.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}
