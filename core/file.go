package core

import (
	"context"
	"errors"
	"io"
	"syscall"

	"chancery/compliance/record"
	"chancery/crypto/envelope"
	"chancery/identity"
	"chancery/policy"
)

// Upload stages a sealed file for a channel. It stays unseen until a message
// binds it.
func (s *Service) Upload(ctx context.Context, p identity.Principal, id envelope.ChannelID, blob Blob, r io.Reader) error {
	const op = "file.upload"
	x, facts, err := s.roomFor(ctx, p, id)
	if err != nil {
		return internal(op, err)
	}
	_, grant, e, err := s.Gate.Permit(ctx, p, policy.FileUpload, facts)
	if err != nil {
		return hideChannel(err, op, "that channel", facts)
	}
	if x == nil {
		return notFound(op, "that channel")
	}
	if kept, found, err := s.Store.Blob(ctx, blob.ID); err != nil || found {
		return known(op, kept, blob, x.row.Number, p.User, err)
	}
	body := &source{Reader: r}
	if err := s.Blobs.Put(ctx, blob.ID, blob.Size, blob.Root, body); err != nil {
		return body.explain(op, err)
	}
	blob.Channel, blob.Account, blob.Created = x.row.Number, p.User, s.Now()
	e = e.of(record.FileUpload).on("file:" + blob.ID.String())
	e.Channel = x.row.Number
	if err := s.Store.AddBlob(ctx, grant, e, blob); err != nil {
		return internal(op, err)
	}
	return nil
}

// known answers for an id that is taken. The same file again, which waits for
// its message, is a sender who missed the answer.
func known(op string, kept, sent Blob, channel int64, sender identity.UserID, err error) error {
	if err != nil {
		return internal(op, err)
	}
	if kept.Channel == channel && kept.Account == sender && kept.Size == sent.Size && kept.Root == sent.Root && kept.Position == 0 {
		return nil
	}
	return conflict(op, "file.exists", "a file of that id exists; choose another id")
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
	if s.err != nil {
		return &Error{Op: op, Kind: Invalid, Code: "request.malformed", Field: "body", Public: "the body broke off before its announced size", Err: err}
	}
	if _, ours := errors.AsType[syscall.Errno](err); ours {
		return internal(op, err)
	}
	return invalid(op, "body", err)
}

// roomFor loads a channel and what policy must see of it; the room is nil when
// there is none.
func (s *Service) roomFor(ctx context.Context, p identity.Principal, id envelope.ChannelID) (*room, policy.Resource, error) {
	r := policy.Resource{Type: policy.ChannelResource, ID: id.String(), Recorders: []string{}}
	row, found, err := s.Store.Channel(ctx, id)
	if err != nil || !found {
		return nil, r, err
	}
	x := s.rooms.get(row)
	r, err = s.channelFacts(ctx, p, x, 0)
	return x, r, err
}

// Download opens a sealed file that a message of the channel has bound.
func (s *Service) Download(ctx context.Context, p identity.Principal, id envelope.ChannelID, file envelope.BlobID) (Blob, io.ReadCloser, error) {
	const op = "file.read"
	x, facts, err := s.roomFor(ctx, p, id)
	if err != nil {
		return Blob{}, nil, internal(op, err)
	}
	facts.Type, facts.ID = policy.FileResource, file.String()
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.FileRead, facts); err != nil {
		return Blob{}, nil, hideChannel(err, op, "that file", facts)
	}
	b, found, err := s.Store.Blob(ctx, file)
	if err != nil {
		return Blob{}, nil, internal(op, err)
	}
	if x == nil || !found || b.Channel != x.row.Number || b.Position == 0 || b.Disposed {
		return Blob{}, nil, notFound(op, "that file")
	}
	if err := s.Present(ctx, p); err != nil {
		return Blob{}, nil, err
	}
	r, err := s.Blobs.Open(ctx, file)
	if err != nil {
		return Blob{}, nil, internal(op, err)
	}
	return b, r, nil
}
