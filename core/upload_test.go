package core_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chancery/core"
	"chancery/core/blob"
	"chancery/core/coretest"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/policy"
)

// uploads is a channel with somebody who uploads to it.
type uploads struct {
	*coretest.Server
	ann  *coretest.Person
	bob  *coretest.Person
	team int64
	desk *coretest.Channel
}

func newUploads(t *testing.T) *uploads {
	s := coretest.Start(t)
	u := &uploads{Server: s, ann: s.Found(envelope.CaptureOff)}
	u.ann.Enrol()
	u.bob = s.Join("members.bob")
	team, err := s.CreateTeam(t.Context(), u.ann.P, wire.NewTeam{Name: "desk"})
	s.Must(err)
	u.team, u.desk = team.ID, u.ann.Open(team.ID, "fx", envelope.CaptureOff, nil, u.bob)
	return u
}

// file is a sealed file of n chunks, as far as a tree is concerned.
func (u *uploads) file(id byte, n int) (core.Upload, piece.File, *piece.Draft) {
	u.T.Helper()
	d, err := piece.OpenDraft(filepath.Join(u.T.TempDir(), "sealed"), 0, 0)
	u.Must(err)
	u.T.Cleanup(func() { d.Close() })
	for chunk := range slices.Chunk(bytes.Repeat([]byte{id}, n*piece.Chunk), piece.Chunk) {
		_, err := d.Write(chunk)
		u.Must(err)
	}
	root, err := d.Root()
	u.Must(err)
	f, err := piece.NewFile(uint64(n*piece.Chunk), root)
	u.Must(err)
	return core.Upload{ID: envelope.BlobID{id}, Size: f.Size, Root: root}, f, d
}

func (u *uploads) send(s *core.Service, up core.Upload, f piece.File, d *piece.Draft, span piece.Span) (uint64, error) {
	u.T.Helper()
	var b bytes.Buffer
	u.Must(d.Send(&b, f, span))
	return s.Upload(u.T.Context(), u.ann.P, u.desk.ID, up.ID, span, &b)
}

// A file is bound by one message, whole, by its sender, in its channel.
func TestAttack32BlobOfAnotherChannel(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	ctx := t.Context()
	other := u.ann.Open(u.team, "rates", envelope.CaptureOff, nil)
	up, f, d := u.file(1, 3)
	sealed := envelope.Attachment{ID: up.ID, Size: up.Size, Root: up.Root}
	refused := func(what string, c *coretest.Channel, who *coretest.Person, a envelope.Attachment, want core.Kind) {
		t.Helper()
		if _, err := u.Place(ctx, who.P, c.ID, c.SealFile(who, "see", a)); core.KindOf(err) != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := u.Announce(ctx, u.ann.P, u.desk.ID, up)
	u.Must(err)
	_, err = u.send(u.Service, up, f, d, piece.Span{To: 2})
	u.Must(err)
	refused("a file that is not whole", u.desk, u.ann, sealed, core.Invalid)
	_, err = u.send(u.Service, up, f, d, piece.Span{From: 2, To: 3})
	u.Must(err)
	refused("another's file", u.desk, u.bob, sealed, core.Invalid)
	refused("a file of another channel", other, u.ann, sealed, core.Invalid)
	changed := sealed
	changed.Root[0] ^= 1
	refused("another root", u.desk, u.ann, changed, core.Invalid)
	u.desk.Place(u.ann, u.desk.SealFile(u.ann, "see", sealed))
	refused("a bound file", u.desk, u.ann, sealed, core.Conflict)
	if _, err := u.Announce(ctx, u.ann.P, u.desk.ID, up); core.KindOf(err) != core.Conflict {
		t.Errorf("announcing a bound file: %v", err)
	}
	if _, err := u.Download(ctx, u.ann.P, other.ID, up.ID, piece.Span{To: 1}); core.KindOf(err) != core.NotFound {
		t.Errorf("reading it by another channel: %v", err)
	}
	p, err := u.Download(ctx, u.bob.P, u.desk.ID, up.ID, piece.Span{From: 1, To: 3})
	u.Must(err)
	var got bytes.Buffer
	u.Must(p.Send(&got))
	if _, err := f.Receive(&bytes.Buffer{}, &got, piece.Span{From: 1, To: 3}); err != nil {
		t.Error(err)
	}
}

// What a person has uploaded and not sent is bounded, in bytes and in number.
func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	c := u.Service.Config
	c.Staging = core.Staging{Bytes: 5 * piece.Chunk, Files: 3, Keep: time.Hour}
	s := u.Run(&c)
	announce := func(id byte, chunks int) error {
		up, _, _ := u.file(id, chunks)
		_, err := s.Announce(t.Context(), u.ann.P, u.desk.ID, up)
		return err
	}
	full := func(err error) bool {
		e, ok := errors.AsType[*core.Error](err)
		return ok && e.Code == "file.quota"
	}
	u.Must(announce(1, 3))
	u.Must(announce(1, 3)) // the same again takes no more room
	if err := announce(2, 3); !full(err) {
		t.Errorf("more bytes than a person may have waiting: %v", err)
	}
	u.Must(announce(3, 1))
	u.Must(announce(4, 1))
	c.Staging.Bytes = 100 * piece.Chunk
	s = u.Run(&c)
	if err := announce(6, 1); !full(err) {
		t.Errorf("more files than a person may have waiting: %v", err)
	}
	up, _, _ := u.file(7, 3)
	if _, err := s.Announce(t.Context(), u.bob.P, u.desk.ID, up); err != nil {
		t.Errorf("another person: %v", err)
	}
}

