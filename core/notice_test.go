package core_test

import (
	"crypto/rand"
	"testing"

	"chancery/core"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/seal"
	"chancery/identity"
)

// stand is a recorded channel of ann and bob.
type stand struct {
	*coretest.Server
	admin, ann, bob, officer *coretest.Person
	recorder                 *coretest.Recorder
	desk                     *coretest.Channel
}

func newStand(t *testing.T) *stand {
	s := coretest.Start(t)
	w := &stand{Server: s, admin: s.Found(envelope.CaptureOff)}
	w.ann, w.bob, w.officer = s.Join("members.ann"), s.Join("members.bob"), s.Join("compliance.olga")
	w.recorder = s.Recorder(w.admin)
	team, err := s.CreateTeam(t.Context(), w.admin.P, wire.NewTeam{Name: "desk"})
	s.Must(err)
	s.Must(s.AddTeamMember(t.Context(), w.admin.P, team.ID, wire.TeamMember{Username: "members.ann"}))
	w.desk = w.ann.Open(team.ID, "fx", envelope.CaptureRequired, []envelope.KeyID{w.recorder.Key.ID()}, w.bob)
	return w
}

func (w *stand) notice(label string, body any, by envelope.UserID, k *seal.SigningKey, bend func(*envelope.Notice)) wire.NewNotice {
	n := &envelope.Notice{
		Version: envelope.Version, Org: w.Org().ID(), Channel: w.desk.ID, User: by, Key: k.ID(), Body: envelope.Marshal(body), Time: 1,
	}
	if bend != nil {
		bend(n)
	}
	raw, err := seal.SignStatement(label, n, k)
	w.Must(err)
	return wire.NewNotice{Statement: raw}
}

// TestAttackNotices tries words that are not the session's own, not of this
// channel, or not of its kind.
func TestAttackNotices(t *testing.T) {
	t.Parallel()
	w := newStand(t)
	other, err := seal.GenerateSigningKey(rand.Reader)
	w.Must(err)
	tail, nobody := &envelope.Tail{Seq: 1, Seen: envelope.Ref{Position: 1}}, envelope.UserID{}
	dropped := &envelope.Alarm{Code: envelope.AlarmDropped, Device: w.ann.Key.ID(), Number: 1}
	uncovered := &envelope.Alarm{Code: envelope.AlarmUncovered, Number: 1}
	ruling := &envelope.Ruling{Coverage: envelope.Ref{Position: 3}, Fault: envelope.FaultRecorder}
	dispute := &envelope.Dispute{Coverage: envelope.Ref{Position: 3}}
	sealed := func(in wire.NewNotice) wire.NewNotice { in.Evidence = []byte("sealed"); return in }
	forged := w.notice(envelope.LabelTail, tail, w.ann.User, w.ann.Key, nil)
	forged.Statement[len(forged.Statement)-1] ^= 1
	cases := map[string]struct {
		by   identity.Principal
		in   wire.NewNotice
		want core.Kind
	}{
		"another's device":         {w.bob.P, w.notice(envelope.LabelTail, tail, w.ann.User, w.ann.Key, nil), core.Denied},
		"a key of nobody":          {w.ann.P, w.notice(envelope.LabelTail, tail, w.ann.User, other, nil), core.Denied},
		"forged":                   {w.ann.P, forged, core.Denied},
		"of another channel":       {w.ann.P, w.notice(envelope.LabelTail, tail, w.ann.User, w.ann.Key, func(n *envelope.Notice) { n.Channel[0] ^= 1 }), core.Invalid},
		"of another organisation":  {w.ann.P, w.notice(envelope.LabelTail, tail, w.ann.User, w.ann.Key, func(n *envelope.Notice) { n.Org[0] ^= 1 }), core.Invalid},
		"a recorder's by a member": {w.ann.P, w.notice(envelope.LabelAlarm, dropped, w.ann.User, w.ann.Key, nil), core.Invalid},
		"a member's by a recorder": {w.recorder.P, w.notice(envelope.LabelAlarm, uncovered, nobody, w.recorder.Key, nil), core.Invalid},
		"a member as a recorder":   {w.ann.P, w.notice(envelope.LabelAlarm, dropped, nobody, w.ann.Key, nil), core.Denied},
		"a ruling by a member":     {w.ann.P, w.notice(envelope.LabelRuling, ruling, w.ann.User, w.ann.Key, nil), core.Denied},
		"an alarm by no member":    {w.officer.P, w.notice(envelope.LabelAlarm, uncovered, w.officer.User, w.officer.Key, nil), core.NotFound},
		"evidence unnamed":         {w.ann.P, sealed(w.notice(envelope.LabelDispute, dispute, w.ann.User, w.ann.Key, nil)), core.Invalid},
		"a receipt":                {w.ann.P, w.notice(envelope.LabelReceipt, tail, w.ann.User, w.ann.Key, nil), core.Invalid},
	}
	for name, c := range cases {
		if err := w.Tell(t.Context(), c.by, w.desk.ID, c.in); err == nil || core.KindOf(err) != c.want {
			t.Errorf("%s: %v, want kind %d", name, err, c.want)
		}
	}
	if n := w.Number(`SELECT count(*) FROM notices`); n != 0 {
		t.Errorf("%d notices are kept", n)
	}
}

// TestNotices: one signer says one thing once; recorders alone hear how far
// devices have written, of each the newest word.
func TestNotices(t *testing.T) {
	t.Parallel()
	w := newStand(t)
	ctx := t.Context()
	for _, seq := range []uint64{1, 2, 2} {
		w.Must(w.Tell(ctx, w.ann.P, w.desk.ID, w.notice(envelope.LabelTail, &envelope.Tail{Seq: seq, Seen: envelope.Ref{Position: 1}}, w.ann.User, w.ann.Key, nil)))
	}
	evidence := []byte("sealed")
	in := w.notice(envelope.LabelDispute, &envelope.Dispute{Coverage: envelope.Ref{Position: 3}, Evidence: envelope.SumBytes(evidence)}, w.bob.User, w.bob.Key, nil)
	in.Evidence = evidence
	w.Must(w.Tell(ctx, w.bob.P, w.desk.ID, in))
	w.Must(w.Tell(ctx, w.officer.P, w.desk.ID, w.notice(envelope.LabelRuling, &envelope.Ruling{Coverage: envelope.Ref{Position: 3}, Fault: envelope.FaultDisputer}, w.officer.User, w.officer.Key, nil)))
	for name, c := range map[string]struct {
		by   identity.Principal
		want int
	}{"a recorder": {w.recorder.P, 3}, "a member": {w.bob.P, 2}, "an officer": {w.officer.P, 2}} {
		got, err := w.Notices(ctx, c.by, w.desk.ID, 0)
		if err != nil || len(got.Notices) != c.want {
			t.Errorf("%s hears %d, want %d (%v)", name, len(got.Notices), c.want, err)
		}
	}
	got, err := w.Evidence(ctx, w.officer.P, w.desk.ID, envelope.SumBytes(in.Statement))
	if err != nil || string(got.Sealed) != "sealed" {
		t.Errorf("evidence %q, %v", got.Sealed, err)
	}
}
