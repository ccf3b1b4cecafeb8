package retention_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"chancery/compliance"
	"chancery/compliance/compliancetest"
	"chancery/core"
	"chancery/core/blob"
	"chancery/core/postgres/postgrestest"
	"chancery/core/vault"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/policy"
	"chancery/retention"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const hour = time.Hour

// scene is an organisation with a recorded channel, a rule that ends messages
// after an hour, and a real vault.
type scene struct {
	*compliancetest.Org
	*retention.Service
	holds               *compliance.Service
	vault               shredder
	signer              *compliancetest.Signer
	officer, legal, ann *compliancetest.Person
	recorder            *compliancetest.Recorder
	desk                *compliancetest.Channel
}

// shredder is the vault as retention sees it.
type shredder struct{ *vault.Vault }

func (s shredder) Puncture(ctx context.Context, leaves map[envelope.ChannelID][]uint64) error {
	in := map[vault.Channel][]uint64{}
	for id, list := range leaves {
		in[vault.Channel(id)] = list
	}
	_, err := s.Vault.Puncture(ctx, in)
	return err
}

func newScene(t *testing.T) *scene {
	t.Helper()
	o := compliancetest.New(t)
	s := &scene{Org: o, officer: o.Officer("olga"), legal: o.Legal("leo"), ann: o.Person("ann", nil), recorder: o.Recorder("rec"), signer: compliancetest.NewSigner(t)}
	dir := t.TempDir()
	v, err := vault.Open(vault.Config{
		Copies: []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}, Keys: []string{filepath.Join(dir, "k")}, New: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	blobs, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	s.vault = shredder{v}
	s.record("desk")
	s.Service = retention.New(retention.Config{
		Store: o.DB, Gate: o.Gate(), Directory: o, Vault: s.vault, Blobs: blobs, Signer: s.signer, Now: o.Now, Batch: 3,
	})
	s.holds = compliance.New(compliance.Config{Store: o.DB, Gate: o.Gate(), Directory: o, Now: o.Now})
	if _, err := s.holds.CreateMatter(t.Context(), s.officer.Principal, wire.Matter{ID: "case", Title: "Case"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// record makes the channel of the scene, recorded by the scene's recorder and by others.
func (s *scene) record(name string, others ...*compliancetest.Recorder) {
	s.T.Helper()
	s.desk = s.Channel(name, s.ann, append(others, s.recorder)...)
	if err := s.vault.Create(vault.Channel(s.desk.ID)); err != nil {
		s.T.Fatal(err)
	}
}

func (s *scene) rule(edit func(*envelope.RuleOrder)) (wire.Rule, error) {
	o := envelope.RuleOrder{Version: 1, Org: s.Org.Org().ID(), ID: "hour", Revision: 1, MaxRetain: 3600}
	if edit != nil {
		edit(&o)
	}
	b := envelope.Marshal(&o)
	return s.SetRule(s.T.Context(), s.officer.Principal, wire.Order{Order: b, Approval: s.officer.Approve(policy.RetentionRuleSet, envelope.OrderHash(b))})
}

// checkpoint tells that the log was signed at a time.
func (s *scene) checkpoint(size int64, at time.Time) {
	s.Exec(`INSERT INTO checkpoints (size, note, at_us) VALUES ($1, 'note', $2)`, size, at.UnixMicro())
}

// old makes n covered messages that are two hours old.
func (s *scene) old(n int) {
	s.T.Helper()
	for range n {
		s.desk.Post(s.ann, s.Clock.Add(-2*hour))
	}
	s.desk.Cover(s.recorder, 1, s.desk.Last)
	s.checkpoint(int64(s.desk.Last), s.Clock)
	if _, err := s.rule(nil); err != nil {
		s.T.Fatal(err)
	}
}

func (s *scene) plan() wire.Plan {
	s.T.Helper()
	p, err := s.CreatePlan(s.T.Context(), s.officer.Principal)
	if err != nil {
		s.T.Fatal(err)
	}
	return p
}

func (s *scene) approve(who *compliancetest.Person, a policy.Action, id envelope.Hash) (wire.Plan, error) {
	return s.ApprovePlan(s.T.Context(), who.Principal, id, wire.Order{Approval: who.Approve(a, id)})
}

// start plans, approves and starts a run.
func (s *scene) start() wire.Plan {
	s.T.Helper()
	p := s.plan()
	_, err := s.approve(s.officer, policy.RetentionPlan, p.ID)
	if err == nil {
		_, err = s.approve(s.legal, policy.RetentionApprove, p.ID)
	}
	if err == nil {
		p, err = s.RunPlan(s.T.Context(), s.officer.Principal, p.ID)
	}
	if err != nil {
		s.T.Fatal(err)
	}
	return p
}

func (s *scene) state(id envelope.Hash) wire.Plan {
	s.T.Helper()
	p, err := s.Plan(s.T.Context(), s.officer.Principal, id)
	if err != nil {
		s.T.Fatal(err)
	}
	return p
}

func (s *scene) confirm(r *compliancetest.Recorder, id envelope.Hash) error {
	c := envelope.Confirmation{Version: 1, Org: s.Org.Org().ID(), Plan: id, Recorder: r.Party.ID(), Disposed: 1, Time: s.Clock.UnixMicro()}
	_, err := s.ConfirmPlan(s.T.Context(), r.Principal, id, compliancetest.Statement(envelope.LabelConfirmation, &c, r.Key))
	return err
}

func (s *scene) hold(t *testing.T) error {
	b := envelope.Marshal(&envelope.HoldOrder{Version: 1, Org: s.Org.Org().ID(), Matter: "case", Name: "h", Nonce: make([]byte, 16)})
	id := envelope.OrderHash(b)
	_, err := s.holds.CreateHold(t.Context(), s.officer.Principal, wire.Order{Order: b, Approval: s.officer.Approve(policy.HoldCreate, id)})
	if err == nil {
		_, err = s.holds.ApproveHold(t.Context(), s.legal.Principal, id, wire.Order{Approval: s.legal.Approve(policy.HoldApprove, id)})
	}
	return err
}

func (s *scene) readable(position uint64) bool {
	_, err := s.vault.SealSalt(vault.Channel(s.desk.ID), position, [32]byte{})
	return !errors.Is(err, vault.ErrPunctured)
}

func refused(t *testing.T, err error, kind core.Kind, code string) {
	t.Helper()
	e, ok := errors.AsType[*core.Error](err)
	if !ok || e.Kind != kind || e.Code != code {
		t.Errorf("got %v, want kind %d code %s", err, kind, code)
	}
}
