package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"chancery/core/wire"
	"chancery/crypto/envelope"
	"chancery/crypto/piece"
)

// Announce makes room for a sealed file and tells how many of its chunks the
// server has.
func (t *Transport) Announce(ctx context.Context, id envelope.ChannelID, a envelope.Attachment) (have uint64, err error) {
	held, err := postAgain[wire.Held](ctx, t, channelPath(id, "/files"), wire.NewFile{ID: a.ID, Size: a.Size, Root: a.Root})
	if err != nil {
		return 0, err
	}
	return held.Have, nil
}

// PutPiece uploads the next piece of an announced file, b, and returns how many
// chunks the server has then. The file waits until a message binds it.
func (t *Transport) PutPiece(ctx context.Context, id envelope.ChannelID, blob envelope.BlobID, s piece.Span, b []byte) (have uint64, err error) {
	held, err := repeat(ctx, true, func() (*wire.Held, error) {
		header := http.Header{"Content-Type": {"application/octet-stream"}}
		resp, err := t.do(ctx, http.MethodPut, filePath(id, blob), spanQuery(s), header, bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return decode[wire.Held](ctx, resp)
	})
	if err != nil {
		return 0, err
	}
	return held.Have, nil
}

// Piece downloads a piece of a sealed file. Its length is right, or the error is
// piece.ErrPiece; the caller verifies it.
func (t *Transport) Piece(ctx context.Context, id envelope.ChannelID, blob envelope.BlobID, f piece.File, s piece.Span) ([]byte, error) {
	if err := f.Check(s); err != nil {
		return nil, err
	}
	return repeat(ctx, true, func() ([]byte, error) {
		resp, err := t.do(ctx, http.MethodGet, filePath(id, blob), spanQuery(s), http.Header{}, nil)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.ContentLength != f.Bytes(s) {
			return nil, fmt.Errorf("%w: %d bytes, want %d", piece.ErrPiece, resp.ContentLength, f.Bytes(s))
		}
		b := make([]byte, f.Bytes(s))
		if _, err := io.ReadFull(resp.Body, b); err != nil {
			return nil, unavailable(ctx, err)
		}
		return b, nil
	})
}

func filePath(id envelope.ChannelID, blob envelope.BlobID) string {
	return channelPath(id, "/files/"+blob.String())
}

func spanQuery(s piece.Span) url.Values {
	return url.Values{"from": {strconv.FormatUint(s.From, 10)}, "to": {strconv.FormatUint(s.To, 10)}}
}
