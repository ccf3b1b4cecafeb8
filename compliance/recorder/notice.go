package recorder

import (
	"context"
	"fmt"
	"time"

	"chancery/crypto/envelope"
	"chancery/crypto/seal"
)

// hearEvery is how often a channel's notices are asked for at most.
const hearEvery = time.Minute

// silence is how long a device that wrote may say nothing of it: longer than a
// day, because a lid is closed over night.
const silence = 26 * time.Hour

// ears are what a recorder has heard beside a channel, and made of it.
type ears struct {
	heard  uint64 // the newest notice's number
	looked time.Time
	tails  map[envelope.KeyID]tail     // the newest word of each device
	unsaid map[envelope.KeyID]unsaid   // devices that wrote since theirs
	lost   []envelope.RestoreBody      // what the root has declared lost
	raised map[envelope.Alarm]raising  // own alarms
	wrong  map[envelope.KeyID]struct{} // devices whose word is not borne out now
}

// raising is how far an alarm has come.
type raising struct{ reported, told bool }

func newEars() ears {
	return ears{
		tails: map[envelope.KeyID]tail{}, unsaid: map[envelope.KeyID]unsaid{},
		raised: map[envelope.Alarm]raising{}, wrong: map[envelope.KeyID]struct{}{},
	}
}

// hear asks for what was said since. What does not verify counts for nothing: it
// is reported, and the server is not believed to have made it right later.
func (f *follower) hear(ctx context.Context) (asked bool, err error) {
	if now := f.Now(); f.channel == nil || now.Sub(f.ears.looked) < hearEvery {
		return false, nil
	} else {
		f.ears.looked = now
	}
	for {
		list, err := f.Server.Notices(ctx, f.id, f.ears.heard)
		if err != nil {
			return false, fmt.Errorf("fetching notices after %d: %w", f.ears.heard, err)
		}
		for _, n := range list {
			if err := f.listen(ctx, n.Statement); err != nil {
				f.report(inChannel(f.id, alarm(NoticeBad, "notice %d: %w", n.Number, err)))
			}
			f.ears.heard = max(f.ears.heard, n.Number)
		}
		if len(list) == 0 {
			return true, nil
		}
	}
}

func (f *follower) listen(ctx context.Context, raw []byte) error {
	label, n, body, err := envelope.ParseNotice(raw)
	if err != nil {
		return err
	}
	if n.Org != f.Org || n.Channel != f.id {
		return fmt.Errorf("of channel %s", n.Channel)
	}
	if n.Key == f.ID() {
		return f.ownAlarm(raw, body)
	}
	if n.User.IsZero() || label == envelope.LabelRuling {
		return nil // another recorder looks for itself, and people rule for members
	}
	device, err := f.people.device(ctx, n.User, n.Key)
	if err != nil {
		return err
	}
	if _, _, err := envelope.OpenNotice(raw, label, device.Key); err != nil {
		return err
	}
	switch b := body.(type) {
	case *envelope.Tail:
		f.heed(n.Key, b)
	case *envelope.Alarm:
		f.report(inChannel(f.id, alarm(MemberAlarm, "device %s: message %d is not covered in time", n.Key, b.Number)))
	case *envelope.Dispute:
		f.report(inChannel(f.id, alarm(Disputed, "device %s disputes coverage %d of recorder %s", n.Key, b.Coverage.Position, b.Recorder)))
	}
	return nil
}

// ownAlarm remembers, after a restart, what was told before.
func (f *follower) ownAlarm(raw []byte, body any) error {
	if _, _, err := envelope.OpenNotice(raw, envelope.LabelAlarm, f.Key.Public()); err != nil {
		return err
	}
	if a, ok := body.(*envelope.Alarm); ok {
		f.ears.raised[*a] = raising{reported: f.ears.raised[*a].reported, told: true}
	}
	return nil
}

// raise reports an alarm here, and tells the channel's members of it by a signed
// one. What could not be told is told at the next look.
func (f *follower) raise(ctx context.Context, a envelope.Alarm, reason Reason, format string, args ...any) error {
	r := f.ears.raised[a]
	if !r.reported {
		f.report(inChannel(f.id, alarm(reason, format, args...)))
		r.reported = true
	}
	f.ears.raised[a] = r
	if r.told {
		return nil
	}
	raw, err := seal.SignStatement(envelope.LabelAlarm, &envelope.Notice{
		Version: envelope.Version, Org: f.Org, Channel: f.id, Key: f.ID(), Body: envelope.Marshal(&a), Time: f.Now().UnixMicro(),
	}, f.Key)
	if err != nil {
		return err
	}
	if err := f.Server.Tell(ctx, f.id, raw); err != nil {
		return fmt.Errorf("telling members of an alarm: %w", err)
	}
	r.told = true
	f.ears.raised[a] = r
	return nil
}
