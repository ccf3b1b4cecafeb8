package recorder

import (
	"testing"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// saysTail is a person's device's word on how far it has written.
func (w *world) saysTail(by *person, bend func(*envelope.Tail)) {
	w.t.Helper()
	last := w.channel.Counter(by.device.ID())
	b := &envelope.Tail{Seq: last.Seq, Entry: last.Hash, Seen: envelope.Ref{Position: w.channel.Position, Hash: w.channel.Top}}
	if bend != nil {
		bend(b)
	}
	w.says(by, envelope.LabelTail, b)
}

func (w *world) says(by *person, label string, body any) {
	w.t.Helper()
	raw, err := seal.SignStatement(label, &envelope.Notice{
		Version: envelope.Version, Org: w.org.ID(), Channel: w.channel.ID(), User: by.id, Key: by.device.ID(), Body: envelope.Marshal(body),
	}, by.device)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.Tell(w.t.Context(), w.channel.ID(), raw); err != nil {
		w.t.Fatal(err)
	}
}

// alarms are what the recorder has told the channel's members.
func (w *world) alarms() (out []envelope.Alarm) {
	for _, n := range w.told {
		_, by, body, err := envelope.ParseNotice(n.Statement)
		if a, ok := body.(*envelope.Alarm); err == nil && ok && by.Key == w.rec.key.ID() {
			out = append(out, *a)
		}
	}
	return out
}

// listens follows once, late enough for notices to be asked for again.
func (d *desk) listens() Reason {
	d.w.t.Helper()
	d.w.now = d.w.now.Add(2 * hearEvery)
	return d.follow()
}

// TestAttack21DroppedTailShowsInStatements: a server that keeps the end of a
// channel from the recorder, with its receipts given, is found by the sender's
// statement; one who wrote only what is there is believed.
func TestAttack21DroppedTailShowsInStatements(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hidden bool
		bend   func(*envelope.Tail)
		want   Reason
		code   envelope.AlarmCode
	}{
		"borne out":          {want: ""},
		"an older statement": {bend: func(b *envelope.Tail) { b.Seq, b.Entry = 1, envelope.Hash{7} }, want: ""},
		"a message hidden":   {hidden: true, want: TailDropped, code: envelope.AlarmDropped},
		"more than is there": {bend: func(b *envelope.Tail) { b.Seq++ }, want: TailDropped, code: envelope.AlarmDropped},
		"another message":    {bend: func(b *envelope.Tail) { b.Entry[0] ^= 1 }, want: TailDropped, code: envelope.AlarmDropped},
		"another's hidden":   {bend: func(b *envelope.Tail) { b.Seen.Position += 5 }, want: TailDropped, code: envelope.AlarmDropped},
		"another history":    {bend: func(b *envelope.Tail) { b.Seen.Hash[0] ^= 1 }, want: TailForked, code: envelope.AlarmForked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, ann, _ := recorded(t)
			w.say(ann, "one")
			w.say(ann, "two")
			d.settled()
			if c.hidden {
				shown, top := w.channel.Position, w.channel.Top
				w.say(ann, "hidden from the recorder")
				w.spoilPage = func(p *Page) {
					p.Entries, p.Position, p.Head = p.Entries[:min(len(p.Entries), int(shown))], shown, top
					for len(p.Entries) > 0 && p.Entries[len(p.Entries)-1].Position > shown {
						p.Entries = p.Entries[:len(p.Entries)-1]
					}
				}
			}
			w.saysTail(ann, c.bend)
			d.want(d.listens(), c.want)
			told := w.alarms()
			if c.code == "" && len(told) != 0 || c.code != "" && (len(told) != 1 || told[0].Code != c.code || told[0].Device != ann.device.ID()) {
				t.Fatalf("members are told %+v", told)
			}
			d.kill()
			d.listens() // reported again after a restart, and told once
			d.listens()
			if again := len(w.alarms()); again != len(told) {
				t.Errorf("told %d times", again)
			}
			if s := d.Standings()[0]; (s.Wrong > 0) != (c.want != "") {
				t.Errorf("standing %+v", s)
			}
		})
	}
}

