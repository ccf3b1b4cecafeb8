package recorder

import (
	"context"
	"errors"

	"chancery/crypto/envelope"
)

// tail is a device's verified word on how far it has written.
type tail struct {
	envelope.Tail
	good bool // it was borne out
}

// unsaid is what a device has written since its last word.
type unsaid struct {
	user  envelope.UserID
	since int64 // when the first of it was received, µs
}

// track notes which devices wrote, and what a restore has declared lost.
func (f *follower) track(p *envelope.Placed) {
	if b, ok := restoreOf(p); ok {
		f.ears.lost = append(f.ears.lost, *b)
		return
	}
	if p.Entry.Kind != envelope.KindMessage {
		return
	}
	h, err := envelope.ParseHeader(&envelope.Entry{Kind: p.Entry.Kind, Header: p.Entry.Header})
	if err != nil || h.DeviceSeq <= f.ears.tails[h.Device].Seq {
		return
	}
	if _, ok := f.ears.unsaid[h.Device]; !ok {
		f.ears.unsaid[h.Device] = unsaid{h.User, p.Received}
	}
}

// compare holds what devices have said against what the server shows: everything
// that was heard before must be there after following to the newest entry.
func (f *follower) compare(ctx context.Context) error {
	var errs []error
	clear(f.ears.wrong)
	for device, t := range f.ears.tails {
		if t.good || f.excused(&t) {
			continue
		}
		a, err := f.doubt(device, &t)
		if err != nil {
			errs = append(errs, err)
		} else if a != nil {
			f.ears.wrong[device] = struct{}{}
			errs = append(errs, f.raise(ctx, *a, reasonOf[a.Code], "device %s says number %d, entry %s, and saw %d:%s; kept is number %d, up to %d",
				device, t.Seq, t.Entry, t.Seen.Position, t.Seen.Hash, f.channel.Counter(device).Seq, f.position()))
		} else {
			f.borne(device, t)
		}
	}
	return errors.Join(append(errs, f.compareSilent(ctx))...)
}

var reasonOf = map[envelope.AlarmCode]Reason{envelope.AlarmDropped: TailDropped, envelope.AlarmForked: TailForked}

func (f *follower) borne(device envelope.KeyID, t tail) {
	t.good = true
	f.ears.tails[device] = t
	if t.Seq >= f.channel.Counter(device).Seq {
		delete(f.ears.unsaid, device)
	}
}

// excused tells that what a device saw was lost by a restore that the root has
// declared.
func (f *follower) excused(t *tail) bool {
	for _, b := range f.ears.lost {
		if t.Seen.Position > b.NewPosition && t.Seen.Position <= b.OldPosition {
			return true
		}
	}
	return false
}

// heed keeps a device's newest word. An older one that comes later takes nothing
// back: else a server could clear an alarm by telling it once more.
func (f *follower) heed(device envelope.KeyID, b *envelope.Tail) {
	last := f.ears.tails[device]
	older := b.Seq < last.Seq || b.Seq == last.Seq && b.Seen.Position < last.Seen.Position
	if !older || f.excused(&last) {
		f.ears.tails[device] = tail{Tail: *b}
	}
}

// doubt finds what a device's word shows to be wrong, nil when it is borne out.
func (f *follower) doubt(device envelope.KeyID, t *tail) (*envelope.Alarm, error) {
	last := f.channel.Counter(device)
	if t.Seq > last.Seq || t.Seq == last.Seq && t.Entry != last.Hash || t.Seen.Position > f.position() {
		return &envelope.Alarm{Code: envelope.AlarmDropped, Device: device, Number: t.Seq, Hash: t.Entry}, nil
	}
	seen, err := f.at(t.Seen.Position)
	if err != nil || seen.Head == t.Seen.Hash {
		return nil, err
	}
	return &envelope.Alarm{Code: envelope.AlarmForked, Device: device, Number: t.Seen.Position, Hash: t.Seen.Hash}, nil
}

// compareSilent finds members' devices that wrote and have said nothing of it for
// too long: the server may hold their word back.
func (f *follower) compareSilent(ctx context.Context) error {
	var errs []error
	limit := f.Now().Add(-silence).UnixMicro()
	for device, u := range f.ears.unsaid {
		_, member := f.channel.Member(u.user)
		if _, live := f.people.knownDevice(u.user, device); !member || !live || u.since > limit {
			continue
		}
		a := envelope.Alarm{Code: envelope.AlarmSilent, Device: device, Number: f.channel.Counter(device).Seq}
		errs = append(errs, f.raise(ctx, a, TailMissing, "device %s has written up to number %d and says nothing of it for %s", device, a.Number, silence))
	}
	return errors.Join(errs...)
}
