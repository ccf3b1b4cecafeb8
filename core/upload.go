package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/identity"
	"chancery/policy"
)

// ErrStaged tells that somebody has as many uploads waiting as they may.
var ErrStaged = errors.New("too much waits for its message")

// orDefault is what a person may have waiting: two of the largest files, for a
// day.
func (s Staging) orDefault() Staging {
	if s.Bytes == 0 {
		s.Bytes = 2 * piece.SealedSize(piece.MaxPlain)
	}
	if s.Files == 0 {
		s.Files = 100
	}
	if s.Keep == 0 {
		s.Keep = 24 * time.Hour
	}
	return s
}

// same tells whether an announcement is of this very upload.
func (u *Upload) same(v *Upload) bool {
	return u.Channel == v.Channel && u.Account == v.Account && u.Size == v.Size && u.Root == v.Root && !u.Dropped
}

// Announce makes room for a sealed file of a channel, once, and tells how many
// of its chunks are there. It stays unseen until a message binds it, and is
// dropped when none does.
func (s *Service) Announce(ctx context.Context, p identity.Principal, id envelope.ChannelID, u Upload) (have uint64, err error) {
	const op = "file.upload"
	x, grant, e, err := s.uploading(ctx, p, id)
	if err != nil {
		return 0, err
	}
	f, err := piece.NewFile(u.Size, u.Root)
	if err != nil {
		return 0, invalid(op, "size", err)
	}
	u.Channel, u.Account, u.Touched = x.row.Number, p.User, s.Now()
	if err := s.stage(ctx, grant, e.on("file:"+u.ID.String()), u); err != nil {
		return 0, err
	}
	if have, err = s.Blobs.Have(ctx, u.ID, f); err != nil {
		return 0, internal(op, err)
	}
	return have, s.touch(ctx, grant, u.ID, have == f.Chunks())
}

// uploading permits an upload to a channel.
func (s *Service) uploading(ctx context.Context, p identity.Principal, id envelope.ChannelID) (*room, policy.Grant, Event, error) {
	const op = "file.upload"
	x, facts, err := s.roomFor(ctx, p, id)
	if err != nil {
		return nil, policy.Grant{}, Event{}, internal(op, err)
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.FileUpload, facts)
	if err != nil {
		return nil, grant, e, hideChannel(err, op, "that channel", facts)
	}
	if x == nil {
		return nil, grant, e, notFound(op, "that channel")
	}
	e.Channel = x.row.Number
	return x, grant, e.of(record.FileUpload), nil
}

// stage keeps a new upload, or finds the very same.
func (s *Service) stage(ctx context.Context, g policy.Grant, e Event, u Upload) error {
	const op = "file.upload"
	taken := conflict(op, "file.exists", "a file of that id exists; choose another id")
	kept, found, err := s.Store.Upload(ctx, u.ID)
	if err != nil {
		return internal(op, err)
	}
	if found {
		if !kept.same(&u) {
			return taken
		}
		return nil
	}
	_, bound, err := s.Store.Blob(ctx, u.ID)
	if err == nil && !bound {
		err = s.Store.AddUpload(ctx, g, e, u, s.Staging.orDefault())
	}
	switch {
	case bound || errors.Is(err, ErrTaken):
		return taken
	case errors.Is(err, ErrStaged):
		return s.Staging.orDefault().exceeded(op)
	case err != nil:
		return internal(op, err)
	}
	return nil
}

func (s Staging) exceeded(op string) error {
	return conflict(op, "file.quota", fmt.Sprintf("you have files that wait for their message, and may have %d bytes in %d files; "+
		"send or finish those, or wait %v until they are dropped", s.Bytes, s.Files, s.Keep))
}

// Upload takes the next piece of a file that was announced, and tells how many
// chunks are there then. A piece that is refused changes nothing.
func (s *Service) Upload(ctx context.Context, p identity.Principal, id envelope.ChannelID, file envelope.BlobID, span piece.Span, r io.Reader) (have uint64, err error) {
	const op = "file.upload"
	x, grant, _, err := s.uploading(ctx, p, id)
	if err != nil {
		return 0, err
	}
	u, found, err := s.Store.Upload(ctx, file)
	if err != nil {
		return 0, internal(op, err)
	}
	if !found || u.Channel != x.row.Number || u.Account != p.User {
		return 0, notFound(op, "that upload")
	}
	if err := s.touch(ctx, grant, file, u.Whole); err != nil {
		return 0, err
	}
	f, err := piece.NewFile(u.Size, u.Root)
	if err != nil {
		return 0, internal(op, err)
	}
	body := &source{Reader: r}
	if have, err = s.Blobs.Take(ctx, file, f, span, body); err != nil {
		return 0, body.explain(op, err)
	}
	if have < f.Chunks() {
		return have, nil
	}
	return have, s.touch(ctx, grant, file, true)
}

// touch keeps an upload from being dropped while its sender is at it.
func (s *Service) touch(ctx context.Context, g policy.Grant, id envelope.BlobID, whole bool) error {
	there, err := s.Store.TouchUpload(ctx, g, id, whole, s.Now())
	if err != nil {
		return internal("file.upload", err)
	}
	if !there {
		return notFound("file.upload", "that upload")
	}
	return nil
}

// source tells a body that broke off from a disk that fails under it.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// explain keeps paths of the server out of what the sender is told.
func (s *source) explain(op string, err error) error {
	switch {
	case s.err != nil:
		return &Error{Op: op, Kind: Invalid, Code: "request.malformed", Field: "body", Public: "the body broke off before its end", Err: err}
	case errors.Is(err, piece.ErrTurn):
		return &Error{Op: op, Kind: Conflict, Code: "file.turn", Public: "another piece comes next; announce the file again to learn which", Err: err}
	}
	if _, ours := errors.AsType[syscall.Errno](err); ours || !errors.Is(err, piece.ErrPiece) && !errors.Is(err, piece.ErrSize) {
		return internal(op, err)
	}
	return invalid(op, "body", err)
}
