package compliance_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chancery/compliance"
	"chancery/compliance/archive"
	"chancery/compliance/compliancetest"
	"chancery/compliance/deliver"
	"chancery/compliance/record"
	"chancery/core"
	"chancery/core/blob"
	"chancery/core/coretest"
	"chancery/core/job"
	"chancery/core/wire"
	"chancery/crypto/chain"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/crypto/suitetest"
	"chancery/crypto/witness"
	"chancery/identity"
	"chancery/policy"
)

// press is a whole organisation with a recorded channel and one without, and
// all that exports need.
type press struct {
	*coretest.Server
	*compliance.Service
	exporting           compliance.Exporting
	signer              *compliancetest.Signer
	officer, legal, ann *coretest.Person
	recorder            *seal.SigningKey
	auditor             *seal.Identity
	open, desk          *coretest.Channel
	org                 *chain.Org
	secrets             map[uint64]archive.Opening // of desk
	clock               time.Time
}

// Org and User implement chain.Directory.
func (x *press) Org() *chain.Org { return x.org }

func (x *press) User(id envelope.UserID) (*chain.User, bool) {
	for _, p := range []*coretest.Person{x.officer, x.legal, x.ann} {
		if p.User == id {
			return p.Chain, true
		}
	}
	return nil, false
}

func newPress(t *testing.T) *press {
	t.Helper()
	x := &press{Server: coretest.Start(t), signer: compliancetest.NewSigner(t), secrets: map[uint64]archive.Opening{}, clock: time.Now()}
	admin := x.Found(envelope.CaptureOff)
	x.officer, x.legal, x.ann = x.Join("compliance.olga"), x.Join("legal.leo"), x.Join("members.ann")
	var err error
	x.recorder, err = seal.GenerateSigningKey(rand.Reader)
	x.Must(err)
	x.auditor, err = seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	x.Must(err)
	opener, err := seal.GenerateIdentity(suitetest.Suite(), rand.Reader)
	x.Must(err)
	x.List(admin, envelope.Party{Role: envelope.RoleCompliance, Name: "olga", User: x.officer.User})
	x.List(admin, envelope.Party{Role: envelope.RoleLegal, Name: "leo", User: x.legal.User})
	x.List(admin, envelope.Party{Role: envelope.RoleSigner, Name: "signer", Key: x.signer.Key.Public()})
	x.List(admin, envelope.Party{Role: envelope.RoleRecorder, Name: "rec", Key: x.recorder.Public(), Recipient: opener.Recipient()})
	x.List(admin, x.auditorParty())
	x.org = x.Server.Org()
	team, err := x.CreateTeam(t.Context(), admin.P, wire.NewTeam{Name: "desk"})
	x.Must(err)
	x.Must(x.AddTeamMember(t.Context(), admin.P, team.ID, wire.TeamMember{Username: "members.ann"}))
	x.open = x.ann.Open(team.ID, "open", envelope.CaptureOff, nil)
	x.desk = x.ann.Open(team.ID, "fx", envelope.CaptureRequired, []envelope.KeyID{x.recorder.ID()})
	x.acknowledge()
	x.service(t)
	return x
}

func (x *press) auditorParty() envelope.Party {
	return envelope.Party{Role: envelope.RoleAuditor, Name: "auditor", Recipient: x.auditor.Recipient()}
}

// service makes the service under test, as a restart would.
func (x *press) service(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if x.exporting.Work == "" {
		bundle, err := compliance.PackPolicy(policy.Default())
		x.Must(err)
		blobs, err := blob.Open(filepath.Join(dir, "blobs"))
		x.Must(err)
		queue, err := job.New(job.Config{Pool: x.DB.App(), Log: slog.New(slog.DiscardHandler)})
		x.Must(err)
		x.exporting = compliance.Exporting{
			Work: filepath.Join(dir, "work"), Archives: deliver.Directory{Path: filepath.Join(dir, "archives")},
			Slips: deliver.Directory{Path: filepath.Join(dir, "slips")}, Signer: x.signer, Blobs: blobs, Queue: queue,
			Policy: bundle, Build: "test", Segment: 4 << 10,
		}
	}
	x.Service = compliance.New(compliance.Config{
		Store: x.DB, Gate: core.NewGate(x.Engine, x.DB.Record, x.now), Directory: x, Exporting: x.exporting, Now: x.now, Log: slog.New(slog.DiscardHandler),
	})
	x.Service.Register()
}

