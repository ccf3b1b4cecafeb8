package core

import (
	"context"
	"io"

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
	if _, found, err := s.Store.Blob(ctx, blob.ID); err != nil || found {
		return orConflict(op, err)
	}
	if err := s.Blobs.Put(ctx, blob.ID, blob.Size, blob.Root, r); err != nil {
		return invalid(op, "body", err)
	}
	blob.Channel, blob.Account, blob.Created = x.row.Number, p.User, s.Now()
	e = e.of(record.FileUpload).on("file:" + blob.ID.String())
	e.Channel = x.row.Number
	if err := s.Store.AddBlob(ctx, grant, e, blob); err != nil {
		return internal(op, err)
	}
	return nil
}

func orConflict(op string, err error) error {
	if err != nil {
		return internal(op, err)
	}
	return conflict(op, "file.exists", "a file of that id exists; choose another id")
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
	r, err := s.Blobs.Open(ctx, file)
	if err != nil {
		return Blob{}, nil, internal(op, err)
	}
	return b, r, nil
}