// TestAttack21StatementsWithheld: a device that wrote and says nothing for more
// than a day is an alarm of a lower grade.
func TestAttack21StatementsWithheld(t *testing.T) {
	t.Parallel()
	w, d, ann, bob := recorded(t)
	w.say(ann, "one")
	w.say(bob, "two")
	d.settled()
	w.saysTail(ann, nil)
	d.want(d.listens(), "")
	if s := d.Standings()[0]; s.Unsaid != 1 {
		t.Errorf("standing %+v", s)
	}
	w.now = w.now.Add(silence - time.Hour)
	d.want(d.listens(), "")
	w.now = w.now.Add(time.Hour)
	d.want(d.listens(), TailMissing)
	if told := w.alarms(); len(told) != 1 || told[0].Code != envelope.AlarmSilent || told[0].Device != bob.device.ID() {
		t.Fatalf("members are told %+v", told)
	}
	w.saysTail(bob, nil)
	d.want(d.listens(), "")
	if s := d.Standings()[0]; s.Unsaid != 0 {
		t.Errorf("standing %+v", s)
	}
}

// TestAttackStatementsOfOthers: what is not signed by the device that it is of
// counts for nothing, and the server is told of for having given it.
func TestAttackStatementsOfOthers(t *testing.T) {
	t.Parallel()
	w, d, ann, bob := recorded(t)
	w.say(ann, "one")
	d.settled()
	raw, err := seal.SignStatement(envelope.LabelTail, &envelope.Notice{
		Version: envelope.Version, Org: w.org.ID(), Channel: w.channel.ID(), User: ann.id, Key: bob.device.ID(),
		Body: envelope.Marshal(&envelope.Tail{Seq: 99, Seen: envelope.Ref{Position: 1}}),
	}, bob.device)
	if err != nil {
		t.Fatal(err)
	}
	w.told = append(w.told, Notice{Number: 1, Statement: raw})
	d.want(d.listens(), NoticeBad)
	if told := w.alarms(); len(told) != 0 {
		t.Errorf("members are told %+v", told)
	}
}

// TestMembersWordsAreReported: their alarms and disputes reach whoever runs the
// recorder.
func TestMembersWordsAreReported(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	d.settled()
	w.says(ann, envelope.LabelAlarm, &envelope.Alarm{Code: envelope.AlarmUncovered, Number: 5})
	d.want(d.listens(), MemberAlarm)
	w.says(ann, envelope.LabelDispute, &envelope.Dispute{Coverage: envelope.Ref{Position: 5}})
	d.want(d.listens(), Disputed)
	d.want(d.listens(), "")
}

// TestRestoreExcusesStatements: what a device saw before a restore that the root
// has declared is lost, not dropped.
func TestRestoreExcusesStatements(t *testing.T) {
	t.Parallel()
	w, d, ann, _ := recorded(t)
	w.say(ann, "one")
	d.settled()
	kept := w.channel.Position
	w.say(ann, "lost")
	d.settled()
	w.saysTail(ann, nil)
	old, head := w.goBack(kept)
	w.restore(w.root, old, head)
	d.want(d.listens(), Restored)
	d.want(d.listens(), "")
	if told := w.alarms(); len(told) != 0 {
		t.Errorf("members are told %+v", told)
	}
}

// TestAttackOlderStatementAgain: an alarm stays until the word that raised it is
// borne out; the device's own older word, told once more, takes nothing back.
func TestAttackOlderStatementAgain(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*envelope.Tail){
		"a message hidden": func(b *envelope.Tail) { b.Seq++ },
		"another history":  func(b *envelope.Tail) { b.Seen.Hash[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, d, ann, bob := recorded(t)
			w.say(ann, "one")
			d.settled()
			w.saysTail(ann, nil)
			older := w.told[len(w.told)-1].Statement
			w.say(bob, "two")
			d.settled()
			w.saysTail(ann, bend)
			d.listens()
			if s := d.Standings()[0]; s.Wrong != 1 {
				t.Fatalf("standing %+v", s)
			}
			if err := w.Tell(t.Context(), w.channel.ID(), older); err != nil {
				t.Fatal(err)
			}
			d.listens()
			if s := d.Standings()[0]; s.Wrong != 1 {
				t.Errorf("after the older word: %+v", s)
			}
		})
	}
}