func (x *press) now() time.Time { return x.clock }

// asRecorder places an entry of the recorder's.
func (x *press) asRecorder(kind envelope.Kind, v any) {
	x.T.Helper()
	e := &envelope.Entry{Kind: kind, Header: envelope.Marshal(v), Payload: []byte{}}
	seal.SignEntry(e, x.recorder)
	x.desk.Place(&coretest.Person{P: x.recorderPrincipal()}, wire.NewEntry{Entry: envelope.Marshal(e)})
}

func (x *press) recorderPrincipal() identity.Principal {
	return identity.Principal{
		Kind: identity.Recorder, Service: x.recorder.ID(), Session: 1, AuthTime: x.clock, Expires: x.clock.Add(time.Hour),
	}
}

func (x *press) acknowledge() {
	epoch, _ := x.desk.State.Newest()
	x.asRecorder(envelope.KindAcknowledgement, &envelope.Acknowledgement{
		Version: 1, Org: x.org.ID(), Channel: x.desk.ID, N: epoch.N, EpochLink: epoch.Link, SeedCommit: epoch.Body.SeedCommit,
		Recorder: x.recorder.ID(), Time: time.Now().UnixMicro(),
	})
}

// post posts in both channels.
func (x *press) post(n int) {
	x.T.Helper()
	for i := range n {
		x.open.Place(x.ann, x.open.Seal(x.ann, fmt.Sprintf("open %d", i)))
		in := x.desk.Seal(x.ann, fmt.Sprintf("desk %d", i))
		x.desk.Place(x.ann, in)
		e, err := envelope.ParseEntry(in.Entry)
		x.Must(err)
		opened, err := seal.Open(x.desk.Key, e, in.Salt)
		x.Must(err)
		x.secrets[x.desk.State.Position] = archive.Opening{Channel: x.desk.ID, Position: x.desk.State.Position, Entry: e.Hash(), Secret: opened.Secret[:]}
	}
}