// Uploads that no message claims are dropped: the bytes, then the row, on record.
// What a message has bound stays, and so does what its sender is still at.
func TestUnclaimedUploadsAreDropped(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	ctx := t.Context()
	bound, bf, bd := u.file(1, 2)
	waits, wf, wd := u.file(2, 2)
	for _, up := range []core.Upload{bound, waits} {
		_, err := u.Announce(ctx, u.ann.P, u.desk.ID, up)
		u.Must(err)
	}
	_, err := u.send(u.Service, bound, bf, bd, piece.Span{To: 2})
	u.Must(err)
	u.desk.Place(u.ann, u.desk.SealFile(u.ann, "see", envelope.Attachment{ID: bound.ID, Size: bound.Size, Root: bound.Root}))
	_, err = u.send(u.Service, waits, wf, wd, piece.Span{To: 1})
	u.Must(err)
	again := func(ahead time.Duration) {
		c := u.Service.Config
		c.Now = func() time.Time { return time.Now().Add(ahead) }
		u.Run(&c)
	}
	again(23 * time.Hour)
	again(25 * time.Hour)
	for deadline := time.Now().Add(time.Minute); u.Number(`SELECT count(*) FROM uploads`) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("an unclaimed upload stays")
		}
	}
	if n := u.Number(`SELECT count(*) FROM records WHERE op = 'file.discard'`); n != 1 {
		t.Errorf("%d records of it, want 1", n)
	}
	if _, err := u.send(u.Service, waits, wf, wd, piece.Span{From: 1, To: 2}); core.KindOf(err) != core.NotFound {
		t.Errorf("going on with it: %v", err)
	}
	if have, err := u.Files.Have(ctx, waits.ID, wf); err != nil || have != 0 {
		t.Errorf("%d of its chunks are still there, %v", have, err)
	}
	if _, err := u.Files.Open(ctx, bound.ID); errors.Is(err, blob.ErrAbsent) {
		t.Error("a bound file was dropped")
	}
}

// Who drops an upload and who touches it can't both win.
func TestTouchedUploadsStay(t *testing.T) {
	t.Parallel()
	u := newUploads(t)
	ctx, now := t.Context(), time.Now()
	up, _, _ := u.file(1, 1)
	_, err := u.Announce(ctx, u.ann.P, u.desk.ID, up)
	u.Must(err)
	file := policy.Resource{Type: policy.FileResource, ID: up.ID.String()}
	_, grant, _, err := u.Gate.Permit(ctx, core.Job("uploads"), policy.FileDiscard, file)
	u.Must(err)
	if dropped, err := u.DB.DropUpload(ctx, grant, up.ID, now.Add(-time.Hour), now); err != nil || dropped {
		t.Fatalf("a fresh upload was dropped: %v", err)
	}
	if dropped, err := u.DB.DropUpload(ctx, grant, up.ID, now.Add(time.Hour), now); err != nil || !dropped {
		t.Fatalf("a stale upload was not dropped: %v", err)
	}
	if _, err := u.Announce(ctx, u.ann.P, u.desk.ID, up); core.KindOf(err) != core.Conflict {
		t.Errorf("announcing a dropped upload: %v", err)
	}
}
