package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxAnswer is the largest JSON answer taken, in bytes: a full page of the
// largest entries.
const maxAnswer = 128 << 20

// get, post and put call a route and decode its JSON answer as T. Only what may
// happen twice without harm is repeated after an answer was lost: get and
// postAgain.
func get[T any](ctx context.Context, t *Transport, path string, query url.Values) (*T, error) {
	return repeat(ctx, true, func() (*T, error) { return call[T](ctx, t, http.MethodGet, path, query, nil) })
}

func post[T any](ctx context.Context, t *Transport, path string, in any) (*T, error) {
	return repeat(ctx, false, func() (*T, error) { return call[T](ctx, t, http.MethodPost, path, nil, in) })
}

// postAgain is post for what the server answers alike however often it comes.
func postAgain[T any](ctx context.Context, t *Transport, path string, in any) (*T, error) {
	return repeat(ctx, true, func() (*T, error) { return call[T](ctx, t, http.MethodPost, path, nil, in) })
}

func put[T any](ctx context.Context, t *Transport, path string, in any) (*T, error) {
	return repeat(ctx, false, func() (*T, error) { return call[T](ctx, t, http.MethodPut, path, nil, in) })
}

// none is the answer of routes that give none.
type none struct{}

func call[T any](ctx context.Context, t *Transport, method, path string, query url.Values, in any) (*T, error) {
	var body io.Reader
	header := http.Header{"Accept": {"application/json"}}
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encoding %T: %w", in, err)
		}
		body = bytes.NewReader(b)
		header.Set("Content-Type", "application/json")
	}
	resp, err := t.do(ctx, method, path, query, header, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return decode[T](ctx, resp)
}

func decode[T any](ctx context.Context, resp *http.Response) (*T, error) {
	var out T
	if _, empty := any(out).(none); empty || resp.StatusCode == http.StatusNoContent {
		return &out, nil
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	if len(b) > maxAnswer {
		return nil, fmt.Errorf("reading %T: more than %d bytes", out, maxAnswer)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("reading %T: %w", out, err)
	}
	return &out, nil
}

// do sends one request. A status of 300 or more comes back as *Problem.
func (t *Transport) do(ctx context.Context, method, path string, query url.Values, header http.Header, body io.Reader) (*http.Response, error) {
	u := t.base.JoinPath(path)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("preparing request: %w", err)
	}
	req.Header = header
	t.bearer(req.Header)
	if size, ok := body.(interface{ Size() int64 }); ok {
		req.ContentLength = size.Size()
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return nil, unavailable(ctx, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, problemOf(resp)
}