// log places all records and has the log signed.
func (x *press) log() {
	x.T.Helper()
	ctx, stop := context.WithCancel(x.T.Context())
	s := record.New(record.Config{
		Log: x.DB.Log(), Signer: x.signer, Origin: witness.Origin(x.org.ID()), Every: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for range 500 {
		if x.Number(`SELECT count(*) FROM records`) == x.Number(`SELECT coalesce(max(size), 0) FROM checkpoints`) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	x.Must(<-done)
}

func (x *press) approval(p *coretest.Person, a policy.Action, object envelope.Hash) []byte {
	x.T.Helper()
	raw, err := seal.SignStatement(envelope.LabelApproval, &envelope.Approval{
		Version: 1, Org: x.org.ID(), Action: string(a), Object: object, User: p.User, Device: p.Key.ID(), Time: x.clock.UnixMicro(),
	}, p.Key)
	x.Must(err)
	return raw
}

// schedule makes an approved schedule.
func (x *press) schedule(edit func(*envelope.ExportOrder)) wire.Schedule {
	x.T.Helper()
	auditor := x.auditorParty()
	o := envelope.ExportOrder{
		Version: 1, Org: x.org.ID(), Schedule: "daily", Revision: 1, Zone: "UTC", Auditors: []envelope.KeyID{auditor.ID()},
		NotAfter: x.clock.Add(100 * 24 * time.Hour).UnixMicro(),
	}
	if edit != nil {
		edit(&o)
	}
	b := envelope.Marshal(&o)
	id := envelope.OrderHash(b)
	ctx := x.T.Context()
	_, err := x.SetSchedule(ctx, x.officer.P, wire.Order{Order: b, Approval: x.approval(x.officer, policy.ExportScheduleSet, id)})
	x.Must(err)
	out, err := x.ApproveSchedule(ctx, x.legal.P, o.Schedule, wire.Order{Approval: x.approval(x.legal, policy.ExportScheduleApprove, id)})
	x.Must(err)
	return out
}

// openings makes what the recorder adds to an export.
func (x *press) openings(e wire.Export) wire.Openings {
	x.T.Helper()
	key := seal.NewDataKey()
	commit := archive.KeyCommit(e.ID, key[:])
	var sealed bytes.Buffer
	w, err := archive.NewOpeningsWriter(&sealed, e.ID, commit, func(aad, plain []byte) []byte { return seal.SealBytes(key, aad, plain) })
	x.Must(err)
	for _, r := range e.Channels {
		for i := r.From; i <= r.To; i++ {
			if o, ok := x.secrets[i]; ok && r.Channel == x.desk.ID {
				x.Must(w.Add(o))
			}
		}
	}
	x.Must(w.Close())
	plain := envelope.Marshal(&archive.SlipKey{Type: archive.SlipKeyType, Org: x.org.ID(), Archive: e.ID, Key: key[:]})
	copies, err := seal.SealTo(suitetest.Suite(), seal.ArchiveKey(x.org.ID(), e.ID), [][]byte{x.auditor.Recipient()}, plain)
	x.Must(err)
	slip := archive.Slip{Version: 1, Archive: e.ID}
	for _, c := range copies {
		slip.Copies = append(slip.Copies, archive.SlipCopy{Recipient: c.Recipient, File: c.File})
	}
	return wire.Openings{Sealed: sealed.Bytes(), Slip: envelope.Marshal(&slip), KeyCommit: commit, Count: w.Count()}
}

// run cuts an export and adds the openings.
func (x *press) run() wire.Export {
	x.T.Helper()
	e, err := x.RunSchedule(x.T.Context(), x.officer.P, "daily")
	x.Must(err)
	if len(e.Channels) > 0 {
		x.Must(x.PutOpenings(x.T.Context(), x.recorderPrincipal(), e.ID, x.openings(e)))
	}
	return e
}

func (x *press) export(id envelope.Hash) wire.Export {
	x.T.Helper()
	e, err := x.Export(x.T.Context(), x.officer.P, id)
	x.Must(err)
	return e
}

// opener opens an archive by its slip, as the auditor's tool does.
type opener struct {
	id  envelope.Hash
	key seal.DataKey
}

func (x *press) opener(id envelope.Hash) opener {
	x.T.Helper()
	raw, err := os.ReadFile(filepath.Join(x.exporting.Slips.Path, id.String()+".slip"))
	x.Must(err)
	var slip archive.Slip
	x.Must(envelope.Unmarshal(raw, &slip))
	copies := make([]seal.Copy, len(slip.Copies))
	for i, c := range slip.Copies {
		copies[i] = seal.Copy{Recipient: c.Recipient, File: c.File}
	}
	plain, err := seal.OpenSlip(x.auditor, seal.ArchiveKey(x.org.ID(), id), copies)
	x.Must(err)
	var key archive.SlipKey
	x.Must(envelope.Unmarshal(plain, &key))
	return opener{id, seal.DataKey(key.Key)}
}

func (o opener) Commit() envelope.Hash { return archive.KeyCommit(o.id, o.key[:]) }

func (o opener) Chunk(aad, sealed []byte) ([]byte, error) { return seal.OpenBytes(o.key, aad, sealed) }

func (o opener) Message(secret []byte, e *envelope.Entry) (*envelope.Body, []byte, error) {
	s := seal.Secret(secret)
	body, err := seal.OpenSecret(s, e)
	return body, s.Cov(), err
}

func (o opener) File(dst io.Writer, src io.Reader, a envelope.Attachment, key []byte) error {
	return seal.OpenFile(dst, src, a.ID, seal.DataKey(key), a.Size, a.Root)
}

// verify has the auditor's verifier climb an archive, and gives its texts.
func (x *press) verify(v *archive.Verifier, e wire.Export) (texts []string) {
	x.T.Helper()
	var reading *archive.Reading
	if len(e.Channels) > 0 {
		reading = &archive.Reading{Opener: x.opener(e.ID), Message: func(m *archive.Message) error {
			if m.Body != nil {
				texts = append(texts, m.Body.Text)
			}
			return nil
		}}
	}
	report := v.Verify(os.DirFS(e.Path), reading)
	if report.Err != nil {
		x.T.Fatalf("archive %d: %v", e.Ordinal, report.Err)
	}
	return texts
}

func TestExport(t *testing.T) {
	t.Parallel()
	x := newPress(t)
	x.schedule(nil)
	x.post(5)
	x.log()
	first := x.run()
	x.Must(x.Advance(t.Context(), first.ID))
	x.post(3)
	x.log()
	second := x.run()
	x.Must(x.Advance(t.Context(), second.ID))
	v := archive.NewVerifier(archive.Trust{Org: x.org.ID()})
	var texts []string
	for i, id := range []envelope.Hash{first.ID, second.ID} {
		e := x.export(id)
		if e.State != compliance.Delivered || e.Ordinal != uint64(i+1) || e.Messages != []uint64{10, 6}[i] {
			t.Fatalf("got %+v", e)
		}
		texts = append(texts, x.verify(v, e)...)
	}
	want := []string{"desk 0", "desk 1", "desk 2", "desk 3", "desk 4", "desk 0", "desk 1", "desk 2"}
	if !slices.Equal(texts, want) {
		t.Errorf("opened %q", texts)
	}
	if left, _ := filepath.Glob(filepath.Join(x.exporting.Work, "*")); len(left) > 0 {
		t.Errorf("left in the work directory: %v", left)
	}
}

// An archive of some channels withholds what is of others, and still verifies.
func TestExportInScope(t *testing.T) {
	t.Parallel()
	x := newPress(t)
	x.schedule(func(o *envelope.ExportOrder) { o.Channels = []envelope.ChannelID{x.desk.ID} })
	x.post(2)
	x.log()
	e := x.run()
	x.Must(x.Advance(t.Context(), e.ID))
	e = x.export(e.ID)
	if texts := x.verify(archive.NewVerifier(archive.Trust{Org: x.org.ID()}), e); len(texts) != 2 || e.Messages != 2 {
		t.Errorf("opened %q of %d messages", texts, e.Messages)
	}
}

// TestExportCrash crashes at each step and goes on as a restart would.
func TestExportCrash(t *testing.T) {
	t.Parallel()
	x := newPress(t)
	x.schedule(nil)
	crash := errors.New("crash")
	v := archive.NewVerifier(archive.Trust{Org: x.org.ID()})
	for _, where := range []string{"done sealed", "sealed", "done signed", "signed", "done delivered", "delivered"} {
		x.post(1)
		x.log()
		e := x.run()
		x.CrashAt(func(step string) error {
			if step == where {
				return crash
			}
			return nil
		})
		if err := x.Advance(t.Context(), e.ID); !errors.Is(err, crash) {
			t.Fatalf("%s: %v", where, err)
		}
		x.service(t)
		x.Must(x.Tick(t.Context()))
		x.Must(x.Advance(t.Context(), e.ID))
		x.verify(v, x.export(e.ID))
	}
}

func TestExportDue(t *testing.T) {
	t.Parallel()
	x := newPress(t)
	s := x.schedule(func(o *envelope.ExportOrder) { o.Cron = "0 2 * * *" })
	if s.State != compliance.Active || s.Next.IsZero() {
		t.Fatalf("got %+v", s)
	}
	x.post(1)
	x.log()
	x.Must(x.Tick(t.Context()))
	if n := x.Number(`SELECT count(*) FROM exports`); n != 0 {
		t.Fatalf("%d exports before they are due", n)
	}
	x.clock = s.Next.Add(50 * time.Hour) // three are due; one makes up for all
	x.Must(x.Tick(t.Context()))
	x.Must(x.Tick(t.Context()))
	x.officer.P.AuthTime, x.officer.P.Expires = x.clock, x.clock.Add(time.Hour)
	list, err := x.Exports(t.Context(), x.officer.P, compliance.Cut)
	if err != nil || len(list.Exports) != 1 {
		t.Fatalf("got %+v, %v", list, err)
	}
	all, err := x.Schedules(t.Context(), x.officer.P)
	if err != nil || !all.Schedules[0].Next.After(x.clock) {
		t.Errorf("next is %v", all.Schedules[0].Next)
	}
	_, err = x.RunSchedule(t.Context(), x.officer.P, "daily")
	refused(t, err, core.Conflict, "export.open")
}

// A schedule that ended before the recorder came fails, and the period is not lost.
func TestExportExpires(t *testing.T) {
	t.Parallel()
	x := newPress(t)
	x.schedule(func(o *envelope.ExportOrder) { o.NotAfter = x.clock.Add(time.Hour).UnixMicro() })
	x.post(1)
	x.log()
	e, err := x.RunSchedule(t.Context(), x.officer.P, "daily")
	x.Must(err)
	x.clock = x.clock.Add(2 * time.Hour)
	for _, p := range []*coretest.Person{x.officer, x.legal} {
		p.P.AuthTime, p.P.Expires = x.clock, x.clock.Add(time.Hour)
	}
	x.Must(x.Tick(t.Context()))
	if got := x.export(e.ID); got.State != compliance.Failed || got.Why == "" {
		t.Fatalf("got %+v", got)
	}
	_, err = x.RunSchedule(t.Context(), x.officer.P, "daily")
	refused(t, err, core.Denied, "export.expired")
	x.schedule(func(o *envelope.ExportOrder) { o.Revision = 2 })
	x.log()
	again := x.run()
	if again.From != 0 || again.Ordinal != 1 {
		t.Errorf("the next archive is %d, from %d", again.Ordinal, again.From)
	}
}

func TestAttackExport(t *testing.T) {
	t.Parallel()
	x := newPress(t)
	ctx := t.Context()
	auditor := x.auditorParty()
	order := func(edit func(*envelope.ExportOrder)) ([]byte, envelope.Hash) {
		o := envelope.ExportOrder{
			Version: 1, Org: x.org.ID(), Schedule: "daily", Revision: 1, Zone: "UTC", Auditors: []envelope.KeyID{auditor.ID()},
			NotAfter: x.clock.Add(time.Hour).UnixMicro(),
		}
		edit(&o)
		b := envelope.Marshal(&o)
		return b, envelope.OrderHash(b)
	}
	set := func(edit func(*envelope.ExportOrder)) error {
		b, id := order(edit)
		_, err := x.SetSchedule(ctx, x.officer.P, wire.Order{Order: b, Approval: x.approval(x.officer, policy.ExportScheduleSet, id)})
		return err
	}
	refused(t, set(func(o *envelope.ExportOrder) { o.Auditors = []envelope.KeyID{{7}} }), core.Invalid, "export.auditor")
	refused(t, set(func(o *envelope.ExportOrder) { o.Channels = []envelope.ChannelID{{7}} }), core.Invalid, "export.scope")
	refused(t, set(func(o *envelope.ExportOrder) { o.Cron = "often" }), core.Invalid, "request.malformed")
	refused(t, set(func(o *envelope.ExportOrder) { o.Revision = 2 }), core.Conflict, "state.moved")
	x.Must(set(func(*envelope.ExportOrder) {}))
	_, err := x.RunSchedule(ctx, x.officer.P, "daily")
	refused(t, err, core.Denied, "dual.not_approved")
	_, id := order(func(*envelope.ExportOrder) {})
	_, err = x.ApproveSchedule(ctx, x.officer.P, "daily", wire.Order{Approval: x.approval(x.officer, policy.ExportScheduleApprove, id)})
	refused(t, err, core.Denied, "dual.same_person")
	_, err = x.ApproveSchedule(ctx, x.legal.P, "daily", wire.Order{Approval: x.approval(x.legal, policy.ExportScheduleApprove, id)})
	x.Must(err)
	x.post(1)
	x.log()
	e, err := x.RunSchedule(ctx, x.officer.P, "daily")
	x.Must(err)
	stranger := x.recorderPrincipal()
	stranger.Service = envelope.KeyID{9}
	refused(t, x.PutOpenings(ctx, stranger, e.ID, x.openings(e)), core.Denied, "capture.not_listed")
	foreign := x.openings(wire.Export{ID: envelope.Hash{1}})
	refused(t, x.PutOpenings(ctx, x.recorderPrincipal(), e.ID, foreign), core.Invalid, "request.malformed")
	in := x.openings(e)
	x.Must(x.PutOpenings(ctx, x.recorderPrincipal(), e.ID, in))
	x.Must(x.PutOpenings(ctx, x.recorderPrincipal(), e.ID, x.openings(e)))
	got, _, err := x.DB.Export(ctx, e.ID)
	if err != nil || got.Openings.KeyCommit != in.KeyCommit {
		t.Errorf("other openings took the place of the first: %v", err)
	}
}
