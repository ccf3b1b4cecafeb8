package core

import (
	"context"
	"io"

	"chancery/crypto/envelope"
	"chancery/crypto/piece"
	"chancery/identity"
	"chancery/policy"
)

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

// Piece is a part of a sealed file, with the hashes that prove it.
type Piece struct {
	Size int64 // in bytes
	Send func(io.Writer) error
}

// Download finds a piece of a sealed file that a message of the channel has
// bound.
func (s *Service) Download(ctx context.Context, p identity.Principal, id envelope.ChannelID, file envelope.BlobID, span piece.Span) (*Piece, error) {
	const op = "file.read"
	x, facts, err := s.roomFor(ctx, p, id)
	if err != nil {
		return nil, internal(op, err)
	}
	facts.Type, facts.ID = policy.FileResource, file.String()
	if _, _, _, err := s.Gate.Permit(ctx, p, policy.FileRead, facts); err != nil {
		return nil, hideChannel(err, op, "that file", facts)
	}
	b, found, err := s.Store.Blob(ctx, file)
	if err != nil {
		return nil, internal(op, err)
	}
	if x == nil || !found || b.Channel != x.row.Number || b.Disposed {
		return nil, notFound(op, "that file")
	}
	if err := s.Present(ctx, p); err != nil {
		return nil, err
	}
	f, err := piece.NewFile(b.Size, b.Root)
	if err != nil {
		return nil, internal(op, err)
	}
	if err := f.Check(span); err != nil {
		return nil, invalid(op, "to", err)
	}
	return &Piece{f.Bytes(span), func(w io.Writer) error { return s.Blobs.Send(ctx, file, f, span, w) }}, nil
}
