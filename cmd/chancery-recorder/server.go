package main

import (
	"context"
	"errors"
	"net/http"

	"chancery/cmd/internal/client"
	"chancery/compliance/recorder"
	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

// server is recorder.Server over the public API.
type server struct{ *session }

func (s server) OrgChain(ctx context.Context) ([]*envelope.Entry, error) {
	return links(call(ctx, s.session, func(t *client.Transport) (*wire.Chain, error) { return t.Org(ctx) }))
}

func (s server) UserChain(ctx context.Context, id envelope.UserID) ([]*envelope.Entry, error) {
	return links(call(ctx, s.session, func(t *client.Transport) (*wire.Chain, error) { return t.UserChain(ctx, id) }))
}

func links(c *wire.Chain, err error) ([]*envelope.Entry, error) {
	if err != nil {
		return nil, err
	}
	out := make([]*envelope.Entry, len(c.Entries))
	for i, raw := range c.Entries {
		if out[i], err = envelope.ParseEntry(raw); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s server) Channels(ctx context.Context) ([]recorder.Listed, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Channels, error) { return t.Channels(ctx) })
	if err != nil {
		return nil, err
	}
	var out []recorder.Listed
	for _, c := range list.Channels {
		if c.Capture == envelope.CaptureRequired {
			out = append(out, recorder.Listed{Channel: c.ID, Position: c.Position})
		}
	}
	return out, nil
}

// pageSize bounds what is held in memory: a message has up to 136 KiB.
const pageSize = 200

func (s server) Entries(ctx context.Context, id envelope.ChannelID, after uint64) (recorder.Page, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Entries, error) {
		return t.Entries(ctx, id, client.Page{After: after, Limit: pageSize})
	})
	if err != nil {
		return recorder.Page{}, err
	}
	page := recorder.Page{Position: list.Position, Head: list.Head}
	for _, raw := range list.Entries {
		p, err := envelope.ParsePlaced(raw)
		if err != nil {
			return recorder.Page{}, &recorder.Alarm{Reason: recorder.EntryRefused, Channel: id, Err: err}
		}
		page.Entries = append(page.Entries, p)
	}
	return page, nil
}

func (s server) Wrap(ctx context.Context, id envelope.ChannelID, n uint64) ([]byte, []envelope.Hash, error) {
	w, err := call(ctx, s.session, func(t *client.Transport) (*wire.EpochWrap, error) { return t.EpochWrap(ctx, id, n) })
	if err != nil {
		return nil, nil, err
	}
	return w.Wrap, w.Hashes, nil
}

func (s server) Post(ctx context.Context, id envelope.ChannelID, e *envelope.Entry) error {
	in := wire.NewEntry{Entry: envelope.Marshal(e)}
	_, err := call(ctx, s.session, func(t *client.Transport) ([]byte, error) { return t.PostEntry(ctx, id, in) })
	if _, answered := errors.AsType[*client.Problem](err); answered && !client.NotNow(err) {
		// Sending the same bytes again would not help: the recorder looks anew.
		return errors.Join(recorder.ErrRefused, err)
	}
	return err
}

func (s server) Checkpoint(ctx context.Context) ([]byte, error) {
	note, err := call(ctx, s.session, func(t *client.Transport) ([]byte, error) { return t.Checkpoint(ctx) })
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == http.StatusNotFound {
		return nil, nil
	}
	return note, err
}

func (s server) Leaves(ctx context.Context, from int64) ([][]byte, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Leaves, error) { return t.Leaves(ctx, from) })
	if err != nil {
		return nil, err
	}
	return list.Leaves, nil
}

func (s server) Cosign(ctx context.Context, size int64, line string) error {
	_, err := call(ctx, s.session, func(t *client.Transport) (struct{}, error) {
		return struct{}{}, t.Cosign(ctx, wire.Cosignature{Size: size, Line: line})
	})
	return err
}

func (s server) Piece(ctx context.Context, id envelope.ChannelID, blob envelope.BlobID, f piece.File, span piece.Span) ([]byte, error) {
	return call(ctx, s.session, func(t *client.Transport) ([]byte, error) { return t.Piece(ctx, id, blob, f, span) })
}

func (s server) Notices(ctx context.Context, id envelope.ChannelID, after uint64) ([]recorder.Notice, error) {
	list, err := call(ctx, s.session, func(t *client.Transport) (*wire.Notices, error) { return t.Notices(ctx, id, after) })
	if err != nil {
		return nil, err
	}
	out := make([]recorder.Notice, len(list.Notices))
	for i, n := range list.Notices {
		out[i] = recorder.Notice{Number: n.Number, Statement: n.Statement}
	}
	return out, nil
}

func (s server) Tell(ctx context.Context, id envelope.ChannelID, statement []byte) error {
	_, err := call(ctx, s.session, func(t *client.Transport) (struct{}, error) {
		return struct{}{}, t.Tell(ctx, id, wire.NewNotice{Statement: statement})
	})
	return err
}
